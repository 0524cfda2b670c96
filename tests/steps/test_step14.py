"""Step 14: processes that share a port, and what becomes of them and their clients."""

import contextlib
import http.client
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import psutil
import pytest

from steps.app import DOCUMENT
from steps.step12.server import Stats
from steps.step14.backoff import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Backoff
from steps.step14.messages import Message, Reader, Ready, encode
from steps.step14.settings import usable_cores
from tests.steps.harness import (
    DEADLINE_S,
    ROOT,
    Client,
    Process,
    is_refused,
    request_bytes,
    wait_until,
)

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere one process gets all connections"
)
# Says which process it is, and dies when it is asked to.
SOURCE = """
import os
def app(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        os._exit(7)
    start_response("200 OK", [])
    return [b"%s %%d" %% os.getpid()]
"""


class Supervised(Process):
    """`python -m steps.step14`."""

    def __init__(self, *arguments: str, port: int = 0, patch: str = "") -> None:
        super().__init__("step14", *arguments, port=port, patch=patch)

    def pids(self) -> set[int]:
        """Of the processes that serve."""
        children = psutil.Process(self.popen.pid).children()
        return {child.pid for child in children if not has_ended(child.pid)}

    def __exit__(self, *exception: object) -> None:
        if self.popen.poll() is None:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)  # one may be stopped, or stuck
        super().__exit__(*exception)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Application":
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # What has been compiled is used if its source is as long and from the same second.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return Application(tmp_path / "application.py")


class Application:
    """A WSGI application in a file, which a test can change."""

    flags = ("--wsgi", "application:app")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(SOURCE % "first")

    def write(self, source: str) -> None:
        self.path.write_text(source)


def connected(port: int, stack: ExitStack) -> Client:
    client = stack.enter_context(Client())
    client.connect(port)
    return client


def ask(port: int, target: str = "/") -> str:
    """On a new connection."""
    with Client(port) as client:
        return client.ask(target).body.decode()


