"""A mystery keeps its secret: no page before chapter 06 tells how the case ends.

The reader is to find out, with the figures of their own machine. So what a reader meets
before chapter 06, in the order of the menu, has none of the words in `TELLING`, folded
parts, code and differences included, and shows no figure of step 07. The clues are
there all the same: the head comes before the body, the second request is the slow one.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.paths import ROOT
from lab.record.matrix import STEPS
from lab.trace.command import chosen


class Telling(NamedTuple):
    """Words that give something away."""

    pattern: str
    what: str


TELLING = [
    Telling(r"nagle", "who holds the body back"),
    Telling(r"no_?delay", "the option that ends it"),
    Telling(r"delayed?[ _-]ack", "what the body waits for"),
    Telling(r"acknowledg", "what the body waits for"),
    Telling(r"(one|two|single|small|both)[ -]writes?\b", "what ends it, and the cause"),
    Telling(r"held back|holds? back", "the kernel has the body"),
    Telling(r"send buffer|in the kernel's queue", "where the body is"),
    Telling(r"acquit|innocent|lock_wait", "the mutex has not done it"),
    Telling(r"\bstep ?07\b.*\d|07 one line \|.*\d", "that step 07 is fast"),
]


class Harmless(NamedTuple):
    """Words that stand on a page, and are about something else."""

    page: str  # a glob
    text: str
    reason: str


HARMLESS = [
    Harmless(
        "chapters/04-*/solution.md",
        "a thousand wakes cost one write",
        "a pipe's, which is chapter 04's subject",
    ),
    Harmless("docs/left-out.md", "acknowledgements, order", "QUIC's"),
    Harmless(
        "steps/step03/connections.py",
        "lock_waits: int = 0  # uses that found it taken\n    lock_wait_s: float = 0.0",
        "says that it is counted, and not what came out",
    ),
    Harmless(
        "steps/step03/connections.py",
        "_stats.lock_wait_s += time.perf_counter() - asked",
        "counts",
    ),
    Harmless("steps/step03/connections.py", "_stats.lock_waits += 1", "counts"),
]

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def read_before_06() -> list[Path]:
    """What a reader meets before chapter 06, and what its links lead to."""
    early = [ROOT / f"chapters/{folder}" for folder in chapters()[:5]]
    steps = [ROOT / f"steps/step0{n}" for n in range(1, 6)]
    return [
        ROOT / "README.md",
        *(ROOT / "docs" / f"{name}.md" for name in EARLY_DOCS),
        *sorted(page for folder in early for page in folder.glob("*.md")),
        *sorted(page for folder in early for page in folder.glob("*exercise.py")),
        *sorted(source for folder in steps for source in folder.glob("*.py")),
    ]


#: The page of all results tells everything, as does the teachers', which says so. The
#: glossary has every term; which of them is the culprit it does not say.
EARLY_DOCS = ("index", "question", "exercises", "lab", "left-out", "about")


def chapters() -> list[str]:
    return sorted(path.name for path in (ROOT / "chapters").glob("[0-9][0-9]-*"))


def told(text: str) -> list[str]:
    """What a text gives away: the words, and why they do."""
    text = COMMENT.sub("", text)
    return [
        f"{match[0]!r} says {telling.what}"
        for telling in TELLING
        for match in re.finditer(telling.pattern, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize("page", read_before_06(), ids=lambda page: str(page)[-40:])
def test_no_page_before_chapter_06_tells(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for harmless in HARMLESS:
        if page.match(harmless.page):
            text = text.replace(harmless.text, "")
    assert told(text) == []


def test_every_exception_is_still_needed() -> None:
    for harmless in HARMLESS:
        found = [page for page in read_before_06() if page.match(harmless.page)]
        assert any(harmless.text in page.read_text() for page in found), harmless


def test_no_title_tells() -> None:
    """The menu is on every page."""
    titles = [
        (ROOT / "chapters" / folder / "README.md").read_text().partition("\n")[0]
        for folder in chapters()
    ]
    assert told("\n".join([*titles, *chapters()])) == []


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_first_figure_ends_with_the_question(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (0\d [^|]+) \|.*\d\sms\s*\|$", text, re.MULTILINE)
    assert [row[:2] for row in rows] == ["01", "02", "03", "04", "05", "06"]
    assert re.search(r"^\| 07 \? \|", text, re.MULTILINE)


def test_who_cannot_wait_is_told_where_the_answer_is_and_that_it_is() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    [way] = [part for part in text.split("\n\n") if "if you cannot wait" in part]
    first, last = (way.find(f"](../chapters/{n}") for n in ("06-both", "07-one-line"))
    assert 0 < first < last < way.find("tell how the case ends")


def test_the_timeline_of_chapter_06_comes_after_the_question() -> None:
    """It has a lane for what the kernel holds back, so the reader is asked first."""
    text = (ROOT / "chapters/06-both/README.md").read_text(encoding="utf-8")
    before, timeline, _ = text.partition('<!-- {timeline("step06"')
    assert timeline
    assert before.rstrip().endswith("<summary>The recording</summary>")
    assert "held back" not in before


def test_the_claims_that_a_mark_leads_to_do_not_tell() -> None:
    """A mark in chapter 03 leads into the table of claims; what is of chapter 06 and
    later is folded there."""
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    shown = text.partition("\n## Claims\n")[2].partition("<details")[0]
    assert "claim-05-" in shown
    assert "claim-06-" not in shown
    assert told(shown) == []


def test_a_trace_has_the_kernels_lane_from_step_06_on() -> None:
    shown = {step for step in STEPS if chosen(step, "", 2, None)[1].send_queue}
    assert shown == set(STEPS[STEPS.index("step06") :])
