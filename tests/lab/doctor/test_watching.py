"""Deadlines, the process, and its end: looked at on steps that have them, or not."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from lab.doctor import consultation
from lab.doctor import process as processes
from lab.doctor.deadlines import Watch
from lab.doctor.ending import at_work, ending
from lab.doctor.holding import at_rest
from lab.doctor.observations import Dawdler, Held, Slow
from lab.doctor.plan import Plan
from lab.doctor.raw import Target, Wire
from lab.load.target import LoadError
from tests.lab.doctor.servers import target_of, two_writes_and_close
from tests.lab.scripted_server import Behaviour, Exchange, answer, serving
from tests.steps.harness import Process

LIMIT_S = 20.0
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="whose a listener is, /proc says"
)


def watched(target: Target, kinds: tuple[str, ...]) -> dict[str, Dawdler]:
    """Watch until all of them have been ended."""
    watch = Watch(target, kinds)
    watch.start()
    deadline = time.monotonic() + LIMIT_S
    while watch.left() and time.monotonic() < deadline:
        time.sleep(0.05)
    return {each.kind: each for each in watch.stop()}


def test_who_does_not_go_on_is_ended_and_told() -> None:
    flags = [f"--{name}-timeout=0.8" for name in ("header", "body", "idle", "write")]
    with Process("step11", *flags) as server:
        target = Target("127.0.0.1", server.listening_port())
        seen = watched(target, ("silent", "half", "trickle", "body", "kept"))
        server.signal(signal.SIGINT)
        server.end()
    assert all(each.ended_s is not None for each in seen.values()), seen
    assert {kind for kind, each in seen.items() if each.status == 408} == {
        *("half", "trickle", "body"),
    }


@linux
def test_who_reads_nothing_is_seen_to_be_ended() -> None:
    """The end stands behind what was not read, and never arrives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = Target("127.0.0.1", listener.getsockname()[1], answer_bytes=100)
        watch = Watch(target, ("unread",))
        watch.start()
        with listener.accept()[0] as connection:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection.send(bytes(65536))
            connection.setblocking(True)
            # Whoever has read all that came closes plainly.
            connection.settimeout(1.0)
            with contextlib.suppress(TimeoutError):
                while connection.recv(65536):
                    pass
            assert watch.left()
        deadline = time.monotonic() + LIMIT_S
        while watch.left() and time.monotonic() < deadline:
            time.sleep(0.05)
        [seen] = watch.stop()
    assert seen.ended_s is not None


def test_who_is_not_ended_is_said_to_be_there() -> None:
    with serving(answer) as server:
        watch = Watch(target_of(server), ("silent", "half"))
        watch.start()
        server.wait_until(lambda: server.accepted == 2)
        first, second = watch.stop()
    assert first.ended_s is second.ended_s is None


@linux
def test_the_process_is_found_by_its_port() -> None:
    with Process("step06") as server:
        port = server.listening_port()
        found = processes.find("127.0.0.1", port, None)
        assert found
        assert found.pids == [server.popen.pid]
        assert found.waits_with() == "no epoll"
        assert found.threads() >= 6
        # What it was started by is not it, and is no part of what is watched.
        found = processes.find("127.0.0.1", port, os.getpid())
        assert found
        assert found.pids == [server.popen.pid]
        with subprocess.Popen(["sleep", "60"]) as other:
            with pytest.raises(LoadError, match=f"{other.pid} does not listen"):
                processes.find("127.0.0.1", port, other.pid)
            other.kill()
        with pytest.raises(LoadError, match="there is no process"):
            processes.find("127.0.0.1", port, other.pid)
        # Nor is what has started this program, too: it would be told to end.
        with pytest.raises(LoadError, match="started this doctor as well"):
            processes.find("127.0.0.1", port, os.getppid())
        target = Target("127.0.0.1", port)
        before = processes.accepted(port)
        assert before is not None
        with Wire(target) as wire:
            wire.exchange()
            assert processes.accepted(port) == before + 1


def test_who_waits_for_a_processor_does_not_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = processes.Watched([])
    monkeypatch.setattr(processes, "REST_S", 0.01)
    monkeypatch.setattr(seen, "cpu_s", lambda: 0.0)  # others have it
    monkeypatch.setattr(seen, "waited_s", time.monotonic)  # all the time
    assert not seen.rests_within(0.05)
    monkeypatch.setattr(seen, "waited_s", lambda: None)
    assert seen.rests_within(0.05)
    # The kernel counts a wait when it has ended: until then, the state tells.
    monkeypatch.setattr(seen, "wants_to_run", lambda: True)
    assert not seen.rests_within(0.05)


@linux
def test_who_runs_wants_to_run_and_who_sleeps_does_not() -> None:
    assert processes.Watched([os.getpid()]).wants_to_run()
    with subprocess.Popen(["sleep", "60"]) as other:
        asleep = processes.Watched([other.pid])
        assert asleep.rests_within(LIMIT_S)
        other.kill()


#: It listens; who works closes the listener, as where a parent hands connections out.
PARENT = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
for line in sys.stdin:
    if not os.fork():
        listener.close()
        os.read(os.pipe()[0], 1)
    print(listener.getsockname()[1], flush=True)
