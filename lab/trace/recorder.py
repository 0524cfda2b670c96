"""A step's server with stand-ins that note what each of its threads does, and when.

`lab/trace/play.py` runs this module in a process of its own. The steps are not changed
and know nothing of it: `tracing()` replaces, for as long as it is entered, what they
call in the standard library by something that does the same and notes it.

| the steps call                | noted as                                             |
|-------------------------------|------------------------------------------------------|
| `select.select`, a selector   | `select`: whom it watched, who was ready, or `error` |
| the listener's `accept()`     | `accept`                                             |
| a connection's `recv()`       | `receive`; `wait to receive` if nothing was there    |
| a connection's `sendall()`    | `send head`, `send body`, `send both`                |
|                               | then `wait to send` what the kernel had no room for  |
| its `send()`, `sendmsg()`     | the same; `bytes` is what the kernel took            |
| a connection's `close()`      | `close`; its `shutdown()`: `shut down`               |
| `queue.SimpleQueue` put, get  | `hand over`, `wait for a job`                        |
| `os.write`, `os.read` (pipe)  | `wake`, `drain`                                      |
| a `threading.Lock` that waits | `lock wait`                                          |
| the application               | `handler`                                            |
| `time.sleep` in a handler     | `sleep`, within its `handler`                        |
| a handler that reads a clock  | `not running`, within its `handler`, if the thread   |
|                               | was on no core for most of the time between two      |
|                               | readings of `time.thread_time`                       |

What tells the server to stop while clients are there is noted as `stop`.

Of each event is noted how long its thread has been on a core (`time.thread_time_ns()`)
when it began and when it ended and, on Linux, for how long the thread has waited for a
core since its event before that, or since it began (`/proc/thread-self/schedstat`).
`lab/trace/turns.py` concludes from that when a thread wanted to run and could not.

On Linux a thread also asks the kernel how many bytes of a `sendall()` it holds back,
and until when: `held back`. Noting takes some microseconds an event, so a trace shows
what happens in which order and where milliseconds go, not how fast a server is.

Protocol: `python -m lab.trace.recorder STEP WORKERS SETTINGS [HALF]` (the settings as
JSON; with a half of step 07's cure, the server of `lab/measure/halves.py`) prints
`{"port": N}` once the server waits for clients, and stops it when a line comes on its
standard input, or this ends; when the server has stopped, it prints
`{"events": [[thread, name, start_ns, end_ns, details], …], "stats": {…}, "gil": …}`.
Times are `time.monotonic_ns()`, which all processes of a system share. `details` has
`core_ns`, a pair, and `queued_ns`; `gil` is whether one thread runs Python at a time.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import importlib
import inspect
import json
import os
import queue
import select
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fcntl import ioctl
from typing import Any, NamedTuple

from steps.app import Application, app
from steps.command import BACKLOG
from steps.http11 import Request, Response

#: linux/sockios.h: bytes in the send queue, and those of them that were never sent.
SIOCOUTQ = 0x5411
SIOCOUTQNSD = 0x894B
#: So much of what is sent tells which part of a response it is.
PART_BYTES = 4096
#: How often the kernel is asked whether it still holds bytes back.
QUEUE_POLL_S = 0.000_25

#: A thread that is on no core for most of so long a time did not run.
PAUSE_NS = 1_000_000

# What the stand-ins call in turn, whatever is patched when they do.
_select = select.select
_lock = threading.Lock
_pipe, _read, _write = os.pipe, os.read, os.write
_sleep, _thread_time = time.sleep, time.thread_time

#: Called so, a function of the C library does not let go of the interpreter. To ask the
#: kernel about a thread must not give another one its turn.
_libc = ctypes.PyDLL(None)


class Moment(NamedTuple):
    """When, and how long the thread that asks has been on a core by then."""

    ns: int
    core_ns: int


def now() -> Moment:
    return Moment(time.monotonic_ns(), time.thread_time_ns())


def queued_ns() -> int:
    """How long this thread has waited for a core since it began; 0 if nobody knows."""
    fd = _libc.open(b"/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    if fd < 0:
        return 0
    buffer = ctypes.create_string_buffer(99)
    _libc.read(fd, buffer, 98)
    _libc.close(fd)
    numbers = buffer.value.split()
    return int(numbers[1]) if len(numbers) > 1 else 0


class Recorder:
    """Events as they end, from any thread, and names for descriptors."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, int, int, dict[str, Any]]] = []
        #: Descriptor -> who is there: "listener", "pipe", or a client's "port 40312".
        self.names: dict[int, str] = {}
        #: Set when a thread is about to wait for clients.
        self.waiting = threading.Event()
        self._held: queue.SimpleQueue[tuple[socket.socket, int, dict[str, Any]] | None]
        self._held = queue.SimpleQueue()
        #: Of each thread: `queued`, how long it had waited for a core when it was last
        #: asked; in a handler also `target`, and `read`, when that last read a clock.
        self._of_thread = threading.local()

    def note(self, name: str, start: Moment, /, **details: Any) -> None:
        """Something that began at `start` and ends now, in this thread."""
        end = now()
        queued, own = queued_ns(), self._of_thread
        details["core_ns"] = (start.core_ns, end.core_ns)
        details["queued_ns"] = queued - getattr(own, "queued", 0)
        own.queued = queued
        thread = threading.current_thread().name
        self.events.append((thread, name, start.ns, end.ns, details))

    def handle(self, app: Application, request: Request) -> Response:
        start = now()
        self._of_thread.target, self._of_thread.read = request.target, start
        try:
            return app(request)
        finally:
            del self._of_thread.target
            self.note("handler", start, target=request.target)

    def sleep(self, seconds: float) -> None:
        start = now()
        try:
            _sleep(seconds)
        finally:
            about = {"target": self._of_thread.target, "asked_ms": seconds * 1000}
            self.note("sleep", start, **about)
            self._of_thread.read = now()

    def clock_read(self) -> None:
        """A handler reads a clock: has its thread been running since it last did?"""
        before, here = self._of_thread.read, now()
        passed = here.ns - before.ns
        if passed >= PAUSE_NS and here.core_ns - before.core_ns < passed / 2:
            self.note("not running", before, target=self._of_thread.target)
            here = now()
        self._of_thread.read = here

    def in_handler(self) -> bool:
        return hasattr(self._of_thread, "target")

    def watch_queue(self, sock: socket.socket, **details: Any) -> None:
        """Note how long the kernel holds back what was sent on this socket."""
        self._held.put((sock, time.monotonic_ns(), details))

    def watch_queues(self) -> None:
        """What a thread of its own does, until `stop_watching()`."""
        held: dict[socket.socket, tuple[int, dict[str, Any]]] = {}
        while True:
            while not held or not self._held.empty():
                item = self._held.get()
                if item is None:
                    return
                sock, start, details = item
                if sock in held:  # sent, and held back anew, between two looks
                    self._held_until(start, *held.pop(sock))
                held[sock] = (start, details)
            for sock in list(held):
                if not send_queue(sock).get("unsent"):
                    self._held_until(time.monotonic_ns(), *held.pop(sock))
            time.sleep(QUEUE_POLL_S)

    def _held_until(self, end: int, start: int, details: dict[str, Any]) -> None:
        lane = f"queue to {details['client']}"
        self.events.append((lane, "held back", start, end, details))

    def stop_watching(self) -> None:
        self._held.put(None)

    def named(self, descriptors: Iterable[int]) -> list[str]:
        """Those that have names; others, such as the stop event, are left out."""
        return [self.names[fd] for fd in descriptors if fd in self.names]

    def name_of(self, sock: socket.socket | None) -> str | None:
        return self.names.get(sock.fileno()) if sock else None


