"""One look at one server: every kind of observation, in an order in which none of them
disturbs the next."""

from __future__ import annotations

import contextlib
import dataclasses
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator

from lab.doctor import crowd, deadlines, ending, holders, holding, slow, split
from lab.doctor import growth as growing
from lab.doctor import process as processes
from lab.doctor import protocol as protocols
from lab.doctor.observations import Contact, Observations, Process
from lab.doctor.plan import CROWD, FEW, MANY, SOME, Plan
from lab.doctor.raw import Target, Wire
from lab.load.target import LoadError

#: How long a server is watched that has nothing to do.
IDLE_S = 0.5
#: Until it has done its work: where that cannot be seen, and where it can, at most.
SETTLE_S = 0.1
SETTLED_BY_S = 3.0
#: It wants so many processors while nobody asks for anything: it will not rest.
RESTLESS = 0.5
#: So many files more than before are no leak; and until it has closed others, at most.
FEW_FILES = 50
CLOSED_BY_S = 3.0
#: Nobody is watched who would be watched for less.
WORTH_WATCHING_S = 1.0
#: For so long someone is waited for whom it does not answer when all others have gone.
MUTE_S = (3.0, 8.0)
#: So long after the time that was given, no more is begun: a server may be slow.
OVERTIME_S = 10.0
#: And so long after it, what is under way is given up.
LIMIT_S = 30.0


class TimeIsUpError(BaseException):
    """Whatever is under way has taken far too long. Nothing else may catch it."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeIsUpError in the body, if it takes longer. (Main thread only.)"""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TimeIsUpError

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # Who is told to end, or whose terminal is closed, tells what is known, too.
    handlers = {
        signal.SIGALRM: ring,
        signal.SIGTERM: interrupt,
        signal.SIGHUP: interrupt,
    }
    before = {number: signal.signal(number, handlers[number]) for number in handlers}
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


