"""`python -m lab`: each command needs no more than it must."""

import ast
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from book import __main__ as book
from lab import __main__ as lab
from lab.__main__ import main
from lab.measure import compare, peers, tour
from lab.measure import run as measure
from lab.paths import check_writable
from lab.record import model as schema
from lab.record.matrix import book_plan
from lab.record.model import load_record, save_record
from tests.lab.sample_record import sample_record

ROOT = Path(__file__).parents[2]


def bare(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the lab on a Python without third-party packages."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "lab", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("command", ["probe", "load", "silent", "doctor"])
def test_clients_run_on_a_bare_python(command: str) -> None:
    done = bare(command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"python -m lab {command}" in done.stdout


@pytest.mark.parametrize("package", ["book", "lab", "steps"])
def test_an_older_python_is_told_in_one_line(package: str) -> None:
    """Such as the one that macOS comes with. It reads this file first."""
    text = (ROOT / package / "__init__.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 4))
    as_old = "import sys; sys.version_info = (3, 9, 18, 'final', 0); exec(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", as_old, text], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "Python 3.11 or later, and this is Python 3.9" in line


def test_a_missing_library_is_one_clear_line() -> None:
    done = bare("show")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "show needs rich: run `make` once, then use .venv/bin/python -m lab show\n"
    )


@pytest.mark.parametrize(("package", "start"), [("lab", lab), ("book", book)])
def test_help_lists_every_command_in_one_line(
    package: str, start: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"usage: python -m {package} COMMAND [...]"
    for command, (module, what) in start.COMMANDS.items():
        assert any(line.split(maxsplit=1) == [command, what] for line in lines)
        assert (ROOT / package / f"{module.replace('.', '/')}.py").exists(), module
    assert max(map(len, lines)) <= 80


def test_an_unknown_command_says_where_the_list_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["brew"]) == 2
    assert capsys.readouterr().err == (
        "there is no command 'brew': python -m lab --help\n"
    )


def test_a_reader_who_has_seen_enough_causes_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody_reads:
        done = subprocess.run(
            [sys.executable, "-m", "lab", "schema"],
            cwd=ROOT,
            stdout=nobody_reads,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )
    assert done.stderr == ""


@pytest.mark.parametrize(
    "command",
    [
        "measure --only step06 --output",
        "compare --output",
        "tough kill --output",
        "trace step06 --output",
    ],
)
def test_what_cannot_be_written_is_said_before_it_is_measured(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for work in (
        *("measure.run.measure", "measure.peers.install", "measure.compare.measure"),
        *("tough.command.run", "trace.command.record"),
    ):
        monkeypatch.setattr(f"lab.{work}", _not_now)
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "mine.json"
    assert main([*command.split(), str(path)]) == 1
    assert capsys.readouterr() == ("", f"{path}: Not a directory\n")


def test_a_tour_is_not_begun_where_its_record_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.json").mkdir()
    monkeypatch.setattr(tour, "READER", tmp_path / "mine.json")
    monkeypatch.setattr(measure, "announce", _not_now)
    assert main(["tour", "--again"]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'mine.json'}: Is a directory\n"


def test_space_that_is_too_little_is_noticed_before(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "mine.json"
    check_writable(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, limits[1]))
    try:
        check_writable(path, 900_000)
        with pytest.raises(OSError, match="File too large"):
            check_writable(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_output_to_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lab", "schema"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )
    assert (done.returncode, done.stderr) == (1, "No space left on device\n")


def test_where_there_is_ascii_only_a_bound_stays_a_bound(tmp_path: Path) -> None:
    save_record(sample_record(), tmp_path / "mine.json")
    command = ["-m", "lab", "show", "--record", str(tmp_path / "mine.json")]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        encoding="ascii",
        timeout=30,
    )
    assert "> <: the generator was the limit" in done.stdout
    assert "?" not in done.stdout


def test_the_schema_is_json_and_has_the_records_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert schema.main([]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "points" in printed["properties"]
    assert "in ms" in json.dumps(printed["$defs"]["LatencyMs"])


@pytest.mark.parametrize("complete", [True, False])
def test_a_tour_keeps_the_record_that_is_there(
    complete: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "mine.json"
    save_record(sample_record(complete=complete), path)
    monkeypatch.setattr(tour, "READER", path)
    monkeypatch.setattr(tour, "measure", _not_now)
    assert tour.main([]) == 0
    said = capsys.readouterr().out
    assert "has figures from 2000-01-01" in said
    assert ("unfinished" in said) == (not complete)
    with pytest.raises(AssertionError, match="measured"):
        tour.main(["--again"])


def test_a_tour_measures_where_the_record_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.json").write_text("{}")
    (tmp_path / "mine.1.json").write_text("an older one")
    monkeypatch.setattr(tour, "READER", tmp_path / "mine.json")
    monkeypatch.setattr(tour, "measure", lambda *_: sample_record())
    assert tour.main([]) == 0
    streams = capsys.readouterr()
    assert "measuring again, and it is kept as " in streams.err
    assert "pipe and detach" in streams.out
    assert "one line" not in streams.out  # the book has not told it yet
    # It is set aside, and what was set aside before stays.
    assert (tmp_path / "mine.2.json").read_text() == "{}"
    assert (tmp_path / "mine.1.json").read_text() == "an older one"


def _not_now(*_: object) -> None:
    raise AssertionError("it measured")


def test_a_part_of_the_matrix_needs_an_output_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measure, "measure", _not_now)
    with pytest.raises(SystemExit, match="2"):
        measure.main(["--only", "step06"])
    assert "--only needs --output" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        measure.main(["--only", "step99"])
    assert "--list prints them all" in capsys.readouterr().err


def test_only_chooses_points_by_their_description(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert measure.main(["--list", "--only", "900 silent"]) == 0
    lines = capsys.readouterr().out.splitlines()
    chosen = [p for p in book_plan() if (p.silent, p.manner) == (900, "silent")]
    assert lines == [str(plan) for plan in chosen]


def test_peers_that_cannot_be_installed_are_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(command: tuple[str, ...], **_: object) -> object:
        said = "WARNING: Retrying\nERROR: No matching distribution found for uvicorn\n"
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(peers, "are_installed", lambda: False)
    monkeypatch.setattr("lab.measure.peers.subprocess.run", fail)
    monkeypatch.setattr(compare, "measure", _not_now)
    assert compare.main([]) == 1
    [line] = capsys.readouterr().err.splitlines()[1:]
    assert line == (
        "the peers cannot be installed: "
        "ERROR: No matching distribution found for uvicorn"
    )


def test_the_books_record_is_readable_if_there_is_one() -> None:
    path = ROOT / "docs" / "measurements" / "book.json"
    if path.exists():
        assert load_record(path).complete


def test_a_comparison_lists_what_it_watches_beside_what_it_measures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert compare.main(["--list", "--only", "conduct", "bjoern, 1 "]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "granian, conduct" in said
    assert "step14, two processes, conduct" in said
    assert any(line.startswith("bjoern, 1 × keep-alive") for line in said)
    assert not any(line.startswith("granian, 1 ") for line in said)
    assert compare.main(["--list", "--only", "fastpysgi"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "fastpysgi, conduct"
