"""A record survives being written and read, and refuses what it does not know."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.record.measurement import Measurement
from lab.record.model import Record, RecordError, load_record, save_record
from tests.lab.sample_record import sample_point, sample_record, spread


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    record = sample_record()
    path = tmp_path / "new" / "record.json"
    save_record(record, path)
    assert load_record(path) == record
    assert [each.name for each in path.parent.iterdir()] == ["record.json"]


def test_an_old_record_stays_whole_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    save_record(sample_record(), path)

    def full(*args: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("lab.record.model.os.replace", full)
    with pytest.raises(OSError, match="full"):
        save_record(sample_record(factor=2), path)
    assert load_record(path) == sample_record()
    assert [each.name for each in tmp_path.iterdir()] == ["record.json"]


def written(tmp_path: Path, change: dict[str, Any]) -> Path:
    data = json.loads(sample_record().model_dump_json())
    data.update(change)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 2}, "schema_version: Input should be 1"),
        ({"complete": "perhaps"}, "complete: "),
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ({"points": [{"server": "step01"}]}, "points.0.mode: Field required (and 1"),
        ({"machine": None}, "machine: "),
    ],
)
def test_what_is_wrong_with_a_record_is_said_in_one_line(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecordError) as raised:
        load_record(written(tmp_path, change))
    message = str(raised.value)
    assert said in message
    assert "record.json" in message
    assert "\n" not in message


def test_a_missing_and_a_broken_file_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="does not exist: `make tour` measures one"):
        load_record(tmp_path / "mine.json")
    (tmp_path / "half.json").write_text('{"schema_version": 1, "cre')
    with pytest.raises(RecordError, match=r"half\.json is not a record"):
        load_record(tmp_path / "half.json")


def test_every_field_of_the_schema_is_described() -> None:
    schema = Record.model_json_schema()
    for name, part in {**schema["$defs"], "Record": schema}.items():
        assert part.get("description"), name
        for field, details in part["properties"].items():
            assert details.get("description"), f"{name}.{field}"


@pytest.fixture(name="m")
def measurement() -> Measurement:
    return Measurement(sample_record())


def test_a_question_finds_its_point_and_no_other(m: Measurement) -> None:
    assert m.rate("step05", 10).median == 99
    assert m.rate("step07", 10).median == 40_000
    assert m.rate("step07", 10, silent=900).median == 9_000
    assert m.rate("step02", 100, mode="keep-alive").is_missing
    assert m.rate("step07", 10, headers="browser").is_missing
    assert m.rate("step07", 10, path="/sleep/1").is_missing
    assert m.latency("step06", 100, "p99", generator="lab").median == pytest.approx(
        1.5 * 1000 * 100 / 2280
    )
    with pytest.raises(ValueError, match="'p98' is none of p50, "):
        m.latency("step06", 100, "p98")


def test_wrk_answers_first_and_the_other_generator_stands_by(m: Measurement) -> None:
    headline = m.rate("step06", 100)
    assert (headline.generator, headline.median) == ("wrk", 2_270)
    # Only the embedded generator measured 1000 connections.
    assert (m.rate("step06", 1000) / headline).median == 18_800 / 2_280
    assert m.rate("step07", 100).bound == ""
    assert m.rate("step07", 100, generator="lab").bound == "≥"
    assert m.latency("step07", 100, generator="lab").bound == "≤"
    assert "the generator was the limit" in (
        m.rate("step07", 100, generator="lab").doubt or ""
    )


def test_one_bound_repeat_makes_the_whole_point_a_bound() -> None:
    free = sample_point("step08", 100, spread(50_000))
    bound = sample_point("step08", 100, [50_500], generator_bound=True)
    both = free.model_copy(update={"repeats": [*free.repeats, *bound.repeats]})
    record = sample_record().model_copy(update={"points": [both]})
    assert Measurement(record).rate("step08", 100).bound == "≥"
    assert Measurement(record).cpu("step08", 100).bound == ""


def test_what_was_not_measured_is_missing_with_its_reason(m: Measurement) -> None:
    assert m.rate("step09", 100).doubt == "step09, 100 connections: not measured"
    assert m.rate("uvicorn", 100).doubt == "uvicorn, 100 connections: not installed"
    skipped = m.point("uvicorn", 100)
    assert skipped is not None
    assert skipped.skipped == "not installed"
    assert m.stat("step07", 100, "lock_wait_s").is_missing
    assert m.syscalls("step07", 100).doubt is not None


def test_counters_come_in_their_units(m: Measurement) -> None:
    waits = m.stat("step06", 100, "lock_wait_s")
    assert waits.unit == "ms"
    assert waits.median == pytest.approx(20)
    each = m.stat("step06", 100, "lock_wait_s", per_request=True)
    assert each.median == pytest.approx(20 / 4560)
    assert m.stat("step06", 100, "select_calls").unit == ""
    assert m.cpu("step06", 100).median == pytest.approx(3.8)
    assert m.memory("step06", 100).unit == "bytes"
    assert m.switches("step06", 100).median == 2.5
    assert m.syscalls("step06", 100, "sendto").median == 2
    assert m.syscalls("step06", 100).median == pytest.approx(8.13)
    assert m.syscalls("step06", 100, "epoll_wait").median == 0