@contextmanager
def tracing(recorder: Recorder) -> Iterator[None]:
    """While entered, what steps call is noted. Threads keep the stand-ins they got."""

    class BoundSelector(TracedSelector):
        notes = recorder

    class BoundQueue(TracedQueue):
        notes = recorder

    def lock() -> Any:
        return TracedLock(recorder) if _called_by_a_step() else _lock()

    def pipe() -> tuple[int, int]:
        reader, writer = _pipe()
        if _called_by_a_step():
            recorder.names[reader] = "pipe"
        return reader, writer

    def write(fd: int, data: bytes, /) -> int:
        if not _called_by_a_step():
            return _write(fd, data)
        start = now()
        try:
            return _write(fd, data)
        finally:
            recorder.note("wake", start)

    def read(fd: int, length: int, /) -> bytes:
        if not _called_by_a_step():
            return _read(fd, length)
        start = now()
        try:
            return _read(fd, length)
        finally:
            recorder.note("drain", start)

    def traced_select(
        readers: Any, writers: Any, others: Any, timeout: float | None = None
    ) -> Any:
        recorder.waiting.set()
        details: dict[str, Any] = {"watched": recorder.named(readers)}
        if timeout is not None:
            details["timeout_ms"] = timeout * 1000
        start = now()
        try:
            ready = _select(readers, writers, others, timeout)
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0, str(error))
            recorder.note("select", start, **details, error=code)
            raise
        recorder.note("select", start, **details, ready=recorder.named(ready[0]))
        return ready

    def sleep(seconds: float, /) -> None:
        (recorder.sleep if recorder.in_handler() else _sleep)(seconds)

    def thread_time() -> float:
        if recorder.in_handler():
            recorder.clock_read()
        return _thread_time()

    with ExitStack() as stack:
        for module, name, stand_in in (
            (select, "select", traced_select),
            (selectors, "DefaultSelector", BoundSelector),
            (queue, "SimpleQueue", BoundQueue),
            (threading, "Lock", lock),
            (os, "pipe", pipe),
            (os, "write", write),
            (os, "read", read),
            (time, "sleep", sleep),
            (time, "thread_time", thread_time),
        ):
            stack.enter_context(_replaced(module, name, stand_in))
        yield


