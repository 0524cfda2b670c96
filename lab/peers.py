"""Servers that people use, to measure the tutorial's own beside them.

They live in an environment of their own, ``.venv-peers``, so that the book needs none
of them. It is made on demand from ``requirements/peers.txt``, which pins every
version and its hash (``requirements/peers.in`` lists what is wanted).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass

from lab.record import ROOT
from lab.servers import ServerCommand

REQUIREMENTS = ROOT / "requirements" / "peers.txt"
ENVIRONMENT = ROOT / ".venv-peers"
PYTHON = ENVIRONMENT / "bin" / "python"
#: A copy of what was installed, to see whether it is still what is wanted.
_INSTALLED = ENVIRONMENT / "installed-requirements.txt"


class PeersError(Exception):
    """The peers cannot be had; the message is one line."""


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    #: What it is, in a table.
    title: str
    #: The module to run, and its arguments; a free port, no access log, one process.
    arguments: tuple[str, ...]


PEERS = (
    Peer(
        "uvicorn",
        "uvicorn with uvloop and httptools",
        (
            "uvicorn",
            "lab.peer_asgi:app",
            "--port=0",
            "--loop=uvloop",
            "--http=httptools",
            "--interface=asgi3",
            "--lifespan=off",
            "--no-access-log",
            # Steps do not say which server they are either.
            "--no-server-header",
        ),
    ),
)


def peer_command(name: str) -> ServerCommand:
    peer = next(peer for peer in PEERS if peer.name == name)
    return ServerCommand(name, (str(PYTHON), "-m", *peer.arguments), has_stats=False)


def are_installed() -> bool:
    return (
        PYTHON.exists()
        and _INSTALLED.exists()
        and _INSTALLED.read_bytes() == REQUIREMENTS.read_bytes()
    )


def install() -> None:
    """Make the peers' environment, unless it is there. Raises PeersError."""
    if are_installed():
        return
    print(f"installing the peers into {ENVIRONMENT.name} …", file=sys.stderr)
    commands = (
        (sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)),
        (
            *(str(PYTHON), "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--require-hashes"),
            *("--only-binary=:all:", "-r", str(REQUIREMENTS)),
        ),
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            errors = done.stderr.strip().splitlines() or ["no reason given"]
            raise PeersError(f"the peers cannot be installed: {errors[-1]}")
    shutil.copyfile(REQUIREMENTS, _INSTALLED)
