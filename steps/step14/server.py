"""Every core: processes that share a port, and a supervisor that keeps them.

What it does: each process is the server of step 13, with its own epoll, its own GIL and
its own copy of the application. All listen on one port (SO_REUSEPORT), each on a socket
of its own, and the kernel deals new connections out among them. One that dies is
replaced. SIGHUP replaces them one after the other, and no connection is lost by it.

What it costs: memory, once for each process. They share nothing: no cache, no limit
(--max-connections is each one's), and no work: a connection stays with the process that
it was dealt to, even if that one is busy and the others are idle. On macOS the kernel
does not deal them out: one process gets them all.

See it work:
    python -m steps.step14 --processes 2
    kill -HUP PID                  # two new processes
    pkill -KILL -o -P PID          # and another for the one that dies
"""

import logging
import math
import os
import selectors
import signal
import socket
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field

from steps.app import Application
from steps.command import (
    EXIT_WAIT_S,
    STOP_WAIT_S,
    Listener,
    announce,
    hear,
    listen,
    url_of,
)
from steps.step12.server import Stats
from steps.step14.backoff import Backoff
from steps.step14.process import (
    DRAIN,
    END,
    NOTICE,
    SIGNALS,
    STATS,
    Closable,
    Process,
    start,
)
from steps.step14.settings import Settings

# When a slot is without a process for so long, its listener is closed, so that the
# kernel deals new clients to the others.
CLOSING_PAUSE_S = 1.0

log = logging.getLogger(__name__)


# [slot]
@dataclass(eq=False)
class Slot:
    """A listening socket, and the processes that accept from it, one after another.

    The supervisor makes the socket and keeps it open, so that its queue outlives the
    process: the next one accepts what is in it. If the process alone had it, each
    connection in the queue would be reset when the process ends.
    """

    listener: Listener
    serving: Process | None = None
    starting: Process | None = None  # to serve in place of that one; not ready yet
    backoff: Backoff = field(default_factory=Backoff)
    due: float = 0.0  # on the clock: when to start one, if there is none

    @property
    def is_vacant(self) -> bool:
        return not (self.serving or self.starting)

    def close(self) -> None:
        """Close the listener; a process of this slot has it still, if there is one."""
        self.listener.is_shared = not self.is_vacant
        self.listener.close()


# [/slot]


