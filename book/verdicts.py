"""The chapters' claims, and what became of them in either record."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from book.block import Block
from book.drawn import NOT_YET, BookError, Drawn, placeholder
from book.tables import Row, Table
from lab.record.claims import Claim, Outcome, Verdict, load_claims
from lab.record.measurement import Measurement

_SIGNS = {
    Outcome.HOLDS: "✓ holds",
    Outcome.BROKEN: "✗ broken",
    Outcome.UNDECIDED: "? undecided",
    Outcome.NEEDS_MORE: "– not measured here",
}


class Verdicts(Block):
    """The outcomes on a page."""

    def claim(self, name: str) -> Drawn:
        """The outcome of one claim, beside the sentence that makes it."""
        if "." not in name:
            name = f"{self.chapter()}.{name}"
        found = [c for c in all_claims(self.root) if c.id == name]
        if not found:
            raise BookError(f"no claim {name!r} in chapters/*/claims.py")
        link = self.link(self.root / "docs" / "results.md") + f"#{anchor(found[0])}"

        def badge(who: str, m: Measurement | None, *, on_site: bool) -> str:
            if m is None:
                sign, kind, reason = f"? {NOT_YET}", "undecided", NOT_YET
            else:
                verdict = found[0].check(m)
                sign = _SIGNS[verdict.outcome]
                kind = verdict.outcome.name.lower().replace("_", "-")
                reason = verdict.reason
            if not on_site:
                return f"[{sign}]({link})"
            more = f'title="{in_an_attribute(reason)}"'
            if kind == Outcome.HOLDS.value:
                # Many marks would drown the argument: words are for what does not hold.
                said = in_an_attribute(f"{found[0].text} {verdict.reason}")
                more = f'title="{said}" aria-label="{who}{sign}"'
                sign = "✓"
            return f"[{who}{sign}]({link}){{ .claim .{kind} {more} }}"

        def site() -> str:
            text = badge("", self.sources.book, on_site=True)
            if self.sources.mine is not None:
                text += " " + badge("yours: ", self.sources.mine, on_site=True)
            return text

        return Drawn(
            repository=lambda: badge("", self.sources.book, on_site=False),
            site=site,
            inline=True,
        )

    def claims(self, first: str = "", last: str = "99") -> Drawn:
        """The claims from one chapter to another, with the outcome in either record."""
        found = [c for c in all_claims(self.root) if first <= c.id[:2] <= last]
        if not found:
            return placeholder("No claims yet.")
        both = self.both()

        def said(verdict: Verdict) -> str:
            return f"{_SIGNS[verdict.outcome]}: {verdict.reason}"

        def table(records: Sequence[tuple[str, Measurement]]) -> Table:
            who = {"book": "in the book's record", "yours": "in yours"}
            header = ["claim", *(who[name] for name, _ in records)]
            rows = [
                Row(
                    f"{c.id}: {c.text}",
                    [said(c.check(m)) for _, m in records],
                    anchor=anchor(c),
                )
                for c in found
            ]
            return Table(header, rows, "claims and their outcomes")

        return Drawn(
            repository=table(both[:1]).markdown,
            site=lambda: table(both).html().replace('"figures"', '"claims"'),
        )


_HOLDS = re.compile(r'\s*(<a\b[^>]*\bclass="claim holds"[^>]*>[^<]*</a>)')


def with_marks_behind(text: str) -> str:
    """A page's HTML with the marks of what holds at the ends of their paragraphs.

    There they do not stop whoever reads. What is broken or undecided stays where it
    is: its sentence may be wrong.
    """

    def behind(paragraph: re.Match[str]) -> str:
        inner = paragraph[1]
        marks = _HOLDS.findall(inner)
        return f"<p>{' '.join([_HOLDS.sub('', inner).rstrip(), *marks])}</p>"

    return re.sub(r"<p>(.*?)</p>", behind, text, flags=re.DOTALL)


def in_an_attribute(text: str) -> str:
    """As a page's Markdown leaves it alone: a backtick would begin code there."""
    return html.escape(text).replace("`", "&#96;")


@cache
def all_claims(root: Path) -> list[Claim]:
    return load_claims(chapters=root / "chapters")


def anchor(claim: Claim) -> str:
    return f"claim-{claim.id.replace('.', '-')}"
