"""Servers in threads, clients with deadlines, and words for what a server is doing.

Nothing here waits a fixed time for something to happen: `wait_until` asks again and
again, and when its deadline has passed it fails with every thread's stack.
"""

import importlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD
from types import TracebackType
from typing import Any, NoReturn, Self

import pytest

from steps.app import Application, app
from steps.command import listen
from steps.http11 import Request, Response
from steps.step12.settings import Settings
from steps.step13.settings import Settings as Wsgi

ROOT = Path(__file__).parents[2]
STEPS = tuple(
    name
    for name in (f"step{number:02}" for number in (*range(1, 14), 15))
    if (ROOT / "steps" / name / "server.py").exists()
)
# Step 15 once more, as coroutines: modules that are run by themselves. They owe what
# every step owes, and leave out what later ones add.
BY_HAND = ("step15.by_hand", "step15.with_await")
# Step 14 makes processes: nothing that could run in a thread of this one.
AS_PROCESSES = (*STEPS, "step14", *BY_HAND)
# With workers or, as these names say, without: then the loop itself calls the handlers.
IN_LOOP = tuple(f"{step}-0" for step in STEPS[9:])
DESIGNS = STEPS + IN_LOOP + BY_HAND
CLOSING = STEPS[:2]  # close after each response
KEEPING = DESIGNS[2:]  # keep the connection
ON_THE_WIRE = STEPS[8:] + IN_LOOP  # never block; the whole checklist holds
REACTORS = tuple(  # and their loop is their own
    step for step in ON_THE_WIRE if not step.startswith("step15")
)
DRAINING = STEPS[11:]  # finish what has begun, and wait for it
TIMED = ("step03", "step05")  # a kept connection waits for a timeout of select()

# Far beyond what anything takes on a busy machine; within pytest's own limit.
DEADLINE_S = 20.0
# Kept connections wait this long in steps 03 and 05, where the wait is not the subject.
SHORT_TIMEOUT_S = 0.001
# From step 12 on, clients have so long when it stops, where that is not the subject.
SHORT_GRACE_S = 0.05
# Linux: acknowledge at once what has come. Elsewhere nobody can ask for that.
QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


def stacks() -> str:
    """What every thread of this process is doing, the innermost call last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )


def fail(why: str) -> NoReturn:
    pytest.fail(f"{why}; meanwhile the threads were here:\n{stacks()}")


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Return as soon as `happened()`; fail at the deadline, and say what did not."""
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        if time.monotonic() > deadline:
            fail(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.0005)


def unread_bytes(fd: int) -> int:
    """How many bytes have arrived at a socket and have not been received."""
    count = array("i", [0])
    ioctl(fd, FIONREAD, count)
    return count[0]


