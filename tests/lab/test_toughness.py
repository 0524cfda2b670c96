"""`python -m lab tough`: each proof holds, briefly, and breaks where it should."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.measure.servers import ServerCommand
from lab.tough import command as toughness
from lab.tough import fuzzing, record, slow, subject
from lab.tough.drain import CLIENTS, Asking, drain, kill
from lab.tough.overload import descriptors
from lab.tough.soak import crowd, soak
from lab.tough.subject import Result
from steps.http11 import Data, Gatherer
from tests.steps.harness import wait_until

ROOT = Path(__file__).parents[2]
#: A machine that is busy with other tests makes an honest client wait.
BUSY_S = 10.0
SILENCE = {"silence": slow.MODES["silence"]}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "HONEST_LIMIT_S", BUSY_S)


# --- Steps 12 and 14 -----------------------------------------------------------------


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("prove", "fact"),
    [
        (lambda: fuzzing.fuzz_parser(20_000, BUSY_S), "refused"),
        (lambda: fuzzing.fuzz(1000, BUSY_S), "answers"),
        (
            lambda: slow.slow(30, 0.3, modes={**SILENCE, "reads": slow.MODES["reads"]}),
            "honest requests",
        ),
        (lambda: descriptors(100, 0.5), "CPU %"),
        (lambda: drain(2, 0.2), "answered"),
        (lambda: soak(12, 1), "requests"),
    ],
    ids=["fuzz-parser", "fuzz", "slow", "descriptors", "drain", "soak"],
)
def test_it_holds(prove: Callable[[], Result], fact: str) -> None:
    result = prove()
    assert result.complaints == []
    assert fact in result.facts


@pytest.mark.usefixtures("patient")
def test_slowhttptest(needs_tool: Callable[[str], str]) -> None:
    needs_tool("slowhttptest")
    result = slow.slowhttptest(20, 0.3, modes=["heads"])
    assert result.complaints == []


def test_kill() -> None:
    result = kill(1, 0.2)
    assert result.complaints == []
    assert result.facts["answered"]


def test_who_is_reset_before_it_could_send_has_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where the listener closes after the kernel has made the connection."""
    outcomes = [ConnectionResetError] * CLIENTS + [ConnectionRefusedError] * CLIENTS

    def connect(port: int) -> None:
        raise outcomes.pop(0)

    monkeypatch.setattr("lab.tough.drain.connect", connect)
    with Asking(0) as asking:
        wait_until(lambda: not outcomes, "all are refused")
    assert (asking.begun, asking.answered, asking.lost) == (0, 0, {})


# --- And a server that was spoiled ----------------------------------------------------

CONNECTION = """
import os, threading, time
from steps.step12.connection import Connection
close, receive = Connection.close, Connection.receive
kept = []
"""
AT_CLOSE = CONNECTION + "Connection.close = lambda self: (close(self), {})"
AT_RECEIVE = CONNECTION + "Connection.receive = lambda self: ({}, receive(self))"


