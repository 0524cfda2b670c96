"""A measurement keeps what it has, whatever happens to it."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from lab.load.target import LoadError
from lab.measure import peers, points
from lab.measure.machine import Cores
from lab.measure.points import Timing
from lab.measure.run import Behaviour, exit_code, measure
from lab.measure.servers import ServerError
from lab.record.matrix import Plan
from lab.record.model import Conduct, Record, Repeat, load_record, save_record
from tests.lab.sample_record import sample_conduct, sample_record, sample_repeat

PLANS = [Plan("step06", connections) for connections in (1, 10, 100)]
TIMING = Timing(repeats=3, seconds=0.1, warmup_s=0)
ROOT = Path(__file__).parents[2]

Runner = Callable[[Plan, Timing, Cores, int], Repeat]


class Fake:
    """Stands in for `measure_once`, and remembers what it was asked for."""

    def __init__(self, interrupt_at: int | None = None, failing: int = 0) -> None:
        self.asked: list[Plan] = []
        self._interrupt_at = interrupt_at
        self._failing = failing

    def __call__(
        self, plan: Plan, timing: Timing, cores: Cores, position: int
    ) -> Repeat:
        if len(self.asked) == self._interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        self.asked.append(plan)
        if plan.connections == self._failing:
            raise LoadError("nothing listens")
        return sample_repeat(100.0 * plan.connections, 10.0, position=position)


def run(runner: Runner, output: Path, plans: list[Plan] = PLANS) -> tuple[Record, str]:
    """The record, and what was said."""
    said = io.StringIO()
    console = Console(file=said, soft_wrap=True, highlight=False)
    return measure(plans, TIMING, output, console, runner), said.getvalue()


def test_every_point_is_visited_in_each_repeat(tmp_path: Path) -> None:
    runner = Fake()
    record, said = run(runner, tmp_path / "mine.json")
    assert [plan.connections for plan in runner.asked] == [
        *(1, 10, 100),
        *(10, 100, 1),
        *(100, 1, 10),
    ]
    assert load_record(tmp_path / "mine.json") == record
    assert record.complete
    assert exit_code(record) == 0
    positions = [[r.position_in_run for r in p.repeats] for p in record.points]
    assert positions == [[0, 5, 7], [1, 3, 8], [2, 4, 6]]
    assert "3 points, 3 times 0.1 s each: about " in said
    assert [each.name for each in tmp_path.iterdir()] == ["mine.json"]


class Disturbed(Fake):
    """Others are at work in the first runs."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self._runs = runs

    def __call__(
        self, plan: Plan, timing: Timing, cores: Cores, position: int
    ) -> Repeat:
        repeat = super().__call__(plan, timing, cores, position)
        others = 0.3 if position < self._runs else 0.01
        return repeat.model_copy(update={"others_cpu": others})


def test_a_disturbed_run_is_made_again_and_nothing_is_lost(tmp_path: Path) -> None:
    runner = Disturbed(runs=2)
    record, said = run(runner, tmp_path / "mine.json")
    assert [plan.connections for plan in runner.asked[9:]] == [1, 10]
    positions = [[r.position_in_run for r in p.repeats] for p in record.points]
    assert positions == [[9, 5, 7], [10, 3, 8], [2, 4, 6]]
    aside = [[r.position_in_run for r in p.set_aside] for p in record.points]
    assert aside == [[0], [1], []]
    assert not any(r.is_disturbed for p in record.points for r in p.repeats)
    assert said.count("again: others were at work") == 2


def test_on_a_busy_machine_that_has_an_end(tmp_path: Path) -> None:
    runner = Disturbed(runs=1000)
    record, _ = run(runner, tmp_path / "mine.json")
    assert len(runner.asked) == 9 + 2  # a quarter of nine
    assert [len(point.repeats) for point in record.points] == [3, 3, 3]
    assert record.complete


def test_where_the_second_run_fails_the_first_one_stays(tmp_path: Path) -> None:
    class FailingLater(Disturbed):
        def __call__(
            self, plan: Plan, timing: Timing, cores: Cores, position: int
        ) -> Repeat:
            if len(self.asked) == 9:
                self._failing = plan.connections
            return super().__call__(plan, timing, cores, position)

    record, _ = run(FailingLater(runs=1), tmp_path / "mine.json")
    assert [r.position_in_run for r in record.points[0].repeats] == [0, 5, 7]
    assert record.complete


