"""Two Pythons in one record: which is which, and what is asked of each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.measure import pythons, run
from lab.measure.machine import Cores
from lab.measure.points import Timing
from lab.measure.pythons import PythonsError, ask, choose, differences, without_paths
from lab.paths import FREE_THREADED
from lab.record.matrix import Plan, gil_plan
from lab.record.measurement import Measurement
from lab.record.model import Interpreter, Record, Repeat, load_record, save_record
from lab.record.show import tables
from tests.lab.sample_record import sample_record

HERE = sys.executable


def about(*, gil: bool, options: str = "") -> Interpreter:
    return Interpreter(
        gil=gil,
        version="3.13.5",
        implementation="CPython",
        compiler="GCC 12",
        options=options,
    )


def test_a_python_says_what_it_is() -> None:
    found = ask(HERE)
    assert found.version == ".".join(map(str, sys.version_info[:3])) or (
        found.version.startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    )
    assert "/" not in found.options


def test_what_is_no_python_is_told(tmp_path: Path) -> None:
    for path in ("/bin/true", str(tmp_path / "missing")):
        with pytest.raises(PythonsError, match="does not start as a Python"):
            ask(path)


def test_options_are_told_without_paths() -> None:
    said = "'--prefix=/opt/x' '--disable-gil' '--enable-optimizations' 'CC=/usr/bin/cc'"
    assert without_paths(said) == "--disable-gil --enable-optimizations"


def test_one_with_and_one_without_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"free": about(gil=False), "usual": about(gil=True)}
    monkeypatch.setattr(pythons, "ask", kinds.__getitem__)
    paths, both = choose(["free", "usual"])
    assert paths == {True: "usual", False: "free"}
    assert [each.gil for each in both] == [True, False]
    with pytest.raises(PythonsError, match="usual runs with the GIL; usual runs with"):
        choose(["usual", "usual"])


def test_what_differs_beside_the_gil_is_told() -> None:
    usual = about(gil=True, options="--with-lto")
    assert differences(
        [usual, about(gil=False, options="--with-lto --disable-gil")]
    ) == ([])
    (found,) = differences([usual, about(gil=False, options="--disable-gil")])
    assert found == "build options --with-lto and none"


def test_the_two_are_measured_side_by_side() -> None:
    plans = gil_plan("lab")
    assert [plan.gil for plan in plans[:4]] == [True, False, True, False]
    assert str(plans[0]).removesuffix("with the GIL") == (
        str(plans[1]).removesuffix("without the GIL")
    )


def record_of_two(sample: Record) -> Record:
    first = next(point for point in sample.points if point.repeats)
    points = [
        first.model_copy(
            update={
                "server": "step06",
                "gil": gil,
                "repeats": [
                    repeat.model_copy(
                        update={
                            "throughput_rps": rate,
                            "stats": {"lock_wait_s": 0.001 * repeat.requests},
                        }
                    )
                    for repeat in first.repeats
                ],
            }
        )
        for gil, rate in ((True, 2_000.0), (False, 4_000.0))
    ]
    both = [about(gil=True), about(gil=False)]
    return sample.model_copy(update={"points": points, "pythons": both})


def test_a_record_of_two_is_asked_for_either(tmp_path: Path) -> None:
    sample = sample_record()
    save_record(sample, tmp_path / "book.json")
    save_record(record_of_two(sample), tmp_path / FREE_THREADED)
    m = Measurement.load(tmp_path / "book.json")
    first = next(point for point in sample.points if point.repeats)
    where = {"mode": first.mode, "generator": first.generator}
    n = first.connections
    assert m.rate("step06", n, gil=True, **where).median == 2_000  # type: ignore[arg-type]
    assert m.rate("step06", n, gil=False, **where).median == 4_000  # type: ignore[arg-type]
    alone = Measurement(sample)
    missing = alone.rate("step06", n, gil=False, **where)  # type: ignore[arg-type]
    assert missing.is_missing
    assert "without the GIL" in (missing.doubt or "")


def test_a_record_of_two_is_shown_as_such() -> None:
    found = list(tables(record_of_two(sample_record())))
    assert found
    assert all("with the GIL and without" in str(table.title) for table in found)


@pytest.mark.parametrize(
    "named", ["--python free usual", "--python free --python usual"]
)
def test_both_run_what_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """The command line, but for the timed runs themselves."""
    kinds = {"free": about(gil=False), "usual": about(gil=True)}
    monkeypatch.setattr(pythons, "ask", kinds.__getitem__)
    asked: list[tuple[bool | None, str]] = []
    sample = next(point.repeats[0] for point in sample_record().points if point.repeats)

    def measured(
        plan: Plan,
        timing: Timing,
        cores: Cores,
        position: int,
        pythons: pythons.Pythons,
    ) -> Repeat:
        assert plan.gil is not None
        assert cores == Cores()
        asked.append((plan.gil, pythons[plan.gil]))
        return sample

    monkeypatch.setattr(run, "measure_once", measured)
    output = tmp_path / "two.json"
    arguments = [*named.split(), "--only", "step06, 1 ", "--repeats", "2"]
    assert run.main([*arguments, "--output", str(output)]) == 0
    assert set(asked) == {(True, "usual"), (False, "free")}
    record = load_record(output)
    assert [each.gil for each in record.pythons] == [True, False]
    assert {point.gil for point in record.points} == {True, False}
    assert not record.machine.server_cores