def has_ended(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


# --- Processes ------------------------------------------------------------------------


def test_as_many_as_asked_for() -> None:
    with Supervised("--processes", "3") as step:
        port = step.listening_port()
        assert len(step.pids()) == 3
        for _ in range(6):
            assert ask(port) == DOCUMENT.decode()
        stats = dict.fromkeys(("accepted", "closed", "requests"), 6)
        stats |= dict.fromkeys(("open", "held", "expired"), 0)
        # Of all processes together, as soon as they see that the clients have gone.
        wait_until(lambda: step.stats() == stats, "all are counted")
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")


def test_as_many_as_there_are_cores() -> None:
    with Supervised() as step:
        step.listening_port()
        assert len(step.pids()) == usable_cores()


def test_how_many_make_no_sense() -> None:
    with Supervised("--processes", "0") as step:
        code, said = step.end()
    assert code == 2
    assert "'0' is not a whole number from 1" in said


@on_linux
def test_the_kernel_deals_connections_out(application: Application) -> None:
    with Supervised(*application.flags, "--processes", "2") as step:
        port = step.listening_port()
        answers: set[str] = set()

        def both_have_answered() -> bool:
            answers.add(ask(port))
            return len(answers) == 2

        wait_until(both_have_answered, "both answer")
        assert answers == {f"first {pid}" for pid in step.pids()}


def test_a_port_of_another_step14() -> None:
    """With SO_REUSEPORT alone, the two would share its clients."""
    with Supervised() as step:
        port = step.listening_port()
        with Supervised(port=port) as second:
            code, said = second.end()
    assert code == 1
    assert re.fullmatch(rf"step14: port {port} is in use: .+\n", said)


IMPORT_ERRORS = pytest.mark.parametrize(
    ("source", "last_line"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named "),
        ("raise SystemExit('not today')", "SystemExit: not today"),
        ("raise ValueError({'a': 1})", "ValueError: {'a': 1}"),
        ("raise ImportError('\u00e9' * 3000)", "ImportError: " + "\u00e9" * 3000),
        ("raise Exception('\\udcff')", "Exception: \\udcff"),
        ("int('x')", "ValueError: invalid literal for int()"),
    ],
    ids=["missing", "exit", "brace", "long", "surrogate", "value"],
)


@IMPORT_ERRORS
def test_an_application_that_cannot_be_loaded(
    application: Application, source: str, last_line: str
) -> None:
    application.write(source)
    with Supervised(*application.flags, "--processes", "1") as step:
        code, said = step.end()
    assert code == 1
    lines = said.splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert f'  File "{application.path}", line 1, in <module>' in lines
    assert lines[-1].startswith(last_line)


# --- Messages -------------------------------------------------------------------------

SAID: list[Message] = [
    Ready(),
    Stats(1, 2, 3, 4, 5),
    Stats(),
    Stats(requests=2**64 - 1),
    Ready(),
]
STREAM = b"".join(map(encode, SAID))


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_messages_in_pieces_of_each_size(size: int) -> None:
    reader = Reader()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [message for piece in pieces for message in reader.feed(piece)] == SAID


def test_messages_cut_in_three_in_each_way() -> None:
    for first in range(len(STREAM) + 1):
        for second in range(first, len(STREAM) + 1):
            reader = Reader()
            pieces = STREAM[:first], STREAM[first:second], STREAM[second:]
            assert [m for piece in pieces for m in reader.feed(piece)] == SAID


NO_MESSAGES = {
    "empty": b"\0",
    "unknown": b"\x01x",
    "more": b"\x02rr",
    "no numbers": b"\x01s",
    "too few numbers": b"\x09s" + bytes(8),
    "in braces": b'{"a": 1}' + bytes(255),
    "not text": b"\xff" * 256,
}


@pytest.mark.parametrize("garbage", NO_MESSAGES.values(), ids=NO_MESSAGES.keys())
def test_what_is_no_message(garbage: bytes) -> None:
    reader = Reader()
    messages = reader.feed(STREAM + garbage)
    assert [next(messages) for _ in SAID] == SAID
    with pytest.raises(ValueError, match="not a message"):
        next(messages)


def test_any_bytes_are_messages_or_refused_and_few_are_kept() -> None:
    random = Random(1)
    for _ in range(2000):
        reader = Reader()
        with contextlib.suppress(ValueError):
            while True:
                for message in reader.feed(random.randbytes(random.randrange(1, 99))):
                    assert isinstance(message, Ready | Stats)
                assert len(reader._unread) <= 255


def test_a_process_that_says_everything_twice() -> None:
    """Both come in one recv()."""
    twice = (
        "import steps.step14.process as p; once = p.encode\n"
        "p.encode = lambda message: 2 * once(message)"
    )
    with Supervised("--processes", "2", patch=twice) as step:
        port = step.listening_port()
        pids = step.pids()
        assert ask(port) == DOCUMENT.decode()
        for _ in range(20):
            assert step.stats()["accepted"] == 1
        assert step.pids() == pids
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")


@pytest.mark.parametrize("garbage", NO_MESSAGES.values(), ids=NO_MESSAGES.keys())
def test_a_process_that_talks_nonsense_is_replaced(garbage: bytes) -> None:
    nonsense = (
        "import steps.step14.process as p; true = p.encode\n"
        f"p.encode = lambda m: true(m) if isinstance(m, p.Ready) else {garbage!r}"
    )
    with Supervised("--processes", "1", patch=nonsense) as step:
        port = step.listening_port()
        (old,) = step.pids()
        step.signal(signal.SIGUSR1)
        start = f"step14: process {old} has said what is not a message: "
        assert step.log_line().startswith(start)
        assert f"process {old} has ended with 0: another in" in (
            step.log_line() + step.log_line()  # and what the others have said
        )
        wait_until(lambda: step.pids() not in ({old}, set()), "there is another")
        assert ask(port) == DOCUMENT.decode()
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")


# --- Death ----------------------------------------------------------------------------


def test_one_that_is_killed_is_replaced_and_its_queue_is_answered() -> None:
    """It is stopped, so it accepts nothing. Nothing that waits is lost with it."""
    with Supervised("--processes", "1") as step, ExitStack() as stack:
        port = step.listening_port()
        inside = connected(port, stack)
        inside.ask()
        (pid,) = step.pids()
        os.kill(pid, signal.SIGSTOP)
        wait_until(
            lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it stops"
        )
        clients = [connected(port, stack) for _ in range(50)]
        for client in clients:
            client.send(request_bytes())
        os.kill(pid, signal.SIGKILL)
        for client in clients:
            assert client.receive().body == DOCUMENT
        inside.expect_end()  # but that was its own
        assert f"process {pid} has ended with -9" in step.log_line()
        assert step.pids() not in ({pid}, set())


def test_one_that_is_killed_takes_no_other_with_it(application: Application) -> None:
    with (
        Supervised(*application.flags, "--processes", "2") as step,
        ExitStack() as stack,
    ):
        port = step.listening_port()
        clients = [connected(port, stack) for _ in range(20)]
        answers = [client.ask().body.decode() for client in clients]
        killed = min(step.pids())
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(step.pids() - {killed}) == 2, "another is started")
        for client, answer in zip(clients, answers, strict=True):
            if answer == f"first {killed}":
                client.expect_end()
            else:
                assert client.ask().body.decode() == answer


