"""The checks run in a process of their own, and this one says how that ended.

An answer can end the process that it runs in, by `os._exit()` or a signal, and it can
hang in C code that no signal of Python's interrupts. Whoever is inside cannot tell of
that. So pytest is copied (forked): the child runs the checks, and notes which it has
begun; the parent waits. If the child was ended in the middle of a check, the parent
starts another one. There that check fails, with what is known, and all others run.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from workshop.checking import PRINTED_BYTES, table
from workshop.places import place

#: What no signal ends is ended after so long, in seconds. The watchdog's five are over
#: by then, and those in which it tries again.
END_S = 6.5
#: So long may the process take to end when all is said.
LEAVE_S = 1.0


class Apart:
    """The process in which the checks run, seen from within and from outside."""

    def __init__(self) -> None:
        #: What there is to say of checks in which an earlier child was ended, by name.
        self.ended: dict[str, str] = {}
        #: Whether somebody pressed Ctrl-C.
        self.interrupted = False
        self._is_child = False
        # Both have it open: the parent reads what the child has written last.
        self._notes = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115

    # -- in the parent

    def begin(self, before_again: Callable[[], object]) -> int | None:
        """None in the child, which goes on. In the parent the exit status, at the end.

        before_again: is called in the parent before it starts another child.
        """
        while True:
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
            if pid == 0:
                self._prepare_child()
                return None
            status = _wait(pid)
            note, _, dump = self._read().partition("\n")
            begun: dict[str, Any] = json.loads(note or "{}")
            if "status" in begun:
                return int(begun["status"])
            if not begun or begun["check"] in self.ended:
                return status if status >= 0 else 1
            said = begun.get("said") or _how_it_ended(
                status, dump, Path(begun["answer"])
            )
            self.ended[begun["check"]] = said
            print("\n\nA check ended the run. Once more, without that one:")
            before_again()

    def _read(self) -> str:
        self._notes.seek(0)
        return self._notes.read()

    # -- in the child

    def _prepare_child(self) -> None:
        self._is_child = True
        self._note()
        signal.signal(signal.SIGINT, self._ctrl_c)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (PRINTED_BYTES, most))

    def _ctrl_c(self, _signal: int, _frame: FrameType | None) -> None:
        self.interrupted = True
        raise KeyboardInterrupt

    def _note(self, **begun: str) -> None:
        self._notes.seek(0)
        self._notes.truncate()
        self._notes.write(json.dumps(begun) + "\n")
        self._notes.flush()

    def check_begins(self, check: str, answer: Path) -> None:
        if self._is_child:
            self._note(check=check, answer=str(answer))
            faulthandler.enable(self._notes)  # writes there on SIGSEGV or SIGABRT
            # A thread in C, which runs also while Python's threads cannot.
            faulthandler.dump_traceback_later(END_S, exit=True, file=self._notes)

    def give_up(self, check: str, said: str) -> None:
        """End the process, and have that said of the check."""
        if self._is_child:
            self._note(check=check, said=said)
        else:
            print(said, file=sys.__stderr__)
        os._exit(1)

    def all_is_said(self, status: int | None) -> None:
        """The process ends now, whatever threads there are that do not.

        status: the run's, which holds also if the process has to be ended. None: there
        was no run.
        """
        if self._is_child:
            self._note(**({} if status is None else {"status": str(status)}))
            faulthandler.dump_traceback_later(LEAVE_S, exit=True, file=self._notes)


def _wait(pid: int) -> int:
    """The exit status of a child; of one that a signal ended, less than nothing."""

    def end(number: int, _frame: FrameType | None) -> None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    # Ctrl-C reaches both. The child tells of it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    before_term = signal.signal(signal.SIGTERM, end)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        signal.signal(signal.SIGTERM, before_term)
        signal.signal(signal.SIGINT, before)


def _how_it_ended(status: int, dump: str, answer: Path) -> str:
    where = "\n".join(_lines_in(answer, dump))
    rows: dict[str, object] = {}
    if dump.startswith("Timeout"):
        rows["hangs"] = f"after {END_S:g} s it still is in\n{where}"
        why = (
            "It is in code of Python's own that nothing interrupts. While it is there, "
            "no other thread runs: a server would serve nobody."
        )
    else:
        how = f"with status {status}, as os._exit() does"
        if status < 0:
            how = f"by {signal.Signals(-status).name}"
        rows["ended"] = f"the whole process, {how}"
        if where:
            rows["where"] = where
        why = (
            "Nothing in an answer may end the process: all that a server is doing for "
            "others would end with it, and here the checks did."
        )
    return table(**rows, why=why)


def _lines_in(path: Path, dump: str) -> list[str]:
    """The innermost line of that file in each thread, from what faulthandler writes."""
    # It writes a character that is not ASCII as Python would escape it.
    name = str(path).encode("ascii", "backslashreplace").decode()
    line = re.compile(rf'^  File "{re.escape(name)}", line (\d+) in (.+)$', re.M)
    threads = re.split(r"^.*\(most recent call first\):$", dump, flags=re.M)
    found = [match for match in map(line.search, threads) if match]
    return [place(path, int(match[1]), match[2]) for match in found]
