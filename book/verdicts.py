"""The chapters' claims, and what became of them in either record."""

from __future__ import annotations

import html
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
            reason = html.escape(reason)
            more = f'title="{reason}"'
            if kind == Outcome.HOLDS.value:
                # Many marks would drown the argument: words are for what does not hold.
                more += f' aria-label="{who}{sign}"'
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

    def claims(self, chapter: str = "") -> Drawn:
        """The claims of a chapter, or of all, with the outcome in either record."""
        found = [c for c in all_claims(self.root) if c.chapter.startswith(chapter)]
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


@cache
def all_claims(root: Path) -> list[Claim]:
    return load_claims(chapters=root / "chapters")


def anchor(claim: Claim) -> str:
    return f"claim-{claim.id.replace('.', '-')}"