def request_bytes(
    target: str = "/",
    *fields: str,
    method: str = "GET",
    version: str = "1.1",
    body: bytes = b"",
) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def is_refused(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was in the queue of a listener that has just been closed
    return False


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # lower-case names
    body: bytes


class Client:
    """One connection to a server on this machine, made by hand; no call waits for ever.

    `quick_ack=False` leaves it to the system when to acknowledge, as programs do.
    """

    def __init__(self, port: int | None = None, *, quick_ack: bool = True) -> None:
        # The socket takes its descriptor here, and may be connected later.
        self.sock = socket.socket()
        self.sock.settimeout(DEADLINE_S)
        self._quick_ack = quick_ack and QUICK_ACK is not None
        self._buffer = b""
        if port is not None:
            self.connect(port)

    def connect(self, port: int) -> None:
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(self, target: str = "/", *fields: str, **more: Any) -> Answer:
        self.send(request_bytes(target, *fields, **more))
        return self.receive(more.get("method", "GET"))

    def acknowledge(self) -> None:
        """Linux: send the acknowledgement that the kernel holds back."""
        assert QUICK_ACK is not None
        self.sock.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)

    def delay_acknowledgements(self) -> None:
        """Linux: from now on, as the kernel itself does from the second request on."""
        assert QUICK_ACK is not None
        self.sock.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 0)

    def receive_some(self) -> bytes:
        """What has come, or comes next; b"" when the server has closed."""
        try:
            data = self.sock.recv(1 << 20)
        except TimeoutError:
            fail(f"nothing came within {DEADLINE_S} s, after {self._buffer[-200:]!r}")
        if self._quick_ack:
            self.acknowledge()
        return data

    def _more(self) -> None:
        data = self.receive_some()
        assert data, f"closed inside an answer, after {self._buffer[-200:]!r}"
        self._buffer += data

    def receive(self, method: str = "GET") -> Answer:
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("ascii").split("\r\n")
        version, status, _ = status_line.split(" ", 2)
        assert version == "HTTP/1.1"
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        without_body = method == "HEAD" or status in ("204", "304")
        length = 0 if without_body else int(headers["content-length"])
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(int(status), headers, body)

    def expect_end(self) -> None:
        """The server closes, in order, and sends nothing before that."""
        data = self._buffer + self.receive_some()
        assert data == b"", f"{data[:200]!r} where the connection should have ended"

    def has_nothing(self) -> bool:
        """Neither bytes nor an end have come."""
        return not self._buffer and not select.select([self.sock], [], [], 0)[0]

    def send_end(self) -> None:
        """Half-close: no more requests, but answers are still welcome."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Go without a good-bye: a RST in place of a FIN, and no TIME_WAIT."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.sock.close()

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Listener(socket.socket):
    """Remembers which descriptor the server has for which client."""

    def __init__(self) -> None:
        super().__init__(fileno=listen("127.0.0.1", 0).detach())
        self.accepted: dict[Any, int] = {}

    def accept(self) -> tuple[socket.socket, Any]:
        accepted, address = super().accept()
        self.accepted[address] = accepted.fileno()
        return accepted, address


class Running:
    """A step's server in a thread of this process, and the clients that it has had."""

    def __init__(self, step: str, server: Any, listener: Listener) -> None:
        self.step = step
        self.port: int = listener.getsockname()[1]
        self._accepted = listener.accepted
        self.stats = server.stats
        self.stop: Callable[[], None] = server.stop
        self._server = server
        self._error: BaseException | None = None
        self.thread = threading.Thread(
            target=self._run, name=f"{step} run", daemon=True
        )
        self._clients = ExitStack()

    def _run(self) -> None:
        try:
            self._server.run()
        except BaseException as error:
            self._error = error

    def client(self, *, connected: bool = True, quick_ack: bool = True) -> Client:
        """A new client, closed when the server has been stopped if not before."""
        client = Client(quick_ack=quick_ack)
        self._clients.callback(client.close)
        if connected:
            client.connect(self.port)
        return client

    def descriptor_of(self, client: Client) -> int:
        """The server's own descriptor for the connection of a client."""
        address = client.sock.getsockname()
        wait_until(lambda: address in self._accepted, "the client is accepted")
        return self._accepted[address]

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        with self._clients:
            self.stop()
            self.thread.join(DEADLINE_S)
            if self.thread.is_alive():
                fail(f"{self.step} did not stop within {DEADLINE_S} s")
        if self._error is not None:
            raise self._error


def server_class(step: str) -> Any:
    module = step if step in BY_HAND else f"{step}.server"
    return importlib.import_module(f"steps.{module}").Server


def settings_of(step: str) -> type[Settings]:
    """The class of a step's settings, of those that drain."""
    return Wsgi if step.startswith("step13") else Settings


def serving(
    step: str,
    application: Application = app,
    *,
    workers: int = 4,
    select_timeout_s: float = SHORT_TIMEOUT_S,
    listener: Listener | None = None,
    **options: Any,
) -> Running:
    """`with serving("step03") as server`: it listens; it is stopped at the end.

    `options` are the server's own: its settings, its clock.
    """
    listener = listener or Listener()
    if step in TIMED:
        options["select_timeout_s"] = select_timeout_s
    name, _, in_loop = step.partition("-")
    if name in DRAINING:  # it would wait for clients that stop half way
        options.setdefault("settings", settings_of(name)(grace=SHORT_GRACE_S))
    workers = 0 if in_loop else workers
    server = server_class(name)(listener, application, workers, **options)
    return Running(step, server, listener)


def threads_in(function: str, file: str) -> int:
    """How many threads are inside `function` of the file steps/`file`, or below it."""
    path = str(ROOT / "steps" / file)
    count = 0
    for innermost in sys._current_frames().values():
        calls = (frame for frame, _ in traceback.walk_stack(innermost))
        count += any(
            call.f_code.co_name == function and call.f_code.co_filename == path
            for call in calls
        )
    return count


class Held:
    """An application whose `/held` does not return before `release()`.

    Releases at the end of `with`, so that a failing test can stop its server.
    """

    def __init__(self) -> None:
        self.entered = 0
        self._lock = threading.Lock()  # without the GIL, two could count as one
        self._released = threading.Event()

    def __call__(self, request: Request) -> Response:
        if request.target != "/held":
            return app(request)
        with self._lock:
            self.entered += 1
        assert self._released.wait(2 * DEADLINE_S)
        return Response(200, b"held, and released")

    def release(self) -> None:
        self._released.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