def test_the_pauses_of_a_crash_loop() -> None:
    loop = Backoff()
    assert loop.pause_s(lived_s=STEADY_S) == 0
    pauses = [loop.pause_s(lived_s=0) for _ in range(5000)]
    assert pauses[:4] == [FIRST_PAUSE_S * n for n in (1, 2, 4, 8)]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert loop.pause_s(lived_s=STEADY_S) == 0
    assert loop.pause_s(lived_s=STEADY_S / 2) == FIRST_PAUSE_S


LONG_PAUSE = "from steps.step14 import backoff as b; b.FIRST_PAUSE_S = b.STEADY_S = 500"
# What it has not done when it says something, it does only a while after that.
SAYS_FIRST = """
import time
from steps.step14.server import log
say = log.warning
log.warning = lambda *words: (say(*words), time.sleep(0.2))
"""


@on_linux
def test_while_one_is_not_replaced_clients_are_dealt_to_the_others(
    application: Application,
) -> None:
    arguments = [*application.flags, "--processes", "2"]
    patch = LONG_PAUSE + SAYS_FIRST
    with Supervised(*arguments, patch=patch) as step, ExitStack() as stack:
        port = step.listening_port()
        for others in 1, 0:
            connected(port, stack).send(request_bytes("/die"))
            assert re.fullmatch(
                r"step14: process \d+ has ended with 7: another in 500 s\n",
                step.log_line(),
            )
            assert len(step.pids()) == others
            for _ in range(20 * others):
                assert ask(port) == f"first {min(step.pids())}"
        assert is_refused(port)
        step.signal(signal.SIGHUP)  # do not wait
        wait_until(lambda: len(step.pids()) == 2, "there are processes again")
        assert ask(port).startswith("first")
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")


@on_linux
def test_a_child_of_one_that_has_died_gets_no_clients(
    application: Application, tmp_path: Path
) -> None:
    """It has a copy of the listener, and accepts nobody."""
    pid = tmp_path / "pid"
    os.mkfifo(pid)
    forks = f"""
    if environ["PATH_INFO"] == "/die" and os.fork() == 0:
        os.dup2(0, 1), os.dup2(0, 2)
        open({str(pid)!r}, "w").write(str(os.getpid()))
        signal.pause()
"""
    source = "import signal" + SOURCE.replace(
        "(environ, start_response):\n", f"(environ, start_response):{forks}"
    )
    application.write(source % "first")
    arguments = [*application.flags, "--processes", "2"]
    with Supervised(*arguments, patch=LONG_PAUSE) as step, ExitStack() as stack:
        port = step.listening_port()
        connected(port, stack).send(request_bytes("/die"))
        stack.callback(os.kill, int(pid.read_text()), signal.SIGKILL)
        assert "another in 500 s" in step.log_line()
        for _ in range(20):
            assert ask(port) == f"first {min(step.pids())}"


