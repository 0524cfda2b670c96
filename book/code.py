"""What a page shows of files: code, differences, transcripts, hints."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from book.block import Block
from book.changed import new_lines
from book.drawn import BookError, Drawn
from book.listing import (
    adds_to,
    earlier_file,
    fenced,
    marked,
    read_source,
    step_files,
    without_docstrings,
    without_markers,
)
from book.variants import IS_VARIANT
from book.variants import variant as named
from lab.paths import TRANSCRIPTS
from workshop.hints import of as hints_of


@dataclass(frozen=True)
class _Change:
    """What a step does to a file. lines: how many it adds, and takes away."""

    name: str
    said: str
    shown: str
    lines: tuple[int, int]

    def folded(self) -> str:
        if not self.shown:
            return f"{self.said[:-1]}: {_counted(*self.lines)}."
        return (
            '<details markdown="1" class="changed">\n'
            f"<summary><code>{self.name}</code>: {_counted(*self.lines)}</summary>\n\n"
            f"{self.said}\n\n{self.shown}\n\n</details>"
        )


def _counted(plus: int, minus: int) -> str:
    return (
        f"+{plus}"
        + (f" −{minus}" if minus else "")
        + (" line" if (plus, minus) == (1, 0) else " lines")
    )


class Code(Block):
    """The code and the texts of a page."""

    def code(
        self,
        path: str,
        marker: str,
        new: bool | Mapping[str, str] = False,
        variant: str = "",
        docstrings: bool = True,
    ) -> Drawn:
        """new: mark what the same function does not have in the steps before; or, of
        functions that have another name there, {"own": "the other"}.

        variant: show it with the mistake of this name in it (book/variants.py), and
        without docstrings if they say how it ought to be.
        """
        source = read_source(self.root / path)
        if variant:
            mistaken, _ = marked(named(variant).of(source), marker, path)
            if not docstrings:
                mistaken = without_docstrings(mistaken)
            text = fenced(mistaken, "python")
            return Drawn(repository=lambda: text, site=lambda: text)
        found, numbers = marked(source, marker, path)
        language = {".py": "python", ".lua": "lua"}.get(Path(path).suffix, "text")
        link = self.link(self.root / path)
        below = f"<sub>[{path}]({link})</sub>"
        if new is False:
            return Drawn(
                repository=lambda: f"{fenced(found, language)}\n\n{below}",
                site=lambda: fenced(found, f'{language} title="{path}"'),
            )
        names = {} if new is True else new
        in_file = new_lines(self.root / path, names)
        marks = [number in in_file for number in numbers]
        lines = found.split("\n")
        if not any(marks) or all(marks[n] for n, line in enumerate(lines) if line):
            raise BookError(f"{path}: of [{marker}] all is new, or nothing: no mark")
        said = f"Lines with a + are new in {self.root.joinpath(path).parent.name}"
        # A difference is shown with its signs and in colours by every browser.
        signed = "\n".join(
            f"{'+' if mark else ' '} {line}".rstrip()
            for mark, line in zip(marks, lines, strict=True)
        )
        on = " ".join(str(n) for n, mark in enumerate(marks, start=1) if mark)
        return Drawn(
            repository=lambda: f"{fenced(signed, 'diff')}\n\n{below} <sub>{said}</sub>",
            site=lambda: (
                fenced(found, f'{language} title="{path}" hl_lines="{on}"')
                + f'\n\n<p class="code-new">{said}</p>'
            ),
        )

    def diff(self, step: str) -> Drawn:
        """The whole difference of a step to what was there before, file by file."""
        files = step_files(self.root / "steps" / step)
        if not files:
            raise BookError(f"no files in steps/{step}")

        def whole(new_files: bool) -> str:
            changes = [self._change(path, new_files=new_files) for path in files]
            plus, minus = (sum(c.lines[n] for c in changes) for n in (0, 1))
            return "\n\n".join(
                [
                    '<details markdown="1" class="difference">\n'
                    f"<summary>The whole difference that {step} makes: "
                    f"{_counted(plus, minus)}</summary>",
                    *(change.folded() for change in changes),
                    "</details>",
                ]
            )

        return Drawn(
            repository=lambda: whole(new_files=False),
            site=lambda: whole(new_files=True),
        )

    def _change(self, path: Path, *, new_files: bool) -> _Change:
        """What is different about one file. new_files: show new ones whole."""
        link = self._link_to_source(path)
        new = without_markers(read_source(path))
        added = (new.count("\n") + 1, 0)
        earlier = earlier_file(path)
        if earlier is None:
            language = "python" if path.suffix == ".py" else "text"
            shown = fenced(new, language) if new_files else ""
            return _Change(path.name, f"{link} is new.", shown, added)
        if adds_to(path, earlier):
            said = f"{link} adds to {self._link_to_source(earlier)}:"
            return _Change(path.name, said, fenced(new, "python"), added)
        lines = [
            *difflib.unified_diff(
                without_markers(read_source(earlier)).splitlines(),
                new.splitlines(),
                earlier.relative_to(self.root).as_posix(),
                path.relative_to(self.root).as_posix(),
                lineterm="",
            )
        ]
        said = f"{link} against {self._link_to_source(earlier)}:"
        # The first two lines name the files.
        plus, minus = (sum(x.startswith(sign) for x in lines[2:]) for sign in "+-")
        diff = fenced("\n".join(lines), "diff")
        return _Change(path.name, said, diff, (plus, minus))

    def _link_to_source(self, path: Path) -> str:
        return f"[`{path.relative_to(self.root).as_posix()}`]({self.link(path)})"

    def transcript(self, name: str) -> Drawn:
        """What a command printed, as `python -m book transcripts` recorded it."""
        if not name[:1].isdigit():
            name = f"{self.chapter()}-{name}"
        path = self.in_root(TRANSCRIPTS) / f"{name}.txt"
        if not path.exists():
            return self.not_recorded(path)
        lines = read_source(path).strip("\n").split("\n")
        shown = [line for line in lines if not line.startswith(IS_VARIANT)]
        text = fenced("\n".join(shown), "console")
        return Drawn(repository=lambda: text, site=lambda: text)

    def hints(self) -> Drawn:
        """Each hint of the chapter, to be opened by itself."""
        hints = hints_of(self.page.parent)
        if not hints:
            return self.not_recorded(self.page.parent / "hints.md")
        text = "\n\n".join(
            f'<details markdown="1">\n<summary>Hint {number}</summary>\n\n{hint}\n\n'
            "</details>"
            for number, hint in enumerate(hints, 1)
        )
        return Drawn(repository=lambda: text, site=lambda: text)

    def exercises(self) -> Drawn:
        """Each chapter's exercise: what to write, the idea, how long, the command.

        What to write is the first line of its exercise.py; the rest is the teachers'.
        """
        # Three columns: more would not be seen on a phone.
        rows = ["| chapter, minutes | what to write | the idea |", "|---|---|---|"]
        teachers = read_source(self.root / "docs" / "teachers.md")
        for folder in sorted((self.root / "chapters").glob("[0-9][0-9]-*")):
            minutes = re.search(
                rf"^\| {folder.name[:2]} (?P<title>.+?) \| .+? \| (?P<exercise>.+?) \| "
                r"(?P<idea>.+?) \|$",
                teachers,
                re.MULTILINE,
            )
            if minutes is None:
                raise BookError(f"docs/teachers.md has no minutes for {folder.name}")
            starter = folder / "exercise.py"
            what = ast.get_docstring(ast.parse(read_source(starter))) or ""
            chapter = f"{self.link(folder / 'README.md')}#exercise"
            rows.append(
                f"| [{folder.name[:2]} {minutes['title']}]({chapter})"
                f"<br>{minutes['exercise']} "
                f"| [{what.partition(chr(10))[0]}]({self.link(starter)})"
                f"<br>`pytest chapters/{folder.name}` "
                f"| {minutes['idea']} |"
            )
        text = "\n".join(rows)
        return Drawn(repository=lambda: text, site=lambda: text)

    def source(self, name: str) -> Drawn:
        """A whole file beside the page."""
        path = self.page.parent / name
        text = fenced(read_source(path).rstrip("\n"), "python")
        title = path.relative_to(self.root).as_posix()
        return Drawn(
            repository=lambda: text,
            site=lambda: text.replace("python", f'python title="{title}"', 1),
        )
