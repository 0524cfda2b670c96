"""The verdict in words for a terminal, and as data."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap

from lab.doctor import remedies
from lab.doctor.finding import Finding, Verdict
from lab.doctor.observations import Observations
from lab.doctor.schema import VERSION

#: Columns, where the terminal has as many.
WIDTH = 80


def text(seen: Observations, said: Verdict) -> str:
    """The whole report, the most important sentence first."""
    lines = [*_wrapped(said.first), ""]
    if said.findings:
        lines.append("Found:")
        for finding in said.findings:
            lines += _finding(finding)
        lines.append("")
    if said.tried:
        lines.append("Tried, and nothing wrong:")
        for tried in said.tried:
            tail = f" ({tried.found})" if tried.found else ""
            lines += _wrapped(f"{tried.what}{tail}", "  + ", "    ")
        lines.append("")
    if said.undecided:
        lines.append("Not decided:")
        for each in said.undecided:
            lines += _wrapped(f"{each.what}: {each.why}", "  ? ", "    ")
        lines.append("")
    return "\n".join(lines).rstrip()


def _finding(finding: Finding) -> list[str]:
    helps = remedies.helps(finding.id)
    read = ", ".join(f"chapters/{name}" for name in finding.chapters)
    return [
        *_wrapped(f"{finding.sentence}.", "  - ", "    "),
        *_labelled("seen", f"{finding.figure} ({finding.sure})"),
        *(_labelled("helps", helps) if helps else ()),
        f"      see it: {_typed(finding.see)}",
        *_labelled("read", read),
    ]


def _labelled(label: str, words: str) -> list[str]:
    return _wrapped(words, f"      {label + ':':8}", " " * 14)


def _typed(command: str) -> str:
    """As it has to be typed here: many systems have a python3, and no python."""
    if shutil.which("python") is None:
        return command.replace("python -m lab", "python3 -m lab")
    return command


def _wrapped(words: str, first: str = "", rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        words,
        max(20, min(WIDTH, shutil.get_terminal_size().columns)),
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def data(seen: Observations, said: Verdict) -> dict[str, object]:
    """The same as data: the verdict, and all that it is made of."""
    return {
        "schema": VERSION,
        "verdict": dataclasses.asdict(said),
        "observations": dataclasses.asdict(seen),
    }
