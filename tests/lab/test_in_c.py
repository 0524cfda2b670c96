"""The question's server in C, measured: the record that chapter 06 prints of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.measure import c_server, in_c
from lab.measure.machine import Cores
from lab.measure.points import command_for, cores_of, unavailable
from lab.measure.servers import ServerError, running
from lab.paths import BOOK, IN_C
from lab.record.matrix import Plan
from lab.record.measurement import Measurement
from lab.record.model import load_record


def test_it_is_measured_into_a_record_of_its_own(
    needs_tool: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_tool("cc")
    monkeypatch.setattr(in_c, "CONNECTIONS", (3,))
    monkeypatch.setattr(in_c, "wrk_version", lambda: None)
    output = tmp_path / IN_C
    # A tenth of a second is enough, unless this machine is very busy.
    for seconds in ("0.1", "1", "5"):
        options = ["--repeats", "1", "--seconds", seconds, "--output", str(output)]
        code = in_c.main(options)
        record = load_record(output)
        if all(point.repeats for point in record.points):
            break
    assert code == 0
    assert [point.server for point in record.points] == [
        *("question.c --close", "question.c", "question.c --one-write")
    ]
    assert [point.skipped for point in record.points] == [None] * 3
    assert all(each.versions["cc"] for each in record.contestants)
    measured = Measurement(record)
    assert measured.stat("question.c", 3, "lock_uses").median > 0


def test_its_compiler_is_missed_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_server, "COMPILER", "no-such-compiler")
    assert unavailable(Plan("question.c --close", 1)) == "there is no C compiler (cc)"
    c_server._compiled.cache_clear()
    with pytest.raises(ServerError, match=r"question\.c: no-such-compiler"):
        command_for("question.c")


def test_it_may_use_every_core() -> None:
    cores = Cores(server=(0,), generator=(1,))
    assert cores_of("question.c", cores) == (0, 1)
    assert cores_of("step06", cores) == (0,)


def test_a_source_that_does_not_compile(
    needs_tool: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_tool("cc")
    source = tmp_path / "wrong.c"
    source.write_text("int main(void) { return nothing; }\n")
    monkeypatch.setattr(c_server, "SOURCE", source)
    c_server._compiled.cache_clear()
    with (
        pytest.raises(ServerError, match=r"wrong\.c does not compile: .*"),
        running(command_for("question.c")),
    ):
        pass
    c_server._compiled.cache_clear()


def test_the_books_record_is_beside_it() -> None:
    measured = Measurement.load(BOOK).in_c
    assert measured.rate("question.c", 100).is_missing == (
        not BOOK.with_name(IN_C).exists()
    )
