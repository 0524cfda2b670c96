"""Steps 12 and 13 as users run them: limits, overload, drain, log, signals."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from steps.app import DOCUMENT, app
from steps.http11 import Request, Response
from steps.step09.connection import Connection
from tests.steps.harness import (
    Client,
    Held,
    Process,
    Running,
    is_refused,
    request_bytes,
    serving,
    settings_of,
    wait_until,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="never ran there")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

DESIGNS = ["step12", "step12-0", "step13", "step13-0"]
each_design = pytest.mark.parametrize("step", DESIGNS)
# What asyncio's server does as well.
with_asyncio = pytest.mark.parametrize("step", [*DESIGNS, "step15", "step15-0"])


@pytest.fixture(params=["step12", "step13"])
def step(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["4", "0"], ids=["4 workers", "in the loop"])
def workers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def connected(port: int, stack: ExitStack) -> Client:
    client = stack.enter_context(Client())
    client.connect(port)
    return client


# --- The order of a round -------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "order"),
    [
        ("step11-0", "receive send receive send receive send"),
        ("step12-0", "receive receive receive send send send"),
    ],
)
def test_when_a_round_sends(
    step: str, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three clients are ready when the loop comes back: the chapter has both orders."""
    calls: list[str] = []
    receive, flush = Connection.receive, Connection.flush

    def noting_receive(connection: Connection) -> None:
        calls.append("receive")
        receive(connection)

    def noting_flush(connection: Connection) -> None:
        if connection.unsent:
            calls.append("send")
        flush(connection)

    with Held() as held, serving(step, held) as server:
        clients = [server.client() for _ in range(3)]
        for client in clients:
            assert client.ask().status == 200  # it is accepted and watched
        keeper = server.client()
        keeper.send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the loop is in the handler")
        for client in clients:
            client.send(request_bytes())
        monkeypatch.setattr(Connection, "receive", noting_receive)
        monkeypatch.setattr(Connection, "flush", noting_flush)
        held.release()
        for client in (keeper, *clients):
            assert client.receive().status == 200
    assert " ".join(calls[1:7]) == order  # the first sends what was held


# --- Limits ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "fits", "too_much", "status"),
    [
        (
            "--max-header-bytes=200",
            request_bytes("/", "X: " + "y" * 100),
            request_bytes("/", "X: " + "y" * 200),
            431,
        ),
        (
            "--max-header-fields=3",
            request_bytes("/", *["A: b"] * 2),
            request_bytes("/", *["A: b"] * 3),
            431,
        ),
        (
            "--max-body-bytes=10",
            request_bytes("/echo", method="POST", body=b"x" * 10),
            request_bytes("/echo", method="POST", body=b"x" * 11),
            413,
        ),
    ],
)
def test_limits_of_a_request(
    step: str, flag: str, fits: bytes, too_much: bytes, status: int
) -> None:
    with Process(step, flag) as process, ExitStack() as stack:
        client = connected(process.listening_port(), stack)
        for data, expected in (fits, 200), (fits, 200), (too_much, status):
            client.send(data)
            assert client.receive().status == expected
        client.send_end()
        client.expect_end()


def test_requests_on_a_connection(step: str, workers: str) -> None:
    arguments = ["--max-requests", "3", "--workers", workers]
    with Process(step, *arguments) as process, ExitStack() as stack:
        client = connected(process.listening_port(), stack)
        client.send(request_bytes() * 4)
        for number in range(3):
            closes = client.receive().headers.get("connection") == "close"
            assert closes == (number == 2)
        client.send_end()
        client.expect_end()  # the fourth is not answered: the client has been told


