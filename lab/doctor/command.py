"""`python -m lab doctor URL`: a consultation of about half a minute."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab.doctor import deadlines, ending, report, silence, slow, split
from lab.doctor import growth as growing
from lab.doctor import process as processes
from lab.doctor import protocol as protocols
from lab.doctor.observations import Observations, Process
from lab.doctor.plan import CROWD, LONGEST_S, SHORTEST_S, Plan
from lab.doctor.raw import Target
from lab.doctor.verdict import verdict
from lab.load.target import LoadError, parse_url

#: How long a server is watched that has nothing to do.
IDLE_S = 0.5


class Consultation:
    """One look at one server; `seen` has what is known so far."""

    def __init__(
        self,
        target: Target,
        plan: Plan,
        pid: int | None = None,
        slow_path: str | None = None,
        ends_it: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._target, self._plan = target, plan
        self._pid, self._slow_path, self._ends_it = pid, slow_path, ends_it
        self._tell = tell
        self._watches: list[deadlines.Watch] = []
        self.seen = Observations(
            target.url, plan.seconds, f"{platform.system()} {platform.release()}"
        )

    def run(self) -> None:
        """Look at everything. LoadError if there is nothing that can be looked at."""
        began = time.monotonic()
        try:
            self._run(began)
        except KeyboardInterrupt:
            self.seen.interrupted = True
            self.seen.notes["what comes after that"] = "it was interrupted"
        except LoadError as error:
            if self.seen.contact is None:
                raise
            self.seen.notes["what comes after that"] = str(error)
        finally:
            self._stop_watching()
            self.seen.took_s = time.monotonic() - began

    def _run(self, began: float) -> None:
        target, plan, seen = self._target, self._plan, self.seen
        self._tell("first answers")
        watched = processes.find(target.host, target.port, self._pid)
        seen.contact = contact = growing.contact(target, plan)
        if watched is None:
            seen.notes["what its process does"] = (
                "no process was found that listens there: give it with --pid"
            )
        else:
            seen.process = self._process(watched)
        plan = dataclasses.replace(plan, page_s=contact.first_ms / 1e3)
        keeps = contact.closed < contact.connections
        with self._stage("head and body; alone, and beside others"):
            seen.split = split.split(target, contact, plan)
        with self._stage("1, 10 and 100 clients"):
            others = processes.Others(watched)
            seen.growth = growing.growth(target, plan, watched)
            seen.others_cpu = others.cpu()
        with self._stage("clients that hold a connection"):
            for kind in ("silent", "half", "body"):
                seen.held += silence.held(target, kind, plan, watched)
                if seen.held[-1].stopped:
                    break
        # Where they stop nobody, dawdlers are watched beside the rest; where they do,
        # those that would hold a worker each have to wait until the end.
        stopping = {held.kind for held in seen.held if held.stopped}
        later = list(deadlines.KINDS if keeps else deadlines.BEFORE_AN_ANSWER)
        if "silent" not in stopping:
            self._watch_for(later, deadlines.QUIET if stopping else deadlines.PATIENT)
        with self._stage("clients that do not read"):
            if keeps:
                seen.held += silence.held(target, "unread", plan, watched)
            else:
                seen.notes["whether a client that does not read stops others"] = (
                    "it closes after each response, and one response fits into the "
                    "kernel's buffers"
                )
        if not any(held.stopped for held in seen.held):
            self._watch_for(later, deadlines.KINDS)
        with self._stage("a slow request"):
            seen.slow = slow.slow(target, self._slow_path, contact.first_ms, plan)
            if seen.slow is None:
                tried = self._slow_path or " and ".join(slow.CUSTOMARY)
                seen.notes["whether a slow request stops others"] = (
                    f"no page that takes long (tried {tried}): name one with "
                    "--slow-path"
                )
        with self._stage("what HTTP/1.1 allows"):
            seen.protocol = protocols.protocol(target, contact, plan)
        if "silent" in stopping:
            seen.notes["what a crowd of silent clients does"] = "a few stop it already"
        else:
            with self._stage(f"{CROWD:,} silent connections"):
                seen.crowd = silence.crowd(target, contact, plan, watched)
                if watched and seen.process and keeps and seen.crowd.opened:
                    seen.process.kept_bytes_each = silence.memory_of_kept(
                        target, watched
                    )
        self._watch_for(later, deadlines.KINDS)
        left = began + plan.seconds - time.monotonic()
        if left > 0:
            self._tell(f"clients that do not go on: {left:.0f} s more")
            time.sleep(left)
        self._stop_watching()
        if self._ends_it and watched is not None and self._pid is not None:
            with self._stage("its end"):
                seen.ending = ending.ending(target, self._pid, watched, seen.slow)

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        """Tell about it. What fails is noted, and the others are done all the same."""
        self._tell(name)
        try:
            yield
        except (LoadError, OSError) as error:
            self.seen.notes[name] = str(error)

    def _watch_for(self, later: list[str], kinds: tuple[str, ...]) -> None:
        """Watch those that are left for later and are of these kinds."""
        kinds = tuple(kind for kind in kinds if kind in later)
        later[:] = [kind for kind in later if kind not in kinds]
        if kinds:
            watch = deadlines.Watch(self._target, kinds)
            watch.start()
            self._watches.append(watch)

    def _stop_watching(self) -> None:
        while self._watches:
            self.seen.dawdlers += self._watches.pop(0).stop()

    def _process(self, watched: processes.Watched) -> Process:
        seen = Process(
            watched.pids,
            watched.threads(),
            watched.waits_with(),
            watched.descriptors(),
            rss_bytes=watched.rss_bytes(),
        )
        began, before = time.monotonic(), watched.cpu_s()
        time.sleep(IDLE_S)
        seen.idle_cpu = (watched.cpu_s() - before) / (time.monotonic() - began)
        return seen


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    plan = Plan(options.seconds)
    try:
        target = _target(options.url, options.yes_this_is_mine)
        if options.end_it and options.pid is None:
            raise LoadError("--end-it needs --pid: which process is to be ended?")
        if options.json:
            _try_to_write(options.json)
        consultation = Consultation(
            target,
            plan,
            options.pid,
            options.slow_path,
            options.end_it,
            _progress(),
        )
        print(
            f"{target.url}: about {plan.seconds:.0f} s; Ctrl-C tells what is known "
            "by then",
            file=sys.stderr,
        )
        consultation.run()
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    said = verdict(consultation.seen)
    print(report.text(consultation.seen, said))
    if options.json:
        text = json.dumps(report.data(consultation.seen, said), indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 130 if consultation.seen.interrupted else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab doctor",
        description="Find out what holds a server back, whatever it is written in.",
    )
    parser.add_argument("url", help="for example http://127.0.0.1:8000/")
    parser.add_argument(
        "--pid", type=int, help="the server's process (Linux: it is found by its port)"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=30.0, help="default: %(default)g"
    )
    parser.add_argument(
        "--slow-path", metavar="PATH", help="a page that takes long by itself"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the same as data")
    parser.add_argument(
        "--end-it",
        action="store_true",
        help="at the end send SIGTERM to the process, and see what is lost",
    )
    parser.add_argument(
        "--yes-this-is-mine",
        action="store_true",
        help="the server is on another machine, and you may load it",
    )
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from {SHORTEST_S:g} to {LONGEST_S:g}"
        )
    return seconds


def _target(url: str, anywhere: bool) -> Target:
    if url.startswith("https:"):
        raise LoadError(
            f"{url}: the doctor speaks plain HTTP; give it the port behind whatever "
            "ends the TLS"
        )
    host, port, path = parse_url(url, anywhere)
    return Target(host, port, path, anywhere)


def _try_to_write(path: Path) -> None:
    """Find out now, and not after the work, whether the file can be written."""
    try:
        path.touch()
    except OSError as error:
        raise LoadError(f"{path} cannot be written: {error.strerror}") from None


def _progress() -> Callable[[str], None]:
    began = time.monotonic()

    def tell(stage: str) -> None:
        now = time.monotonic() - began
        print(f"  {now:4.0f} s  {stage}", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())