def test_an_interrupted_run_keeps_what_was_finished(tmp_path: Path) -> None:
    record, said = run(Fake(interrupt_at=4), tmp_path / "mine.json")
    assert not record.complete
    assert exit_code(record) == 130
    assert [len(point.repeats) for point in record.points] == [1, 2, 1]
    assert load_record(tmp_path / "mine.json") == record
    assert "interrupted: 4 of 9 runs were finished" in said
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_terminal_that_cannot_be_drawn_over_gets_a_line_for_each_run(
    tmp_path: Path,
) -> None:
    """TERM=dumb, as in an editor: a bar would not show for three minutes."""
    said = io.StringIO()
    dumb = {"TERM": "dumb"}
    console = Console(file=said, width=100, force_terminal=True, _environ=dumb)
    measure(PLANS, TIMING, tmp_path / "mine.json", console, Fake())
    assert said.getvalue().count(", repeat ") == 9


class Terminal(io.StringIO):
    """One that can be closed."""

    is_gone = False

    def write(self, text: str) -> int:
        if self.is_gone:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


def test_what_was_finished_is_kept_when_the_terminal_is_closed(tmp_path: Path) -> None:
    """First it is kept, and then there is something to say."""
    terminal, fake = Terminal(), Fake()

    def run_once(plan: Plan, timing: Timing, cores: Cores, position: int) -> Repeat:
        terminal.is_gone = position == 3
        return fake(plan, timing, cores, position)

    path = tmp_path / "mine.json"
    with pytest.raises(OSError, match="Input/output"):
        measure(PLANS, TIMING, path, Console(file=terminal, width=100), run_once)
    record = load_record(path)
    assert not record.complete
    assert sum(len(point.repeats) for point in record.points) == 4


GONE = """
import os, sys
from pathlib import Path
from rich.console import Console
from lab.measure.run import exit_code, measure
from tests.lab.test_measure import PLANS, TIMING, Fake
reader, writer = os.pipe()
fake = Fake()
def run_once(plan, timing, cores, position):
    if position == 3:
        os.close(reader)
    return fake(plan, timing, cores, position)
console = Console(file=open(writer, "w"))
code = exit_code(measure(PLANS, TIMING, Path(sys.argv[1]), console, run_once))
os._exit(code)  # what the file could not get rid of is not what is tested
"""