@with_asyncio
def test_connections_over_the_limit_wait(step: str) -> None:
    settings = settings_of(step)(max_connections=2, grace=0.05)
    with serving(step, settings=settings) as server:
        inside = [server.client() for _ in range(2)]
        for client in inside:
            assert client.ask().body == DOCUMENT
        outside = [server.client() for _ in range(3)]
        for client in outside:
            client.send(request_bytes())
        # Those inside are served, in a round in which the others could have been.
        for client in inside:
            assert client.ask().body == DOCUMENT
        assert server.stats.accepted == 2
        assert all(client.has_nothing() for client in outside)
        inside[0].close()
        assert outside[0].receive().body == DOCUMENT
        outside[0].close()
        inside[1].reset()
        for client in outside[1:]:
            assert client.receive().body == DOCUMENT


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--max-connections", "0"], "'0' is not a whole number from 1"),
        (["--idle-timeout", "-1"], "'-1' is not a positive number"),
        (["--idle-timeout", "nan"], "'nan' is not a positive number"),
        (["--grace", "0"], "'0' is not a positive number"),
    ],
)
def test_settings_that_make_no_sense(
    step: str, arguments: list[str], complaint: str
) -> None:
    with Process(step, *arguments) as process:
        code, said = process.end()
    assert code in (1, 2)
    assert complaint in said.splitlines()[-1]
    assert "Traceback" not in said


# --- Drain ----------------------------------------------------------------------------


def test_a_drain_finishes_what_has_begun(step: str, workers: str) -> None:
    arguments = ["--grace", "15", "--workers", workers]
    with Process(step, *arguments) as process, ExitStack() as stack:
        port = process.listening_port()
        idle = connected(port, stack)
        idle.ask()
        reading = connected(port, stack)
        reading.send(request_bytes("/bytes/30000000"))
        wait_until(lambda: not reading.has_nothing(), "the answer begins")
        half = connected(port, stack)
        half.send(request_bytes("/echo", method="POST", body=b"whole")[:-3])
        slow = connected(port, stack)
        slow.send(request_bytes("/sleep/300"))
        wait_until(lambda: process.stats()["open"] == 4, "all are accepted")
        process.popen.send_signal(signal.SIGTERM)

        answer = slow.receive()
        assert answer.body == DOCUMENT
        if workers != "0":  # in the loop the handler has been through before the signal
            assert answer.headers["connection"] == "close"
        wait_until(lambda: is_refused(port), "it does not listen any more")
        half.send(b"ole")
        answer = half.receive()
        assert (answer.body, answer.headers["connection"]) == (b"whole", "close")
        idle.expect_end()
        assert len(reading.receive().body) == 30_000_000
        for client in half, slow, reading:
            client.send_end()
            client.expect_end()
        assert process.end() == (0, "")


@each_design
def test_a_request_that_was_under_way_when_the_drain_began(step: str) -> None:
    """A client may send on an idle connection just then: it is answered, and told."""
    with serving(step, settings=settings_of(step)(grace=20)) as server:
        clients = [server.client() for _ in range(5)]
        for client in clients:
            client.ask()
        server.stop()
        wait_until(lambda: server._server._is_draining, "the drain begins")
        for client in clients:
            answer = client.ask()
            assert answer.body == DOCUMENT
            assert answer.headers["connection"] == "close"
            client.send_end()
            client.expect_end()


@with_asyncio
def test_connections_in_the_backlog_when_the_drain_begins(step: str) -> None:
    """The kernel has accepted them, so their clients count on an answer."""
    settings = settings_of(step)(grace=20)
    with Held() as held, serving(step, held, settings=settings) as server:
        if step.endswith("-0"):  # the loop is in a handler
            blocking = server.client()
            blocking.send(request_bytes("/held"))
            wait_until(lambda: held.entered, "the handler is called")
        clients = [server.client() for _ in range(100)]
        for client in clients:
            client.send(request_bytes())
        server.stop()
        held.release()
        for client in clients:
            assert client.receive().body == DOCUMENT
            client.close()  # else it is waited for


def test_a_drain_has_an_end(step: str, workers: str) -> None:
    """Half a request, and an answer that nobody reads: exit 0 within the grace."""
    arguments = ["--grace", "0.3", "--workers", workers]
    with Process(step, *arguments) as process, ExitStack() as stack:
        port = process.listening_port()
        connected(port, stack).send(request_bytes()[:-1])
        deaf = connected(port, stack)
        deaf.send(request_bytes("/bytes/30000000"))
        wait_until(lambda: process.stats()["open"] == 2, "both are accepted")
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == (0, "")


