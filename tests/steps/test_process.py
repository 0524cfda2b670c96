"""`python -m steps.stepNN`: what it says, and how it ends."""

import ast
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from steps.app import DOCUMENT
from tests.steps.harness import (
    AS_PROCESSES,
    CLOSING,
    ROOT,
    Client,
    Process,
    request_bytes,
    unread_bytes,
    wait_until,
)

every_step = pytest.mark.parametrize("step", AS_PROCESSES)


def ends_in_order(process: Process, number: signal.Signals) -> None:
    """Exit code 0, and not a word: no traceback above all."""
    process.popen.send_signal(number)
    assert process.end() == (0, "")


@every_step
def test_it_listens_serves_counts_and_ends(step: str) -> None:
    with Process(step) as process, Client() as client, Client() as silent:
        port = process.listening_port()
        client.connect(port)
        assert client.ask().body == DOCUMENT
        stats = process.stats()
        assert stats["accepted"] == 1
        assert all(value >= 0 for value in stats.values())
        silent.connect(port)  # and, from step 03 on, the other one is kept
        wait_until(lambda: process.stats()["accepted"] == 2, "both are accepted")
        ends_in_order(process, signal.SIGINT)
        if step not in CLOSING:
            client.expect_end()
        silent.expect_end()


@every_step
def test_it_ends_while_clients_stop_half_way(step: str) -> None:
    with Process(step) as process, ExitStack() as clients:
        port = process.listening_port()

        def connect() -> Client:
            client = clients.enter_context(Client())
            client.connect(port)
            return client

        # Before the half requests: step 01 would never get to it.
        deaf = connect()
        deaf.send(request_bytes("/bytes/50000000"))
        wait_until(lambda: unread_bytes(deaf.sock.fileno()) > 100_000, "it sends")
        for _ in range(4):
            connect().send(request_bytes()[:-2])
        ends_in_order(process, signal.SIGTERM)


def test_they_end_while_handlers_sleep() -> None:
    """All at once, for some wait a little for their workers."""
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(step)) for step in AS_PROCESSES]
        for process in processes:
            client = stack.enter_context(Client())
            client.connect(process.listening_port())
            client.send(request_bytes("/sleep/600000"))

            def is_served(process: Process = process) -> bool:
                stats = process.stats()
                return stats.get("dispatched", stats["accepted"]) == 1

            wait_until(is_served, f"{process.step} calls the handler")
        for process in processes:
            process.popen.send_signal(signal.SIGTERM)
        for process in processes:
            assert process.end() == (0, ""), process.step


def test_stats_asked_for_again_as_soon_as_they_are_read() -> None:
    """The server may still be in the call that has written them."""
    with Process("step01") as process:
        process.listening_port()
        for _ in range(300):
            assert process.stats() == {"accepted": 0}
        ends_in_order(process, signal.SIGTERM)


@every_step
def test_a_port_in_use(step: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Process(step, port=port) as process:
            code, errors = process.end()
    assert code == 1
    assert re.fullmatch(rf"{step}: port {port} is in use: .+\n", errors)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("step", ["step01", "step12", "step13", "step14"])
def test_a_full_disk_for_the_first_line(step: str) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", f"steps.{step}", "--port", "0"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=20,
        )
    assert result.returncode == 1
    assert result.stderr == f"{step}: standard output: No space left on device\n"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=20
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--port", "65536"], "'65536' is not a whole number from 0 to 65535"),
        (["--port", "http"], "'http' is not a whole number from 0 to 65535"),
        (["--workers", "0"], "'0' is not a whole number from 1 to 1000"),
        (["--verbose"], "unrecognized arguments: --verbose"),
    ],
)
def test_arguments_that_make_no_sense(arguments: list[str], complaint: str) -> None:
    result = run("-m", "steps.step01", *arguments)
    assert result.returncode == 2
    assert complaint in result.stderr.splitlines()[-1]


def test_a_host_that_is_not_here() -> None:
    result = run("-m", "steps.step01", "--host", "192.0.2.1", "--port", "0")
    assert result.returncode == 1
    assert re.fullmatch(
        r"step01: cannot listen on 192\.0\.2\.1 port 0: .+\n", result.stderr
    )


def test_a_python_that_is_too_old() -> None:
    old = "import runpy, sys; sys.version_info = (3, 10, 12, 'final', 0)"
    start = "runpy.run_module('steps.step01', run_name='__main__')"
    result = run("-c", f"{old}; {start}")
    assert result.returncode == 1
    assert re.fullmatch(
        r"steps need Python 3\.11 or later, and this is Python 3\.10: .+\n",
        result.stderr,
    )
    # It can say so, as it is written in what older Pythons can read.
    source = (ROOT / "steps/__init__.py").read_text()
    ast.parse(source, feature_version=(3, 7))
