"""Each exercise: the starter is refused, the solution accepted, wrong answers named."""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib.metadata
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.workshop.running import (
    CHAPTERS,
    FOLDERS,
    NAMES,
    ROOT,
    WRONG,
    PreparedPytest,
    checks,
    field,
    run_pytest,
    said,
)
from tools import mutants
from workshop import hints, seals

#: A check of the solution takes less, in seconds, start of pytest included. On a
#: machine that has nothing else to do it is about a fifth of that.
QUICK_S = 2.0
#: The pages, data and claims of a chapter, and what belongs to its exercise.
FILES = {
    *("README.md", "claims.py", "exercise.py", "hints.md", "solution.md"),
    *("solution.py", "test_exercise.py", "wrong"),
}

each_chapter = pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)


def test_there_are_fifteen() -> None:
    assert len(FOLDERS) == 15


@each_chapter
def test_every_file_is_accounted_for(folder: Path) -> None:
    ignored = {"__pycache__"}
    assert {path.name for path in folder.iterdir()} - ignored == FILES
    wrong = list((folder / "wrong").iterdir())
    assert {path.suffix for path in wrong if path.name not in ignored} == {".py"}


@each_chapter
def test_the_starter_fails_by_assertion_and_says_what_to_do(folder: Path) -> None:
    """The first check that fails is one that compares, and its message is the one."""
    done = run_pytest(f"chapters/{folder.name}")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    text = said(done.stdout)
    assert field(folder / "test_exercise.py", "The starter is told") in text
    for row in ("called ", "came back ", "expected ", "why "):
        assert row in text
    assert "raised " not in text, "it fails by accident"
    assert f"Go on in chapters/{folder.name}/exercise.py, line " in text
    assert f"pytest chapters/{folder.name} --hint" in text
    # No stack of pytest's, nor of the check's.
    assert "Traceback" not in done.stdout
    assert "/_pytest/" not in done.stdout


@each_chapter
def test_the_starter_shows_where_to_begin_and_gives_an_example(folder: Path) -> None:
    source = (folder / "exercise.py").read_text(encoding="utf-8")
    assert source.count("# TODO") >= 1
    assert f"`pytest chapters/{folder.name}`" in source
    assert "Example" in source
    assert "steps" not in {module.partition(".")[0] for module in imported(source)}


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@each_chapter
def test_the_checks_need_pytest_alone(folder: Path) -> None:
    source = (folder / "test_exercise.py").read_text(encoding="utf-8")
    modules = {module.partition(".")[0] for module in imported(source)}
    assert modules <= {*sys.stdlib_module_names, "pytest", "workshop"}


@each_chapter
def test_every_assertion_says_four_things(folder: Path) -> None:
    """It is made by check() or within(), which ask for all of them."""
    tree = ast.parse((folder / "test_exercise.py").read_text(encoding="utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert checks(folder)
    assert all(checks(folder).values()), "a check without a line that says what it is"


@each_chapter
def test_the_solution_passes_and_quickly(folder: Path) -> None:
    before = os.times()
    done = run_pytest(f"chapters/{folder.name}", "--answer", "solution.py")
    used = os.times()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(checks(folder))} passed" in done.stdout
    # Not by the clock on the wall, which runs on while others have the processor.
    children = used.children_user + used.children_system
    assert children - before.children_user - before.children_system < QUICK_S


@each_chapter
def test_each_check_passes_alone_and_in_any_order(
    folder: Path, prepared: PreparedPytest
) -> None:
    names = list(checks(folder))
    random.Random(folder.name).shuffle(names)
    path = f"chapters/{folder.name}/test_exercise.py"
    asked = [f"{path}::{name}" for name in names]
    done = prepared(*asked, "--answer", "solution.py")
    assert done.returncode == 0, done.stdout + done.stderr
    alone = prepared(random.Random(folder.name).choice(asked), "--answer=solution.py")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert "1 passed" in alone.stdout


SOLUTIONS = ("--answer=solution.py", "-W", "error")


# Minutes on a busy machine.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("times", [3, pytest.param(30, marks=pytest.mark.thorough)])
def test_the_solutions_pass_many_times_in_a_row(times: int) -> None:
    """All of them in one process; a warning, such as of an open socket, is an error."""
    repeat = ("-p", "pytest_repeat", "--count", str(times))
    done = run_pytest("chapters", *SOLUTIONS, *repeat, timeout_s=880)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 of 15 done" in done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "chapters",
    [
        "chapters/04-pipe-and-second-thread",
        pytest.param("chapters", marks=pytest.mark.thorough),
    ],
    ids=["one", "all"],
)
def test_the_solutions_pass_beside_others_that_want_the_processor(
    chapters: str,
) -> None:
    with contextlib.ExitStack() as hogs:
        for _ in range(os.cpu_count() or 1):
            hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            hogs.callback(hog.wait)
            hogs.callback(hog.kill)
        done = run_pytest(chapters, *SOLUTIONS, timeout_s=280)
    assert done.returncode == 0, done.stdout + done.stderr


# -- wrong answers ------------------------------------------------------------


