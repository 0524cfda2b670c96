"""Numbers that stand in a line: of a record, or of the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from book.drawn import NOT_YET, BookError
from book.listing import constant, lines_of_code
from book.signs import either_way
from lab.measure.servers import default_setting
from lab.paths import ROOT, TOUGHNESS
from lab.record.measurement import Measurement
from lab.record.quantity import THIN_SPACE, Quantity
from lab.record.versus import NOT_DIFFERENT
from lab.tough import record as toughness


def numbers(m: Measurement | None, root: Path) -> dict[str, Any]:
    def asked(method: Callable[..., Quantity]) -> Callable[..., Quantity]:
        def ask(*args: Any, **options: Any) -> Quantity:
            if m is None:
                return Quantity.missing("", NOT_YET)
            return method(m, *args, **options)

        return ask

    def latency(
        m: Measurement, server: str, connections: int, percentile: str = "p50", **o: Any
    ) -> Quantity:
        return m.latency(server, connections, percentile=percentile, **o)

    def per_request(m: Measurement, *args: Any, **options: Any) -> Quantity:
        return m.stat(*args, per_request=True, **options)

    def beside(method: Callable[..., Quantity]) -> Callable[..., Quantity]:
        return asked(lambda m, *args, **options: method(m.compare, *args, **options))

    def closer(method: Callable[..., Quantity]) -> Callable[..., Quantity]:
        return asked(lambda m, *args, **options: method(m.closer, *args, **options))

    closely = {
        "rate": closer(Measurement.rate),
        "latency": closer(latency),
        "switches": closer(Measurement.switches),
        "share_above": closer(Measurement.share_above),
    }
    compare = {
        "rate": beside(Measurement.rate),
        "latency": beside(latency),
        "cpu": beside(Measurement.cpu),
        "memory": beside(Measurement.memory),
        "syscalls": beside(Measurement.syscalls),
        "silent_bytes": beside(Measurement.silent_bytes),
        "kept_bytes": beside(Measurement.kept_bytes),
        "silent_cpu": beside(Measurement.silent_cpu),
        "not_refused": beside(Measurement.not_refused),
        "cut_off": beside(Measurement.cut_off),
        "lost_at_end": beside(Measurement.lost_at_end),
    }

    def in_c(method: Callable[..., Quantity]) -> Callable[..., Quantity]:
        return asked(lambda m, *args, **options: method(m.in_c, *args, **options))

    return {
        "compare": SimpleNamespace(**compare),
        "closer": SimpleNamespace(**closely),
        "in_c": SimpleNamespace(
            rate=in_c(Measurement.rate),
            latency=in_c(latency),
            cpu=in_c(Measurement.cpu),
            stat=in_c(Measurement.stat),
            per_request=in_c(per_request),
        ),
        "rate": asked(Measurement.rate),
        "latency": asked(latency),
        "cpu": asked(Measurement.cpu),
        "memory": asked(Measurement.memory),
        "switches": asked(Measurement.switches),
        "still_open": asked(Measurement.still_open),
        "silent_bytes": asked(Measurement.silent_bytes),
        "kept_bytes": asked(Measurement.kept_bytes),
        "silent_cpu": asked(Measurement.silent_cpu),
        "syscalls": asked(Measurement.syscalls),
        "stat": asked(Measurement.stat),
        "per_request": asked(per_request),
        "either_way": either_way,
        "percent": lambda q: replace(100 * q, unit="%"),
        "alike": _alike,
        "tough": lambda proof, fact: _seen(root, proof, fact),
        "constant": lambda path, name: constant(root / path, name),
        "setting": _setting,
        "lines": lambda *paths: sum(lines_of_code(root / path) for path in paths),
    }


def _alike(one: Quantity, other: Quantity) -> str:
    """What stands behind a ratio of two figures whose spreads overlap."""
    return "" if one.differs_from(other) else NOT_DIFFERENT


def _setting(name: str) -> str:
    """The default of a flag, such as "10" or "1 000 000"."""
    default = default_setting(name)
    return f"{default:,.15g}".replace(",", THIN_SPACE)


def _seen(root: Path, proof: str, fact: str) -> Quantity | str:
    seen = toughness.load(root / TOUGHNESS.relative_to(ROOT)).proofs.get(proof)
    if seen is None:
        return Quantity.missing("", NOT_YET)
    if fact not in seen.facts:
        raise BookError(f"{proof} saw no {fact!r}: {', '.join(seen.facts)}")
    return toughness.in_words(seen.facts[fact])
