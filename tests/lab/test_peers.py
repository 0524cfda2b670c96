"""The peers: one application, a free port each, and no harm if one cannot be had."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from lab.load.kinds import Manner
from lab.measure import peers, points
from lab.measure.machine import Cores
from lab.measure.peer_wsgi import app
from lab.measure.points import Timing
from lab.measure.servers import RunningServer, ServerCommand, ServerError, running
from lab.paths import ROOT
from lab.record import names
from lab.record.matrix import Plan
from steps.app import DOCUMENT


@pytest.mark.parametrize("name", [peer.name for peer in (*peers.OURS, *peers.PEERS)])
def test_each_serves_the_document_and_keeps_the_connection(name: str) -> None:
    if reason := peers.unavailable(name):
        pytest.skip(reason)
    with running(peers.peer_command(name)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        for _ in range(3):
            connection.request("GET", "/?n=1")
            kept = connection.sock
            response = connection.getresponse()
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/html"
            assert response.headers["Content-Length"] == str(len(DOCUMENT))
            assert response.read() == DOCUMENT
            assert connection.sock is kept
            assert kept is not None
        sample = server.sample()
        connection.close()
    assert sample.rss_bytes > 1_000_000
    note = peers.contestant(name)
    assert note.ours == (not note.versions)
    assert "unknown" not in note.versions.values()


def test_the_application_gives_each_request_a_list_of_its_own() -> None:
    seen: list[list[tuple[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        assert status == "200 OK"
        seen.append(headers)

    for _ in range(2):
        assert b"".join(app({}, start_response)) == DOCUMENT
    assert seen[0] == seen[1]
    assert seen[0] is not seen[1]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "venv"
    monkeypatch.setattr(peers, "ENVIRONMENT", folder)
    monkeypatch.setattr(peers, "PYTHON", folder / "bin" / "python")
    monkeypatch.setattr(peers, "_INSTALLED", folder / "installed.txt")
    monkeypatch.setattr(peers, "_MISSING", folder / "missing")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    return folder


def commands_that(
    fail: Callable[[tuple[str, ...]], bool],
    monkeypatch: pytest.MonkeyPatch,
    error: str = "ERROR: ev.h\n",
) -> list[tuple[str, ...]]:
    """What is run from now on; nothing is, and those fail."""
    ran: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **_: object) -> object:
        ran.append(command)
        code = int(fail(command))
        return subprocess.CompletedProcess(command, code, "", error * code)

    monkeypatch.setattr("lab.measure.peers.subprocess.run", run)
    return ran


MORE = [command for command, _ in peers.OPTIONAL.values()]


def test_wheels_come_first_and_what_must_be_compiled_may_fail(
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran = commands_that(lambda command: command == peers.COMPILE, monkeypatch)
    peers.install()
    assert ran[1:] == [peers.INSTALL_WHEELS, *MORE]
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("bjoern could not be compiled: it needs a C compiler")
    assert "libev-dev" in said[-1]
    assert peers.are_installed()
    assert peers.unavailable("bjoern") == said[-1]


@pytest.mark.parametrize("name", peers.MORE_WHEELS)
def test_a_peer_without_a_wheel_for_this_machine_is_left_out(
    name: str,
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = f"peers-{name}.txt"
    ran = commands_that(lambda command: command[-1].endswith(own), monkeypatch)
    peers.install()
    assert ran[1:] == [peers.INSTALL_WHEELS, *MORE]
    assert capsys.readouterr().err.splitlines()[1:] == [peers.unavailable(name)]
    assert f"{name} could not be installed: there may be no" in peers.missing()[name]
    assert list(peers.missing()) == [name]
    assert peers.are_installed()


def test_what_could_not_be_had_is_tried_again_and_nothing_else(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands_that(lambda command: command == peers.COMPILE, monkeypatch)
    peers.install()
    ran = commands_that(lambda command: False, monkeypatch)
    peers.install()
    peers.install()
    assert ran == [peers.COMPILE]
    assert not peers.missing()


def test_a_certificate_that_is_not_trusted_is_named(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only the last line, which says that there is no such package."""
    error = "confirming the ssl certificate: [SSL: CERTIFICATE_VERIFY_FAILED] ...\n"
    error += "ERROR: No matching distribution found for granian\n"
    commands_that(lambda command: "pip" in command, monkeypatch, error)
    with pytest.raises(peers.PeersError, match=r"PIP_CERT=.* SSL_CERT_FILE"):
        peers.install()
    bootstrap = (ROOT / "tools/bootstrap").read_text()
    said = re.sub(r'" \\\n *"', " ", bootstrap)
    assert peers.UNTRUSTED in said


def test_every_download_is_held_against_its_hash() -> None:
    for command in (peers.INSTALL_WHEELS, *MORE):
        assert "--require-hashes" in command
    assert "--no-build-isolation" in peers.COMPILE


@pytest.mark.parametrize("manner", ["silent", "kept"])
def test_what_silent_connections_cost_is_measured_beside_a_quiet_server(
    manner: Manner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if reason := peers.unavailable(names.IN_THE_LOOP):
        pytest.skip(reason)
    for name in ("SETTLE_S", "WATCH_S", "ACCEPT_PAUSE_S"):
        monkeypatch.setattr(points, name, 0.1)
    plan = Plan(names.IN_THE_LOOP, 10, silent=300, manner=manner)
    cost = points.measure_silent_cost(plan, Timing(seconds=0.1, warmup_s=0), Cores())
    assert cost.connections == cost.accepted == cost.still_open == 300
    assert cost.rss_after_bytes > cost.rss_before_bytes
    assert cost.cpu < 0.5


class Accepting:
    """A server that takes a connection whenever one looks, so many times."""

    name = "a slow one"

    def __init__(self, times: int) -> None:
        self.looks = 0
        self._times = times

    def descriptors(self) -> int:
        self.looks += 1
        return min(self.looks, self._times)


def test_a_server_has_accepted_all_when_it_takes_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(points, "ACCEPT_PAUSE_S", 0)
    server = Accepting(5)
    points.wait_until_accepted(cast("RunningServer", server))
    assert server.looks == 6
    monkeypatch.setattr(points, "ACCEPT_LIMIT_S", 0)
    with pytest.raises(ServerError, match="a slow one was still accepting after 0 s"):
        points.wait_until_accepted(cast("RunningServer", Accepting(10**9)))


LATE = """
import http.server, socket, time
listener = socket.create_server(("127.0.0.1", 0), backlog=0)
port = listener.getsockname()[1]
listener.close()
print(f"listening on http://127.0.0.1:{port}", flush=True)
time.sleep(0.3)
http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler
    ).serve_forever()
"""


def test_a_server_that_starts_others_is_ready_when_one_answers() -> None:
    command = ServerCommand(
        "late", (sys.executable, "-c", LATE), has_stats=False, has_children=True
    )
    with running(command) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10):
            pass
        assert server.descriptors() > 2


def test_a_server_that_may_use_every_core_is_not_held_to_its_own() -> None:
    cores = Cores((0,), (1, 2))
    assert points.cores_of("step08", cores) == (0,)
    assert points.cores_of("granian", cores) == (0,)
    assert points.cores_of(names.TWO_PROCESSES, cores) == (0, 1, 2)
