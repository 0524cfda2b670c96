"""How a step ends, and what becomes of what its application has started."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from steps.app import DOCUMENT
from steps.command import listen
from tests.steps.harness import (
    AS_PROCESSES,
    DEADLINE_S,
    ROOT,
    Client,
    Process,
    is_refused,
    request_bytes,
    unread_bytes,
    wait_until,
)

every_step = pytest.mark.parametrize("step", AS_PROCESSES)
# Of each kind of loop one, and the one that has processes.
a_few_steps = pytest.mark.parametrize(
    "step", ["step01", "step06", "step12", "step13", "step14"]
)
SHORT = "import steps.command as c; c.STOP_WAIT_S = c.EXIT_WAIT_S = 0.2\n"

# In place of the application of all steps, one whose handlers do as they are told.
PATCH = """
import atexit, multiprocessing, os, signal, subprocess, sys, threading, time
import steps.command
from steps.http11 import Response
from urllib.parse import unquote

ready, writer = os.pipe()

def sleep():
    os.dup2(0, 1)  # or who reads what the server writes would wait for its end
    os.dup2(0, 2)
    try:
        os.write(writer, b"r")
        for _ in range(6000):
            time.sleep(0.01)
            # From Python 3.13 on the fork of a thread that is not the main one does not
            # notice by itself that a signal has come, unless a call is interrupted. To
            # set the mask is to look, too.
            signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        os._exit(3)  # not back into the server's code

def forked(early=None):
    pid = os.fork()
    if pid == 0:
        sleep()
    if early:
        os.kill(pid, early)
    else:
        os.read(ready, 1)
    return pid

def started():
    return subprocess.Popen(["sleep", "60"], stdout=0, stderr=0).pid

def daemon():
    child = multiprocessing.get_context("fork").Process(target=sleep, daemon=True)
    child.start()
    os.read(ready, 1)
    return child.pid

def app(request):
    return Response(200, str(eval(unquote(request.target[1:]))).encode())

steps.command.app = app
"""


class Told(Process):
    """A step with that application."""

    def __init__(self, step: str, *arguments: str, patch: str = "") -> None:
        if step == "step14":
            arguments = (*arguments, "--processes", "1")
        super().__init__(step, *arguments, patch=PATCH + patch)

    def tell(self, expression: str) -> str:
        """Have a handler evaluate it."""
        with Client(self.port) as client:
            return client.ask("/" + quote(expression)).body.decode()

    @property
    def port(self) -> int:
        if not hasattr(self, "_port"):
            self._port = self.listening_port()
        return self._port

    def has_ended_with(self, code: int) -> bool:
        """Do not wait until all have closed what it has written to."""
        self.popen.wait(DEADLINE_S)
        return self.popen.returncode == code


def has_ended(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@contextmanager
def ended_at_last(pid: str) -> Iterator[int]:
    try:
        yield int(pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


# --- Children of an application -------------------------------------------------------


@every_step
def test_children_hear_signals_and_their_server_does_not(step: str) -> None:
    with Told(step) as process, ExitStack() as stack:
        for how in "forked()", "started()", "daemon()":
            for number in signal.SIGTERM, signal.SIGINT:
                pid = stack.enter_context(ended_at_last(process.tell(how)))
                os.kill(pid, number)
                wait_until(lambda: has_ended(pid), f"{how} ends")  # noqa: B023
        assert process.tell("1 + 1") == "2"
        process.signal(signal.SIGTERM)
        assert process.has_ended_with(0)


# A hook that was there before the server's: it runs first, and keeps the child there
# until its signal has come.
SLOW_CHILD = """
def wait_for_signal():
    end = time.monotonic() + 5
    while not signal.sigpending() and time.monotonic() < end:
        pass
os.register_at_fork(after_in_child=wait_for_signal)
"""


@pytest.mark.parametrize("step", ["step08", "step13"])
def test_a_child_that_is_signalled_as_soon_as_it_is_made(step: str) -> None:
    with Told(step, patch=SLOW_CHILD) as process:
        with ended_at_last(process.tell("forked(signal.SIGTERM)")) as pid:
            wait_until(lambda: has_ended(pid), "it ends")
        assert process.tell("1 + 1") == "2"  # and it was not taken for the server's
        process.signal(signal.SIGTERM)
        assert process.has_ended_with(0)


@a_few_steps
def test_a_child_of_a_child_keeps_its_own_handlers(step: str) -> None:
    """It is forked as well, but what it has is not the server's."""
    own = """
def own():
    read, write = os.pipe()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        os.write(write, b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    return os.read(read, 9).decode()
"""
    with Told(step, patch=own) as process:
        assert process.tell("own()") == "7"
        process.signal(signal.SIGTERM)
        assert process.has_ended_with(0)