@pytest.mark.parametrize(
    ("prove", "spoiled", "expected"),
    [
        (
            lambda: fuzzing.fuzz(300, BUSY_S),
            AT_CLOSE.format("os.dup(0), kept.append(b'x' * 100_000)"),
            ["descriptors have leaked", "bytes of memory gained"],
        ),
        (
            lambda: fuzzing.fuzz(100, BUSY_S),
            AT_RECEIVE.format("1 / 0"),
            ["it listens no more"],
        ),
        (
            lambda: fuzzing.fuzz(100, BUSY_S),
            AT_RECEIVE.format("time.sleep(9)"),
            ["it hung after"],
        ),
        (
            lambda: fuzzing.fuzz(100, BUSY_S),
            "from steps import app, http11; app.app = lambda _: http11.Response(500)",
            ["500 in place of 200"],
        ),
        (
            lambda: slow.slow(10, 0.2, modes=SILENCE),
            "from steps.step11.deadlines import Deadlines\n"
            "Deadlines.set = lambda *_: None",
            ["are still there", "the last is gone after"],
        ),
        (
            lambda: slow.slow(10, 0.2, modes=SILENCE),
            AT_RECEIVE.format("time.sleep(0.02)"),
            ["an honest client waited"],
        ),
        (
            # So long that it gets its share of a processor that others want, too.
            lambda: descriptors(100, 2),
            "from steps.step12 import acceptor\n"
            "acceptor.OVERLOAD_PAUSE_S = acceptor.LOG_INTERVAL_S = 0",
            ["of a core for nothing", "B/s of log"],
        ),
        (
            lambda: drain(1, 0.2),
            "import os\nfrom steps.step12.server import Server\n"
            "Server.stop = lambda self: os._exit(0)",
            ["were lost: {"],
        ),
        (
            lambda: soak(12, 0.5),
            AT_CLOSE.format(
                "threading.Thread(target=input, daemon=True).start(),"
                "kept.append(b'x' * 1_000_000)"
            ),
            ["threads became", "memory grows"],
        ),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_it_is_broken(
    prove: Callable[[], Result],
    spoiled: str,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def command(name: str) -> ServerCommand:
        step, *flags = name.split()
        start = f"runpy.run_module('steps.{step}', run_name='__main__')"
        code = f"import runpy\n{spoiled}\n{start}"
        return ServerCommand(name, (sys.executable, "-c", code, "--port", "0", *flags))

    monkeypatch.setattr(subject, "step_command", command)
    monkeypatch.setattr(subject, "HANG_S", 1.5)
    monkeypatch.setattr(subject, "HONEST_LIMIT_S", 0.01)
    monkeypatch.setattr(subject, "CLOSED_AFTER_S", 0.3)
    monkeypatch.setattr(slow, "LATE_S", 0.2)
    monkeypatch.setattr(slow, "ARRIVAL_LIMIT_S", 0.5)
    complaints = prove().complaints
    for complaint in expected:
        assert any(complaint in each for each in complaints), complaints


class Spoiled(Gatherer):
    """A parser with a fault."""

    kept: list[bytes] = []  # noqa: RUF012 - for all of them
    fault: Callable[[], Any]

    def feed(self, data: Data) -> None:
        super().feed(data)
        type(self).fault()


def for_ever() -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (lambda: [][0], "raised IndexError"),
        (for_ever, "raised TimeoutError"),
        (lambda: Spoiled.kept.append(b"x" * 300_000), "bytes of memory gained"),
    ],
)
def test_a_parser_that_is_broken(
    fault: Callable[[], Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spoiled, "fault", fault, raising=False)
    monkeypatch.setattr(Spoiled, "kept", [])
    monkeypatch.setattr(fuzzing, "Gatherer", Spoiled)
    monkeypatch.setattr(fuzzing, "PARSER_HANG_CPU_S", 0.1)
    [found] = fuzzing.fuzz_parser(500, BUSY_S).complaints
    assert complaint in found


# --- The command ----------------------------------------------------------------------


def test_all_of_it_takes_less_than_half_an_hour() -> None:
    proofs = toughness.PROOFS.values()
    assert sum(each.takes_s(each.count, each.seconds) for each in proofs) < 25 * 60


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proofs that prove nothing."""

    def proof(run: Callable[..., Result], tool: str = "") -> toughness.Proof:
        return toughness.Proof(run, "{count} in {seconds} s", 2000, 1, max, tool)

    def interrupted(*_: object) -> Result:
        raise KeyboardInterrupt

    proofs = {
        "good": proof(
            lambda count, seconds, tell: Result({"n": count}, tell(0.5) or [])
        ),
        "bad": proof(lambda *_: Result({}, ["it leaks"])),
        "absent": proof(lambda *_: Result(), tool="slowhttptest"),
        "interrupted": proof(interrupted),
    }
    monkeypatch.setattr(toughness, "PROOFS", proofs)


@pytest.mark.usefixtures("made_up")
def test_ctrl_c_keeps_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "toughness.json"
    with pytest.raises(KeyboardInterrupt):
        toughness.main(["all", "--output", str(path)])
    said = capsys.readouterr().out
    assert "absent is left out: slowhttptest is not here: " in said
    assert "good, bad, interrupted: about 100 min (Ctrl-C keeps" in said
    seen = record.load(path).proofs
    assert list(seen) == ["bad", "good"]
    assert seen["good"].holds
    assert seen["bad"].complaints == ["it leaks"]

    assert toughness.main(["good", "--count", "3", "--output", str(path)]) == 0
    assert toughness.main(["bad", "--output", str(path)]) == 1
    capsys.readouterr()
    assert toughness.main(["--show", "--output", str(path)]) == 0
    said = capsys.readouterr().out
    assert "✓ holds good: 3 in 1 s\n  n 3\n" in said
    assert "✗ broken bad: " in said


@pytest.mark.usefixtures("made_up")
def test_what_a_proof_saw_is_kept_before_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader of a pipe may be gone, or the terminal closed."""

    def show(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(toughness, "show", show)
    path = tmp_path / "toughness.json"
    with pytest.raises(BrokenPipeError):
        toughness.main(["good", "--output", str(path)])
    assert list(record.load(path).proofs) == ["good"]


def test_the_record_is_read_where_the_locale_has_ascii_only() -> None:
    """The book's has a character beyond it."""
    command = "from lab.paths import TOUGHNESS; from lab.tough import record; "
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", command + "record.load(TOUGHNESS)"],
        cwd=ROOT,
        env={**os.environ, **ascii_only},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("made_up")
def test_what_it_is_asked_in_vain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "toughness.json"
    for arguments in (["nonsense"], ["--show"], []):
        with pytest.raises(SystemExit, match="2"):
            toughness.main([*arguments, "--output", str(path)])
    path.write_text('{"proofs": {"good": {}}}')
    assert toughness.main(["good", "--output", str(path)]) == 1
    assert "Field required" in capsys.readouterr().err


def test_a_crowd_counts_each_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the GIL two threads could count as one."""
    acts: list[int] = []

    def act(port: int, chance: object) -> str:
        acts.append(port)
        return "good"

    monkeypatch.setattr("lab.tough.soak.act", act)
    with crowd(8000, 8) as seen:
        wait_until(lambda: len(acts) > 50_000, "they have acted")
    assert seen["good"] == len(acts)