class Server:
    """Supervise processes that serve `app`, or a WSGI application.

    Other steps have a `stop()` and `stats`; here it is signals that stop, and that ask
    for stats. `run()` is for the main thread, and there must be no other thread. A lock
    that one holds during a fork stays locked for ever in the new process, which has the
    lock, and has not that thread.
    """

    def __init__(
        self,
        listener: socket.socket,
        app: Application,
        workers: int = 4,
        settings: Settings = Settings(),
    ) -> None:
        # This listener could not be made if anybody else had the port. Those below say
        # SO_REUSEPORT, and could: another server that says it, too, would be given some
        # of our clients, and neither would notice.
        self._url = url_of(listener)
        self._host, self._port = listener.getsockname()[:2]
        listener.close()
        self._app = app
        self._workers = workers
        self._settings = settings
        self._slots = [Slot(self._listen()) for _ in range(settings.processes)]
        self._processes: dict[Process, Slot] = {}
        self._to_renew: deque[Slot] = deque()  # by a reload, one after another
        self._has_listened = False  # each slot has had a process that was ready
        self._stops_at = math.inf  # on the clock: when the notice is over
        self._is_stopping = False
        self._status = 0
        self._asked: set[Process] = set()  # for their stats
        self._totals: Counter[str] = Counter()
        self._selector = selectors.DefaultSelector()

    def _listen(self) -> Listener:
        listener = listen(self._host, self._port, reuse_port=True)
        listener.is_shared = True
        return listener

    # [run]
    def run(self) -> int:
        """Keep processes running until signals say stop, and until the last has ended.
        Return the exit code."""
        # The handlers do nothing, for one may run between any two lines. The loop reads
        # the signals' numbers from a socket.
        self._signals, self._signal_writer = hear(SIGNALS)
        self._signals.setblocking(False)
        self._selector.register(self._signals, selectors.EVENT_READ)
        while self._processes or not self._is_stopping:
            self._start_what_is_due()
            for key, _ in self._selector.select(self._timeout()):
                if key.data is not None:
                    self._read_messages(key.data)
                    continue
                for number in self._signals.recv(4096):
                    self._obey(number)
            self._collect_the_dead()
            if self._stops_at <= time.monotonic():
                self._stop()
            for process in self._processes:
                if process.kill_at <= time.monotonic():
                    process.kill()
        return self._status

    # [/run]

    def _timeout(self) -> float | None:
        times = [process.kill_at for process in self._processes]
        if not self._is_stopping:
            times += [slot.due for slot in self._slots if slot.is_vacant]
            times.append(self._stops_at)
        next_look = min(times, default=math.inf)
        return None if next_look == math.inf else max(0.0, next_look - time.monotonic())

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._to_renew = deque(self._slots)
            for slot in self._slots:
                slot.due = 0.0  # no pause: what it died of may have been mended
        elif number == signal.SIGUSR1:
            self._ask_for_stats()
        elif number != signal.SIGCHLD:  # which only has to wake the loop
            if self._is_stopping:
                for process in self._processes:
                    process.kill()
            elif self._settings.notice and self._stops_at == math.inf:
                self._give_notice()
            else:
                self._stop()

    # [due]
    def _start_what_is_due(self) -> None:
        if self._is_stopping:
            return
        for slot in self._slots:
            if slot.is_vacant and slot.due <= time.monotonic():
                self._start(slot)
        # A reload renews one slot at a time. The next has its turn when each slot has a
        # process that serves, and when the one that was replaced has ended.
        if self._to_renew and {s.serving for s in self._slots} == {*self._processes}:
            self._start(self._to_renew.popleft())

    # [/due]

    def _start(self, slot: Slot) -> None:
        not_its_own: tuple[Closable, ...] = (
            *(self._selector, self._signals, self._signal_writer),
            *(process.channel for process in self._processes),
            *(each.listener for each in self._slots if each is not slot),
        )
        arguments = self._app, self._workers, self._settings
        try:
            if slot.listener.fileno() == -1:
                slot.listener = self._listen()
            process = start(slot.listener, not_its_own, *arguments)
        except OSError as error:  # no memory, or no descriptors
            pause_s = slot.backoff.pause_s(lived_s=0)
            log.warning("step14: no process can be made: %s", error.strerror)
            slot.due = time.monotonic() + pause_s
            return
        slot.starting = process
        self._processes[process] = slot
        self._selector.register(process.channel, selectors.EVENT_READ, process)

    def _read_messages(self, process: Process) -> None:
        try:
            data = process.channel.recv(4096)
        except OSError:
            data = b""
        try:
            for message in process.reader.feed(data):
                if isinstance(message, Stats):
                    self._has_answered(process, message)
                else:
                    self._is_ready(process)
        except ValueError as error:  # nothing that it says must end the supervisor
            log.error("step14: process %d has said what is %s", process.pid, error)
            self._drain(process, DRAIN)
            data = b""
        if not data:
            self._selector.unregister(process.channel)
            process.channel.close()

    # [ready]
    def _is_ready(self, process: Process) -> None:
        slot = self._processes[process]
        if process is not slot.starting:
            return  # it has said so before
        old, slot.serving, slot.starting = slot.serving, process, None
        process.ready_at = time.monotonic()
        if not self._is_stopping:
            process.kill_at = math.inf
        if self._stops_at < math.inf:  # it replaces one that has been told
            process.order(NOTICE)
        if old is not None:
            self._drain(old, DRAIN)
        if not self._has_listened and all(slot.serving for slot in self._slots):
            self._has_listened = True
            announce("step14", self._url)

    # [/ready]

    def _collect_the_dead(self) -> None:
        """Ask the kernel which processes have died, and do what follows from that."""
        for process, slot in list(self._processes.items()):
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid == 0:
                continue
            while process.channel.fileno() != -1:
                self._read_messages(process)  # it may have said why
            del self._processes[process]
            self._has_answered(process, Stats())
            if process is slot.starting:
                slot.starting = None
            elif process is slot.serving:
                slot.serving = None
            else:
                continue  # it was told to end
            if not self._is_stopping:
                self._replace(process, slot, os.waitstatus_to_exitcode(status))

    def _replace(self, process: Process, slot: Slot, code: int) -> None:
        how = f"process {process.pid} has ended with {code}"
        if slot.serving:
            log.error("step14: %s before it was ready: no reload", how)
            self._to_renew.clear()
        elif not self._has_listened:
            if code < 0:  # a signal: it could not say why itself
                log.error("step14: %s before it was ready", how)
            self._status = 1  # the first start has failed, so nothing is tried again
            self._stop()
        else:
            pause_s = slot.backoff.pause_s(time.monotonic() - process.ready_at)
            slot.due = time.monotonic() + pause_s
            if pause_s >= CLOSING_PAUSE_S:
                slot.close()
            # Last, so that who reads it finds it true.
            log.warning("step14: %s: another in %g s", how, pause_s)

    def _give_notice(self) -> None:
        """Say in each answer that it is the last, and serve all who come until then: a
        balancer may send some, and has to hear it first."""
        self._stops_at = time.monotonic() + self._settings.notice
        for process in self._processes:
            process.order(NOTICE)

    def _stop(self) -> None:
        self._stops_at = math.inf
        self._is_stopping = True
        for slot in self._slots:
            slot.close()  # here; its process has it, too, and closes it there
        for process in self._processes:
            self._drain(process, END)

    def _drain(self, process: Process, order: bytes) -> None:
        process.order(order)
        # It ends before that, unless it cannot do anything at all: then kill it.
        wait_s = self._settings.grace + STOP_WAIT_S + EXIT_WAIT_S + 1
        process.kill_at = min(process.kill_at, time.monotonic() + wait_s)

    def _ask_for_stats(self) -> None:
        self._totals = Counter(asdict(Stats()))
        self._asked = {slot.serving for slot in self._slots if slot.serving}
        for process in self._asked:
            process.order(STATS)

    def _has_answered(self, process: Process, stats: Stats) -> None:
        """It has sent its stats, or has died. After the last, log the sum of all."""
        if process in self._asked:
            self._asked.discard(process)
            self._totals.update(asdict(stats))
            if not self._asked:
                pairs = self._totals.items()
                log.info("step14 stats %s", " ".join(f"{k}={v}" for k, v in pairs))
