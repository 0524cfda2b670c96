"""What can be said about a server: findings, what was in order, what is undecided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Sure = Literal["certain", "likely"]

CHAPTERS = {
    "01": "01-close-after-response",
    "02": "02-four-workers",
    "03": "03-timeout-and-rebuild",
    "04": "04-pipe-and-second-thread",
    "05": "05-detach-and-reattach",
    "06": "06-both",
    "07": "07-one-line",
    "08": "08-register-once",
    "09": "09-never-block",
    "10": "10-workers-again",
    "11": "11-deadlines",
    "12": "12-a-server-to-keep",
    "13": "13-any-application",
    "14": "14-every-core",
}


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, and how it is known."""

    #: A short name for programs: "stall".
    id: str
    #: How much it holds the server back, against other findings.
    weight: int
    #: What is wrong, as a sentence without its full stop.
    sentence: str
    #: The same in a few words, to stand behind another finding.
    short: str
    #: The figures that say so.
    figure: str
    sure: Sure
    #: A command that shows it.
    see: str
    #: Folders of chapters that are about it.
    chapters: tuple[str, ...]


@dataclass(frozen=True)
class Tried:
    """Something that was tried, and found in order."""

    what: str
    found: str


@dataclass(frozen=True)
class Undecided:
    """Something that could not be decided, and why."""

    what: str
    why: str


@dataclass
class Verdict:
    """What the consultation comes to. Findings are ordered, the weightiest first."""

    first: str = ""
    findings: list[Finding] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)

    def ok(self, what: str, found: str) -> None:
        self.tried.append(Tried(what, found))

    def open(self, what: str, why: str) -> None:
        self.undecided.append(Undecided(what, why))


def listed(words: Iterable[str]) -> str:
    """Between what has commas in itself stand semicolons."""
    *most, last = words
    if any("," in each for each in (*most, last)):
        return "; ".join((*most, f"and {last}")) if most else last
    return f"{', '.join(most)} and {last}" if most else last


def chapters(*numbers: str) -> tuple[str, ...]:
    return tuple(CHAPTERS[number] for number in numbers)
