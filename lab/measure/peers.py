"""Servers that people use, and our own beside them: what `compare.py` compares.

The peers live in an environment of their own, ``.venv-peers``, so that the book needs
none of them. It is made on demand from ``requirements/peers.txt``, which pins every
version and its hash. Some cannot be had on every machine: bjoern has no wheel and is
compiled, and freastal and fastpysgi have none for some machines. Each of these has a
file of its own (``requirements/peers-….txt``); without it there is one peer less.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from dataclasses import dataclass

from lab.measure.servers import ServerCommand
from lab.paths import ROOT
from lab.record.model import Contestant
from lab.record.names import (
    FOUR_WORKERS,
    IN_THE_LOOP,
    ONE_PROCESS,
    TITLES,
    TWO_PROCESSES,
)

REQUIREMENTS = ROOT / "requirements" / "peers.txt"
SOURCE_REQUIREMENTS = ROOT / "requirements" / "peers-source.txt"
#: Peers that are installed if there is a wheel of them for this machine.
MORE_WHEELS = ("freastal", "fastpysgi")
ENVIRONMENT = ROOT / ".venv-peers"
PYTHON = ENVIRONMENT / "bin" / "python"
#: A copy of what was installed, to see whether it is still what is wanted.
_INSTALLED = ENVIRONMENT / "installed-requirements.txt"
#: A file for each peer that could not be had here: one line that says why.
_MISSING = ENVIRONMENT / "missing"

PIP = (
    *(str(PYTHON), "-m", "pip", "install", "--quiet"),
    *("--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"),
)
WHEELS = (*PIP, "--only-binary=:all:", "-r")
INSTALL_WHEELS = (*WHEELS, str(REQUIREMENTS))
#: With what has been installed already: a build fetches nothing that is not pinned.
COMPILE = (
    *(*PIP, "--no-build-isolation", "--no-binary=:all:"),
    *("-r", str(SOURCE_REQUIREMENTS)),
)
HOW_TO_COMPILE = (
    "it needs a C compiler, Python's headers and libev's (Debian: apt install gcc "
    "python3-dev libev-dev; macOS: brew install libev)"
)
#: Peer -> how to get it where it can be had, and why not where it cannot.
OPTIONAL: dict[str, tuple[tuple[str, ...], str]] = {
    "bjoern": (COMPILE, f"bjoern could not be compiled: {HOW_TO_COMPILE}"),
    **{
        name: (
            (*WHEELS, str(REQUIREMENTS.with_stem(f"peers-{name}"))),
            f"{name} could not be installed: there may be no wheel of it for this "
            "machine and this Python",
        )
        for name in MORE_WHEELS
    },
}
#: As tools/bootstrap says it.
UNTRUSTED = (
    "Python does not trust the certificate that came in answer. If your network puts "
    "its own in place of the package index's, name a file that has it: "
    "PIP_CERT=/path/to/it.pem (from pip 24.2 on, SSL_CERT_FILE does, too)"
)


class PeersError(Exception):
    """The peers cannot be had; the message is one line."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server of the comparison: somebody else's, or ours."""

    name: str
    #: What it is, in a table.
    title: str
    #: What a reader must know to judge the figures, in words.
    settings: str
    #: The module to run, and its arguments; a free port, no access log, keep-alive.
    arguments: tuple[str, ...]
    #: Whose versions are told; none: ours, which run as the steps do.
    packages: tuple[str, ...] = ()
    #: What it does is done by processes that it starts.
    has_children: bool = False
    #: How many cores it can use. With more than one it shares the generator's.
    cores: int = 1
    #: How long it takes to accept ten thousand connections, if one must wait for it.
    accepting_s: float = 0.0
    #: More arguments: silence is allowed for longer than it allows it by itself.
    patience: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        return not self.packages


#: One application for all: `lab/measure/peer_wsgi.py`, and the same for ASGI.
WSGI = "lab.measure.peer_wsgi:app"
ASGI = "lab.measure.peer_asgi:app"
#: And those that show how a server behaves: they read what they are sent.
READING = {
    WSGI: "lab.measure.peer_reading:app",
    ASGI: "lab.measure.peer_reading:asgi_app",
}
#: Connections that a server may hold: more than any measurement opens.
CONNECTIONS = "20000"
BACKLOG = "4096"
#: Silent connections are to stay while somebody looks.
PATIENCE_S = "600"

