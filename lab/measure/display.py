"""What one sees of a measurement while it runs: what it will do, and how far it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from lab.measure.machine import Cores
from lab.measure.points import Timing
from lab.record.matrix import Plan
from lab.record.quantity import duration

#: A machine with more to do than this, before we start, will disturb.
BUSY_LOAD = 0.7
#: In a terminal of fewer columns what is measured has the bar's place.
NARROW = 70


def announce(
    wanted: Sequence[Plan],
    timing: Timing,
    cores: Cores,
    skipped: Sequence[str],
    load: float,
    console: Console,
    more_s: float = 0.0,
) -> None:
    """Say what will be done, how long it takes, and what is left out.

    skipped: for each point that is left out, why. load: the machine's load average.
    more_s: for what is watched behind the points.
    """
    all_s = timing.of_all(wanted) + more_s
    console.print(
        f"{len(wanted)} points, {timing.repeats} times {timing.seconds:g} s each: "
        f"about {duration(all_s)} (Ctrl-C keeps what was finished)"
    )
    console.print(str(cores))
    for reason, left_out in Counter(skipped).items():
        console.print(f"{left_out} points are left out: {reason}", style="yellow")
    if load > BUSY_LOAD:
        console.print(
            f"this machine is busy (load average {load}): expect wide spreads",
            style="yellow",
        )


class _TimeLeft(ProgressColumn):
    """How long it still takes, counting down between two runs as well."""

    def render(self, task: Task) -> Text:
        left = max(0.0, task.fields["ends_at"] - time.monotonic())
        return Text(f"{duration(left)} left")


class Display:
    """A progress bar on a terminal; elsewhere a line for each run.

    A terminal that is "dumb" (an editor's, say) cannot draw over what it has shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._draws = console.is_terminal and not console.is_dumb_terminal
        bar = BarColumn(bar_width=16)
        self._progress = Progress(
            *([bar] if console.width >= NARROW else []),
            _TimeLeft(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            # Drawing costs the generator's core: seldom is enough.
            refresh_per_second=2,
            disable=not self._draws,
        )

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, total_s: float) -> None:
        self._begun = time.monotonic()
        self._total_s = total_s
        self._done_s = 0.0
        self._task = self._progress.add_task(
            "", total=total_s, ends_at=self._begun + total_s
        )

    def more(self, seconds: float) -> None:
        """It takes so much longer than was thought when it began."""
        self._total_s += seconds
        self._progress.update(self._task, total=self._total_s)

    @contextmanager
    def running(self, what: str, estimate_s: float) -> Iterator[None]:
        if not self._draws:
            self._console.print(what)
        self._progress.update(self._task, description=what)
        yield
        self._done_s += estimate_s
        now = time.monotonic()
        pace = (now - self._begun) / self._done_s
        self._progress.update(
            self._task,
            completed=self._done_s,
            ends_at=now + pace * (self._total_s - self._done_s),
        )
