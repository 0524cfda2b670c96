"""The connections of one generator process: opened, used, watched and given up.

One thread and one epoll. In a keep-alive closed loop nearly every answer is as long as
the last one and comes in one piece, so `_run` deals with those in line: one `read`, a
check of status and length, one `write`. Everything else takes the road through
`_attend`, which knows what each connection is doing.

Kinds of errors:

    refused          connect: nothing listens, or the listener went away
    connect timeout  connect: no answer for `timeout_s`
    no port          connect: this machine has no free port
    reset            the server reset the connection (or aborted it)
    closed           the server closed the connection before the first byte of an answer
    short answer     … or after it, before the last
    timeout          no whole answer for `timeout_s`
    malformed        not an HTTP/1.x answer, or bytes that belong to none
    status NNN       a whole answer, but not 2xx
    kept open        close: the server did not close within `timeout_s` of its answer
    unsent           constant rate: due, but no connection became free to send it

After one of these (but not after a status) the connection is given up and another is
opened `RETRY_S` later, so that a dead server is not met with a storm.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter, deque

from lab.load.answer import Answer, MalformedError
from lab.load.child import OrphanedError
from lab.load.connecting import Connector, socket_error
from lab.load.histogram import Histogram
from lab.load.poller import HANGUP, IN, OUT, Poller
from lab.load.run import COUNTER_DIGITS, LoadSpec
from lab.load.target import LoadError, nothing_listens

RETRY_S = 0.01
#: How often requests are looked at for having run out of time.
SWEEP_S = 0.1
#: Events taken in one go. Few enough that the clock is looked at often.
MAX_EVENTS = 512
READ_BYTES = 65536

#: What a `write` answers before the connection is there (macOS: the second).
NOT_CONNECTED_YET = (errno.EAGAIN, errno.ENOTCONN)

OK = b"HTTP/1.1 200 "


class State:
    """What a connection is doing, when it is not waiting for a usual answer."""


#: `connect` has not finished.
CONNECTING = State()
#: The answer is whole, and the server is going to close.
CLOSING = State()
#: This is not a connection but standard input.
CONTROL = State()

#: No answer is that long: none is taken in line.
NOTHING_LEARNT = (-1, 0, 0, b"")


class Generator(ABC):
    """The connections of one process, and what they have seen.

    A connection is its descriptor. One that sends has an entry in `_started`, and one
    that is doing anything out of the ordinary has one in `_special`.

    When to send is decided by one of the two that build on this: `ClosedLoop` and
    `ConstantRate`.
    """

    #: Whether an answer is followed at once by the next request.
    closed_loop: bool

    def __init__(self, spec: LoadSpec, index: int, poller: Poller) -> None:
        self._spec = spec
        self._poller = poller
        self._connector = Connector(spec, poller)
        before, after = (part.replace("%", "%%") for part in spec.request_parts())
        #: With a number it makes a request: as fast as Python can.
        self._template = f"{before}%0{COUNTER_DIGITS}d{after}".encode()
        #: The processes' counters never meet: each has its own first digit.
        first = index * 10 ** (COUNTER_DIGITS - 1)
        self._numbers = iter(range(first, first + 10 ** (COUNTER_DIGITS - 1)))
        self._timeout_ns = int(spec.timeout_s * 1e9)
        #: This process's share.
        share, rest = divmod(spec.connections, spec.processes)
        self._connections = share + (index < rest)

        #: Descriptor -> when its request began, or was due.
        self._started: dict[int, int] = {}
        #: Descriptor -> when its request was sent: the same, unless it was due before.
        self._sent = self._started
        self._special: dict[int, State | Answer] = {}
        #: Descriptor -> since when the server should close it.
        self._closing: dict[int, int] = {}
        #: How many requests wait for one of those, for there are too many.
        self._owed = 0
        #: Connections that are free. None: free, but not open.
        self._idle: deque[int | None] = deque()
        #: When to open connections in place of lost ones, in order.
        self._later: deque[int] = deque()

        #: The usual answer: its length, and where it has its Content-Length.
        self._learnt = NOTHING_LEARNT
        #: Latencies of answers that were taken in line, all of the usual length.
        self._inline: list[int] = []
        #: Latencies of all others.
        self._latencies: list[int] = []
        self._histogram = Histogram()
        self._errors: Counter[str] = Counter()
        self._requests = 0
        self._received_bytes = 0
        self._reconnects = 0

        #: When to begin, to begin counting, and to stop sending.
        self._start_ns = self._window_ns = self._end_ns = 0
        self._draining = False
        #: When something other than an answer must be looked after.
        self._wake_ns = 0
        self._sweep_ns = 0

    def connect(self) -> list[int]:
        """Keep-alive: open all connections. Returns those that are open in time."""
        if not self._spec.keep_alive:
            return []
        return self._connector.connect(self._connections)

    # The run

    def run(self, ready: list[int], start_ns: int) -> dict[str, object]:
        """Send from `start_ns` until the end, wait for what is in flight, report."""
        spec = self._spec
        _sleep_until(start_ns)
        self._special[sys.stdin.fileno()] = CONTROL
        self._start_ns = start_ns
        self._window_ns = start_ns + int(spec.warmup_s * 1e9)
        self._end_ns = self._window_ns + int(spec.seconds * 1e9)
        self._begin(ready)
        self._run(self._window_ns)

        self._fold()
        self._histogram = Histogram()
        self._errors.clear()
        self._requests = self._received_bytes = self._reconnects = 0
        begin_ns, cpu, busy = time.monotonic_ns(), time.process_time(), _busy_s()
        self._run(self._end_ns)
        self._fold()
        end_ns = time.monotonic_ns()
        seconds = (end_ns - begin_ns) / 1e9
        cpu, busy = time.process_time() - cpu, _busy_s() - busy
        requests, received = self._requests, self._received_bytes

        self._stop_sending()
        self._run(end_ns + self._timeout_ns + int(2 * SWEEP_S * 1e9))
        self._fold()
        return {
            "requests": requests,
            "seconds": seconds,
            "cpu": cpu / seconds,
            "busy": max(cpu, busy) / seconds,
            "errors": dict(self._errors),
            "bytes_received": received,
            "reconnects": self._reconnects,
            "histogram": self._histogram.to_json(),
        }

    @abstractmethod
    def _begin(self, ready: list[int]) -> None:
        """The first requests, on the connections that are ready and on new ones."""

    @abstractmethod
    def _wait(self, now: int) -> list[tuple[int, int]]:
        """Send what is due, and wait for events until `_wake_ns` at the latest."""

    def _stop_sending(self) -> None:
        """The end: from now on only wait for what is in flight."""
        self._learnt = NOTHING_LEARNT
        self._draining = True

    def _run(self, until_ns: int) -> None:
        """Serve all connections until a moment, or until a drain has no more to do."""
        clock = time.monotonic_ns
        read, write, wait = os.read, os.write, self._wait
        special, started, template = self._special, self._started, self._template
        number, inline = self._numbers.__next__, self._inline
        took = inline.append
        keeps = self._spec.keep_alive
        again = self.closed_loop and keeps
        length, begin, end, field = self._learnt
        self._wake_ns = 0
        while True:
            now = clock()
            if now >= self._wake_ns or self._draining:
                drained = self._draining and not started and not self._closing
                if drained or now >= until_ns:
                    return
                self._look_after(now, until_ns)
            for fd, flags in wait(now):
                if fd in special:
                    self._attend(fd, flags)
                else:
                    try:
                        data = read(fd, READ_BYTES)
                        now = clock()
                        if (
                            len(data) == length
                            and data.startswith(OK)
                            and data[begin:end] == field
                        ):
                            if again and flags == IN:
                                took(now - started[fd])
                                started[fd] = now
                                write(fd, template % number())
                            else:
                                self._whole(fd, length, not keeps, now, flags)
                            continue
                    except OSError as error:
                        self._broken(fd, error)
                        continue
                    self._take(fd, data, now, flags)
                length, begin, end, field = self._learnt
            if len(inline) > MAX_EVENTS or len(self._latencies) > MAX_EVENTS:
                self._fold()

    def _look_after(self, now: int, until_ns: int) -> None:
        """What has its time: lost connections, requests without an answer."""
        while self._later and self._later[0] <= now:
            self._later.popleft()
            self._free()
        if now >= self._sweep_ns:
            self._sweep_ns = now + int(SWEEP_S * 1e9)
            self._sweep(now - self._timeout_ns)
        self._wake_ns = min(until_ns, self._sweep_ns)
        if self._later:
            self._wake_ns = min(self._wake_ns, self._later[0])

    def _sweep(self, before_ns: int) -> None:
        """Give up what has waited since before a moment."""
        for fd in [fd for fd, sent in self._sent.items() if sent < before_ns]:
            connecting = self._special.get(fd) is CONNECTING
            self._fail(fd, "connect timeout" if connecting else "timeout")
        for fd in [fd for fd, since in self._closing.items() if since < before_ns]:
            self._fail(fd, "kept open")

    # One connection

    def _open(self, started_ns: int) -> None:
        """Open a connection for a request that began, or was due, at `started_ns`."""
        try:
            fd = self._connector.begin()
        except OSError as error:
            self._error(_kind(error))
            self._lost()
            return
        self._started[fd] = started_ns
        self._sent[fd] = time.monotonic_ns()
        # On one machine the connection is mostly there already: try before waiting.
        try:
            os.write(fd, self._template % next(self._numbers))
        except OSError as error:
            if error.errno in NOT_CONNECTED_YET:
                self._special[fd] = CONNECTING
                self._poller.register(fd, OUT)
            else:
                self._fail(fd, _kind(error))
        else:
            self._connector.reached = True
            self._poller.register(fd, IN | HANGUP)

    def _send(self, fd: int, started_ns: int) -> None:
        """Send the next request on an open connection."""
        self._started[fd] = started_ns
        if self._sent is not self._started:
            self._sent[fd] = time.monotonic_ns()
        try:
            # Never short: the last request has left, and a buffer holds many.
            os.write(fd, self._template % next(self._numbers))
        except OSError as error:
            self._broken(fd, error)

    def _attend(self, fd: int, flags: int) -> None:
        """An event on a connection that is doing something out of the ordinary."""
        state = self._special[fd]
        if state is CONTROL:
            raise OrphanedError
        try:
            if state is CONNECTING:
                if code := socket_error(fd):
                    raise OSError(code, os.strerror(code))
                os.write(fd, self._template % next(self._numbers))
                self._connector.reached = True
                del self._special[fd]
                self._poller.modify(fd, IN | HANGUP)
                return
            data = os.read(fd, READ_BYTES)
        except OSError as error:
            self._broken(fd, error)
            return
        if state is CLOSING:
            if data:
                self._fail(fd, "malformed")
            else:
                self._closed(fd)
            return
        self._take(fd, data, time.monotonic_ns(), flags)

    def _take(self, fd: int, data: bytes, now: int, flags: int) -> None:
        """A piece of an answer, or the end of a connection."""
        state = self._special.get(fd)
        if fd not in self._started:
            # Idle: at a constant rate, or at the end.
            if data:
                self._fail(fd, "malformed")
            else:
                self._reconnects += 1
                self._forget(fd)
                self._free()
            return
        if not data:
            if isinstance(state, Answer) and state.end():
                del self._special[fd]
                self._is_answer(fd, state, now, flags | HANGUP)
            else:
                self._fail(fd, "short answer" if state else "closed")
            return
        answer = state if isinstance(state, Answer) else Answer()
        try:
            whole = answer.add(data)
        except MalformedError:
            self._fail(fd, "malformed")
            return
        if not whole:
            self._special[fd] = answer
            return
        self._special.pop(fd, None)
        self._is_answer(fd, answer, now, flags)

    def _is_answer(self, fd: int, answer: Answer, now: int, flags: int) -> None:
        """An answer is whole: whether a right one, its status says."""
        closes = answer.closes or not self._spec.keep_alive
        if answer.status[:1] == b"2":
            if not (self._draining or (answer.closes and self._spec.keep_alive)):
                self._learn(answer)
            self._whole(fd, answer.total, closes, now, flags)
        else:
            self._errors[f"status {answer.status.decode()}"] += 1
            self._after(fd, closes, now, flags)

    def _whole(self, fd: int, size: int, closes: bool, now: int, flags: int) -> None:
        """A right answer of `size` bytes is whole."""
        started = self._started[fd]
        if not self._draining:
            self._requests += 1
            self._received_bytes += size
        if self._counts(started):
            self._latencies.append(now - started)
        self._after(fd, closes, now, flags)

    @abstractmethod
    def _counts(self, started_ns: int) -> bool:
        """Whether the latency of a request that began, or was due, then is wanted."""

    def _after(self, fd: int, closes: bool, now: int, flags: int) -> None:
        """What comes after an answer: the next request, or the end.

        Whoever closes first keeps the port for a minute (TIME-WAIT). That must be the
        server, or this side runs out of ports: so wait for it, beside the next request.
        """
        if closes or flags & HANGUP:
            if self._spec.keep_alive:
                self._reconnects += 1
            if flags & HANGUP:
                self._forget(fd)
                self._free()
            else:
                self._started.pop(fd, None)
                self._sent.pop(fd, None)
                self._special[fd] = CLOSING
                self._closing[fd] = now
                if len(self._closing) <= self._connections:
                    self._free()
                else:
                    self._owed += 1
        elif self.closed_loop and not self._draining:
            self._send(fd, now)
        else:
            self._started.pop(fd, None)
            self._sent.pop(fd, None)
            self._idle.append(fd)

    def _learn(self, answer: Answer) -> None:
        """Expect answers like this one."""
        usual = answer.status == b"200" and answer.framing == "length"
        if usual and answer.total != self._learnt[0]:
            self._fold()
            self._learnt = (answer.total, *answer.field)

    def _closed(self, fd: int) -> None:
        """A connection that was answered has ended."""
        self._forget(fd)
        if self._owed:
            self._owed -= 1
            self._free()

    def _free(self) -> None:
        """A connection has done its work, or was lost: another may take its place."""
        if not self._draining:
            self._replace()

    @abstractmethod
    def _replace(self) -> None:
        """Open a connection in place of one that has gone, now or when it is needed."""

    def _lost(self) -> None:
        """A connection was lost: open another, but not at once."""
        due = time.monotonic_ns() + int(RETRY_S * 1e9)
        self._later.append(due)
        self._wake_ns = min(self._wake_ns, due)

    def _broken(self, fd: int, error: OSError) -> None:
        if not isinstance(error, BlockingIOError):  # that one was a false alarm
            self._fail(fd, _kind(error))

    def _error(self, kind: str) -> None:
        if kind == "refused" and not self._connector.reached:
            raise nothing_listens(self._spec.host, self._spec.port)
        self._errors[kind] += 1

    def _fail(self, fd: int, kind: str) -> None:
        """Count an error and give the connection up."""
        self._error(kind)
        if fd in self._closing:
            self._closed(fd)
            return
        self._unanswered(self._started.get(fd, 0))
        self._forget(fd)
        self._lost()

    @abstractmethod
    def _unanswered(self, due_ns: int) -> None:
        """The request that began, or was due, then has no answer and gets none."""

    def _forget(self, fd: int) -> None:
        """Close a descriptor. Its number may come again at once."""
        closing = self._closing.pop(fd, None)
        started = self._started.pop(fd, None)
        if started is None and closing is None:
            self._idle.remove(fd)
        self._sent.pop(fd, None)
        self._special.pop(fd, None)
        os.close(fd)

    def _fold(self) -> None:
        """Move latencies to the histogram."""
        count = len(self._inline)
        self._requests += count
        self._received_bytes += count * self._learnt[0]
        for latencies in (self._inline, self._latencies):
            self._histogram.add_many(latencies)
            latencies.clear()


def _kind(error: OSError) -> str:
    """The kind of error that an OSError is."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, BrokenPipeError):
        return "closed"
    if error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE):
        return "no port"
    if error.errno == errno.ETIMEDOUT:
        return "connect timeout"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise LoadError(f"no descriptors left: {error.strerror}")
    return "reset"


def _sleep_until(moment_ns: int) -> None:
    time.sleep(max(0, moment_ns - time.monotonic_ns()) / 1e9)


def _busy_s() -> float:
    """Seconds that this thread was on a processor or waited for one, so far.

    0 where the system does not tell.
    """
    try:
        with open("/proc/thread-self/schedstat") as file:
            on_processor, waiting, _ = file.read().split()
    except OSError:
        return 0.0
    return (int(on_processor) + int(waiting)) / 1e9
