"""The rules of the house for steps: the standard library alone, and no later step."""

import ast
import re
import signal
import subprocess
import sys
from collections import defaultdict
from http.client import HTTPConnection
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = sorted(path.parent.name for path in ROOT.glob("steps/step[0-9][0-9]/server.py"))
BY_HAND = ["step15.by_hand", "step15.with_await"]  # run by themselves
FILES = sorted(path.relative_to(ROOT) for path in ROOT.glob("steps/**/*.py"))
BARE_PYTHON = getattr(sys, "_base_executable", sys.executable)


def number_of(module: str) -> int:
    """3 for `steps.step03.server`; 0 for what all steps share."""
    match = re.match(r"steps\.step(\d\d)\b", module)
    return int(match[1]) if match else 0


def imports(source: str) -> set[str]:
    """Every module that the source imports, wherever it does so."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "steps name what they import in full"
            assert node.module is not None
            found.add(node.module)
            if node.module == "steps":
                found |= {f"steps.{alias.name}" for alias in node.names}
    return found


def forbidden(module: str, imported: str) -> str | None:
    """Why `module` may not import `imported`, or None."""
    top = imported.partition(".")[0]
    if top != "steps":
        known = top in sys.stdlib_module_names
        return None if known else f"{imported} is not in the standard library"
    if number_of(imported) > number_of(module):
        return f"{imported} is a later step"
    return None


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports(file: Path) -> None:
    module = ".".join(file.with_suffix("").parts)
    reasons = [forbidden(module, name) for name in imports((ROOT / file).read_text())]
    assert [reason for reason in reasons if reason] == []


def test_each_marker_is_for_lines_that_a_chapter_shows() -> None:
    pages = "".join(path.read_text() for path in ROOT.glob("chapters/*/README.md"))
    shown = set(re.findall(r'code\("([^"]+)", "([^"]+)"', pages))
    marked = {
        (str(file), name)
        for file in FILES
        for name in re.findall(r"^ *# \[([\w-]+)\]$", (ROOT / file).read_text(), re.M)
    }
    assert marked
    assert marked - shown == set()


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("steps.step03.server", "import socket", None),
        ("steps.step03.server", "from steps.step02.workers import WorkerPool", None),
        ("steps.step03.server", "from steps.step04 import server", "a later step"),
        ("steps.step03.server", "def f():\n from steps import step04", "a later step"),
        ("steps.http11", "import steps.step01.server", "a later step"),
        ("steps.app", "import lab.record.model", "not in the standard library"),
        ("steps.step01.server", "import requests", "not in the standard library"),
    ],
)
def test_the_rule_about_imports(module: str, source: str, reason: str | None) -> None:
    found = list(filter(None, (forbidden(module, name) for name in imports(source))))
    assert len(found) == (reason is not None)
    assert all(text.endswith(str(reason)) for text in found)


def test_no_file_is_a_copy() -> None:
    by_content = defaultdict(list)
    for file in FILES:
        by_content[(ROOT / file).read_bytes().strip()].append(str(file))
    by_content.pop(b"", None)
    assert [files for files in by_content.values() if len(files) > 1] == []


@pytest.mark.parametrize("step", STEPS + BY_HAND)
def test_every_step_runs_on_a_bare_python(step: str) -> None:
    """No environment, no site-packages: -E, -s and -S."""
    with subprocess.Popen(
        [BARE_PYTHON, "-E", "-s", "-S", "-m", f"steps.{step}", "--port", "0"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.fullmatch(
                rf"{step} listening on http://127\.0\.0\.1:(\d+)\n", line
            )
            assert match, line
            client = HTTPConnection("127.0.0.1", int(match[1]), timeout=20)
            client.request("GET", "/")
            assert client.getresponse().status == 200
            client.close()
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")


def test_there_are_steps() -> None:
    assert STEPS[:8] == [f"step{number:02}" for number in range(1, 9)]
