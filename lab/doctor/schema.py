"""The schema of what `--json` writes: made of the classes, and of the words above each
of their fields, so that it cannot say anything else than the code does."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from typing import Any

from lab.doctor.finding import Verdict
from lab.doctor.observations import Observations

#: The version of what is written; another one where a field changes its meaning.
VERSION = 1

PLAIN: dict[Any, dict[str, object]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    types.NoneType: {"type": "null"},
}
FIELD = re.compile(r"    (\w+): ")
COMMENT = re.compile(r"    #: ?(.*)")


def schema() -> dict[str, object]:
    """The schema, as JSON Schema has it (draft 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What python -m lab doctor found",
        "type": "object",
        "required": ["schema", "verdict", "observations"],
        "additionalProperties": False,
        "properties": {
            "schema": {"const": VERSION},
            "verdict": of(Verdict),
            "observations": of(Observations),
        },
    }


def of(kind: Any) -> dict[str, object]:
    """The schema of a type that is used in those classes."""
    if kind in PLAIN:
        return dict(PLAIN[kind])
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return _of_class(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [of(each) for each in arguments]}
    if origin is list:
        return {"type": "array", "items": of(arguments[0])}
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return {"type": "array", "items": of(arguments[0])}
        return {"type": "array", "prefixItems": [of(each) for each in arguments]}
    if origin is dict:
        return {"type": "object", "additionalProperties": of(arguments[1])}
    raise TypeError(f"{kind!r} is not described")


def _of_class(kind: type) -> dict[str, object]:
    hints = typing.get_type_hints(kind)
    said = descriptions(kind)
    properties = {}
    for name, hint in hints.items():
        properties[name] = of(hint)
        if said.get(name):
            properties[name]["description"] = said[name]
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "required": list(hints),
        "additionalProperties": False,
        "properties": properties,
    }


def descriptions(kind: type) -> dict[str, str]:
    """Each field's name, and the words in the lines above it that begin with `#:`."""
    found = {}
    words: list[str] = []
    for line in inspect.getsource(kind).splitlines():
        if comment := COMMENT.match(line):
            words.append(comment[1])
            continue
        if field := FIELD.match(line):
            found[field[1]] = " ".join(words)
        words = []
    return found
