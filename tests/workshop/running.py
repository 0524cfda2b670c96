"""Runs the exercises' checks as a reader does: pytest alone, in its own process."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

ROOT = Path(__file__).parents[2]
CHAPTERS = ROOT / "chapters"
FOLDERS = sorted(CHAPTERS.glob("[0-9][0-9]-*"))
NAMES = [folder.name for folder in FOLDERS]
WRONG = sorted(CHAPTERS.glob("[0-9]*/wrong/*.py"))

#: What a reader's machine has: pytest, and no plugin of the project's.
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def readers_environment(more: Mapping[str, str] = {}) -> dict[str, str]:
    """This process's own, without what is meant for the pytest that runs the tests.

    Somebody who sets PYTEST_ADDOPTS=--durations=9 wants it for that one.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return {**kept, **ALONE, **more}


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
        env=readers_environment(environment),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


# Runs in a process of its own. It has one thread, so that it can be copied. Without
# arguments it has imported nothing of the project: what a copy imports is in the folder
# it is told. With arguments it has been through such a run of pytest before.
_PREPARED = """
import gc, importlib, json, os, sys
import pytest, pytest.__main__
from _pytest.config import default_plugins

for name in default_plugins:
    importlib.import_module(f"_pytest.{name}")
if sys.argv[1:]:
    said, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    sys.path[0] = os.getcwd()
    code = pytest.main(sys.argv[1:])
    assert code == 0, code
    sys.stdout.flush()  # what it still holds is nobody's answer
    os.dup2(said, 1)
gc.freeze()  # it need not be looked through again, in each copy

for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.chdir(asked["root"])
        sys.path[0] = asked["root"]
        sys.argv = [pytest.__main__.__file__, *asked["arguments"]]
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in ((1, asked["output"]), (2, asked["errors"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        code = pytest.main(asked["arguments"])
        sys.stdout.flush()  # as pytest's own command does: a thread may stay
        sys.exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class PreparedPytest:
    """Does what run_pytest does, in a third of the time: most of that was its start.

    One process starts Python and imports pytest. Each run is a fork of it, so it still
    has a process of its own, in which nothing of another run is left. What Python
    reads when it starts, a variable of the environment, say, is run_pytest's affair.

    first: a run that it has been through; then its copies have what that has imported,
        all checks for instance, and are for the project's own folder alone.
    """

    def __init__(self, *first: str) -> None:
        self._first = first
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", _PREPARED, *self._first],
            cwd=ROOT,
            env=readers_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )

    def __call__(
        self, *arguments: str, root: Path = ROOT, timeout_s: float = 50
    ) -> subprocess.CompletedProcess[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with TemporaryDirectory() as folder, self._anew_after_an_exception():
            output, errors = Path(folder, "output"), Path(folder, "errors")
            asked: dict[str, Any] = {
                "root": str(root),
                "arguments": arguments,
                "output": str(output),
                "errors": str(errors),
            }
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            if not select.select([self._process.stdout], [], [], timeout_s)[0]:
                raise subprocess.TimeoutExpired(["pytest", *arguments], timeout_s)
            answer = self._process.stdout.readline()
            assert answer, "the process that is to be copied has ended"
            return subprocess.CompletedProcess(
                ["pytest", *arguments],
                int(answer),
                *(path.read_text(encoding="utf-8") for path in (output, errors)),
            )

    @contextlib.contextmanager
    def _anew_after_an_exception(self) -> Iterator[None]:
        """So that a run that was given up does not answer in place of the next."""
        try:
            yield
        except BaseException:
            self._end()
            self._process = self._start()
            raise

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with self._process:  # closes the pipes, and waits for it
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()


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
