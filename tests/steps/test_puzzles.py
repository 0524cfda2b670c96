"""The puzzles of chapters 14 and 15: why a step with that mistake breaks as it does.

That it prints what the page says is the transcripts' test (book/variants.py).
"""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from selectors import EVENT_READ
from types import ModuleType

import psutil
import pytest

from book.variants import variant
from steps.app import app
from steps.http11 import Request, Response
from tests.steps.harness import (
    DEADLINE_S,
    ROOT,
    Client,
    Listener,
    Process,
    Running,
    request_bytes,
    wait_until,
)


def mistaken(name: str) -> str:
    """The source of a variant's file."""
    found = variant(name)
    return found.of((ROOT / found.file).read_text(encoding="utf-8"))


def test_14_processes_that_keep_what_they_inherit_outlive_their_supervisor() -> None:
    spoil = (
        "import steps.step14.process as module\n"
        f"source = {mistaken('14-inherited')!r}\n"
        "exec(compile(source, module.__file__, 'exec'), module.__dict__)"
    )
    with (
        Process("step14", "--processes", "2", patch=spoil) as step,
        ExitStack() as rest,
    ):
        port = step.listening_port()
        children = psutil.Process(step.popen.pid).children()
        for child in children:
            rest.callback(os.kill, child.pid, signal.SIGKILL)
        step.signal(signal.SIGKILL)
        step.popen.wait(DEADLINE_S)
        # Neither has been told: each would have read the end of its channel by now, for
        # the kernel has closed what the supervisor had open before it is waited for.
        for _ in range(10):
            with Client(port) as client:
                assert client.ask().status == 200
        with Process("step14", "--processes", "2", port=port) as another:
            said = another.log_line().strip().replace(str(port), "8000")
        (page,) = ROOT.glob("chapters/14-*/README.md")
        assert said in page.read_text(encoding="utf-8").splitlines()
        assert all(child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_15_a_generator_that_is_called_and_no_more_sends_nothing() -> None:
    module = ModuleType("mistaken")
    exec(compile(mistaken("15-not-awaited"), "by_hand.py", "exec"), module.__dict__)
    answered: list[str] = []

    def counting(request: Request) -> Response:
        answered.append(request.target)
        return app(request)

    listener = Listener()
    server = module.Server(listener, counting)

    def waiting() -> set[tuple[int, int]]:
        keys = dict(server._loop._selector._fd_to_key)
        return {(fd, key.events) for fd, key in keys.items()}

    with Running("step15.by_hand", server, listener) as running:
        for count in (1, 2):
            client = running.client()
            client.send(request_bytes())
            wait_until(lambda n=count: len(answered) == n, "the handler is called")  # type: ignore[misc]
            # It has gone on to receive(), and waits for a second request.
            watched = running.descriptor_of(client), EVENT_READ
            wait_until(lambda w=watched: w in waiting(), "it waits")  # type: ignore[misc]
            client.sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.sock.recv(1)


def test_15_of_pythons_own_kind_there_is_a_warning(tmp_path: Path) -> None:
    right = (ROOT / "steps/step15/with_await.py").read_text(encoding="utf-8")
    was = "                await send_all(loop, sock, data)\n"
    assert right.count(was) == 1
    file = tmp_path / "spoiled.py"
    file.write_text(right.replace(was, was.replace("await ", "")), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, file, "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stderr
            port = int(process.stdout.readline().rpartition(":")[2])
            with Client() as client:
                client.connect(port)
                client.send(request_bytes())
                warning = process.stderr.readline().partition(": ")[2].strip()
        finally:
            process.kill()
    (page,) = ROOT.glob("chapters/15-*/README.md")
    assert f"`{warning}`" in page.read_text(encoding="utf-8")
