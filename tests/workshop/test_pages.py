"""The pages on which the exercises are listed, solved and answered wrongly."""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

import pytest

from book import wrong_answers
from tests.workshop.running import FOLDERS, NAMES, ROOT, WRONG, checks, field, said

each_chapter = pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)


def row_of(folder: Path, page: str) -> list[str]:
    """The cells of the table's row for a chapter."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    number = folder.name[:2]
    found = re.search(rf"^\| \[?{number} [A-Z].*\|$", text, re.MULTILINE)
    assert found, f"docs/{page} has no row for chapter {number}"
    return [cell.strip() for cell in found[0].strip("|").split("|")]


@each_chapter
def test_the_list_says_what_to_write_the_idea_how_long_and_the_command(
    folder: Path,
) -> None:
    chapter, what, idea = row_of(folder, "exercises.md")
    chapter, _, minutes = chapter.partition("<br>")
    assert f"](../chapters/{folder.name}/README.md#exercise)" in chapter
    starter = (folder / "exercise.py").read_text(encoding="utf-8")
    first_line = (ast.get_docstring(ast.parse(starter)) or "").partition("\n")[0]
    assert f"[{first_line}](../chapters/{folder.name}/exercise.py)" in what
    assert f"`pytest chapters/{folder.name}`" in what
    assert row_of(folder, "teachers.md")[2:] == [minutes, idea]
    assert re.fullmatch(r"\d+–\d+", minutes)


def test_the_teachers_day_is_as_long_as_its_parts() -> None:
    text = (ROOT / "docs" / "teachers.md").read_text(encoding="utf-8")
    day = text.partition("**A whole day**")[2].partition("\n## ")[0]
    parts = [int(minutes) for minutes in re.findall(r"^\| (\d+) \|", day, re.MULTILINE)]
    assert "seven and a quarter hours" in day
    assert sum(parts) == 7.25 * 60


@each_chapter
def test_a_solutions_page_leads_back_to_its_chapter(folder: Path) -> None:
    page = (folder / "solution.md").read_text(encoding="utf-8")
    assert "](README.md#exercise)" in page.partition("\n## ")[0]


@each_chapter
def test_the_page_of_wrong_answers_shows_what_differs_and_what_refuses_it(
    folder: Path,
) -> None:
    files = [path for path in WRONG if folder in path.parents]
    anchors = {path: path.stem for path in files}
    page = wrong_answers.page(folder / "wrong", ROOT, anchors)
    assert f"](../chapters/{folder.name}/README.md#exercise)" in page
    assert f"](../chapters/{folder.name}/solution.md)" in page
    for path in files:
        part = said(page.partition(f"## `{path.name}`")[2].partition("\n## ")[0])
        refusing = checks(folder)[field(path, "Refused by")]
        shown = html.unescape(part.replace("\\", ""))
        breaks = f"- Breaks: “{field(path, 'Breaks')}” "
        assert f"{breaks}- Refused by: {refusing} - It is told: " in shown
        assert f"--answer wrong/{path.name}`" in part
        changed = wrong_answers.difference(folder / "solution.py", path)
        assert said(changed) in part
        # Something is added, and the whole file is not.
        assert re.search(r"^[+-](?!\s*$)", changed, re.MULTILINE)
        assert '"""' not in changed
