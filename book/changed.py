"""Which lines of a step are new in it, as against the steps before."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from book.listing import read_source


@dataclass(frozen=True)
class Function:
    """A function of a file: its name, the class it is in, its lines from 1 on."""

    name: str
    within: str
    first: int
    last: int


def new_lines(path: Path, names: Mapping[str, str]) -> set[int]:
    """The lines of a step's file, counted from 1, that the steps before do not have.

    A function is compared with that of the same name in the nearest step that has one,
    or with the one whose name stands for its own in `names`; one without such a
    predecessor is new as a whole. An empty line is new between two that are; what
    stands outside of functions is never new. Indentation is not looked at: what came
    into a `try` is not new.
    """
    source = read_source(path).splitlines()
    found: set[int] = set()
    for function in _functions(path):
        before = _predecessor(path, function, names.get(function.name, function.name))
        after = [line.strip() for line in source[function.first - 1 : function.last]]
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        kept = {
            block.b + offset
            for block in matcher.get_matching_blocks()
            for offset in range(block.size)
        }
        new = [bool(line) and number not in kept for number, line in enumerate(after)]
        for number, line in enumerate(after):
            if not line and number:  # the lines of a function neither begin nor end so
                following = next(n for n in range(number, len(after)) if after[n])
                new[number] = new[number - 1] and new[following]
        found |= {function.first + number for number, mark in enumerate(new) if mark}
    return found


def _predecessor(path: Path, function: Function, name: str) -> list[str]:
    """The lines of the function that it has in the nearest earlier step, or none."""
    step = path.parent
    earlier = [
        folder for folder in step.parent.glob("step??") if folder.name < step.name
    ]
    for folder in sorted(earlier, reverse=True):
        same_file = folder / path.name
        for file in sorted(folder.glob("*.py"), key=lambda file: file != same_file):
            candidates = [f for f in _functions(file) if f.name == name]
            # Those of the same class first. What a special method, such as __init__,
            # does in another class has nothing to do with this one.
            candidates.sort(key=lambda f: f.within != function.within)
            for other in candidates:
                if name.startswith("__") and other.within != function.within:
                    continue
                lines = read_source(file).splitlines()[other.first - 1 : other.last]
                return [line.strip() for line in lines]
    return []


def _functions(path: Path) -> list[Function]:
    return list(_functions_of(ast.parse(read_source(path)), ""))


def _functions_of(node: ast.Module | ast.ClassDef, within: str) -> Iterator[Function]:
    for child in node.body:
        match child:
            case ast.ClassDef(name=name):
                yield from _functions_of(child, name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                yield Function(name, within, first, child.end_lineno or first)
