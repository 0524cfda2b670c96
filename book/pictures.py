"""Figures and timelines, for the site and as files for a repository browser."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from book.block import Block
from book.drawing import Figure, in_colours, inline_figure, standalone_svg
from book.drawn import NOT_YET, BookError, Drawn, Sources, placeholder
from book.figures import FIGURES
from book.figures.lanes import lanes as draw_lanes
from book.figures.timeline import Gap, Traces, View
from book.figures.timeline import timeline as draw_timeline
from book.tables import Row, Table
from lab.paths import TRACES


class Pictures(Block):
    """The figures of a page."""

    def figure(self, name: str, *args: Any, caption: str = "", **options: Any) -> Drawn:
        if self.sources.book is None:
            return placeholder(f"The figure “{name}” is {NOT_YET}.")
        draw = FIGURES.get(name)
        if draw is None:
            raise BookError(f"no figure {name!r}: {', '.join(sorted(FIGURES))}")
        book = draw(Sources(self.sources.book), *args, **options)
        both = book
        if self.sources.mine is not None:
            both = draw(self.sources, *args, **options)
        return self._drawn_figure(
            replace(book, caption=caption or book.caption),
            replace(both, caption=caption or both.caption),
        )

    def timeline(
        self,
        step: str,
        name: str = "",
        caption: str = "",
        beside: Mapping[str, str] = MappingProxyType({}),
        see: Sequence[Mapping[str, Any]] = (),
        **view: Any,
    ) -> Drawn:
        """beside: some words -> a trace: these, below one another.

        see: what is measured out, a `Gap`; else it is the longest wait of a client.
        view: see `View`.
        """
        stem = f"{step}-{name}" if name else step
        traces = self._traces(step, beside or {"": name})
        if isinstance(traces, Drawn):
            return traces
        gaps = [Gap(**gap) for gap in see]
        drawn = draw_timeline(f"timeline-{stem}", traces, gaps, View(**view))
        drawn = replace(drawn, caption=caption or drawn.caption)
        return self._drawn_figure(drawn, drawn)

    def lanes(self, step: str, headings: dict[str, str], caption: str = "") -> Drawn:
        """The clients of several of the step's traces; name -> heading."""
        traces = self._traces(step, {words: name for name, words in headings.items()})
        if isinstance(traces, Drawn):
            return traces
        drawn = draw_lanes(f"lanes-{step}-{'-'.join(headings)}", traces)
        drawn = replace(drawn, caption=caption or drawn.caption)
        return self._drawn_figure(drawn, drawn)

    def _traces(self, step: str, names: Mapping[str, str]) -> Traces | Drawn:
        """Some words -> a trace; or, where one is missing, what stands in its place.

        names: some words -> the name of one of the step's scenarios, or another step.
        """
        traces = {}
        for words, name in names.items():
            stem = name if name.startswith("step") else f"{step}{name and f'-{name}'}"
            path = self.in_root(TRACES) / f"{stem}.json"
            if not path.exists():
                return self.not_recorded(path)
            traces[words] = json.loads(path.read_text(encoding="utf-8"))
        return traces

    def diagram(self, name: str, caption: str, words: str) -> Drawn:
        """A picture that was drawn by hand: docs/diagrams/NAME.svg, in named colours.

        It is as narrow as a phone, so one drawing does for every page. words: what
        the picture shows, for whom does not see it.
        """
        path = self.root / "docs" / "diagrams" / f"{name}.svg"
        if not path.exists():
            raise BookError(f"no diagram {path.relative_to(self.root)}")
        drawing = path.read_text(encoding="utf-8")
        stamp = f"drawn from {hashlib.sha256(drawing.encode()).hexdigest()[:16]}"
        link = self.link(self.root / "docs" / "figures" / f"diagram-{name}")
        summary = "<summary>The picture in words</summary>"
        alt = html.escape(caption)

        def repository() -> str:
            lines = (
                "<picture>",
                '<source media="(prefers-color-scheme: dark)" '
                f'srcset="{link}-dark.svg">',
                f'<img alt="{alt}" src="{link}-light.svg">',
                "</picture>",
                f"\n*{caption}*\n",
                f"<details>\n{summary}\n\n{words}\n\n</details>",
            )
            return "\n".join(lines)

        def file(scheme: str) -> Callable[[], str]:
            return lambda: in_colours(f"{drawing}<!-- {stamp} -->\n", scheme)

        return Drawn(
            repository=repository,
            site=lambda: (
                f'<figure class="chart diagram">{drawing}'
                f"<figcaption>{html.escape(caption)}</figcaption>"
                f'<details class="chart-data">{summary}<p>{html.escape(words)}</p>'
                "</details></figure>"
            ),
            html=True,
            files={
                f"docs/figures/diagram-{name}-{scheme}.svg": file(scheme)
                for scheme in ("light", "dark")
            },
            stamp=stamp,
        )

    def _drawn_figure(self, book: Figure, both: Figure) -> Drawn:
        """book: for the repository. both: for the site, with what is the reader's."""

        def table(figure: Figure) -> Table:
            rows = [Row(first, rest) for first, *rest in figure.rows]
            return Table(figure.header, rows, figure.title)

        def repository() -> str:
            link = self.link(self.root / "docs" / "figures" / book.name)
            alt = html.escape(book.title)
            said = "\n".join(f"- {note}." for note in book.notes)
            return "\n".join(
                [
                    "<picture>",
                    f'<source media="(prefers-color-scheme: dark)" '
                    f'srcset="{link}-dark.svg">',
                    f'<img alt="{alt}" src="{link}-light.svg">',
                    "</picture>",
                    "",
                    f"*{book.caption}*",
                    "",
                    "<details>",
                    "<summary>The figure in numbers</summary>",
                    "",
                    said or table(book).markdown(),
                    "",
                    "</details>",
                ]
            )

        def file(scheme: str) -> Callable[[], str]:
            return lambda: standalone_svg(book, scheme)

        return Drawn(
            repository=repository,
            site=lambda: inline_figure(both, table(both).html()),
            html=True,
            files={
                f"docs/figures/{book.name}-{scheme}.svg": file(scheme)
                for scheme in ("light", "dark")
            },
            stamp=book.stamp(),
        )