@contextmanager
def _replaced(module: Any, name: str, stand_in: object) -> Iterator[None]:
    original = getattr(module, name)
    setattr(module, name, stand_in)
    try:
        yield
    finally:
        setattr(module, name, original)


def _called_by_a_step() -> bool:
    """Whether the caller's caller is a step: the standard library calls these too."""
    name = sys._getframe(2).f_globals.get("__name__", "")
    return str(name).startswith("steps.")


class TracedSocket(socket.socket):
    """A listener, and the connections that it accepts."""

    notes: Recorder

    def __init__(self, recorder: Recorder, sock: socket.socket) -> None:
        timeout = sock.gettimeout()
        super().__init__(fileno=sock.detach())
        self.settimeout(timeout)
        self.notes = recorder

    def accept(self) -> tuple[socket.socket, Any]:
        start = now()
        sock, address = super().accept()
        connection = TracedSocket(self.notes, sock)
        name = f"port {address[1]}"
        self.notes.names[connection.fileno()] = name
        self.notes.note("accept", start, client=name)
        return connection, address

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        name = self.notes.name_of(self)
        start = now()
        there = _select([self], [], [], 0)[0]
        data = b""
        try:
            data = super().recv(size, flags)
        finally:
            what = "receive" if there else "wait to receive"
            self.notes.note(what, start, client=name, bytes=len(data))
        return data

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        name = self.notes.name_of(self)
        start = now()
        sent = 0
        try:
            with suppress(BlockingIOError):
                sent = super().send(data, flags | socket.MSG_DONTWAIT)
        finally:
            what = f"send {part_of_a_response(bytes(data[:PART_BYTES]))}"
            queued = send_queue(self)
            self.notes.note(what, start, client=name, bytes=sent, **queued)
        if sent < len(data):
            start = now()
            try:
                super().sendall(memoryview(data)[sent:], flags)
            finally:
                rest = len(data) - sent
                self.notes.note("wait to send", start, client=name, bytes=rest)
        elif queued.get("unsent"):
            self.notes.watch_queue(self, client=name, **queued)

    def send(self, data: Any, flags: int = 0, /) -> int:
        return self._noted([data], lambda: super(TracedSocket, self).send(data, flags))

    def sendmsg(self, buffers: Any, *rest: Any) -> int:
        buffers = list(buffers)
        return self._noted(
            buffers, lambda: super(TracedSocket, self).sendmsg(buffers, *rest)
        )

    def _noted(self, buffers: Sequence[Any], send: Callable[[], int]) -> int:
        """What `send` sends of the buffers, for it may be less than all."""
        first = b"".join(bytes(each[:PART_BYTES]) for each in buffers[:2])
        name = self.notes.name_of(self)
        start = now()
        sent = 0
        try:
            sent = send()
        finally:
            what = f"send {part_of_a_response(first)}"
            self.notes.note(what, start, client=name, bytes=sent, **send_queue(self))
        return sent

    def shutdown(self, how: int, /) -> None:
        start = now()
        try:
            super().shutdown(how)
        finally:
            self.notes.note("shut down", start, client=self.notes.name_of(self))

    def close(self) -> None:
        name = self.notes.name_of(self)
        start = now()
        super().close()
        if name:
            self.notes.note("close", start, client=name)


