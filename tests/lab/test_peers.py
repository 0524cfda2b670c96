"""The peers: one application, a free port each, and no harm if one cannot be had."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import peers
from lab.peer_wsgi import app
from lab.servers import running
from steps.app import DOCUMENT


@pytest.mark.parametrize("name", [peer.name for peer in (*peers.OURS, *peers.PEERS)])
def test_each_serves_the_document_and_keeps_the_connection(name: str) -> None:
    if reason := peers.unavailable(name):
        pytest.skip(reason)
    with running(peers.peer_command(name)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        for _ in range(3):
            connection.request("GET", "/?n=1")
            socket = connection.sock
            response = connection.getresponse()
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/html"
            assert response.headers["Content-Length"] == str(len(DOCUMENT))
            assert response.read() == DOCUMENT
            assert connection.sock is socket
            assert socket is not None
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
    monkeypatch.setattr(peers, "_NOT_COMPILED", folder / "not-compiled.txt")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    return folder


def commands_that(
    fail: Callable[[tuple[str, ...]], bool], monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, ...]]:
    """What is run from now on; nothing is, and those fail."""
    ran: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **_: object) -> object:
        ran.append(command)
        code = int(fail(command))
        return subprocess.CompletedProcess(command, code, "", "ERROR: ev.h\n" * code)

    monkeypatch.setattr("lab.peers.subprocess.run", run)
    return ran


def test_wheels_come_first_and_what_must_be_compiled_may_fail(
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran = commands_that(lambda command: command == peers.COMPILE, monkeypatch)
    peers.install()
    assert ran[1:] == [peers.INSTALL_WHEELS, peers.COMPILE]
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("bjoern could not be compiled: it needs a C compiler")
    assert "libev-dev" in said[-1]
    assert peers.are_installed()
    assert peers.unavailable("bjoern") == said[-1]


def test_what_could_not_be_compiled_is_tried_again_and_nothing_else(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands_that(lambda command: command == peers.COMPILE, monkeypatch)
    peers.install()
    ran = commands_that(lambda command: False, monkeypatch)
    peers.install()
    peers.install()
    assert ran == [peers.COMPILE]
    assert peers.not_compiled() is None


def test_every_download_is_held_against_its_hash() -> None:
    for command in (peers.INSTALL_WHEELS, peers.COMPILE):
        assert "--require-hashes" in command
    assert "--no-build-isolation" in peers.COMPILE