class Pause:
    """Who calls `here()` stays there until `go_on()`, or until the end of `with`."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._go_on = threading.Event()

    def here(self) -> None:
        self._reached.set()
        assert self._go_on.wait(2 * DEADLINE_S)

    def wait(self) -> None:
        wait_until(self._reached.is_set, "a thread gets to the pause")

    def go_on(self) -> None:
        self._go_on.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.go_on()


class SelectSpy:
    """Stands in for the `select` module of a step, and knows what each call watches.

    A call sees its set and no other: what it was given when it began is what it watches
    until it returns, whatever happens in other threads.
    """

    def __init__(self) -> None:
        self.calls = 0
        # The set of the call that is under way, and the timeout of the latest.
        self.watching: frozenset[int] | None = None
        self.timeout_s: float | None = None
        self.errors: list[OSError] = []
        self.pause = Pause()
        # Whether to pause between the making of a set and the real call with it, ...
        self.pauses_before: Callable[[frozenset[int]], bool] = lambda watched: False
        # ... or after the call, before the step acts on what it said.
        self.pauses_after: Callable[[list[int]], bool] = lambda ready: False

    def select(
        self, read: list[int], write: Any, error: Any, timeout: float | None = None
    ) -> tuple[list[int], list[Any], list[Any]]:
        self.calls += 1
        self.timeout_s = timeout
        self.watching = frozenset(read)
        try:
            if self.pauses_before(self.watching):
                self.pause.here()
            ready = select.select(read, write, error, timeout)
        except OSError as refused:
            self.errors.append(refused)
            raise
        finally:
            self.watching = None
        if self.pauses_after(ready[0]):
            self.pause.here()
        return ready

    def first_set(self) -> frozenset[int]:
        """Before any client comes: what wakes the loop, and nobody's connection."""
        wait_until(lambda: self.watching, "the loop calls select()")
        assert self.watching is not None
        return self.watching


def spy_on_select(step: str, monkeypatch: pytest.MonkeyPatch) -> SelectSpy:
    """See the calls of the thread that watches a step's kept connections."""
    spy = SelectSpy()
    loop = "step06" if step == "step07" else step  # step 07 inherits its loop
    monkeypatch.setattr(f"steps.{loop}.server.select", spy)
    return spy


class Process:
    """`python -m steps.stepNN` as its users run it, in a process group of its own.

    patch: code that runs before it, in the same process.
    """

    def __init__(
        self, step: str, *arguments: str, port: int = 0, patch: str = ""
    ) -> None:
        self.step = step
        program = ("-m", f"steps.{step}")
        if patch:
            name = f"'steps.{step}', run_name='__main__', alter_sys=True"
            run = f"import runpy; runpy.run_module({name})"
            program = ("-c", f"{patch}\n{run}")
        if step in (*DRAINING, "step14") and "--grace" not in arguments:
            arguments = (*arguments, "--grace", str(SHORT_GRACE_S))
        # Unbuffered, so that select() knows what has been read.
        self.popen = subprocess.Popen(
            [
                *(sys.executable, "-X", "faulthandler", *program),
                *("--port", str(port), *arguments),
            ],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )

    def listening_port(self) -> int:
        """Wait until it listens, and return where."""
        line = self.output_line()
        start = f"{self.step} listening on http://127.0.0.1:"
        assert line.startswith(start), (line, self._line_of(self.popen.stderr))
        return int(line.removeprefix(start))

    def stats(self) -> dict[str, float]:
        """What it logs on SIGUSR1."""
        self.popen.send_signal(signal.SIGUSR1)
        line = self._line_of(self.popen.stderr)
        start = f"{self.step} stats "
        assert line.startswith(start), line
        pairs = (pair.split("=") for pair in line.removeprefix(start).split())
        return {name: float(number) for name, number in pairs}

    def output_line(self) -> str:
        return self._line_of(self.popen.stdout)

    def log_line(self) -> str:
        return self._line_of(self.popen.stderr)

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def _line_of(self, pipe: Any) -> str:
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([pipe], [], [], DEADLINE_S)[0]:
                self._fail(f"said no more than {line!r}")
            piece = os.read(pipe.fileno(), 1)
            if not piece:
                break
            line += piece
        return line.decode()

    def end(self) -> tuple[int, str]:
        """Wait until it has ended; its exit code, and what else it has written."""
        try:
            output, errors = self.popen.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._fail("did not end")
        return self.popen.returncode, (output + errors).decode()

    def _fail(self, why: str) -> NoReturn:
        self.popen.send_signal(signal.SIGABRT)  # faulthandler prints all stacks
        _, errors = self.popen.communicate(timeout=DEADLINE_S)
        pytest.fail(f"{self.step} {why} within {DEADLINE_S} s:\n{errors.decode()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.communicate()


@contextmanager
def descriptors_up_to(count: int) -> Iterator[None]:
    """Let this process, and those that it starts meanwhile, open that many."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        if soft < count:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    except (ValueError, OSError):
        pytest.skip(f"this machine allows a process fewer than {count} descriptors")
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