def test_no_process_outlives_its_supervisor() -> None:
    """What they have begun they finish: there is nobody who could kill them."""
    with Supervised("--processes", "2", "--grace", "20") as step, ExitStack() as stack:
        port = step.listening_port()
        pids = step.pids()
        half = [connected(port, stack) for _ in range(10)]
        for client in half:
            client.ask()
            client.send(request_bytes()[:-1])
        step.signal(signal.SIGKILL)
        wait_until(lambda: is_refused(port), "nobody listens")
        for client in half:
            client.send(request_bytes()[-1:])
            answer = client.receive()
            assert (answer.body, answer.headers["connection"]) == (DOCUMENT, "close")
            client.close()
        wait_until(lambda: all(map(has_ended, pids)), "they have ended")


# --- Reload ---------------------------------------------------------------------------


def wait_for_reload(step: Supervised, old: set[int]) -> None:
    def is_over() -> bool:
        pids = step.pids()
        return len(pids) == len(old) and not pids & old

    wait_until(is_over, "all processes are new")


def test_a_reload_loads_what_has_changed(application: Application) -> None:
    with Supervised(*application.flags, "--processes", "2") as step:
        port = step.listening_port()
        old = step.pids()
        application.write(SOURCE % "second")
        assert ask(port).startswith("first")
        step.signal(signal.SIGHUP)
        wait_for_reload(step, old)
        answers = {ask(port) for _ in range(10)}
        assert answers <= {f"second {pid}" for pid in step.pids()}
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")


