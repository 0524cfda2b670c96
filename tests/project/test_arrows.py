"""What .importlinter cannot see: the chapters, and what is not the project's."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLAIMS = sorted(ROOT.glob("chapters/*/claims.py"))
CHECKS = sorted(ROOT.glob("chapters/*/test_exercise.py"))
LOAD = sorted(ROOT.glob("lab/load/*.py"))
DOCTOR = sorted(ROOT.glob("lab/doctor/*.py"))


def imports(source: str) -> set[str]:
    """Every module that the source imports, wherever it does so, by its full name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "modules are named in full"
            found.add(node.module or "")
    return found


def strangers(source: str, *known: str) -> set[str]:
    """Imported modules that are neither known nor of the standard library."""
    return {
        name
        for name in imports(source)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not any(name == each or name.startswith(f"{each}.") for each in known)
    }


@pytest.mark.parametrize("path", LOAD, ids=lambda path: path.name)
def test_the_load_needs_the_standard_library_alone(path: Path) -> None:
    assert strangers(path.read_text("utf-8"), "lab.load", "lab.paths") == set()


@pytest.mark.parametrize("path", DOCTOR, ids=lambda path: path.name)
def test_the_doctor_needs_the_load_and_the_standard_library(path: Path) -> None:
    known = ("lab.doctor", "lab.load")
    assert strangers(path.read_text("utf-8"), *known) == set()


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.parent.name)
def test_claims_ask_the_record_and_know_the_steps_constants(path: Path) -> None:
    known = ("lab.record", "lab.load.kinds", "steps")
    assert strangers(path.read_text("utf-8"), *known) == set()


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.parent.name)
def test_checks_of_exercises_need_the_workshop_alone(path: Path) -> None:
    assert strangers(path.read_text("utf-8"), "workshop", "pytest") == set()


def test_there_is_something_to_look_at() -> None:
    assert LOAD
    assert DOCTOR
    assert len(CLAIMS) == len(CHECKS) > 10


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import socket\nfrom lab.load.run import LoadSpec", set()),
        ("import rich.console", {"rich.console"}),
        ("def f():\n from lab.measure import run", {"lab.measure"}),
        ("from lab.loading import x", {"lab.loading"}),
    ],
)
def test_strangers_are_found(source: str, found: set[str]) -> None:
    assert strangers(source, "lab.load") == found
