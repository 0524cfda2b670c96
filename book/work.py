"""Figures that a reader works: with a script, controls; without one, a still picture.

A page says `work("NAME", …)`. A function in `book/works/` draws it from the records and
the traces: a still picture, the same in words, and the data that the script needs. The
repository has the picture and the words. The site has these as well, the data beside
them, and docs/assets/work/NAME.js, which puts controls in the picture's place once it
runs. A page opened from the file system may load no modules, so a script is a classic
one; it makes no globals but what all of them share (work/parts.js), and draws nothing
before the reader does something.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import markdown

from book.block import Block
from book.drawing import in_colours
from book.drawn import NOT_YET, BookError, Drawn, Sources, placeholder
from book.works import WORKS
from book.works.common import Materials, NotRecordedError, Work

SUMMARY = "The figure in words"


class Working(Block):
    """The figures to work of a page."""

    def work(self, name: str, *args: Any, caption: str = "", **options: Any) -> Drawn:
        draw = WORKS.get(name)
        if draw is None:
            raise BookError(f"no figure to work {name!r}: {', '.join(sorted(WORKS))}")

        def drawn(sources: Sources) -> Work:
            work = draw(Materials(sources, self.root), *args, **options)
            return replace(work, caption=caption or work.caption)

        if self.sources.book is None:
            return placeholder(f"The figure “{name}” is {NOT_YET}.")
        try:
            book = drawn(Sources(self.sources.book))
            both = book if self.sources.mine is None else drawn(self.sources)
        except NotRecordedError as missing:
            return self.not_recorded(missing.path)

        def file(scheme: str) -> Callable[[], str]:
            picture = f"{book.wide or book.still}<!-- {book.stamp()} -->\n"
            return lambda: in_colours(picture, scheme)

        return Drawn(
            repository=lambda: self._in_repository(book),
            site=lambda: self._on_site(name, both),
            html=True,
            files={
                f"docs/figures/work-{book.name}-{scheme}.svg": file(scheme)
                for scheme in ("light", "dark")
            },
            stamp=book.stamp(),
        )

    def _in_repository(self, work: Work) -> str:
        link = self.link(self.root / "docs" / "figures" / f"work-{work.name}")
        lines = (
            "<picture>",
            f'<source media="(prefers-color-scheme: dark)" srcset="{link}-dark.svg">',
            f'<img alt="{html.escape(_plain(work.caption))}" src="{link}-light.svg">',
            "</picture>",
            f"\n*{work.caption}*\n",
            f"<details>\n<summary>{SUMMARY}</summary>\n",
            *(f"- {sentence}" for sentence in work.words),
            "\n</details>",
        )
        return "\n".join(lines)

    def _on_site(self, name: str, work: Work) -> str:
        still = work.still
        if work.wide:
            still = (
                f'<div class="chart-wide">{work.wide}</div>'
                f'<div class="chart-narrow">{work.still}</div>'
            )
        words = "".join(f"<li>{html.escape(each)}</li>" for each in work.words)
        data = json.dumps(work.data, ensure_ascii=False, separators=(",", ":"))
        # Nothing in it may end the element.
        data = data.replace("<", "\\u003c")
        return (
            f'<figure class="chart work" data-work="{name}">'
            f'<div class="work-still">{still}</div>'
            f"<figcaption>{_inline(work.caption)}</figcaption>"
            f'<details class="chart-data"><summary>{SUMMARY}</summary>'
            f"<ul>{words}</ul></details>"
            f'<script type="application/json">{data}</script></figure>'
            + "".join(
                f'<script defer src="{self._asset(f"work/{each}.js")}"></script>'
                for each in ("parts", name)
            )
        )

    def _asset(self, name: str) -> str:
        """A file in docs/assets/, as this page's address on the site leads to it."""
        page = self.page.relative_to(self.root).as_posix().removeprefix("docs/")
        return Path(os.path.relpath(f"assets/{name}", Path(page).parent)).as_posix()


def _inline(text: str) -> str:
    return markdown.markdown(text).removeprefix("<p>").removesuffix("</p>")


def _plain(text: str) -> str:
    return text.replace("`", "").replace("*", "")
