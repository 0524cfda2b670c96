"""A check that hangs is interrupted, and says in which line the reader's code is.

A timer's signal raises an exception in the main thread, where the checks run. It ends
loops as well as calls that wait: `select`, `recv`, `join`, a lock.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from workshop.checking import WrongAnswer, table
from workshop.places import place

#: A check may take so long where its author said nothing else, in seconds. They take
#: milliseconds: this is for a machine that has much else to do.
LIMIT_S = 5.0
#: An answer that catches the interruption gets it again this much later …
AGAIN_S = 0.25
#: … and after so many the run ends.
PATIENCE = 3


def _end(said: str) -> None:
    print(said, file=sys.__stderr__)
    os._exit(1)


#: Ends the process, and has that said to the reader: see plugin.py.
give_up: Callable[[str], None] = _end


class Hangs(BaseException):
    """No Exception, so that `except Exception` in an answer does not catch it."""


def where_threads_are(path: Path, current: FrameType | None = None) -> str:
    """The innermost lines of that file in which threads are; empty if in none."""
    main = threading.main_thread().ident
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        at if ident == main else f"thread {names.get(ident, ident)} in {at}"
        for ident, at in _lines_of_threads(path, current).items()
    )


def stays(path: Path, seconds: float) -> str:
    """Where threads are in that file that keep Python from ending; empty if nowhere.

    They have so long to end. A daemon does not count: Python ends without it.
    """
    until = time.monotonic() + seconds
    for thread in threading.enumerate():
        if thread.daemon or thread is threading.current_thread():
            continue
        if thread.ident in _lines_of_threads(path):
            thread.join(max(until - time.monotonic(), 0))
            if at := _lines_of_threads(path).get(thread.ident):
                return f"thread {thread.name} in {at}"
    return ""


def _lines_of_threads(path: Path, current: FrameType | None = None) -> dict[int, str]:
    main = threading.main_thread().ident
    frames = {
        ident: current if ident == main and current else frame
        for ident, frame in sys._current_frames().items()
    }
    lines = {}
    for ident, innermost in frames.items():
        frame: FrameType | None = innermost
        while frame is not None and frame.f_code.co_filename != str(path):
            frame = frame.f_back
        if frame is not None:
            lines[ident] = place(path, frame.f_lineno, frame.f_code.co_name)
    return lines


@contextlib.contextmanager
def interrupted_after(seconds: float, path: Path) -> Iterator[None]:
    """Raise Hangs, with where the threads are, if the block takes longer.

    Blocks may be within one another. Works in the main thread only.
    """
    times = 0

    def ring(_signal: int, frame: FrameType | None) -> None:
        nonlocal times
        times += 1
        where = where_threads_are(path, frame)
        if times > PATIENCE:
            # The answer catches everything, and goes on. Nothing else ends that.
            give_up(table(hangs=f"and catches what should end it, in\n{where}"))
        raise Hangs(where)

    handler = signal.signal(signal.SIGALRM, ring)
    left, again = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, again)
        signal.signal(signal.SIGALRM, handler)


@contextlib.contextmanager
def within(
    seconds: float, answer: object, *, called: str, expected: object, why: str
) -> Iterator[None]:
    """What is called in this block returns in that time, or it is a wrong answer.

    answer: the fixture `exercise`. The other arguments are those of `check()`.
    """
    path = Path(str(getattr(answer, "__file__", "")))
    try:
        with interrupted_after(seconds, path):
            yield
    except Hangs as hangs:
        raise WrongAnswer(
            table(
                called=called,
                came_back=f"nothing, within {seconds:g} s. It hangs in\n{hangs}"
                if str(hangs)
                else f"nothing, within {seconds:g} s",
                expected=expected,
                why=why,
            )
        ) from None