def test_what_was_finished_is_kept_when_the_reader_of_a_pipe_goes(
    tmp_path: Path,
) -> None:
    """As in `python -m lab tour | head`. In a process apart, for rich gives that one
    another standard output."""
    path = tmp_path / "mine.json"
    command = [sys.executable, "-c", GONE, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    record = load_record(path)
    assert not record.complete
    assert sum(len(point.repeats) for point in record.points) == 4
    assert [each.name for each in tmp_path.iterdir()] == ["mine.json"]


@pytest.mark.parametrize("interrupt_at", [None, 4], ids=["a whole", "a part"])
def test_a_record_of_another_version_is_set_aside(
    tmp_path: Path, interrupt_at: int | None
) -> None:
    path = tmp_path / "mine.json"
    others = json.dumps({**json.loads(sample_record().model_dump_json()), "new": 1})
    path.write_text(others, encoding="utf-8")
    record, said = run(Fake(interrupt_at=interrupt_at), path)
    assert load_record(path) == record
    aside = tmp_path / "mine.1.json"
    assert aside.read_text(encoding="utf-8") == others
    assert f"is {aside} now" in said


def test_where_the_disk_fills_meanwhile_what_was_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, said = tmp_path / "mine.json", io.StringIO()
    saved: list[Path] = []

    def save(record: Record, to: Path) -> None:
        if len(saved) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(to)
        save_record(record, to)

    monkeypatch.setattr("lab.measure.run.save_record", save)
    with pytest.raises(OSError, match="No space left"):
        measure(PLANS, TIMING, path, Console(file=said, soft_wrap=True), Fake())
    kept = tmp_path / "mine.unfinished.json"
    assert f"see {kept} for what was finished" in said.getvalue()
    assert sum(len(point.repeats) for point in load_record(kept).points) == 4


def test_points_that_were_not_reached_are_left_out(tmp_path: Path) -> None:
    record, _ = run(Fake(interrupt_at=2), tmp_path / "mine.json")
    assert [point.connections for point in record.points] == [1, 10]


def test_a_part_never_replaces_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    save_record(sample_record(), path)
    record, said = run(Fake(interrupt_at=4), path)
    assert load_record(path) == sample_record()
    assert load_record(tmp_path / "mine.unfinished.json") == record
    assert "stays; see " in said
    run(Fake(), path)
    assert load_record(path).complete
    assert load_record(path) != sample_record()
    assert [each.name for each in tmp_path.iterdir()] == ["mine.json"]


def test_a_part_replaces_an_older_part(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    save_record(sample_record(complete=False), path)
    record, _ = run(Fake(interrupt_at=1), path)
    assert load_record(path) == record


def test_nothing_finished_writes_nothing(tmp_path: Path) -> None:
    record, said = run(Fake(interrupt_at=0), tmp_path / "mine.json")
    assert exit_code(record) == 130
    assert list(tmp_path.iterdir()) == []
    assert "nothing was measured" in said


def watched(output: Path, watch: Behaviour, plans: list[Plan]) -> tuple[Record, str]:
    said = io.StringIO()
    console = Console(file=said, width=100)
    timing = Timing(1, 0.1, 0.0)
    record = measure(plans, timing, output, console, Fake(), behaviour=watch)
    return record, said.getvalue()


def test_what_is_watched_at_the_end_is_a_record_too(tmp_path: Path) -> None:
    watch = Behaviour(600.0, lambda cores: [sample_conduct("granian")])
    record, said = watched(tmp_path / "mine.json", watch, [])
    assert load_record(tmp_path / "mine.json") == record
    assert exit_code(record) == 0
    assert [each.server for each in record.conduct] == ["granian"]
    assert [each.title for each in record.contestants] == ["granian"]
    assert "about 10 min" in said


def test_what_cannot_be_watched_does_not_cost_what_was_measured(tmp_path: Path) -> None:
    def fail(cores: Cores) -> list[Conduct]:
        raise ServerError("granian has ended")

    record, said = watched(tmp_path / "mine.json", Behaviour(1.0, fail), PLANS)
    assert record.complete
    assert [len(point.repeats) for point in record.points] == [1, 1, 1]
    assert record.conduct == []
    assert "conduct not watched: granian has ended" in said


def test_a_failing_point_does_not_stop_the_others(tmp_path: Path) -> None:
    record, said = run(Fake(failing=10), tmp_path / "mine.json")
    assert record.complete
    by_connections = {point.connections: point for point in record.points}
    assert by_connections[10].skipped == "nothing listens"
    assert by_connections[10].repeats == []
    assert len(by_connections[100].repeats) == 3
    assert "step06, 10 × keep-alive: nothing listens" in said


def test_a_run_in_which_all_fails_is_a_failure(tmp_path: Path) -> None:
    record, _ = run(Fake(failing=1), tmp_path / "mine.json", PLANS[:1])
    assert exit_code(record) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_this_machine_lacks_is_skipped_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "wrk_version", lambda: None)
    monkeypatch.setattr(peers, "are_installed", lambda: False)
    runner = Fake()
    plans = [
        Plan("step06", 100),
        Plan("step06", 100, generator="wrk"),
        Plan("uvicorn", 100),
    ]
    record, said = run(runner, tmp_path / "mine.json", plans)
    assert set(runner.asked) == {plans[0]}
    assert [point.skipped for point in record.points] == [
        None,
        "wrk is not installed",
        "`python -m lab compare` installs the peers",
    ]
    assert "1 points are left out: wrk is not installed" in said


SCRIPT = """
import sys
from pathlib import Path
from rich.console import Console
from lab.record.matrix import Plan
from lab.measure.run import exit_code, measure
from lab.measure.points import Timing
plans = [Plan("step08", 4), Plan("step02", 4, "close"), Plan("step08", 2, silent=3)]
timing = Timing(repeats=100, seconds=0.3, warmup_s=0.0)
record = measure(plans, timing, Path(sys.argv[1]), Console())
sys.exit(exit_code(record))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_run_survives_an_interruption_and_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "mine.json"
    unfinished = tmp_path / "mine.unfinished.json"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    family: set[psutil.Process] = set()
    try:
        deadline = time.monotonic() + 30
        while not unfinished.exists() or len(_points(unfinished)) < 3:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "three runs took more than 30 s"
            family.update(psutil.Process(process.pid).children(recursive=True))
            time.sleep(0.02)
        process.send_signal(number)
        said, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert family, "no server was ever seen"
    assert not [each for each in family if each.is_running()]
    record = load_record(output)
    assert not record.complete
    assert not unfinished.exists()
    first, second, third = record.points
    assert first.repeats[0].requests > 0
    assert first.repeats[0].stats["accepted"] >= 0
    assert second.repeats[0].stats["accepted"] > 0
    assert third.repeats[0].silent_open == 3
    assert not any(repeat.errors for repeat in first.repeats)


def _points(path: Path) -> list[object]:
    points = json.loads(path.read_text())["points"]
    assert isinstance(points, list)
    return points
