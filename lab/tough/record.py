"""What the proofs saw, as a file: docs/measurements/toughness.json.

An object with `proofs`: what each of them saw, by its name. The descriptions of the
fields, below, are the file's documentation.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.paths import TOUGHNESS, short_path
from lab.record.model import RecordError
from lab.record.quantity import THIN_SPACE
from lab.tough.subject import Fact


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Seen(_Part):
    """What one proof saw when it was last run."""

    did: str = Field(description="What was done, in words.")
    facts: dict[str, Fact] = Field(description="What was seen; units in the names.")
    complaints: list[str] = Field(description="What was wrong. Nothing: it holds.")
    seconds: float = Field(description="How long it took, in seconds.")
    date: str = Field(description="When it began: ISO 8601, UTC.")
    commit: str = Field(description="Of this project; + if steps or lab differed.")
    python: str = Field(description="Version of the Python that ran all of it.")
    system: str = Field(description="Such as Linux 6.1.")
    cores: int = Field(description="Of the machine.")

    @property
    def holds(self) -> bool:
        return not self.complaints

    @property
    def said(self) -> str:
        """The facts, and the complaints if there are any."""
        facts = (f"{name} {in_words(value)}" for name, value in self.facts.items())
        return "; ".join([*facts, *self.complaints])

    @property
    def verdict(self) -> str:
        return "✓ holds" if self.holds else "✗ broken"


class Toughness(_Part):
    """The record: what each proof saw, by its name."""

    proofs: dict[str, Seen] = {}


def in_words(value: Fact) -> str:
    if isinstance(value, str):
        return value
    text = f"{value:,}" if isinstance(value, int) else f"{value:,g}"
    return text.replace(",", THIN_SPACE)


def load(path: Path = TOUGHNESS) -> Toughness:
    """RecordError if it is no such record; one without proofs if there is none."""
    if not path.exists():
        return Toughness()
    try:
        return Toughness.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        raise RecordError(
            f"{short_path(path)}: {first['loc']}: {first['msg']}"
        ) from None


def save(name: str, seen: Seen, path: Path) -> None:
    """Put it beside what others saw, in place of what it saw before."""
    record = Toughness(proofs=dict(sorted((load(path).proofs | {name: seen}).items())))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished.json")
    unfinished.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)