PEERS = (
    Peer(
        "granian",
        "granian",
        "WSGI, 1 worker, its own number of threads; backpressure 20 000, backlog 4096",
        ("lab.measure.peer_main", "granian", WSGI),
        ("granian",),
        has_children=True,
    ),
    Peer(
        "granian, one thread",
        "granian, one thread",
        "the same with 1 blocking thread",
        ("lab.measure.peer_main", "granian-one-thread", WSGI),
        ("granian",),
        has_children=True,
    ),
    Peer(
        "bjoern",
        "bjoern",
        "WSGI, one thread; backlog 4096",
        ("lab.measure.peer_main", "bjoern", WSGI),
        ("bjoern",),
    ),
    Peer(
        "freastal",
        "freastal",
        "WSGI, one thread; backlog its own",
        ("lab.measure.peer_main", "freastal", WSGI),
        ("freastal",),
        # It has none, but says where it listens before it does.
        has_children=True,
    ),
    Peer(
        "fastpysgi",
        "fastpysgi",
        "WSGI, one thread; backlog 4096",
        ("lab.measure.peer_main", "fastpysgi", WSGI),
        ("fastpysgi",),
        has_children=True,  # as freastal
    ),
    Peer(
        "uvicorn",
        "uvicorn, uvloop",
        "ASGI, one thread; keep-alive 600 s, backlog 4096",
        (
            "uvicorn",
            ASGI,
            "--port=0",
            "--loop=uvloop",
            "--http=httptools",
            "--interface=asgi3",
            "--lifespan=off",
            "--no-access-log",
            # Steps do not say which server they are either.
            "--no-server-header",
            f"--backlog={BACKLOG}",
        ),
        ("uvicorn", "uvloop", "httptools"),
        patience=(f"--timeout-keep-alive={PATIENCE_S}",),
    ),
    Peer(
        "waitress",
        "waitress",
        "WSGI, 4 threads; connection_limit 20 000, poll instead of select, backlog "
        "4096",
        ("lab.measure.peer_main", "waitress", WSGI),
        ("waitress",),
        # One in each round of its loop, which looks at all that it has.
        accepting_s=55.0,
    ),
    Peer(
        "cheroot",
        "cheroot",
        "WSGI, 4 threads; keep_alive_conn_limit 20 000, request_queue_size 4096",
        ("lab.measure.peer_main", "cheroot", WSGI),
        ("cheroot",),
    ),
    Peer(
        "gunicorn",
        "gunicorn gthread",
        "WSGI, 1 worker, 4 threads; keep-alive 600 s, worker-connections 20 000, "
        "backlog 4096",
        (
            "gunicorn",
            WSGI,
            "--bind=127.0.0.1:0",
            "--worker-class=gthread",
            "--workers=1",
            "--threads=4",
            f"--worker-connections={CONNECTIONS}",
            f"--backlog={BACKLOG}",
            "--no-control-socket",
        ),
        ("gunicorn",),
        has_children=True,
        patience=(f"--keep-alive={PATIENCE_S}",),
    ),
)


def _step13(workers: int, *arguments: str) -> tuple[str, ...]:
    return (
        *("steps.step13", "--port", "0", "--workers", str(workers)),
        *("--max-connections", CONNECTIONS),
        *arguments,
    )


_PATIENT = ("--header-timeout", PATIENCE_S, "--idle-timeout", PATIENCE_S)

OURS = (
    Peer(
        IN_THE_LOOP,
        TITLES[IN_THE_LOOP],
        "WSGI, --workers 0; --max-connections 20000, header and idle timeout 600 s",
        _step13(0, "--wsgi", WSGI),
        patience=_PATIENT,
    ),
    Peer(
        FOUR_WORKERS,
        TITLES[FOUR_WORKERS],
        "WSGI, --workers 4; otherwise the same",
        _step13(4, "--wsgi", WSGI),
        patience=_PATIENT,
    ),
)

