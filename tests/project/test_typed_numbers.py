"""A measured number in the README or in a page comes from the record, by a marker.

So a number with a unit of speed or time that stands outside fill markers and code is
taken for one that was typed by hand. Some are no measurement of ours, a kernel's
constant or the question's figures: those stand in `MEANT`, each with its reason. The
section "In the wild" is about other people's servers, and so are its figures.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Meant(NamedTuple):
    """Numbers with a unit that are no measurements of ours."""

    pages: str  # a glob, as in "chapters/*/README.md" or "*.md"
    texts: tuple[str, ...]  # as the test reports them: "40 ms"
    reason: str

    def covers(self, page: Path, text: str) -> bool:
        return page.match(self.pages) and text in self.texts


MEANT = [
    Meant("README.md", ("14–16 thousand requests a second",), "the question's figure"),
    Meant(
        "docs/index.md",
        ("16 thousand requests a second", "10 ms", "90 ms"),
        "the question's figures",
    ),
    Meant(
        "docs/question.md",
        ("16 thousand requests a second", "10 ms", "6–10 ms", "60–90 ms"),
        "the question's figures",
    ),
    Meant("docs/question.md", ("67 ms", "83 ms", "90 ms"), "Little's law"),
    Meant("docs/glossary.md", ("40 ms",), "Linux's TCP_DELACK_MIN"),
    Meant("docs/lab.md", ("50 ms",), "when clients begin"),
    Meant(
        "chapters/02-*/README.md",
        ("16 000 requests a second", "10 ms"),
        "the question's figures, and what /sleep/10 sleeps",
    ),
    Meant(
        "chapters/02-*/README.md",
        ("500 requests a second", "20 ms"),
        "arithmetic with Little's law",
    ),
    Meant("chapters/03-*/README.md", ("1000 requests a second",), "a riddle"),
    Meant("chapters/05-*/README.md", ("40 ms",), "Linux's TCP_DELACK_MIN"),
    Meant("chapters/05-*/README.md", ("50 ms", "6 ms"), "when clients begin"),
    Meant("chapters/05-*/README.md", ("67 ms", "83 ms"), "Little's law"),
    Meant("chapters/06-*/README.md", ("40 ms",), "Linux's TCP_DELACK_MIN"),
    Meant("chapters/06-*/README.md", ("60 ms",), "a client's pause"),
    Meant("chapters/06-*/README.md", ("44 ms", "4 ms"), "11 ticks of a clock of 250"),
    Meant(
        "chapters/06-*/README.md",
        ("25 000 requests a second", "45 ms", "67 ms", "83 ms"),
        "arithmetic with Little's law",
    ),
    Meant(
        "chapters/06-*/README.md",
        ("2 200 requests a second", "90 ms"),
        "the question's figures",
    ),
    Meant("chapters/07-*/README.md", ("90 ms",), "the question's figure"),
    Meant("docs/teachers.md", ("65 ms", "80 ms"), "the question's figures"),
    Meant("docs/glossary.md", ("5 ms",), "CPython's switch interval"),
    Meant(
        "chapters/10-*/README.md",
        ("5 ms", "1 ms", "20 ms"),
        "what handlers sleep and compute, and CPython's switch interval",
    ),
    Meant(
        "chapters/10-*/README.md",
        ("200 requests a second", "500 requests a second", "30 ms", "60 ms"),
        "arithmetic",
    ),
]

MARKED = re.compile(r"<!-- \{.*?\} -->.*?<!-- / -->", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
FENCED = re.compile(r"^( *)(```+|~~~+).*?^\1\2", re.DOTALL | re.MULTILINE)
IN_THE_WILD = re.compile(r"^## In the wild$.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(`+).+?\1")
NUMBER = re.compile(
    r"""
    \d[\d.,–\u00a0\u2009\u202f ]*              # digits, spaced or in a range
    \s*
    (?: (?:thousand|million|k) \s* )?
    (?: k/s | req/s | requests?\s(?:a|per)\ssecond | requests?/s
      | ms\b | [µμ]s\b | milliseconds?\b | microseconds?\b
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def pages() -> list[Path]:
    return [
        ROOT / "README.md",
        *ROOT.glob("chapters/[0-9]*/*.md"),
        *ROOT.glob("docs/**/*.md"),
    ]


def blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def typed_numbers(markdown: str) -> list[tuple[int, str]]:
    """(line, text) of each number with a unit outside markers, comments and code."""
    for pattern in (MARKED, COMMENT, FENCED, IN_THE_WILD, CODE):
        markdown = pattern.sub(blank, markdown)
    return [
        (markdown.count("\n", 0, match.start()) + 1, " ".join(match[0].split()))
        for match in NUMBER.finditer(markdown)
    ]


def found() -> list[tuple[Path, int, str]]:
    return [
        (page.relative_to(ROOT), line, text)
        for page in pages()
        for line, text in typed_numbers(page.read_text())
    ]


def test_no_measured_number_is_typed_by_hand() -> None:
    assert (ROOT / "README.md") in pages()
    typed = [
        f"{page}:{line}: {text}"
        for page, line, text in found()
        if not any(meant.covers(page, text) for meant in MEANT)
    ]
    assert typed == [], "use a fill marker (CONTRIBUTING.md), or say why in MEANT"


def test_every_exception_is_still_needed() -> None:
    needless = [
        f"{meant.pages}: {text}"
        for meant in MEANT
        for text in meant.texts
        if not any(text == t and meant.covers(page, t) for page, _, t in found())
    ]
    assert needless == []


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("It took 43.9 ms.", [(1, "43.9 ms")]),
        ("up to\n2 280 requests a\nsecond", [(2, "2 280 requests a second")]),
        (
            "**14–16 thousand requests per second**",
            [(1, "14–16 thousand requests per second")],
        ),
        ("2.3 k/s and 87 µs", [(1, "2.3 k/s"), (1, "87 µs")]),
        ('it took <!-- {latency("step06", 1)} -->43.9 ms<!-- / --> here', []),
        ('<!-- {table("rates")} -->\n| 9 ms |\n<!-- / -->\n\n7 ms', [(5, "7 ms")]),
        ("```console\nrequest 2: 43.9 ms\n```\n`1 ms` 3 ms", [(4, "3 ms")]),
        ("## In the wild\n44 ms\n## Exercise\n3 ms\n", [(4, "3 ms")]),
        ("100 connections, descriptor 1024, 8 servers, port 8000", []),
    ],
)
def test_what_counts_as_typed(markdown: str, expected: list[tuple[int, str]]) -> None:
    assert typed_numbers(markdown) == expected
