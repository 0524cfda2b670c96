"""What pages show of the source: named pieces, constants, and what a step changed."""

from __future__ import annotations

import ast
import difflib
import io
import re
import textwrap
import tokenize
from pathlib import Path

from book.drawn import BookError

#: A file that repeats less of an earlier one, of which it imports something, does not
#: rewrite it.
KEPT_BY_A_REWRITE = 0.25

_NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}
_MARKER_LINE = re.compile(r"^[ ]*# \[(?P<close>/?)(?P<name>[\w-]+)\][ ]*$")


def marked(source: str, name: str, where: str) -> tuple[str, list[int]]:
    """The lines between `# [name]` and `# [/name]`, without any marker, dedented; and
    the number that each of them has in the source, from 1 on."""
    first = last = 0
    for number, line in enumerate(source.splitlines(), start=1):
        match = _MARKER_LINE.match(line)
        if match is None or match["name"] != name:
            continue
        if bool(match["close"]) != bool(first) or last:
            raise BookError(f"{where}: the marker [{name}] stands there twice")
        first, last = (first, number) if first else (number, 0)
    if not last:
        raise BookError(f"{where}: no marker [{name}] … [/{name}]")
    within = [(n, line) for n, line in _unmarked(source) if first < n < last]
    while within and not within[0][1].strip():
        within.pop(0)
    text = textwrap.dedent("\n".join(line for _, line in within)).rstrip("\n")
    return text, [n for n, _ in within][: text.count("\n") + 1]


def without_markers(source: str) -> str:
    lines = (line for line in source.splitlines() if not _MARKER_LINE.match(line))
    # A marker between two empty lines leaves them side by side.
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines)).rstrip("\n")


def _unmarked(source: str) -> list[tuple[int, str]]:
    """The lines that are no markers, with their numbers, from 1 on.

    Where a marker stood between empty lines, as many are left as there were on one side
    of it, the greater number.
    """
    kept: list[tuple[int, str]] = []
    before: int | None = None  # empty lines before a marker, of which the rest follows
    empty = 0
    for number, line in enumerate(source.splitlines(), start=1):
        if _MARKER_LINE.match(line):
            before = empty if before is None else max(before, empty)
            empty = 0
        elif not line.strip():
            empty += 1
            if before is None or empty > before:
                kept.append((number, line))
        else:
            before, empty = None, 0
            kept.append((number, line))
    return kept


def fenced(text: str, info: str) -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{info}\n{text}\n{fence}"


def step_files(folder: Path) -> list[Path]:
    """A folder's sources, a server.py first; empty ones are left out."""
    files = [*folder.glob("*.py"), *folder.glob("*.cfg")]
    files = [path for path in files if path.stat().st_size]
    order = {"server.py": 0, "__main__.py": 2}
    return sorted(files, key=lambda path: (order.get(path.name, 1), path.name))


def earlier_file(path: Path) -> Path | None:
    """The file of that name in an earlier step which this one rewrites, or adds to.

    The one that it imports as a whole; or the nearest one, unless that only adds to one
    before it.
    """
    step = path.parent
    earlier = [f for f in step.parent.glob(f"step*/{path.name}") if f.parent < step]
    for file in sorted(earlier, reverse=True):
        if imports_whole(path, file):
            return file
        before = earlier_file(file)
        if before is None or not adds_to(file, before):
            return file
    return None


def imports_whole(path: Path, earlier: Path) -> bool:
    line = f"from steps.{earlier.parent.name} import {earlier.stem}"
    return line in read_source(path).splitlines()


def adds_to(path: Path, earlier: Path) -> bool:
    """Whether it imports the earlier file, or some of what that has and changes only a
    part of it."""
    if imports_whole(path, earlier):
        return True
    new, old = read_source(path), read_source(earlier)
    if f"from steps.{earlier.parent.name}.{earlier.stem} import" not in new:
        return False
    before = without_markers(old).splitlines()
    after = without_markers(new).splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    kept = sum(block.size for block in matcher.get_matching_blocks())
    return kept < KEPT_BY_A_REWRITE * len(before)


def constant(path: Path, name: str) -> float:
    """The number that a module of the project gives this name, at its top level or, as
    in "Limits.max_body_bytes", in a class."""
    body = ast.parse(read_source(path)).body
    *classes, own = name.split(".")
    for found_in in classes:
        found = [n for n in body if isinstance(n, ast.ClassDef) and n.name == found_in]
        body = found[0].body if found else []
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                pass
            case _:
                continue
        if target == own:
            number = ast.literal_eval(value)
            assert isinstance(number, int | float)
            return number
    raise BookError(f"no constant {name} in {path.name}")


def lines_of_code(path: Path) -> int:
    """How many there are in a file or a folder: no empty one, comment or docstring."""
    if path.is_dir():
        return sum(map(lines_of_code, path.glob("*.py")))
    source = read_source(path)
    counted: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            counted.update(range(token.start[0], token.end[0] + 1))
    return len(counted - _docstring_lines(source))


def without_docstrings(source: str) -> str:
    left_out = _docstring_lines(source)
    lines = enumerate(source.splitlines(), start=1)
    return "\n".join(line for number, line in lines if number not in left_out)


def _docstring_lines(source: str) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                found.update(range(node.lineno, (node.end_lineno or 0) + 1))
    return found


def read_source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BookError(f"{path}: {error.strerror}") from error