def test_a_second_signal_ends_it_at_once(step: str) -> None:
    arguments = ["--grace", "500", "--header-timeout", "500"]
    with Process(step, *arguments) as process, ExitStack() as stack:
        port = process.listening_port()
        client = connected(port, stack)
        client.send(request_bytes()[:-1])
        wait_until(lambda: process.stats()["open"] == 1, "it is accepted")
        process.popen.send_signal(signal.SIGTERM)

        wait_until(lambda: is_refused(port), "the drain begins")
        assert process.popen.poll() is None
        process.popen.send_signal(signal.SIGTERM)
        assert process.end()[0] == 0


# --- The access log -------------------------------------------------------------------

LINE = re.compile(
    r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(.*)" '
    r"(\d{3}) (\d+|-)"
)


def test_access_log(step: str, workers: str) -> None:
    arguments = ["--access-log", "--workers", workers]
    with Process(step, *arguments) as process, ExitStack() as stack:
        client = connected(process.listening_port(), stack)
        client.send(
            request_bytes("/?q=a%20b")
            + request_bytes("/bytes/100000", method="HEAD")
            + request_bytes("/bytes/100000")
            + request_bytes('/"\\x')
            + request_bytes("/echo", method="POST", body=b"hello", version="1.0")
        )
        assert client.receive().body == DOCUMENT
        assert client.receive("HEAD").status == 200
        assert len(client.receive().body) == 100_000
        assert client.receive().status == 404
        assert client.receive().body == b"hello"
        process.popen.send_signal(signal.SIGTERM)
        code, said = process.end()
    assert code == 0
    matches = [LINE.fullmatch(line) for line in said.splitlines()]
    assert all(matches), said
    seen = [match.groups() for match in matches if match]
    assert [each[1] for each in seen] == ["200", "200", "200", "404", "200"]
    assert [each[0].split()[0] for each in seen] == [
        "GET",
        "HEAD",
        "GET",
        "GET",
        "POST",
    ]
    assert [each[2] for each in seen][2::2] == ["100000", "5"]
    assert seen[0][0] == "GET /?q=a%20b HTTP/1.1"
    assert '"' not in seen[3][0].replace('\\"', "")
    assert seen[4][0].endswith("HTTP/1.0")


def test_no_log_unless_it_is_asked_for(step: str) -> None:
    with Process(step) as process, ExitStack() as stack:
        connected(process.listening_port(), stack).ask()
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == (0, "")


@on_linux
def test_a_full_disk_for_the_log(step: str, tmp_path: Path) -> None:
    """The log grows no further than a file may here; then every write fails."""
    log = tmp_path / "access.log"
    code = (
        "import resource, runpy, sys;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        "sys.argv[1:] = ['--port', '0', '--access-log', '--grace', '1'];"
        f"runpy.run_module('steps.{step}', run_name='__main__')"
    )
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=output,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_until(lambda: b"listening" in log.read_bytes(), "it listens")
        port = int(log.read_text().split(":")[-1].split()[0])
        with Client(port) as client:
            for _ in range(300):
                assert client.ask().body == DOCUMENT
            wait_until(lambda: log.stat().st_size == 3000, "the disk is full")
            for _ in range(300):
                assert client.ask().body == DOCUMENT
        popen.send_signal(signal.SIGTERM)
        _, errors = popen.communicate(timeout=20)
        assert (popen.returncode, errors) == (0, b"")
    finally:
        popen.kill()
        popen.communicate()


def test_a_log_that_nobody_reads(step: str, workers: str) -> None:
    """A full pipe blocks the thread that writes the log, and nobody else."""
    arguments = ["--access-log", "--workers", workers]
    with Process(step, *arguments) as process, ExitStack() as stack:
        client = connected(process.listening_port(), stack)
        target = "/" + "x" * 4000
        for _ in range(40):  # 160 kB; a pipe holds 64
            client.send(request_bytes(target) * 10)
            for _ in range(10):
                assert client.receive().status == 404
        process.popen.send_signal(signal.SIGTERM)
        code, _ = process.end()
        assert code == 0


# --- The machine, and its clocks ------------------------------------------------------