class Consultation:
    """One look at one server. `seen` has what is known so far.

    slow_path: a page that takes long by itself. ends_it: the process `pid` is told to
    end when all else has been seen. tell: is called with what is done next.
    """

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
        self._began = time.monotonic()
        self._watches: list[deadlines.Watch] = []
        #: Kinds of dawdlers that are not watched yet.
        self._later: list[str] = []
        self._watched: processes.Watched | None = None
        self.seen = Observations(
            target.url, plan.seconds, f"{platform.system()} {platform.release()}"
        )

    def meet(self) -> None:
        """The first answers. LoadError, in one line, if it cannot be looked at."""
        target, seen = self._target, self.seen
        seen.contact = contact = growing.contact(target, self._plan)
        self._plan = dataclasses.replace(self._plan, page_s=contact.first_ms / 1e3)
        self._target = target = dataclasses.replace(
            target, answer_bytes=contact.head_bytes + contact.body_bytes
        )
        self._watched = processes.find(target.host, target.port, self._pid)
        if self._watched is None:
            seen.notes["what its process does"] = (
                "no process was found that listens there: give it with --pid"
            )
        keeps = contact.closed < contact.connections
        self._later = list(deadlines.KINDS if keeps else deadlines.BEFORE_AN_ANSWER)

    def run(self) -> None:
        """Everything else. Ctrl-C ends it, and leaves what was seen."""
        seen = self.seen
        try:
            with at_most(max(1.0, self._left_s() + LIMIT_S)):
                self._run()
        except KeyboardInterrupt:
            seen.interrupted = True
            seen.notes["what would have come after that"] = "it was interrupted"
        except TimeIsUpError:
            seen.notes["what would have come after that"] = (
                "the server is so slow that no time was left; --seconds gives more"
            )
        finally:
            self._stop_watching()
            seen.took_s = time.monotonic() - self._began

    def _run(self) -> None:
        seen = self.seen
        assert seen.contact is not None, "meet() comes first"
        stages: list[tuple[str, Callable[[Contact], None]]] = [
            ("the process, while nobody asks", self._process),
            ("how an answer arrives; one client alone, and beside others", self._split),
            (f"{FEW}, {SOME} and {MANY} clients", self._growth),
            ("clients that hold a connection", self._holders),
            ("clients that do not read", self._readers),
            ("a slow request", self._slow),
            ("rarer requests that HTTP/1.1 allows", self._protocol),
            (f"{CROWD:,} silent connections", self._crowd),
        ]
        for name, stage in stages:
            if self._left_s() < -OVERTIME_S:
                seen.notes[name] = "there was no time left; --seconds gives more"
                continue
            self._tell(name)
            try:
                stage(seen.contact)
            except (LoadError, OSError) as error:
                seen.notes[name] = str(error)
            if self._is_gone():
                seen.died = name
                seen.notes.pop(name, None)  # that is why
                return
            self._settle()
            if self._is_mute():
                seen.mute = name
                return
        if (left := self._left_s()) >= WORTH_WATCHING_S:
            self._watch_for(deadlines.KINDS)
        elif self._later:
            seen.notes["what it does about clients that stop half-way"] = (
                "there was no time to watch all of them; --seconds gives more"
            )
        if left > 0:
            self._tell(f"clients that stop half-way: {left:.0f} s more")
            time.sleep(left)
        self._stop_watching()
        self._count_files()
        if self._ends_it and self._watched and self._pid is not None:
            self._tell("SIGTERM, and its end")
            try:
                seen.ending = ending.ending(
                    self._target, self._pid, self._watched, seen.slow
                )
            except OSError as error:
                seen.notes["what SIGTERM costs"] = f"it took no clients: {error}"

    def _count_files(self) -> None:
        """How many it has open when everybody has gone. It may take time to close."""
        watched, process = self._watched, self.seen.process
        if watched is None or process is None or process.open_before is None:
            return
        until = time.monotonic() + CLOSED_BY_S
        while True:
            process.open_after = watched.open_files(self._target.port)
            more = (process.open_after or 0) - process.open_before
            if more < FEW_FILES or time.monotonic() > until:
                return
            time.sleep(SETTLE_S)

    def _settle(self) -> None:
        """Wait until the server has done what it was asked for: it may have read far
        more than it has answered, and what comes next would be looked at beside that.
        """
        if self._watched is None:
            time.sleep(SETTLE_S)
            return
        self._watched.look_again()
        if not self._watched.rests_within(SETTLED_BY_S):
            self.seen.notes["whether it rests when it has answered"] = (
                f"it was still at work {SETTLED_BY_S:g} s after the last request"
            )

    def _is_gone(self) -> bool:
        """Whether nothing listens any more, nor half a second later."""
        for pause_s in (0.0, 0.5):
            time.sleep(pause_s)
            try:
                Wire(self._target, 1.0).close()
            except ConnectionRefusedError:
                continue
            except OSError:
                pass
            return False
        return True

    def _is_mute(self) -> bool:
        """Whether it rests and answers nobody, though all who were there have gone."""
        if self.seen.crowd and self.seen.crowd.recovered is False:
            return False  # that has been asked for already
        for limit_s in (self._plan.patience_s, *MUTE_S):
            with contextlib.suppress(OSError), Wire(self._target, limit_s) as wire:
                if wire.exchange(timeout_s=limit_s).end != "late":
                    return False
            if limit_s == MUTE_S[0]:
                self._stop_watching()  # nor those: they may hold what there is
        return self._watched is None or self._watched.rests_within(SETTLED_BY_S)

    def _left_s(self) -> float:
        return self._began + self._plan.seconds - time.monotonic()

    # The stages

    def _process(self, _: Contact) -> None:
        watched = self._watched
        if watched is None:
            return
        self.seen.process = seen = Process(
            watched.pids,
            watched.threads(),
            watched.waits_with(),
            backlog=processes.backlog(self._target.port),
            descriptors=watched.descriptors(),
            rss_bytes=watched.rss_bytes(),
        )
        began, before = time.monotonic(), watched.cpu_s()
        waited = watched.waited_s() or 0.0
        time.sleep(IDLE_S)
        took_s = time.monotonic() - began
        # One that has gone used nothing.
        seen.idle_cpu = max(0.0, watched.cpu_s() - before) / took_s
        # A thread that has ended takes what it has waited with it.
        seen.idle_waited = max(0.0, (watched.waited_s() or 0.0) - waited) / took_s
        watched.restless = seen.idle_cpu + seen.idle_waited > RESTLESS
        seen.open_before = watched.open_files(self._target.port)

    def _split(self, contact: Contact) -> None:
        self.seen.split = split.split(self._target, contact, self._plan)

    def _growth(self, contact: Contact) -> None:
        others = processes.Others(self._watched)
        keeps = contact.closed < contact.connections
        self.seen.growth = growing.growth(
            self._target, self._plan, self._watched, keeps
        )
        self.seen.others_cpu = others.cpu()

    def _holders(self, _: Contact) -> None:
        for kind in ("silent", "half", "body"):
            self._hold(kind)
            if self.seen.held[-1].stopped:
                break
        # Where they stop nobody, dawdlers are watched beside the rest. Where they do,
        # each that is kept holds a worker, and so may one that says nothing, when the
        # kernel has handed it on: they have to wait until the end.
        if not self._stopping("silent", "half"):
            self._watch_for(
                deadlines.QUIET if self._stopping("body") else deadlines.PATIENT
            )

    def _readers(self, contact: Contact) -> None:
        if contact.closed == contact.connections:
            self.seen.notes["whether a client that does not read stops others"] = (
                "it closes after each response, and one response fits into the "
                "kernel's buffers"
            )
            return
        if not self._stopping("silent"):
            self._hold("ended")
        point = self.seen.point(SOME)
        a_request_s = (point.cpu or 0.0) / point.rate if point else 0.0
        work_s = holders.unread_requests(self._target) * a_request_s
        if work_s > 2 * holding.WORKED_OFF_S:
            self.seen.notes["whether a client that does not read stops others"] = (
                "its answers are so small that as many as fill the kernel's buffers "
                f"are {work_s:.0f} s of its work"
            )
            return
        self._hold("unread")
        if not self._stopping("silent", "half", "body", "unread"):
            self._watch_for(deadlines.KINDS)

    def _slow(self, contact: Contact) -> None:
        seen = self.seen
        seen.slow = slow.slow(
            self._target, self._slow_path, contact.first_ms, self._plan
        )
        if seen.slow is None:
            tried = self._slow_path or " and ".join(slow.CUSTOMARY)
            seen.notes["whether a slow request stops others"] = (
                f"no page that takes long (tried {tried}): name one with --slow-path"
            )

    def _protocol(self, contact: Contact) -> None:
        self.seen.protocol = protocols.protocol(self._target, contact, self._plan)

    def _crowd(self, contact: Contact) -> None:
        seen, watched = self.seen, self._watched
        if any(held.kind == "silent" and held.again[0] for held in seen.held):
            seen.notes["what a crowd of silent clients does"] = "a few stop it already"
            return
        for watch in self._watches:
            watch.is_crowded = True
        seen.crowd = crowd.crowd(self._target, contact, self._plan, watched)
        for watch in self._watches:
            watch.is_crowded = False
        keeps = contact.closed < contact.connections
        if watched and seen.process and keeps and seen.crowd.opened:
            kept = crowd.memory_of_kept(self._target, watched)
            seen.process.kept_bytes_each = kept

    # What they share

    def _hold(self, kind: str) -> None:
        self.seen.held += holding.held(self._target, kind, self._plan, self._watched)

    def _stopping(self, *kinds: str) -> bool:
        """Whether holders of one of these kinds have stopped it."""
        return any(held.stopped and held.kind in kinds for held in self.seen.held)

    def _watch_for(self, kinds: tuple[str, ...]) -> None:
        """Watch those of these kinds that are not watched yet."""
        kinds = tuple(kind for kind in kinds if kind in self._later)
        self._later = [kind for kind in self._later if kind not in kinds]
        if kinds:
            watch = deadlines.Watch(self._target, kinds)
            watch.start()
            self._watches.append(watch)

    def _stop_watching(self) -> None:
        while self._watches:
            self.seen.dawdlers += self._watches.pop(0).stop()
