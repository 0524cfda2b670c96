"""A server is started, sampled and stopped, whatever it does."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lab.measure import servers
from lab.measure.servers import ServerCommand, ServerError, running, step_command

LISTEN = "print('fake listening on http://127.0.0.1:4321', flush=True)"
#: Says where it listens; answers SIGUSR1 with a line that counts them, and works
#: for a tenth of a second for each.
STATS = f"""
import signal, sys, time
count = 0
def log(*_):
    global count
    count += 1
    while time.process_time() < 0.1 * count:
        pass
    print('another line', file=sys.stderr)
    print(f'fake stats asked={{count}} waited_s=1e-05', file=sys.stderr, flush=True)
signal.signal(signal.SIGUSR1, log)
{LISTEN}
while True:
    time.sleep(60)
"""


def fake(code: str, *, has_stats: bool = True) -> ServerCommand:
    return ServerCommand("fake", (sys.executable, "-c", code), has_stats)


def test_a_server_is_sampled_and_is_gone_afterwards() -> None:
    with running(fake(STATS)) as server:
        assert server.port == 4321
        first, second = server.sample(), server.sample()
        assert (first.stats["asked"], second.stats["asked"]) == (1, 2)
        assert second.stats["waited_s"] == 1e-05
        # The counters are read before the server is asked.
        assert second.cpu_s - first.cpu_s >= 0.05
        assert second.voluntary_switches >= first.voluntary_switches
        assert second.peak_rss_bytes > 1_000_000
        assert psutil.pid_exists(server.pid)
    assert not psutil.pid_exists(server.pid)


def test_a_server_without_stats_is_not_sent_a_signal_that_kills_it() -> None:
    code = f"import time; {LISTEN}; time.sleep(60)"
    with running(fake(code, has_stats=False)) as server:
        assert server.sample().stats == {}
        assert psutil.pid_exists(server.pid)


def test_a_server_that_does_not_start_gives_its_last_words() -> None:
    expected = "^fake ended before it listened: ValueError: no port for me$"
    with (
        pytest.raises(ServerError, match=expected),
        running(fake("raise ValueError('no port for me')")),
    ):
        pass


def test_a_server_that_never_listens_is_not_awaited_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servers, "START_LIMIT_S", 0.3)
    code = "import time; time.sleep(60)"
    with pytest.raises(ServerError, match="fake does not listen"), running(fake(code)):
        pass


def test_a_server_that_ends_early_is_noticed() -> None:
    with running(fake(LISTEN)) as server:
        psutil.Process(server.pid).wait(5)
        with pytest.raises(ServerError, match="fake has ended"):
            server.sample()


def test_a_server_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "STOP_LIMIT_S", 0.5)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"{LISTEN}; time.sleep(60)"
    )
    with running(fake(code)) as server:
        pass
    assert not psutil.pid_exists(server.pid)


def test_a_server_is_stopped_when_the_block_raises() -> None:
    with pytest.raises(KeyboardInterrupt), running(fake(STATS)) as server:
        raise KeyboardInterrupt
    assert not psutil.pid_exists(server.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes")
def test_a_server_is_pinned_and_the_lab_is_not() -> None:
    usable = os.sched_getaffinity(0)
    core = max(usable)
    with running(fake(STATS), cores=(core,)) as server:
        assert os.sched_getaffinity(server.pid) == {core}
    assert os.sched_getaffinity(0) == usable


def test_a_step_is_started_on_a_free_port_and_counts() -> None:
    with running(step_command("step02")) as server:
        assert server.port > 0
        assert server.sample().stats["accepted"] == 0


def test_calls_are_counted_once_and_within_the_window(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    log.write_text(
        "7  100.000001 accept4(3, 0x0, 0x0, 0) = 4\n"
        '7  200.000001 recvfrom(4, ""..., 65536, 0, NULL, NULL) = 70\n'
        "8  200.000002 select(5, [3 4], [], [], NULL <unfinished ...>\n"
        '7  200.000003 sendto(4, ""..., 99, 0, NULL, 0) = 99\n'
        "8  200.000004 <... select resumed>) = 1 (in [4])\n"
        "8  200.000005 +++ exited with 0 +++\n"
        "7  300.000001 close(4) = 0\n"
    )
    calls = list(servers._calls_between(log, 150.0, 250.0))
    assert calls == ["recvfrom", "select", "sendto"]


def test_system_calls_are_counted_a_request(needs_tool: Callable[[str], str]) -> None:
    needs_tool("strace")
    code = f"""
import os, signal, sys, time
{LISTEN}
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
while True:
    os.getppid()
    time.sleep(0.001)
"""

    def load(port: int) -> tuple[int, float, float]:
        start = time.time()
        time.sleep(0.3)
        return 10, start, time.time()

    counts = servers.count_syscalls(fake(code, has_stats=False), load)
    assert counts["getppid"] > 1
    assert counts["getppid"] == pytest.approx(counts["clock_nanosleep"], rel=0.2)
    assert "futex" not in counts