def part_of_a_response(data: bytes) -> str:
    """What of a response these bytes are: its head, (some of) its body, or both."""
    if not data.startswith(b"HTTP/1."):
        return "body"
    _, _, body = data.partition(b"\r\n\r\n")
    return "both" if body else "head"


def send_queue(sock: socket.socket) -> dict[str, int]:
    """Bytes given to the kernel and not yet sent, and sent but not yet acknowledged.

    Empty where the system does not tell (it does on Linux) or the socket is closed.
    """
    if sys.platform != "linux":
        return {}
    numbers = []
    for request in (SIOCOUTQ, SIOCOUTQNSD):
        try:
            answer = ioctl(sock.fileno(), request, struct.pack("i", 0))
        except (OSError, ValueError):
            return {}
        numbers.append(int(struct.unpack("i", answer)[0]))
    queued, unsent = numbers
    return {"unsent": unsent, "unacknowledged": queued - unsent}


class TracedSelector(selectors.DefaultSelector):
    notes: Recorder

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        self.notes.waiting.set()
        watched = self._named((key, key.events) for key in self.get_map().values())
        start = now()
        ready = super().select(timeout)
        self.notes.note("select", start, watched=watched, ready=self._named(ready))
        return ready

    def _named(self, keys: Iterable[tuple[selectors.SelectorKey, int]]) -> list[str]:
        return [
            name + (" to send" if events == selectors.EVENT_WRITE else "")
            for key, events in keys
            for name in self.notes.named([key.fd])
        ]


class TracedQueue(queue.SimpleQueue[Any]):
    notes: Recorder

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        # Named before, for the worker may close it at once.
        client = self.notes.name_of(_connection_of(item))
        start = now()
        super().put(item, block, timeout)
        if client:
            self.notes.note("hand over", start, client=client)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        start = now()
        item = None
        try:
            item = super().get(block, timeout)
            return item
        finally:
            client = self.notes.name_of(_connection_of(item))
            self.notes.note("wait for a job", start, client=client)


def _connection_of(item: Any) -> socket.socket | None:
    """Whose job it is, if anybody's. With its request it is a tuple."""
    owner = item[0] if isinstance(item, tuple) and item else item
    return getattr(owner, "sock", None)


class TracedLock:
    """A `threading.Lock` that notes when somebody waits for it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._real = _lock()
        self.release = self._real.release
        self.locked = self._real.locked

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._real.acquire(blocking=False):
            return True
        if not blocking:
            return False
        start = now()
        acquired = self._real.acquire(blocking, timeout)
        self._recorder.note("lock wait", start)
        return acquired

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def traced_app(recorder: Recorder, app: Application) -> Application:
    return lambda request: recorder.handle(app, request)


def serve(step: str, workers: int, settings: dict[str, float], half: str = "") -> None:
    """Serve, traced, until standard input says so; see the protocol above."""
    recorder = Recorder()
    plain = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    listener = TracedSocket(recorder, plain)
    recorder.names[listener.fileno()] = "listener"
    port = listener.getsockname()[1]
    stats: dict[str, float] = {}

    def attend() -> None:
        recorder.waiting.wait()
        print(json.dumps({"port": port}), flush=True)
        told = sys.stdin.readline()
        stats.update(dataclasses.asdict(server.stats))
        start = now()
        server.stop()
        if told:
            recorder.note("stop", start)

    watcher = threading.Thread(target=recorder.watch_queues)
    watcher.start()
    with tracing(recorder):
        # Not before: it may import a name that is replaced.
        if half:
            make = importlib.import_module("lab.measure.halves").SERVERS[half]
        else:
            make = importlib.import_module(f"steps.{step}.server").Server
        options: list[Any] = [workers]
        if settings:
            usual = inspect.signature(make).parameters["settings"].default
            options.append(dataclasses.replace(usual, **settings))
        server = make(listener, traced_app(recorder, app), *options)
        threading.Thread(target=attend, name="operator", daemon=True).start()
        server.run()
    recorder.stop_watching()
    watcher.join()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    told_last = {"events": recorder.events, "stats": stats, "gil": gil}
    print(json.dumps(told_last), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), *sys.argv[4:])