"""


@linux
def test_workers_are_watched_that_their_parent_has_started() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        process_group=0,
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        try:
            parent.stdin.write("one\n")
            port = int(parent.stdout.readline())
            found = processes.find("127.0.0.1", port, None)
            assert found
            assert len(found.pids) == 2
            assert found.pids[0] == parent.pid
            parent.stdin.write("one more\n")
            parent.stdout.readline()
            found.look_again()
            assert len(found.pids) == 3
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


@linux
def test_the_work_of_those_who_have_ended_is_counted() -> None:
    """A CGI's process is gone before anybody looks at it."""
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    with subprocess.Popen(
        ["sh", "-c", f"'{sys.executable}' -c '{burn}'; echo done; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.stdout
        shell.stdout.readline()
        assert processes.Watched([shell.pid]).cpu_s() > 0.15
        shell.kill()


@linux
def test_a_process_with_epoll() -> None:
    with Process("step08") as server:
        found = processes.find("127.0.0.1", server.listening_port(), None)
        assert found
        assert found.waits_with() == "epoll"


@pytest.mark.parametrize(("step", "answered"), [("step06", 0), ("step12", 3)])
def test_what_sigterm_costs(step: str, answered: int) -> None:
    """Step 12 drains; a worker of step 06 loses the client that it works for."""
    grace = ("--grace", "10") if step == "step12" else ()
    with Process(step, *grace) as server:
        target = Target("127.0.0.1", server.listening_port())
        pid = server.popen.pid
        seen = ending(target, pid, processes.Watched([pid]), Slow("/sleep/900", 900.0))
    assert seen.in_flight == 3
    assert seen.answered == answered
    assert seen.gone_s is not None
    assert seen.idle_closed == seen.idle > 0


async def never(_: Exchange) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("behaviour", "rests", "mute"),
    [(never, True, True), (never, False, False), (answer, True, False)],
)
def test_it_is_mute_when_it_rests_and_answers_nobody(
    behaviour: Behaviour, rests: bool, mute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consultation, "MUTE_S", (0.05, 0.06))
    seen = processes.Watched([])
    left: list[int] = []
    monkeypatch.setattr(seen, "rests_within", lambda _: rests)
    with serving(behaviour) as server:
        looks = consultation.Consultation(target_of(server), Plan(5.0))
        monkeypatch.setattr(looks, "_watched", seen)
        monkeypatch.setattr(looks, "_stop_watching", lambda: left.append(1))
        assert looks._is_mute() is mute
    assert bool(left) is (behaviour is never)  # nobody else is there at the last


@pytest.mark.parametrize(
    ("slow", "asked"),
    [
        (None, 0),
        (Slow("/", 500.0, one=Held("slow", 1, 1, None)), 1),  # one at a time
        (Slow("/", 500.0, 12, 3_050.0), 2),  # two
        (Slow("/", 500.0, 12, 510.0), 3),
        # Late for want of room to connect: others were answered meanwhile.
        (Slow("/", 500.0, 12, 6_000.0, several=Held("slow", 12, 12, 0.4)), 3),
        (Slow("/", 500.0), 3),  # not known
    ],
)
def test_no_more_is_asked_for_at_the_end_than_it_works_on(
    slow: Slow | None, asked: int
) -> None:
    assert at_work(slow) == asked


def test_it_has_gone_when_it_has_gone_and_not_when_its_clients_have_been_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes at once, and leaves a client who waits for an answer until the end."""
    told: list[int] = []

    async def silent(exchange: Exchange) -> None:
        await (asyncio.sleep(60) if told else answer(exchange))

    gone = processes.Watched([])
    monkeypatch.setattr(gone, "alive", lambda: not told)
    monkeypatch.setattr("os.kill", lambda *_: told.append(1))
    with serving(silent) as server:
        seen = ending(target_of(server), 1, gone, None)
    assert seen.half_sent == "late"
    assert seen.gone_s is not None
    assert seen.gone_s < 1


def test_where_each_answer_ends_a_connection_none_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = processes.Watched([])
    monkeypatch.setattr("os.kill", lambda *_: None)
    with serving(two_writes_and_close) as server:
        seen = ending(target_of(server), 1, gone, None)
    assert (seen.idle, seen.half_sent) == (0, "answered")


@pytest.mark.skipif(shutil.which("ss") is None, reason="`ss` says it")
def test_a_queue_that_is_full_is_this_servers() -> None:
    with contextlib.ExitStack() as stack:
        full, empty = (
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
            for _ in range(2)
        )
        port = full.getsockname()[1]
        assert not processes.queue_is_full(port)
        for _ in range(2):  # nobody accepts them
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        assert processes.queue_is_full(port)
        assert not processes.queue_is_full(empty.getsockname()[1])
        assert processes.backlog(port) == 1


@linux
def test_files_and_connections_from_clients_are_counted_and_no_others() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        contextlib.ExitStack() as s,
    ):
        port = listener.getsockname()[1]
        ours = processes.Watched([os.getpid()])
        before = ours.open_files(port)
        assert before is not None
        s.enter_context(open(os.devnull))
        s.enter_context(socket.create_connection(listener.getsockname()))
        s.enter_context(listener.accept()[0])
        other = s.enter_context(socket.create_server(("127.0.0.1", 0)))
        s.enter_context(socket.create_connection(other.getsockname()))
        assert ours.open_files(port) == before + 2


@linux
def test_a_program_that_spins_wants_a_processor() -> None:
    spins = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    with subprocess.Popen(spins, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            spinning = processes.Watched([process.pid])
            # Beside others its waits are counted when they have ended, some looks late.
            assert any(at_rest(spinning) > 0.5 for _ in range(20))
            assert not spinning.rests_within(0.2)
            spinning.restless = True  # that is known: nobody waits for it any more
            assert spinning.rests_within(60.0)
        finally:
            process.kill()
    assert at_rest(spinning) == 0
