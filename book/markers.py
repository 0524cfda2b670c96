"""The fill engine: what was measured, and what the code says, put into the text.

A page is Markdown that is read in two places: in a repository browser as it stands,
and as a page of the site. What may not be typed by hand stands between two markers,
which a browser does not show:

    answers <!-- {rate("step03", 100)} -->1 010<!-- / --> requests a second

Between the braces is a Jinja expression over the functions of `book/pages.py`.
`book/fill.py` writes what they give between the markers. The site evaluates the same
expressions for the book's record and for the reader's.

An expression gives a number (a `Quantity` or a plain one) or words that the record has
chosen (`Said`), which stand in a line, or a `Drawn`: a table, a figure, code, which
stands between markers on lines of their own.
"""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2

from book.drawn import NOT_YET, BookError, Drawn, Sources, log
from book.signs import Said
from lab.record.measurement import Measurement
from lab.record.quantity import THIN_SPACE, Quantity

# Code fences and code spans come first, so that a marker shown in them is left alone.
_TOKENS = re.compile(
    r"""
    ^[ ]*(?P<fence>`{3,}|~{3,})[^\n]*\n (?:.*?\n)?? [ ]*(?P=fence)[ ]*$
    | (?P<ticks>`+)(?!`) [^\n]*? (?<!`)(?P=ticks)(?!`)
    | <!--[ ]\{ (?P<expression>.+?) \}[ ]--> (?P<old>.*?) <!--[ ]/[ ]-->
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
_LOOSE = re.compile(r"<!-- (?:\{|/ -->)")


@dataclass(frozen=True)
class Hole:
    """A place between two markers."""

    expression: str
    old: str
    line: int
    block: bool
    indent: str


def parse(text: str, name: str) -> Iterator[str | Hole]:
    """The text in order: what stands as it is, and the holes. Raises BookError."""
    position = 0
    for match in _TOKENS.finditer(text):
        if match["expression"] is None:
            continue
        before = text[position : match.start()]
        _refuse_loose(before, text, position, name)
        yield before
        position = match.end()
        hole = _hole(match, text, name)
        yield hole
    _refuse_loose(text[position:], text, position, name)
    yield text[position:]


def _refuse_loose(part: str, text: str, start: int, name: str) -> None:
    for match in _TOKENS.finditer(part):
        blank = " " * (match.end() - match.start())
        part = part[: match.start()] + blank + part[match.end() :]
    if loose := _LOOSE.search(part):
        line = text.count("\n", 0, start + loose.start()) + 1
        raise BookError(f"{name}:{line}: a marker without its other half")


def _hole(match: re.Match[str], text: str, name: str) -> Hole:
    line = text.count("\n", 0, match.start()) + 1
    if "<!-- {" in match["old"]:
        raise BookError(f"{name}:{line}: a marker is opened within another")
    head = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    tail = text[match.end() :].partition("\n")[0]
    first_old_line, newline, _ = match["old"].partition("\n")
    block = bool(newline) and not (head + first_old_line + tail).strip()
    if not block:
        if newline:
            raise BookError(f"{name}:{line}: an inline marker must end in its line")
        if not head.strip():
            raise BookError(
                f"{name}:{line}: a line must not begin with an inline marker, "
                "Markdown takes it for HTML: put a word before it"
            )
    return Hole(match["expression"], match["old"], line, block, head if block else "")


@dataclass
class Page:
    """One file of text, and what its expressions may call.

    functions: from a measurement (or None) to the functions bound to it.
    """

    name: str
    text: str
    sources: Sources
    functions: Callable[[Measurement | None], Mapping[str, Any]]

    def filled(self) -> tuple[str, dict[str, tuple[str, Callable[[], str]]]]:
        """The text for the repository, and the files it shows: path -> stamp, text."""
        parts: list[str] = []
        files: dict[str, tuple[str, Callable[[], str]]] = {}
        for part in parse(self.text, self.name):
            if isinstance(part, str):
                parts.append(part)
                continue
            result = self._evaluate(part, self.sources.book)
            if isinstance(result, Drawn):
                new = self._draw(part, result, result.repository)
                for path, make in result.files.items():
                    files[path] = (result.stamp, make)
            else:
                new = str(_shown(result))
            opening = f"<!-- {{{part.expression}}} -->"
            if part.block:
                new = _indented(f"\n\n{new}\n\n<!-- / -->", part.indent)
                parts.append(opening + new)
            else:
                parts.append(f"{opening}{new}<!-- / -->")
        return "".join(parts), files

    def for_site(self, keep: Callable[[str], str]) -> str:
        """The text for the site. `keep` takes finished HTML, and gives a placeholder
        that Markdown lets pass."""
        parts: list[str] = []
        for part in parse(self.text, self.name):
            if isinstance(part, str):
                parts.append(part)
                continue
            result = self._evaluate(part, self.sources.book)
            if isinstance(result, Drawn):
                drawn = self._draw(part, result, result.site)
                if result.html:
                    drawn = keep(drawn)
                parts.append(_indented(drawn, part.indent) if part.block else drawn)
            else:
                parts.append(self._number(part, result))
        return "".join(parts)

    def _number(self, hole: Hole, result: object) -> str:
        shown = _shown(result)
        if isinstance(result, Said):
            return self._words(hole, result)
        if not isinstance(result, Quantity):
            return shown
        if result.is_missing and self.sources.book is not None:
            log.warning("%s:%d: %s", self.name, hole.line, result.doubt)
        text = _titled("measured", shown, result)
        if self.sources.mine is not None:
            mine = self._evaluate(hole, self.sources.mine)
            if isinstance(mine, Quantity) and not mine.is_missing:
                text += " " + _titled("yours", f"(yours: {_shown(mine)})", mine)
        return text

    def _words(self, hole: Hole, said: Said) -> str:
        """Also what the reader's record says, where that is something else."""
        if self.sources.mine is not None:
            mine = self._evaluate(hole, self.sources.mine)
            if isinstance(mine, Said) and mine != said:
                return f'{said.text} <span class="yours">(yours: {mine.text})</span>'
        return said.text

    def _evaluate(self, hole: Hole, measurement: Measurement | None) -> object:
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
        with self._place(hole):
            compiled = environment.compile_expression(
                hole.expression, undefined_to_none=False
            )
            result = compiled(**self.functions(measurement))
            if isinstance(result, jinja2.Undefined):
                str(result)  # raises, and says which name it is
            return result

    def _draw(self, hole: Hole, drawn: Drawn, draw: Callable[[], str]) -> str:
        with self._place(hole):
            if drawn.inline == hole.block:
                want = "within a line" if drawn.inline else "on lines of their own"
                raise BookError(f"its markers must stand {want}")
            return draw().strip("\n")

    @contextlib.contextmanager
    def _place(self, hole: Hole) -> Iterator[None]:
        """Say in which line of which file it went wrong."""
        try:
            yield
        except BookError as error:
            raise BookError(f"{self.name}:{hole.line}: {error}") from error
        except Exception as error:
            raise BookError(
                f"{self.name}:{hole.line}: {{{hole.expression}}}: "
                f"{type(error).__name__}: {error}"
            ) from error


def _shown(result: object) -> str:
    if isinstance(result, Said):
        return result.text
    if isinstance(result, Quantity):
        if result.doubt == NOT_YET:
            return NOT_YET
        if not result.unit and not result.bound and result.median in range(100):
            return str(int(result.median))  # a count, such as 2 and not 2.0
        return str(result)
    if isinstance(result, bool) or not isinstance(result, int | float):
        return str(result)
    return f"{result:,.6g}".replace(",", THIN_SPACE)


def _titled(name: str, text: str, quantity: Quantity) -> str:
    """A number, and where the pointer rests on it its spread or its doubt."""
    title = quantity.doubt or f"{quantity.spread()}, {quantity.repeats} runs"
    if not quantity.doubt and quantity.low == quantity.high:
        return f'<span class="{name}">{html.escape(text)}</span>'
    return (
        f'<span class="{name}" title="{html.escape(title)}">{html.escape(text)}</span>'
    )


def _indented(text: str, indent: str) -> str:
    return re.sub(r"\n(?=[^\n])", "\n" + indent, text) if indent else text