def test_the_old_one_serves_until_the_new_one_is_ready(
    application: Application, tmp_path: Path
) -> None:
    """The new one waits, where it imports its application, for the test."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with Supervised(*application.flags, "--processes", "2") as step, ExitStack() as s:
        port = step.listening_port()
        old = step.pids()
        kept = [connected(port, s) for _ in range(10)]
        for client in kept:
            client.ask()
        application.write(f"open({str(gate)!r}).read()\n" + SOURCE % "second")
        step.signal(signal.SIGHUP)
        gates = gate.open("w")  # returns when the new one is there
        assert old < step.pids()
        assert len(step.pids()) == 3
        for client in kept:  # nobody drains
            assert client.ask().headers.get("connection") is None
        assert {ask(port)[:5] for _ in range(20)} == {"first"}
        gates.close()
        wait_until(lambda: len(step.pids() - old) == 2, "it is the second one's turn")
        gate.open("w").close()
        wait_for_reload(step, old)
        assert ask(port).startswith("second")


def test_what_waits_for_the_old_one_is_answered_by_the_new_one() -> None:
    """Its loop is in a handler. Meanwhile the kernel accepts connections for it."""
    arguments = ["--processes", "1", "--workers", "0", "--grace", "20"]
    with Supervised(*arguments) as step, ExitStack() as stack:
        port = step.listening_port()
        slow = connected(port, stack)
        slow.send(request_bytes("/sleep/1500"))
        (old,) = step.pids()
        clients = [connected(port, stack) for _ in range(50)]
        for client in clients:
            client.send(request_bytes())
        step.signal(signal.SIGHUP)
        for client in clients:
            assert client.receive().body == DOCUMENT
        assert slow.receive().body == DOCUMENT
        wait_until(lambda: has_ended(old), "the old one has ended")


@IMPORT_ERRORS
def test_a_reload_that_fails_changes_nothing(
    application: Application, source: str, last_line: str
) -> None:
    with Supervised(*application.flags, "--processes", "2") as step:
        port = step.listening_port()
        old = step.pids()
        application.write(source)
        step.signal(signal.SIGHUP)
        lines = [step.log_line()]
        while "before it was ready: no reload" not in lines[-1]:
            lines.append(step.log_line())
        assert lines[1] == "Traceback (most recent call last):\n"
        assert lines[-2].startswith(last_line)
        assert step.pids() == old
        assert ask(port).startswith("first")
        application.write(SOURCE % "third")
        step.signal(signal.SIGHUP)
        wait_for_reload(step, old)
        assert ask(port).startswith("third")
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")  # it had not tried with the second one


def test_an_import_that_never_ends_is_given_up(application: Application) -> None:
    soon = "import steps.step14.process as p; p.START_TIMEOUT_S = 2"
    with Supervised(*application.flags, "--processes", "1", patch=soon) as step:
        port = step.listening_port()
        old = step.pids()
        application.write("import time; time.sleep(3600)")
        step.signal(signal.SIGHUP)
        assert "ended with -9 before it was ready: no reload" in step.log_line()
        assert step.pids() == old
        assert ask(port).startswith("first")
        application.write(SOURCE % "second")
        step.signal(signal.SIGHUP)
        wait_for_reload(step, old)
        assert ask(port).startswith("second")


def test_one_that_never_gets_ready_at_first(application: Application) -> None:
    soon = "import steps.step14.process as p; p.START_TIMEOUT_S = 1"
    application.write("import time; time.sleep(3600)")
    with Supervised(*application.flags, "--processes", "1", patch=soon) as step:
        status, errors = step.end()
        assert status == 1
        assert re.fullmatch(
            r"step14: process \d+ has ended with -9 before it was ready\n", errors
        )


class Load:
    """Clients that ask without a pause, on kept connections and on new ones."""

    def __init__(self, port: int, clients: int = 6) -> None:
        self.asked = 0
        self.failures: list[str] = []
        self._port = port
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._port, DEADLINE_S)
        number = 0
        while not self._ended.is_set():
            number += 1
            body = b"x" * number
            method, path, expected = (
                ("POST", "/echo", body) if number % 2 else ("GET", "/", DOCUMENT)
            )
            try:
                client.request(method, path, body if number % 2 else None)
                answer = client.getresponse()
                if (answer.status, answer.read()) != (200, expected):
                    self.failures.append(f"{method}: {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{method}: {error!r}")
            if number % 10 == 0:
                client.close()  # and it will connect again
            self.asked += 1
        client.close()

    def wait_for_more(self) -> None:
        enough = self.asked + 100
        wait_until(lambda: self.asked > enough or self.failures, "more is asked")

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(2 * DEADLINE_S)


@pytest.mark.parametrize("workers", ["4", "0"])
def test_reloads_under_load(workers: str) -> None:
    arguments = ["--processes", "2", "--workers", workers, "--grace", "20"]
    with Supervised(*arguments) as step:
        with Load(step.listening_port()) as load:
            for _ in range(3):
                load.wait_for_more()
                old = step.pids()
                step.signal(signal.SIGHUP)
                wait_for_reload(step, old)
            load.wait_for_more()
        assert load.failures == []
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")


def test_an_old_one_that_does_not_end_is_killed() -> None:
    """It is stopped, so that it hears no order."""
    at_once = "import steps.step14.server as s; s.STOP_WAIT_S = -4"
    with Supervised("--processes", "1", patch=at_once) as step:
        port = step.listening_port()
        old = step.pids()
        os.kill(min(old), signal.SIGSTOP)
        step.signal(signal.SIGHUP)
        wait_for_reload(step, old)
        assert ask(port) == DOCUMENT.decode()


# --- The end --------------------------------------------------------------------------


def begin(step: Supervised, stack: ExitStack) -> tuple[int, list[Client]]:
    """The port, and clients in the middle of a request."""
    port = step.listening_port()
    half = [connected(port, stack) for _ in range(10)]
    for client in half:
        client.send(request_bytes()[:-1])

    def are_accepted() -> bool:
        step.signal(signal.SIGUSR1)
        return "open=10" in step.log_line()

    wait_until(are_accepted, "they are accepted")
    return port, half


@pytest.mark.parametrize("group", [False, True], ids=["supervisor", "all"])
def test_a_drain(stack: ExitStack, group: bool) -> None:
    """Ctrl-C in a terminal, and some who stop services, signal every process."""
    with Supervised("--processes", "2", "--grace", "20") as step:
        port, half = begin(step, stack)
        if group:
            os.killpg(step.popen.pid, signal.SIGINT)
        else:
            step.signal(signal.SIGTERM)
        wait_until(lambda: is_refused(port), "nobody listens")
        step.signal(signal.SIGHUP)  # too late
        for client in half:
            client.send(request_bytes()[-1:])
            answer = client.receive()
            assert (answer.body, answer.headers["connection"]) == (DOCUMENT, "close")
            client.close()
        assert step.end() == (0, "")


def test_a_drain_has_an_end(stack: ExitStack) -> None:
    with Supervised("--processes", "2", "--grace", "0.2") as step:
        begin(step, stack)
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")


def test_a_second_signal_ends_it_at_once(stack: ExitStack) -> None:
    arguments = ["--processes", "2", "--grace", "500", "--header-timeout", "500"]
    with Supervised(*arguments) as step:
        port, _ = begin(step, stack)
        step.signal(signal.SIGTERM)
        wait_until(lambda: is_refused(port), "nobody listens")
        assert step.popen.poll() is None
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")


def test_a_notice(stack: ExitStack) -> None:
    """Everybody is served, and told that it is the last time; those that are killed
    are replaced. A second signal begins the drain."""
    arguments = ["--processes", "2", "--notice", "500", "--grace", "20"]
    with Supervised(*arguments) as step:
        port = step.listening_port()
        kept = connected(port, stack)
        assert kept.ask().headers.get("connection") is None
        step.signal(signal.SIGTERM)

        def says_close() -> bool:
            with Client(port) as client:
                return client.ask().headers.get("connection") == "close"

        def all_say_close() -> bool:
            return all(says_close() for _ in range(10))

        wait_until(all_say_close, "the notice is given")
        assert kept.ask().headers["connection"] == "close"
        kept.expect_end()
        old = step.pids()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(step.pids() - old) == 2, "they are replaced")
        wait_until(all_say_close, "the new ones have been told")
        assert step.popen.poll() is None
        step.signal(signal.SIGTERM)
        wait_until(lambda: is_refused(port), "nobody listens")
        assert step.end()[0] == 0


def test_a_notice_has_an_end() -> None:
    with Supervised("--processes", "2", "--notice", "0.1") as step:
        step.listening_port()
        step.signal(signal.SIGTERM)
        assert step.end() == (0, "")


def test_a_reload_gives_no_notice() -> None:
    """Whoever heard it would take the server for one that goes."""
    with Supervised("--processes", "1", "--notice", "500") as step:
        port = step.listening_port()
        old = step.pids()
        step.signal(signal.SIGHUP)
        wait_for_reload(step, old)
        with Client(port) as client:
            assert client.ask().headers.get("connection") is None


# --- Beyond one machine ---------------------------------------------------------------

CONFIGURATION = ROOT / "steps" / "step14" / "haproxy.cfg"
GIVES_NOTICE = ("--notice", "1", "--grace", "20")


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(count)
        ]
        return [sock.getsockname()[1] for sock in socks]


@contextmanager
def haproxy(
    program: str, ports: list[int], folder: Path, change: Callable[[str], str] = str
) -> Iterator[subprocess.Popen[bytes]]:
    """As the book configures it, but for the ports, of which the first is its own."""
    text = CONFIGURATION.read_text()
    for number, port in enumerate(ports):
        text, count = re.subn(rf"(?<=127\.0\.0\.1:){8000 + number}\b", str(port), text)
        assert count == 1
    path = folder / "haproxy.cfg"
    path.write_text(change(text))
    with subprocess.Popen(
        [program, "-db", "-f", str(path)], stderr=subprocess.DEVNULL
    ) as popen:
        try:
            wait_until(lambda: not is_refused(ports[0]), "HAProxy listens")
            yield popen
        finally:
            popen.kill()


def test_servers_are_restarted_in_turn_behind_haproxy(
    needs_tool: Callable[[str], str], tmp_path: Path, stack: ExitStack
) -> None:
    """None of the requests fails, though POST may not be tried a second time."""
    program = needs_tool("haproxy")
    ports = free_ports(4)

    def start(port: int) -> Process:
        count = "2" if port == ports[1] else "1"
        server = Process("step14", *GIVES_NOTICE, "--processes", count, port=port)
        server.listening_port()
        return stack.enter_context(server)

    servers = {port: start(port) for port in ports[1:]}
    stack.enter_context(haproxy(program, ports, tmp_path))
    with Load(ports[0]) as load:
        for port, server in servers.items():
            load.wait_for_more()
            server.popen.send_signal(signal.SIGTERM)
            assert server.end() == (0, "")
            load.wait_for_more()
            again = start(port)
            # Of these, HAProxy's own are few.
            wait_until(lambda: again.stats()["requests"] > 50, "it is used again")  # noqa: B023
    assert load.failures == []


# Between the last accept() and the close of the listener it waits for the test.
HELD = """
from steps.step12.acceptor import Acceptor
close = Acceptor.close
def close_late(self):
    if self._listener.fileno() != -1:
        open({!r}).read()
    close(self)
