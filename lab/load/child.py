"""Helper processes of the lab, which talk in lines: one JSON object each.

`Child` is the parent's end; `read_line` and `write_line` are the child's. A child ends
when its standard input does, so it never outlives a parent that is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import subprocess
import sys
import time
from collections.abc import Callable

from lab.load.target import LoadError
from lab.paths import ROOT

#: Descriptors that a process needs beside its connections.
SPARE_DESCRIPTORS = 32


class Child:
    """A helper process. Leaving the context ends it at once."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._unread = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process.stdin
        assert process.stdout
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()

    def write(self, value: dict[str, object]) -> None:
        """Send one object."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # `read` will say what happened
            self._process.stdin.write(json.dumps(value).encode() + b"\n")

    def read(self, deadline: float) -> dict[str, object]:
        """The next object; LoadError if it is {"error": …} or comes too late.

        `deadline`: on the clock `time.monotonic`.
        """
        assert self._process.stdout
        fd = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise LoadError(f"{self._module} did not answer in time")
                data = os.read(fd, 65536)
                if not data:
                    code = self._process.wait()
                    raise LoadError(f"{self._module} died (exit code {code})")
                self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        value = json.loads(line)
        assert isinstance(value, dict)
        if "error" in value:
            raise LoadError(str(value["error"]))
        return value


class OrphanedError(Exception):
    """Standard input has ended: whoever wanted the work is gone."""


def read_line() -> dict[str, object]:
    """The next object from standard input; OrphanedError at its end."""
    line = sys.stdin.readline()
    if not line:
        raise OrphanedError
    value = json.loads(line)
    assert isinstance(value, dict)
    return value


def write_line(value: dict[str, object]) -> None:
    """One object to standard output."""
    print(json.dumps(value), flush=True)


def run_child(work: Callable[[], None]) -> int:
    """Do the work of a child; a LoadError is reported, an orphan ends."""
    try:
        work()
    except LoadError as error:
        write_line({"error": str(error)})
        return 1
    except (OrphanedError, BrokenPipeError):
        return 1
    return 0


def allow_connections(count: int) -> None:
    """Raise this process's limit of open descriptors, if so many connections need it.

    LoadError where the system does not allow it.
    """
    wanted = count + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        raise LoadError(
            f"{count} connections need {wanted} descriptors, and a process may have "
            f"{hard} here: see ulimit -Hn"
        ) from None
