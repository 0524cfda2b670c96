"""`python -m lab doctor`: one clear line where it cannot look, and the same as data."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lab.doctor import command
from lab.doctor.observations import Observations
from lab.doctor.report import data, text
from lab.doctor.schema import descriptions, schema
from lab.doctor.verdict import verdict
from tests.lab.doctor.test_verdict import healthy
from tests.lab.scripted_server import Behaviour, Exchange, answer, response, serving

ROOT = Path(__file__).parents[3]


def says(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that it says, for it cannot look."""
    assert command.main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    return str(line)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://127.0.0.1/", "plain HTTP"),
        ("ftp://127.0.0.1/", "not a URL"),
        ("http://127.0.0.1:99999/", "not a URL"),
        ("http://127.0.0.1:0/", "not a URL"),
        ("http://me:secret@127.0.0.1/", "password"),
        ("http://192.0.2.1/", "--yes-this-is-mine"),
        ("http://[::1]:8000/", "IPv4"),
        ("unix:/run/app.sock", "TCP"),
        ("/run/app.sock", "TCP"),
    ],
)
def test_a_url_that_will_not_do(
    url: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in says(capsys, url)


@pytest.mark.parametrize(
    ("option", "value"), [("--pid", "0"), ("--pid", "-1"), ("--slow-path", "report")]
)
def test_an_option_that_will_not_do(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["http://127.0.0.1:1/", f"{option}={value}"])
    assert f"argument {option}: '{value}' is not" in capsys.readouterr().err


def test_who_closes_on_plain_words_and_answers_those_of_tls(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    if client.recv(65536).startswith(b"\x16\x03"):
                        client.sendall(b"\x16\x03\x03\x00\x7a")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        said = says(capsys, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "answers in TLS" in said


def test_what_listens_by_another_address_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no IPv6 here")
    with listener:
        port = listener.getsockname()[1]
        said = says(capsys, f"http://localhost:{port}/")
    assert f"something does on [::1]:{port}" in said


async def not_found(exchange: Exchange) -> None:
    await exchange.answer(response(status="404 Not Found"))


async def babble(exchange: Exchange) -> None:
    await exchange.answer(b"220 ready for mail\r\n\r\n")


async def want_tls(exchange: Exchange) -> None:
    body = b"The plain HTTP request was sent to HTTPS port"
    await exchange.answer(response(body, "400 Bad Request"))


async def alert(exchange: Exchange) -> None:
    await exchange.answer(b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n")


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def promise_more(exchange: Exchange) -> None:
    await exchange.answer(response()[:-10])
    exchange.close()


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (not_found, "answers 404"),
        (babble, "'220 ready for mail'"),
        (want_tls, "expects TLS"),
        (alert, "answers in TLS"),
        (reset, "nothing came and then it reset the connection"),
        (promise_more, "60 of the 70 bytes came"),
    ],
)
def test_a_server_that_cannot_be_looked_at(
    behaviour: Behaviour, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(behaviour) as server:
        assert words in says(capsys, server.url)


def test_nobody_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answer) as server:
        url = server.url
    assert "nothing listens" in says(capsys, url)


def test_what_is_said_before_the_work_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(answer) as server:
        missing = tmp_path / "nowhere" / "x.json"
        assert "cannot be written" in says(capsys, server.url, "--json", str(missing))
        assert "cannot be written" in says(capsys, server.url, "--json", str(tmp_path))
        assert "--end-it needs --pid" in says(capsys, server.url, "--end-it")
        assert server.accepted == 0
        assert "there is no process" in says(capsys, server.url, "--pid", "4194305")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_tells_what_is_known(number: signal.Signals, tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    with serving(answer) as server:
        with subprocess.Popen(
            [
                *(sys.executable, "-S", "-m", "lab", "doctor", server.url),
                *("--json", str(file)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as doctor:
            assert doctor.stderr
            while "clients" not in (line := doctor.stderr.readline()):
                assert line, "it ended before that"
            doctor.send_signal(number)
            out, _ = doctor.communicate(timeout=20)
        assert doctor.returncode == 130
    assert "connections are kept" in out
    assert "it was interrupted" in out
    known = json.loads(file.read_text())
    assert known["observations"]["interrupted"] is True
    assert known["observations"]["growth"] == []
    assert_is(known, schema())


def assert_is(value: Any, wanted: dict[str, Any]) -> None:
    """Whether a value is as a schema says; of JSON Schema, what this one needs."""
    if "const" in wanted:
        assert value == wanted["const"]
    if "enum" in wanted:
        assert value in wanted["enum"]
    if "anyOf" in wanted:
        errors = []
        for each in wanted["anyOf"]:
            try:
                assert_is(value, each)
                return
            except AssertionError as error:
                errors.append(error)
        raise errors[0]
    kinds: dict[str, Any] = {
        "object": dict,
        "array": (list, tuple),
        "string": str,
        "number": (int, float),
        "integer": int,
        "boolean": bool,
        "null": type(None),
    }
    if "type" in wanted:
        assert isinstance(value, kinds[wanted["type"]]), (value, wanted["type"])
    if wanted.get("type") == "object":
        known = wanted.get("properties", {})
        assert set(wanted.get("required", [])) <= set(value)
        for name, each in value.items():
            rest = wanted.get("additionalProperties", True)
            assert name in known or rest is not False, name
            if name in known or isinstance(rest, dict):
                assert_is(each, known.get(name, rest))
    if wanted.get("type") == "array" and "items" in wanted:
        for each in value:
            assert_is(each, wanted["items"])


def test_the_data_are_as_the_schema_says() -> None:
    seen = healthy()
    whole = json.loads(json.dumps(data(seen, verdict(seen))))
    assert_is(whole, schema())
    whole["verdict"]["more"] = 1
    with pytest.raises(AssertionError):
        assert_is(whole, schema())


def test_the_schema_says_what_each_field_is() -> None:
    assert "Until the other was answered" in str(schema())
    assert descriptions(Observations)["died"]


def test_the_report_says_the_same_as_the_data() -> None:
    seen = healthy()
    assert seen.contact
    seen.contact.closed = 5
    seen.notes["whether it sings"] = "nobody listened"
    said = verdict(seen)
    words = " ".join(text(seen, said).split())
    assert words.startswith(said.first)
    for finding in said.findings:
        assert f"{finding.sentence}." in words
        assert finding.see in words
        assert all(f"chapters/{name}" in words for name in finding.chapters)
        assert (ROOT / "chapters" / finding.chapters[0] / "README.md").exists()
    assert "whether it sings: nobody listened" in words


def test_every_chapter_that_is_named_is_there() -> None:
    from lab.doctor.finding import CHAPTERS

    for name in CHAPTERS.values():
        assert (ROOT / "chapters" / name / "README.md").exists()