Acceptor.close = close_late
"""


@pytest.mark.parametrize("notice", [True, False], ids=["notice", "none"])
def test_what_comes_between_the_last_accept_and_the_close(
    needs_tool: Callable[[str], str],
    application: Application,
    tmp_path: Path,
    stack: ExitStack,
    notice: bool,
) -> None:
    """The kernel completes it, and resets it. A balancer that has heard the notice
    sends nothing there any more; and without one, this test sees the reset."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    ports = free_ports(3)
    arguments = [*application.flags, "--processes", "1", "--grace", "20"]
    if notice:
        arguments += ["--notice", "500"]
    going = Supervised(*arguments, port=ports[1], patch=HELD.format(str(gate)))
    staying = Supervised(*arguments, port=ports[2])
    for step in going, staying:
        stack.enter_context(step).listening_port()
    program = needs_tool("haproxy")
    stack.enter_context(haproxy(program, [*ports, 0], tmp_path, with_two_servers))
    others = {f"first {pid}" for pid in staying.pids()}
    going.signal(signal.SIGTERM)

    def is_left_alone() -> bool:
        return {ask(ports[0]) for _ in range(10)} == others

    if notice:
        wait_until(is_left_alone, "the balancer has heard")
        going.signal(signal.SIGTERM)  # that was long enough
    # Returns when the last accept() has been.
    gates = stack.enter_context(gate.open("w"))
    clients = [connected(ports[0], stack) for _ in range(12)]
    for client in clients:
        client.send(request_bytes(method="POST", body=b"a payment"))

    def waiting() -> int:
        return sum(client.has_nothing() for client in clients)

    # The balancer gives each server one half of what comes at once.
    wait_until(lambda: waiting() <= (0 if notice else 8), "the others are answered")
    gates.close()
    statuses = {client.receive().status for client in clients}
    assert statuses == ({200} if notice else {200, 502})
    assert going.end() == (0, "")


