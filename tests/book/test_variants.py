"""The chapters' puzzles: a mistake in a step does what the page says, and is no part of
the step itself."""

import ast
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from book import transcripts
from book.code import Code
from book.drawn import BookError, Sources
from book.variants import IS_VARIANT, VARIANTS, Variant, variant
from lab.paths import ROOT
from steps.step09.server import Server
from tests.steps.harness import request_bytes, serving, wait_until
from tests.steps.test_reactors import Rounds

pytestmark = pytest.mark.timeout(240)

PUZZLES = {
    path: path.read_text().partition("\n")[0].removeprefix(IS_VARIANT)
    for path in transcripts.files()
    if path.read_text().startswith(IS_VARIANT)
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_a_program_and_another_one(name: str) -> None:
    source = (ROOT / variant(name).file).read_text()
    changed = variant(name).of(source)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))


def test_each_variant_has_a_transcript() -> None:
    """It is the test of the transcripts that proves what a variant does."""
    assert set(PUZZLES.values()) == set(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_page_shows_what_is_wrong(name: str) -> None:
    """By the macro, or as the lines that stand in place of others."""
    page = next(ROOT.glob(f"chapters/{name[:2]}-*/README.md")).read_text()
    assert f'variant="{name}"' in page or f"```python\n{variant(name).new}```" in page


@pytest.mark.parametrize("path", PUZZLES, ids=lambda path: path.stem)
def test_the_step_itself_does_not_print_that(path: Path) -> None:
    written = path.read_text()
    without = written.partition("\n")[2]
    assert transcripts.difference(without, transcripts.capture(without)) is not None


def test_a_docstring_that_tells_can_be_left_out() -> None:
    page = Code(ROOT / "chapters" / "14-x" / "README.md", Sources())
    shown = [
        page.code(
            "steps/step14/process.py",
            "fork",
            variant="14-inherited",
            docstrings=docstrings,
        ).site()
        for docstrings in (True, False)
    ]
    assert ['"""' in text for text in shown] == [True, False]
    assert all("os.fork()" in text for text in shown)


@pytest.mark.parametrize("source", ["a()\n", "b()\nif c:\n    b()\n"])
def test_what_is_replaced_stands_there_once(source: str) -> None:
    with pytest.raises(BookError, match=r"times: b\(\)"):
        Variant("steps/step09/server.py", old="b()\n", new="").of(source)


def test_the_indentation_is_that_of_what_is_replaced() -> None:
    made = Variant("x.py", old="if a:\n    b()\n", new="while a:\n    c()\n")
    assert made.of("def d():\n    if a:\n        b()\n") == (
        "def d():\n    while a:\n        c()\n"
    )


def test_09_without_its_first_flush_spins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The selector finds room to send in every round, and nobody sends."""
    mistaken = variant("09-no-flush")
    path = ROOT / mistaken.file
    names: dict[str, Any] = {"__name__": "mistaken"}
    # dataclasses look their module up by its name.
    monkeypatch.setitem(sys.modules, "mistaken", ModuleType("mistaken"))
    exec(compile(mistaken.of(path.read_text()), path, "exec"), names)
    monkeypatch.setattr(Server, "_serve", names["Server"]._serve)
    running = serving("step09")
    rounds = Rounds(running)
    with running as server:
        client = server.client()
        client.send(request_bytes("/bytes/10000000"))

        def reads_and_sees_it_spin() -> bool:
            if not client.has_nothing():
                client.receive_some()
            return rounds.count > 1000

        wait_until(reads_and_sees_it_spin, "it asks its selector again and again")
