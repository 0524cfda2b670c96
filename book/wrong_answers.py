"""The page of a chapter's wrong answers: what each changes, and what refuses it."""

from __future__ import annotations

import ast
import difflib
import html
import re
from pathlib import Path

from book.drawn import BookError
from book.listing import fenced, read_source
from workshop.beside import without_docstrings

_FIELD = r"^{}: (.+?)(?=^[A-Z][a-z ]+: |\n\n|\Z)"


def page(folder: Path, root: Path, anchors: dict[Path, str]) -> str:
    """Markdown, with links as they are right on the site's page in source/.

    anchors: of each file, the name of its place on the page.
    """
    chapter = folder.parent
    name = chapter.relative_to(root).as_posix()
    parts = [
        f"# Wrong answers of chapter {chapter.name[:2]}",
        f"They answer the [exercise](../{name}/README.md#exercise) in a way that looks "
        "right. Here is what each does, which check refuses it, and how its code "
        f"differs from the [solution](../{name}/solution.md): a line with a minus is "
        "the solution's, one with a plus the wrong answer's.",
    ]
    checks = _checks(chapter)
    texts = {path: _docstring(path) for path in anchors}
    broken = {path: _field(text, "Breaks", path) for path, text in texts.items()}
    parts.append(_who_breaks_what(chapter / "exercise.py", broken, anchors))
    for path, anchor in anchors.items():
        text = texts[path]
        mistake = text.partition("\n\n")[0].replace("\n", " ")
        refusing = checks.get(_field(text, "Refused by", path), "")
        told = _field(text, "Told", path)
        command = f"pytest {name} --answer wrong/{path.name}"
        parts += [
            f"## `{path.name}` {{ #{anchor} }}",
            _prose(mistake),
            f"- Breaks: “{_prose(broken[path])}”\n- Refused by: {_prose(refusing)}\n"
            f"- It is told: “{_prose(told)}”\n"
            f"- To see all of it: `{command}`",
            fenced(difference(chapter / "solution.py", path), "diff"),
        ]
    return "\n\n".join(parts) + "\n"


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(read_source(path))) or ""


def _who_breaks_what(
    exercise: Path, broken: dict[Path, str], anchors: dict[Path, str]
) -> str:
    """A list of what the exercise says, in its order, with the answers that do not."""
    said = " ".join(read_source(exercise).split())
    by_words: dict[str, list[str]] = {}
    for path in sorted(broken, key=lambda path: said.find(broken[path])):
        link = f"[{path.stem}](#{anchors[path]})"
        by_words.setdefault(broken[path], []).append(link)
    rows = [f"- “{_prose(words)}”: {', '.join(who)}" for words, who in by_words.items()]
    return "\n".join(["What the exercise says, and which of them break it:\n", *rows])


def difference(solution: Path, wrong: Path) -> str:
    """What a wrong answer does in another way, without what is said about it."""
    lines = difflib.unified_diff(_code(solution), _code(wrong), lineterm="")
    return "\n".join(list(lines)[2:])


def _code(path: Path) -> list[str]:
    """The lines of a file, without docstrings and comments of their own."""
    lines = without_docstrings(read_source(path))
    code = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    return re.sub(r"\n{4,}", "\n\n\n", code).strip("\n").splitlines()


def _checks(chapter: Path) -> dict[str, str]:
    """What each check of a chapter is about, by the name of its function."""
    tree = ast.parse(read_source(chapter / "test_exercise.py"))
    return {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


def _field(text: str, name: str, path: Path) -> str:
    found = re.search(_FIELD.format(name), text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise BookError(f"{path}: its docstring does not say {name!r}")
    return " ".join(found[1].split())


def _prose(text: str) -> str:
    """The same in Markdown: what stands between backquotes is code, and no more."""
    parts = re.split(r"(`[^`]+`)", text)
    parts[::2] = [re.sub(r"([\\*_\[\]])", r"\\\1", part) for part in parts[::2]]
    parts[::2] = [html.escape(part, quote=False) for part in parts[::2]]
    return "".join(parts)