class LosesEachRace(socketserver.StreamRequestHandler):
    """Answers a request, and closes when there is another on the same connection: so
    it looks to a client whose request was on its way when an idle server closed."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
            self.rfile.readline()


@pytest.fixture
def racing() -> Iterator[int]:
    """The port of such a server."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), LosesEachRace) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def with_two_servers(text: str) -> str:
    return re.sub(r"\n    server c .*", "", text)


def with_one_server(text: str) -> str:
    return re.sub(r"\n    server [bc] .*", "", text)


def test_a_lost_race_for_a_kept_connection(
    needs_tool: Callable[[str], str], tmp_path: Path, racing: int, stack: ExitStack
) -> None:
    ports = [*free_ports(1), racing, 0, 0]
    stack.enter_context(
        haproxy(needs_tool("haproxy"), ports, tmp_path, with_one_server)
    )
    client = connected(ports[0], stack)
    for _ in range(5):  # from the second on, tried again on another connection
        assert client.ask().status == 200
    client.send(request_bytes(method="POST"))
    client.expect_end()  # not tried again; but a client may do that
    for _ in range(5):  # on a connection that nobody has had before
        assert ask(ports[0]) == "first"
        with Client(ports[0]) as client:
            assert client.ask(method="POST").status == 200


def test_a_careless_balancer_tells_clients_of_races(
    needs_tool: Callable[[str], str], tmp_path: Path, racing: int, stack: ExitStack
) -> None:
    """So the test before can fail."""

    def careless(text: str) -> str:
        text = with_one_server(text).replace("retry-on", "# retry-on")
        return text.replace("http-reuse safe", "http-reuse always")

    ports = [*free_ports(1), racing, 0, 0]
    stack.enter_context(haproxy(needs_tool("haproxy"), ports, tmp_path, careless))
    statuses = set()
    for _ in range(4):
        with Client(ports[0]) as client:
            statuses.add(client.ask().status)
    assert statuses == {200, 502}
