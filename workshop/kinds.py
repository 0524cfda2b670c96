"""A coroutine, a generator or a class where a function is wanted is said to be one.

Calling one of these runs nothing of it, so a check could only say that what came back
is strange. What is wanted is what the solution has under that name.
"""

from __future__ import annotations

import ast
import functools
import inspect
from pathlib import Path
from typing import Any

from workshop.checking import WrongAnswer, table

FUNCTION, COROUTINE, GENERATOR, CLASS = "function", "coroutine", "generator", "class"

_WHY = {
    COROUTINE: "A call of a function that is written with `async def` runs nothing of "
    "it: it makes a coroutine, for which somebody has to wait. Nobody does here.",
    GENERATOR: "A call of a function with a `yield` in it runs nothing of it: it makes "
    "a generator, which begins when somebody asks for its first value.",
    CLASS: "A call of a class makes an object of it. The checks call a function, and "
    "look at what it returns.",
}


def refuse_another_kind(name: str, value: object, answer: Path) -> None:
    """Raise WrongAnswer if that is a coroutine, say, and the solution's a function."""
    members: dict[str, Any] = {name: value}
    if inspect.isclass(value):
        members |= {f"{name}.{own}": member for own, member in vars(value).items()}
    wanted = _wanted(answer)
    for member, found in members.items():
        kind = _kind(found)
        if wanted.get(member) == FUNCTION and kind in _WHY:
            raise WrongAnswer(
                table(
                    wrong=f"{member} in {answer.name} is a {kind}.",
                    expected="a function",
                    why=_WHY[kind],
                )
            )


def _kind(value: object) -> str:
    value = getattr(value, "__func__", value)  # of a static method, or a class's
    if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
        return COROUTINE
    if inspect.isgeneratorfunction(value):
        return GENERATOR
    return CLASS if inspect.isclass(value) else ""


def _wanted(answer: Path) -> dict[str, str]:
    """What the solution's functions and methods are, as far as others call them."""
    folder = answer.parent.parent if answer.parent.name == "wrong" else answer.parent
    return _wanted_in(folder / "solution.py")


@functools.cache
def _wanted_in(solution: Path) -> dict[str, str]:
    wanted: dict[str, str] = {}
    try:
        tree = ast.parse(solution.read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return wanted
    for node in tree.body:
        found_here = [("", node)]
        if isinstance(node, ast.ClassDef):
            found_here = [(f"{node.name}.", method) for method in node.body]
        for prefix, found in found_here:
            if isinstance(found, ast.FunctionDef) and not found.name.startswith("_"):
                # One that gives values one by one may well be a generator.
                gives = ast.unparse(found.returns) if found.returns else ""
                one_by_one = "Iter" in gives or "Generator" in gives
                wanted[prefix + found.name] = "" if one_by_one else FUNCTION
    return wanted
