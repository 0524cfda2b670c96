"""The question's server in C: compiled when it is wanted, and started like a step."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from lab.measure.servers import ServerCommand, ServerError
from lab.paths import ROOT, short_path
from lab.record.model import Contestant
from lab.record.names import C_SERVER, step_of

#: It belongs to the tests, where the doctor is shown it.
SOURCE = ROOT / "tests" / "lab" / "doctor" / "question.c"
COMPILER = "cc"


def is_c_server(name: str) -> bool:
    """Whether that is its name, with flags or without."""
    return step_of(name) == C_SERVER


def c_server_command(name: str) -> ServerCommand:
    """name: "question.c" and, after a space, its flags. ServerError: it does
    not compile."""
    _, *flags = name.split()
    return ServerCommand(name, (str(_compiled()), *flags))


def unavailable() -> str | None:
    """Why it cannot be started here, in one line; None: it can."""
    return None if shutil.which(COMPILER) else "there is no C compiler (cc)"


def contestant(name: str) -> Contestant:
    """What a record says about it."""
    said = subprocess.run([COMPILER, "--version"], capture_output=True, text=True)
    _, *flags = name.split()
    return Contestant(
        name=name,
        title=name,
        ours=True,
        versions={COMPILER: said.stdout.partition("\n")[0] or "unknown"},
        settings=" ".join(["four workers, every core", *flags]),
    )


@cache
def _compiled() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="question-")
    atexit.register(folder.cleanup)
    program = Path(folder.name, "question")
    options = ("-std=c11", "-O2", "-pthread")
    command = [COMPILER, *options, "-o", str(program), str(SOURCE)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise ServerError(f"{short_path(SOURCE)}: {COMPILER}: {error}") from None
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0]
        raise ServerError(f"{short_path(SOURCE)} does not compile: {said}")
    return program
