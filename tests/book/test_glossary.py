"""Each term of the glossary is linked where the book first uses it, and stands there.

What can be held against the text is held here: that a link leads to an entry, that an
entry is linked at all, and that the first chapter in which a term stands in a sentence
links it. Code, differences, what a command prints and what a figure says are left out.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.paths import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
CHAPTERS = sorted(ROOT.glob("chapters/[0-9][0-9]-*/README.md"))
PAGES = [
    *CHAPTERS,
    *sorted(ROOT.glob("chapters/*/solution.md")),
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page != GLOSSARY),
]
#: How a term is written in a sentence, where that is not the term or its plural.
FORMS = {
    "accept": r"accepts?|accepted|accepting",
    "blocking": r"blocks|blocked|blocking",
    "body": r"body|bodies",
    "fork": r"forks?|forked",
    "generator": r"a generator",  # the load generator is the one, or ours
    "in flight": r"in flight|in-flight",
    "pipelining": r"pipelining|pipelined",
    "process": r"process|processes",
    "readiness": r"readiness",
    "select": r"select\(\)",
    "context switch": r"context switch(es)?",
    "drain": r"drains?|drained|draining",
    "Little's law": r"Little's law",
    "Nagle's algorithm": r"Nagle's algorithm",
}


class Other(NamedTuple):
    """A word that stands in a chapter before its term, and means something else."""

    term: str
    chapter: str
    text: str  # a place where it does; all others of that chapter go with it


OTHERS = [
    Other("drain", "04", "and then drains"),  # a pipe, which is read until it is empty
    Other("selector", "07", "changed to `selectors`"),  # the module
    Other("worker", "01", "worker type"),  # gunicorn's
    Other("shutdown", "12", "in a shutdown"),
]

_NOT_TEXT = [
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r'<details markdown="1" class="difference">.*?</details>', re.DOTALL),
    re.compile(r"<picture>.*?</picture>(\s+\*[^\n]+\*)?", re.DOTALL),
    re.compile(r"<summary>The (?:figure|picture) in .*?</details>", re.DOTALL),
    re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE),
    re.compile(r"^#.*$", re.MULTILINE),
]


def entries() -> dict[str, str]:
    """Anchor -> term."""
    terms = re.findall(r"^### (.+)$", GLOSSARY.read_text(encoding="utf-8"), re.M)
    return {
        re.sub(r"[^\w -]", "", term.lower()).replace(" ", "-"): term for term in terms
    }


def linked(page: Path) -> set[str]:
    return set(re.findall(r"glossary\.md#([\w-]+)", page.read_text(encoding="utf-8")))


def sentences(page: Path) -> str:
    """What a reader reads of it, with the links' words and without their targets."""
    text = page.read_text(encoding="utf-8")
    for pattern in _NOT_TEXT:
        text = pattern.sub("", text)
    return re.sub(r"\]\([^)]*\)", "]", text)


def uses(term: str, page: Path) -> bool:
    form = FORMS.get(term, rf"{re.escape(term)}s?")
    return bool(
        re.search(rf"(?<![\w/.-])({form})(?![\w-])", sentences(page), re.IGNORECASE)
    )


def test_each_link_leads_to_an_entry() -> None:
    known = set(entries())
    assert {page: linked(page) - known for page in PAGES if linked(page) - known} == {}


@pytest.mark.parametrize(("anchor", "term"), entries().items())
def test_a_term_is_linked_by_the_first_chapter_that_uses_it(
    anchor: str, term: str
) -> None:
    assert any(anchor in linked(page) for page in PAGES), "no page links it"
    others = {other.chapter for other in OTHERS if other.term == term}
    pages = (page for page in CHAPTERS if page.parent.name[:2] not in others)
    first = next((page for page in pages if uses(term, page)), None)
    if first is not None:
        assert anchor in linked(first), f"{first.parent.name} is the first to use it"


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.term)
def test_every_exception_is_still_needed(other: Other) -> None:
    (page,) = ROOT.glob(f"chapters/{other.chapter}-*/README.md")
    assert other.text in page.read_text(encoding="utf-8")
    assert uses(other.term, page)


def test_entries_are_in_order() -> None:
    for part in GLOSSARY.read_text(encoding="utf-8").split("\n## "):
        terms = re.findall(r"^### (.+)$", part, re.M)
        assert terms == sorted(terms, key=str.lower)