#: These may use every core, so the generator takes its share of them.
BY_PROCESSES = (
    Peer(
        ONE_PROCESS,
        TITLES[ONE_PROCESS],
        "the steps' own application, --workers 0; it may use every core",
        _step13(0),
        cores=2,
        patience=_PATIENT,
    ),
    Peer(
        TWO_PROCESSES,
        TITLES[TWO_PROCESSES],
        "the steps' own application, --workers 0, --processes 2; they share two cores "
        "with the generator",
        ("steps.step14", *_step13(0)[1:], "--processes", "2"),
        has_children=True,
        cores=2,
        patience=_PATIENT,
    ),
)

CONTESTANTS = {peer.name: peer for peer in (*OURS, *PEERS, *BY_PROCESSES)}


def peer_command(name: str) -> ServerCommand:
    """How it is started to be measured."""
    peer = CONTESTANTS[name]
    return _command(peer, (*peer.arguments, *peer.patience))


def conduct_command(name: str) -> ServerCommand:
    """The same with its own patience, and an application that reads what is sent."""
    peer = CONTESTANTS[name]
    arguments = tuple(READING.get(each, each) for each in peer.arguments)
    if arguments == peer.arguments:  # it serves the steps' own
        arguments += ("--wsgi", READING[WSGI])
    return _command(peer, arguments)


def _command(peer: Peer, arguments: tuple[str, ...]) -> ServerCommand:
    python = sys.executable if peer.is_ours else str(PYTHON)
    return ServerCommand(
        peer.name,
        (python, "-m", *arguments),
        has_stats=False,
        has_children=peer.has_children,
    )


def contestant(name: str) -> Contestant:
    """What a record says about it."""
    peer = CONTESTANTS[name]
    versions = {package: version(package) or "unknown" for package in peer.packages}
    return Contestant(
        name=name,
        title=peer.title,
        ours=peer.is_ours,
        versions=versions,
        settings=peer.settings,
    )


def version(package: str) -> str | None:
    """The version that is installed among the peers; None: it is not."""
    folders = map(str, ENVIRONMENT.glob("lib/python*/site-packages"))
    found = importlib.metadata.distributions(name=package, path=list(folders))
    return next((each.version for each in found), None)


def unavailable(name: str) -> str | None:
    """Why that one cannot be started here, in one line; None: it can."""
    peer = CONTESTANTS[name]
    if peer.is_ours:
        module = peer.arguments[0]
        found = importlib.util.find_spec(module)
        return None if found else f"{module} is not there yet"
    if not are_installed():
        return "`python -m lab compare` installs the peers"
    for package in peer.packages:
        if version(package) is None:
            return missing().get(package) or f"{package} is not installed"
    return None


# -- their environment --------------------------------------------------------


def are_installed() -> bool:
    return (
        PYTHON.exists() and _INSTALLED.exists() and _INSTALLED.read_bytes() == _wanted()
    )


def _wanted() -> bytes:
    more = (REQUIREMENTS.with_stem(f"peers-{name}") for name in MORE_WHEELS)
    files = (REQUIREMENTS, SOURCE_REQUIREMENTS, *more)
    return b"".join(path.read_bytes() for path in files)


def missing() -> dict[str, str]:
    """Peers that could not be had here, and why in one line each."""
    return {path.name: path.read_text() for path in sorted(_MISSING.glob("*"))}


def install() -> None:
    """Make the peers' environment, unless it is there. Raises PeersError.

    What could not be had is tried again each time: what it lacked may have come.
    """
    wanted = tuple(missing())
    if not are_installed():
        print(f"installing the peers into {ENVIRONMENT.name} …", file=sys.stderr)
        make = (sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
        for first in (make, INSTALL_WHEELS):
            if error := _fails(first):
                raise PeersError(f"the peers cannot be installed: {error}")
        wanted = tuple(OPTIONAL)
    for name in wanted:
        command, reason = OPTIONAL[name]
        if _fails(command):
            _MISSING.mkdir(exist_ok=True)
            (_MISSING / name).write_text(reason)
            print(reason, file=sys.stderr)
        else:
            (_MISSING / name).unlink(missing_ok=True)
    if wanted:
        _INSTALLED.write_bytes(_wanted())


def _fails(command: tuple[str, ...]) -> str | None:
    """Run it; why it failed in one line, or None if it did not."""
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.returncode:
        return None
    if "CERTIFICATE_VERIFY_FAILED" in done.stderr:
        return UNTRUSTED
    errors = done.stderr.strip().splitlines() or ["no reason given"]
    return errors[-1]
