"""Steps 12 and 13, and clients that others wrote, as their users run them.

HAProxy is in front of several servers of step 14, and stands in test_step14.py.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from steps.app import DOCUMENT
from tests.steps.harness import DEADLINE_S, Process

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(params=["4", "0"], ids=["4 workers", "in the loop"])
def workers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["step12", "step13"])
def url(request: pytest.FixtureRequest, workers: str) -> Iterator[str]:
    """Whatever the client does, the server ends in order and has nothing to say."""
    with Process(request.param, "--workers", workers) as process:
        yield f"http://127.0.0.1:{process.listening_port()}"
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == (0, "")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, timeout=2 * DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def reported(output: str, what: str) -> str:
    match = re.search(rf"^ *{what}: +(.+)$", output, re.MULTILINE)
    assert match, output
    return match[1]


# --- curl -----------------------------------------------------------------------------


@pytest.fixture
def curl(needs_tool: Callable[[str], str]) -> Callable[..., str]:
    common = [needs_tool("curl"), "-sS", "--noproxy", "*", "--max-time", "20"]
    return lambda *arguments: run(*common, *arguments)


def test_curl(url: str, curl: Callable[..., str]) -> None:
    document = DOCUMENT.decode()
    said = curl(url, f"{url}/bytes/3", url, "-w", "[%{num_connects}]")
    assert said == f"{document}[1]xxx[0]{document}[0]"  # one connection for all
    assert curl("--http1.0", url) == document
    assert "Content-Length: 5\r\n" in curl("-I", f"{url}/bytes/5")
    assert curl("-o", os.devnull, "-w", "%{http_code}", "-d", "x=y", url) == "405"
    assert len(curl(f"{url}/bytes/5000000")) == 5_000_000


def test_curl_sends_bodies(url: str, curl: Callable[..., str], tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_text("x" * 900_000)
    upload = ["-T", str(body), f"{url}/echo"]
    for header in ("Expect: 100-continue", "Expect:", "Transfer-Encoding: chunked"):
        assert curl(*upload, "-H", header) == body.read_text()
    body.write_text("x" * 2_000_000)
    said = curl(*upload, "-o", os.devnull, "-w", "%{http_code} %{size_upload}")
    assert said == "413 0"  # it waits for a 100, and does not send what is not wanted


def test_curl_gives_up(url: str, needs_tool: Callable[[str], str]) -> None:
    command = [needs_tool("curl"), "-sS", "--noproxy", "*", "-m", "0.05"]
    for path in ("sleep/100", "bytes/100000000"):
        done = subprocess.run([*command, f"{url}/{path}", "-o", os.devnull])
        assert done.returncode == 28  # its time is up
    command[-1] = "20"
    assert run(*command, url) == DOCUMENT.decode()


# --- ab, wrk --------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 500], ids=["close", "keep-alive"])
def test_ab(
    url: str, kept: int, needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    body = tmp_path / "body"
    body.write_bytes(os.urandom(3000))
    command = [needs_tool("ab"), "-q", "-n", "500", "-c", "20"]
    command += ["-k"] if kept else []
    for more in ([], ["-p", str(body)]):
        output = run(*command, *more, f"{url}/echo")
        assert reported(output, "Complete requests") == "500"
        assert reported(output, "Failed requests") == "0"
        assert "Non-2xx" not in output
        assert reported(output, "Document Length") == (
            "3000 bytes" if more else "0 bytes"
        )
        if kept:
            assert reported(output, "Keep-Alive requests") == "500"


@pytest.mark.parametrize("path", ["", "bytes/300000"])
def test_wrk(url: str, path: str, needs_tool: Callable[[str], str]) -> None:
    wrk = [needs_tool("wrk"), "-c", "20", "-d", "1s", "-t", "1"]
    output = run(*wrk, f"{url}/{path}")
    assert "Socket errors" not in output
    assert "Non-2xx" not in output
    assert int(re.findall(r"(\d+) requests in", output)[0]) > 20


# --- requests -------------------------------------------------------------------------


def test_requests(url: str) -> None:
    """In threads, each with a session that keeps its connection."""
    failures: list[object] = []

    def work(number: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for turn in range(20):
                body = os.urandom(number * 100 + turn)
                data = body if turn % 2 else iter([body, b"", body])  # chunked
                answer = session.post(f"{url}/echo", data=data, timeout=DEADLINE_S)
                if answer.content != body * (1 if turn % 2 else 2):
                    failures.append(answer)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * DEADLINE_S)
    assert failures == []


def test_an_answer_that_is_given_up(url: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(5):
            answer = session.get(
                f"{url}/bytes/30000000", stream=True, timeout=DEADLINE_S
            )
            assert next(answer.iter_content(1000)) == b"x" * 1000
            answer.close()
        assert session.get(url, timeout=DEADLINE_S).content == DOCUMENT


# --- Chromium -------------------------------------------------------------------------

#: In the page: much at once, over the six connections that it allows itself; bodies; an
#: answer that is given up; and then whether all is well.
IN_THE_PAGE = """async () => {
    const size = async (n) => (await (await fetch(`/bytes/${n}`)).text()).length
    const sizes = await Promise.all([...Array(40).keys()].map((n) => size(n * 5000)))
    const body = "ä".repeat(100000)
    const echo = async () => (await fetch("/echo", {method: "POST", body})).text()
    const echoes = (await Promise.all([echo(), echo(), echo()])).map((t) => t === body)
    const control = new AbortController()
    const given_up = await fetch("/bytes/100000000", {signal: control.signal})
    control.abort()
    const missing = (await fetch("/nowhere")).status
    const wrong = (await fetch("/", {method: "DELETE"})).status
    return {sizes, echoes, missing, wrong, after: await size(7)}
}"""


def test_chromium(url: str, browser: Browser) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        for _ in range(3):
            page.goto(url)
            assert page.title() == "70 bytes"
        assert page.inner_text("p") == "The document that we serve."
        assert page.evaluate(IN_THE_PAGE) == {
            "sizes": [number * 5000 for number in range(40)],
            "echoes": [True] * 3,
            "missing": 404,
            "wrong": 405,
            "after": 7,
        }
    finally:
        context.close()
