"""Tables never show a bound as a speed, nor a difference where there is none."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from lab.record import narrow, show
from lab.record.matrix import STEPS
from lab.record.model import Record, save_record
from lab.record.quantity import THIN_SPACE, Quantity
from tests.lab.sample_record import sample_point, sample_record, spread


def printed(record: Record, width: int = 80) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, soft_wrap=True)
    show.print_tables(record, show.tables(record), console)
    return file.getvalue().replace(THIN_SPACE, " ")


def line_of(text: str, *words: str) -> str:
    [line] = [line for line in text.splitlines() if all(word in line for word in words)]
    return line


def test_one_screen_has_each_step_against_the_one_before() -> None:
    text = printed(sample_record())
    assert "72 000 ±2 %" in line_of(text, "step07", "one line")
    assert "× 32" in line_of(text, "step07", "one line")
    assert "no difference" in line_of(text, "step08", "register once")
    assert "…" not in text, "something was cut off"
    assert all(step in text for step in STEPS)


@pytest.mark.parametrize(("width", "kept"), [(60, "one line"), (40, "× 32")])
def test_in_a_narrow_window_there_are_fewer_columns_and_no_name_is_cut(
    width: int, kept: str
) -> None:
    text = printed(sample_record(), width)
    one_screen, _, rest = text.partition("no space for: CPU, latency")
    assert rest
    line = line_of(one_screen, "step07")
    assert "72 000 ±2 %" in line
    assert kept in line
    assert "%" not in line.replace("±2 %", ""), "the CPU is left out"
    assert "…" not in text, "something was cut off"
    assert all(step in one_screen for step in STEPS)


def test_a_window_too_narrow_for_two_columns_has_the_names_and_one_figure() -> None:
    console = Console(file=io.StringIO(), width=30)
    table = show._table("a title", ["server"], ["requests a second", "memory"])
    table.add_row("one with a long name", "1 234.5", "1")
    shown, said = narrow.fitted(table, console, ["memory"])
    assert said == "no space for: memory; a window 51 characters wide has it"
    console.print(shown)
    assert "one with a long name" in console.file.getvalue()  # type: ignore[attr-defined]
    assert [column.header for column in shown.columns][1:] == ["requests a second"]  # type: ignore[union-attr]


def test_a_generator_bound_point_is_marked_as_a_bound() -> None:
    text = printed(sample_record())
    assert "≥ 61 000" in line_of(text, "step07", "40 000")
    assert "≤ 1.64 ms" in text
    assert show.BOUND_NOTE in text
    record = sample_record()
    free = [p for p in record.points if not any(r.generator_bound for r in p.repeats)]
    assert "≥" not in printed(record.model_copy(update={"points": free}))


def test_silent_connections_are_set_against_none() -> None:
    text = printed(sample_record())
    assert "× 0.23" in line_of(text, "step07", "900")
    assert "no difference" in line_of(text, "step08", "900")


def test_peers_stand_beside_step_08_with_both_kinds_of_headers() -> None:
    points = [
        sample_point(server, 100, spread(rate), headers=headers, generator="wrk")
        for server, rate in (("step08", 60_000.0), ("uvicorn", 40_000.0))
        for headers in ("plain", "browser")
    ]
    text = printed(sample_record().model_copy(update={"points": points}))
    line = line_of(text, "uvicorn", "browser")
    assert "40 000 ±2 %" in line
    assert "× 1.5" in line
    assert "1.44 to 1.56" in line


def test_what_was_not_measured_is_listed_with_its_reason() -> None:
    text = printed(sample_record())
    assert "not installed" in line_of(text, "uvicorn")
    assert "sendto 2.00" in line_of(text, "step06", "recvfrom")


def test_errors_are_counted_and_shown() -> None:
    point = sample_point("step03", 100, spread(1_000))
    repeats = [r.model_copy(update={"errors": {"reset": 2}}) for r in point.repeats]
    record = sample_record().model_copy(
        update={"points": [point.model_copy(update={"repeats": repeats})]}
    )
    assert "6 × reset" in printed(record)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([10, 11], [30, 33], "× 3.0"),
        ([10, 30], [20, 40], "no difference"),
        ([10], [100], "× 10, once"),
        ([], [100, 101], "–"),
    ],
)
def test_a_change_is_a_ratio_or_none(
    before: list[float], after: list[float], said: str
) -> None:
    def rate(values: list[float]) -> Quantity:
        if not values:
            return Quantity.missing("1/s", "not measured")
        return Quantity.of(values, "1/s")

    assert show.change(rate(before), rate(after)).replace(THIN_SPACE, " ") == said


def test_two_bounds_have_no_known_ratio() -> None:
    bound = Quantity.of([10, 11], "1/s", at_least=True)
    assert show.change(bound, bound) == "not known"


def test_the_command_reads_the_record_it_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_record(sample_record(complete=False), tmp_path / "record.json")
    assert show.main(["--record", str(tmp_path / "record.json")]) == 0
    out = capsys.readouterr().out
    assert "unfinished" in out
    assert "A processor of the tests, 2 cores" in out
    assert show.main(["--record", str(tmp_path / "none.json")]) == 2
    assert "does not exist" in capsys.readouterr().err