# --- What an end leaves --------------------------------------------------------------


@every_step
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_daemons_end_with_it_and_nobody_keeps_the_port(
    step: str, number: signal.Signals
) -> None:
    with Told(step) as process, ExitStack() as stack:
        daemon = stack.enter_context(ended_at_last(process.tell("daemon()")))
        forked = stack.enter_context(ended_at_last(process.tell("forked()")))
        process.signal(number)
        assert process.has_ended_with(0)
        wait_until(lambda: has_ended(daemon), "the daemon ends")
        assert not has_ended(forked)  # nobody has told it to
        assert is_refused(process.port)
        listen("127.0.0.1", process.port).close()


# --- The end --------------------------------------------------------------------------


@every_step
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_exit_functions_run_and_what_was_printed_is_written(
    step: str, number: signal.Signals
) -> None:
    with Told(step) as process:
        process.tell("atexit.register(print, 'the end')")
        process.signal(number)
        assert process.end() == (0, "the end\n")


@a_few_steps
@pytest.mark.parametrize(
    "trouble",
    [
        "atexit.register(threading.Event().wait)",
        "threading.Thread(target=threading.Event().wait).start()",
        "sys.stdout.close()",
        "setattr(sys, 'stdout', None)",
        "setattr(sys, 'stdout', open('/dev/full', 'w')), print('x')",
    ],
)
def test_whatever_the_application_has_done_it_ends(step: str, trouble: str) -> None:
    with Told(step, patch=SHORT) as process:
        process.tell(trouble)
        process.signal(signal.SIGTERM)
        assert process.end() == (0, "")


@a_few_steps
def test_the_reader_of_its_output_has_gone(step: str) -> None:
    with Told(step) as process:
        assert process.port
        assert process.popen.stdout is not None
        process.popen.stdout.close()
        process.tell("print('x')")
        process.signal(signal.SIGTERM)
        assert process.has_ended_with(0)
        assert process.popen.stderr is not None
        assert process.popen.stderr.read() == b""


@a_few_steps
def test_the_reader_of_its_output_does_not_read(step: str) -> None:
    with Told(step, patch=SHORT) as process, Client(process.port) as client:
        client.send(request_bytes("/print('x'*1000000)"))

        def is_full() -> bool:
            assert process.popen.stdout is not None
            return unread_bytes(process.popen.stdout.fileno()) >= 65_536

        wait_until(is_full, "it prints")
        process.signal(signal.SIGTERM)
        assert process.has_ended_with(0)


@every_step
def test_closed_standard_streams(step: str, free_port: int) -> None:
    """Their numbers are not given to the first sockets: a client is no place to print
    to."""
    flags = ["--access-log"] if step in ("step12", "step13", "step14") else []
    command = [sys.executable, "-m", f"steps.{step}", "--port", str(free_port), *flags]
    with subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], cwd=ROOT
    ) as popen:
        try:
            wait_until(lambda: not is_refused(free_port), "it listens")
            # Step 14 has one listener at first, and then others in its place.
            wait_until(lambda: is_served(free_port), "it serves")
            with Client(free_port) as client:
                assert client.ask().body == DOCUMENT
                if sys.platform == "linux":
                    for number in 0, 1, 2:
                        open_file = os.readlink(f"/proc/{popen.pid}/fd/{number}")
                        assert open_file == "/dev/null"
            popen.terminate()
            assert popen.wait(DEADLINE_S) == 0
        finally:
            popen.kill()


def is_served(port: int) -> bool:
    try:
        with Client() as client:
            client.connect(port)
            return client.ask().body == DOCUMENT
    except (ConnectionError, AssertionError):
        return False


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


# --- A loop that dies -----------------------------------------------------------------

DEAD = """
import steps.command as c
def run(self):
    raise {error}
def main(step, server, *more, main=c.main, **options):
    server.run = run
    main(step, server, *more, **options)
c.main = main
c.STOP_WAIT_S = 600
"""


@pytest.mark.parametrize("error", ["OSError('the loop has died')", "SystemExit"])
@pytest.mark.parametrize("step", [step for step in AS_PROCESSES if step != "step14"])
def test_a_loop_that_dies_takes_the_process_with_it(step: str, error: str) -> None:
    with Process(step, patch=DEAD.format(error=error)) as process:
        assert process.listening_port()
        code, said = process.end()
    assert code == 1
    lines = said.splitlines()
    assert lines[:2] == [f"{step} failed", "Traceback (most recent call last):"]
    assert lines[-1] == error.replace("('", ": ").replace("')", "")


STUCK = """
import steps.command as c, steps.step10.workers as w, steps.step10.server as s
w.STOP_WAIT_S = c.STOP_WAIT_S = 600
hand = w.WorkerPool.hand_over
def hand_over(self):
    hand(self)
    if self._places_left < s.QUEUE_CAPACITY:
        raise OSError('the loop has died')
w.WorkerPool.hand_over = hand_over
"""