@each_chapter
def test_there_are_at_least_four_wrong_answers(folder: Path) -> None:
    assert len([path for path in WRONG if folder in path.parents]) >= 4


@pytest.mark.parametrize(
    "answer", WRONG, ids=[f"{path.parts[-3][:2]}-{path.stem}" for path in WRONG]
)
def test_a_wrong_answer_is_refused_and_its_mistake_named(
    answer: Path, warmed: PreparedPytest
) -> None:
    folder = answer.parent.parent
    refusing = field(answer, "Refused by")
    assert refusing in checks(folder)
    done = warmed(f"chapters/{folder.name}", "--answer", f"wrong/{answer.name}")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    text = said(done.stdout)
    assert f"fails {checks(folder)[refusing]}" in text
    assert field(answer, "Told") in text


@pytest.mark.parametrize(
    "answer", WRONG, ids=[f"{path.parts[-3][:2]}-{path.stem}" for path in WRONG]
)
def test_a_wrong_answer_breaks_what_its_exercise_says(answer: Path) -> None:
    exercise = answer.parent.parent / "exercise.py"
    assert field(answer, "Breaks") in said(exercise.read_text(encoding="utf-8"))


@each_chapter
def test_no_two_wrong_answers_are_told_the_same(folder: Path) -> None:
    told = [field(path, "Told") for path in WRONG if folder in path.parents]
    assert len(told) == len(set(told))


# -- hints, pages, records ----------------------------------------------------


@each_chapter
def test_there_are_hints_and_none_is_the_answer(folder: Path) -> None:
    given = hints.of(folder)
    assert 3 <= len(given) <= 5
    solution = code_lines((folder / "solution.py").read_text(encoding="utf-8"))
    starter = code_lines((folder / "exercise.py").read_text(encoding="utf-8"))
    written = [line for line in solution if line not in starter]
    for number, hint in enumerate(given, 1):
        given_away = [line for line in written if line in said(hint)]
        assert len(given_away) <= len(written) / 4, f"hint {number}: {given_away}"


def code_lines(source: str) -> list[str]:
    """Lines that say something, without comments and docstrings."""
    return [
        said(line)
        for line in ast.unparse(without_docstrings(ast.parse(source))).splitlines()
        if len(line.strip()) > 12
    ]


def without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            documented = ast.get_docstring(node) is not None
            node.body = node.body[documented:] or [ast.Pass()]
    return tree


@each_chapter
def test_the_page_has_the_command_the_hints_and_the_way_to_the_answer(
    folder: Path,
) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Exercise\n")[2].partition("\n## ")[0]
    assert f"$ pytest chapters/{folder.name}\n" in section
    assert "](exercise.py)" in section
    assert "](solution.md)" in section
    for hint in hints.of(folder):
        assert hint in section
    solution = (folder / "solution.py").read_text(encoding="utf-8").rstrip()
    page = (folder / "solution.md").read_text(encoding="utf-8")
    assert solution in page
    for path in WRONG:
        if folder in path.parents:
            assert f"](wrong/{path.name})" in page


@each_chapter
def test_the_starter_leaves_the_work_to_the_reader(folder: Path) -> None:
    """Ten to forty lines: what the solution has and the starter has not."""
    starter, solution = (
        code_lines((folder / name).read_text(encoding="utf-8"))
        for name in ("exercise.py", "solution.py")
    )
    matcher = difflib.SequenceMatcher(None, starter, solution, autojunk=False)
    kept = sum(block.size for block in matcher.get_matching_blocks())
    assert 5 <= len(solution) - kept <= 45


def test_the_seals_are_of_the_files_as_they_are() -> None:
    assert seals.taken() == {
        name: seal for name, seal in seals.taken().items() if is_sealed(name)
    }, "a starter or a check was changed: make seal"
    assert len(seals.taken()) == 2 * len(FOLDERS)


def is_sealed(name: str) -> bool:
    return seals.is_as_it_came(CHAPTERS / name)


@each_chapter
def test_every_mutant_that_survives_has_its_reason(folder: Path) -> None:
    record = mutants.Record.load(mutants.path_of(folder))
    number = folder.name[:2]
    assert record is not None, f"make mutants ARGS={number}"
    assert mutants.is_fresh(folder), f"make mutants ARGS={number}"
    assert record.mutants
    assert not [change for change, why in record.survivors.items() if not why]


def test_a_reader_without_the_projects_packages_can_do_them(tmp_path: Path) -> None:
    """As if nothing were installed but pytest and what it needs."""
    wanted = (ROOT / "requirements" / "exercises.txt").read_text(encoding="utf-8")
    packages = {line.partition("==")[0] for line in wanted.splitlines() if "==" in line}
    hidden = [
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not packages & {canonicalize_name(owner) for owner in owners}
    ]
    assert {"psutil", "requests", "playwright"} <= set(hidden)
    assert not {"pytest", "pluggy"} & set(hidden)
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({hidden!r}))\n"
    )
    done = run_pytest(
        *("chapters", "--answer=solution.py"),
        environment={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 of 15 done" in done.stdout
