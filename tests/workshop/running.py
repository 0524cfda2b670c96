"""Runs the exercises' checks as a reader does: pytest alone, in its own process."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHAPTERS = ROOT / "chapters"
FOLDERS = sorted(CHAPTERS.glob("[0-9][0-9]-*"))
NAMES = [folder.name for folder in FOLDERS]
WRONG = sorted(CHAPTERS.glob("[0-9]*/wrong/*.py"))

#: What a reader's machine has: pytest, and no plugin of the project's.
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def run_pytest(
    *arguments: str,
    root: Path = ROOT,
    timeout_s: float = 50,
    environment: Mapping[str, str] = {},
) -> subprocess.CompletedProcess[str]:
    """`pytest ARGUMENTS` in the project's folder, or in a copy of it."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=root,
        env={**os.environ, **ALONE, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def said(output: str) -> str:
    """What was printed, with each run of spaces as one: lines are broken anywhere."""
    return " ".join(output.split())


def field(path: Path, name: str) -> str:
    """What stands behind `NAME:` in a file's docstring, up to the paragraph's end."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    match = re.search(rf"^{name}: (.+?)(?=^[A-Z][a-z ]+: |\n\n|\Z)", text, re.M | re.S)
    assert match, f"{path.relative_to(ROOT)} does not say {name!r} in its docstring"
    return said(match[1])


def checks(folder: Path) -> dict[str, str]:
    """The names of a chapter's checks, and how each is called in words."""
    tree = ast.parse((folder / "test_exercise.py").read_text(encoding="utf-8"))
    return {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