@pytest.mark.parametrize("step", ["step12", "step13"])
def test_a_loop_that_dies_does_not_wait_for_handlers(step: str) -> None:
    with Process(step, patch=STUCK) as process, Client() as client:
        client.connect(process.listening_port())
        client.send(request_bytes("/sleep/60000"))
        code, said = process.end()
    assert code == 1
    assert "the loop has died" in said


def test_a_loop_of_step14_that_dies() -> None:
    patch = (
        "import steps.step13.server as s\n"
        "def run(self): raise OSError('the loop has died')\n"
        "s.Server.run = run\n"
    )
    with Process("step14", "--processes", "1", patch=patch) as process:
        assert process.listening_port()
        lines = [process.log_line()]
        while "another in" not in lines[-1]:
            lines.append(process.log_line())
    assert lines[:2] == [
        "step14: a process has failed\n",
        "Traceback (most recent call last):\n",
    ]
    assert lines[-2] == "OSError: the loop has died\n"
    assert "has ended with 1" in lines[-1]


# --- The beginning --------------------------------------------------------------------


def test_an_import_that_never_ends_can_be_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    source = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "slow.py").write_text(source)
    with Process("step13", "--wsgi", "slow:app") as process:
        assert process.output_line() == "importing\n"
        process.signal(signal.SIGINT)
        code, said = process.end()
    assert code == -signal.SIGINT
    assert said.splitlines()[-1] == "KeyboardInterrupt"


@pytest.mark.parametrize("handler", ["default_int_handler", "SIG_IGN", "SIG_DFL"])
@pytest.mark.parametrize("step", ["step13", "step14"])
def test_handlers_of_an_application_do_not_keep_it_from_its_end(
    step: str, handler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "handling.py").write_text(
        "import signal\n"
        "for number in signal.SIGINT, signal.SIGTERM, signal.SIGUSR1:\n"
        f"    signal.signal(number, signal.{handler})\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'served']\n"
    )
    for number in signal.SIGINT, signal.SIGTERM:
        arguments = ["--wsgi", "handling:app", "--grace", "20"]
        with Process(step, *arguments) as process, Client() as client:
            client.connect(process.listening_port())
            client.send(request_bytes()[:-1])
            wait_until(lambda: process.stats()["open"] == 1, "it is accepted")
            os.killpg(process.popen.pid, number)  # as a terminal does
            client.send(request_bytes()[-1:])
            assert client.receive().body == b"served"
            client.close()  # else it is waited for
            assert process.end() == (0, "")


def test_a_process_for_which_there_is_no_thread() -> None:
    """It says why it ends."""
    patch = (
        "import steps.step14.process as p\n"
        "def start(self): raise RuntimeError('no thread')\n"
        "serve = p.serve\n"
        "def failing(*a): p.threading.Thread.start = start; serve(*a)\n"
        "p.serve = failing\n"
    )
    with Process(
        "step14", "--processes", "1", "--workers", "0", patch=patch
    ) as process:
        code, said = process.end()
    assert code == 1
    assert said.splitlines()[0] == "step14: a process has failed"
    assert said.splitlines()[-1] == "RuntimeError: no thread"


@pytest.mark.parametrize(
    ("source", "last_line"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named "),
        ("int('x')", "ValueError: invalid literal for int()"),
        ("raise KeyError(1)", "KeyError: 1"),
    ],
)
def test_an_import_that_fails_is_told_with_its_traceback(
    source: str, last_line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    thread = "import threading; threading.Thread(target=threading.Event().wait).start()"
    (tmp_path / "failing.py").write_text(f"{thread}\n{source}\n")
    with Process("step13", "--wsgi", "failing:app") as process:
        code, said = process.end()
    assert code == 1
    lines = said.splitlines()
    assert lines[0].startswith("step13: --wsgi 'failing:app': ")
    assert lines[1] == "Traceback (most recent call last):"
    assert f'  File "{tmp_path / "failing.py"}", line 2, in <module>' in lines
    assert lines[-1].startswith(last_line)


@pytest.mark.parametrize(
    ("flag", "complaint"),
    [
        ("json", "write it as MODULE:CALLABLE"),
        ("json:app", "module 'json' has no attribute 'app'"),
        ("no_such:app", "No module named 'no_such'"),
    ],
)
def test_a_flag_that_makes_no_sense_has_no_traceback(flag: str, complaint: str) -> None:
    for step in "step13", "step14":
        with Process(step, "--wsgi", flag) as process:
            code, said = process.end()
        assert code == 1
        # Of step 14, each process says so.
        assert set(said.splitlines()) == {f"{step}: --wsgi {flag!r}: {complaint}"}