@each_design
def test_the_clock_is_stepped_back(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the dates that are sent know of it."""
    with serving(step) as server:
        client, half = server.client(), server.client()
        half.send(request_bytes()[:-1])
        dates = []
        for second in (2_000_000_000, 1_000_000_000, 1_000_000_001, 0):
            with monkeypatch.context() as patch:
                patch.setattr(time, "time", lambda: second)  # noqa: B023
                dates.append(client.ask().headers["date"])
                assert client.ask().body == DOCUMENT
        assert dates[0] == "Wed, 18 May 2033 03:33:20 GMT"
        assert dates[1] == "Sun, 09 Sep 2001 01:46:40 GMT"
        assert dates[3] == "Thu, 01 Jan 1970 00:00:00 GMT"
        half.send(request_bytes()[-1:])
        assert half.receive().body == DOCUMENT
        assert server.stats.expired == 0


@on_linux
def test_stopped_and_continued(step: str, workers: str) -> None:
    """Longer than every deadline: who has sent meanwhile is answered."""
    arguments = ["--workers", workers]
    for name in ("header", "body", "idle", "write"):
        arguments += [f"--{name}-timeout", "0.3"]
    with Process(step, *arguments) as process, ExitStack() as stack:
        port = process.listening_port()
        clients = [connected(port, stack) for _ in range(10)]
        for client in clients:
            client.ask()
            client.send(request_bytes()[:-1])
        process.popen.send_signal(signal.SIGSTOP)
        status = Path(f"/proc/{process.popen.pid}/stat")
        wait_until(lambda: status.read_text().split()[2] == "T", "it is stopped")
        late = connected(port, stack)  # the kernel accepts it
        for client in [*clients, late]:
            client.send(request_bytes()[-1:] if client is not late else request_bytes())
        time.sleep(0.6)  # its deadlines have to pass: this is the subject
        process.popen.send_signal(signal.SIGCONT)
        for client in [*clients, late]:
            assert client.receive().body == DOCUMENT
        assert process.stats()["expired"] == 0


@each_design
def test_fork_while_serving(step: str) -> None:
    """A handler starts programs, and forks: its children have nothing to do with the
    connections, and the server goes on."""
    children: list[subprocess.Popen[bytes]] = []

    def starting(request: Request) -> Response:
        if request.target == "/start":
            children.append(
                subprocess.Popen(
                    [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
                )
            )
        if request.target == "/run":
            code = "import os; print(sorted(os.listdir('/dev/fd'))[3:])"
            run = subprocess.run([sys.executable, "-c", code], capture_output=True)
            return Response(200, run.stdout)
        return app(request)

    with serving(step, starting) as server:
        others = [server.client() for _ in range(5)]
        for client in others:
            client.ask()
        client = server.client()
        client.ask("/start", "Connection: close")
        client.expect_end()  # though the child lives
        assert children[0].poll() is None
        listed = server.client().ask("/run").body.decode()
        assert (
            len(json.loads(listed.replace("'", '"'))) <= 1
        )  # the folder that it lists
        for client in others:
            assert client.ask().body == DOCUMENT
    for child in children:
        child.communicate(b"\n", timeout=20)


@on_linux
def test_out_of_descriptors(step: str) -> None:
    """Here quickly; the lab has the long run: python -m lab tough descriptors."""
    code = (
        "import resource, runpy, sys;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32));"
        "sys.argv[1:] = ['--port', '0'];"
        f"runpy.run_module('steps.{step}', run_name='__main__')"
    )
    with ExitStack() as stack:
        popen = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        stack.callback(popen.communicate)
        stack.callback(popen.kill)
        assert popen.stdout
        port = int(popen.stdout.readline().split(b":")[-1])
        clients = [connected(port, stack) for _ in range(60)]
        folder = f"/proc/{popen.pid}/fd"
        wait_until(lambda: len(os.listdir(folder)) == 32, "there are no more")
        assert clients[0].ask().body == DOCUMENT
        clients[-1].send(request_bytes())
        assert clients[1].ask().body == DOCUMENT
        for client in clients[:-1]:
            client.close()
        assert clients[-1].receive().body == DOCUMENT
        popen.send_signal(signal.SIGTERM)
        _, errors = popen.communicate(timeout=20)
        assert errors.count(b"\n") == 1  # a line, however often it tried
        assert b"descriptors" in errors or b"open files" in errors


def test_the_harness_sees_a_failure() -> None:
    """So that none of the tests above passes for want of a server."""
    with serving("step12") as server:
        assert isinstance(server, Running)
        assert server.client().ask("/nowhere").status == 404
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 100
