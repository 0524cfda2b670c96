"""The rate and the latency with a few clients, with some, and with many.

The law says connections = rate x latency. Where the latency stays and the rate grows,
each request waits for something that others do not hold up; where the rate stays and
the latency grows, requests wait for each other.
"""

from __future__ import annotations

import statistics
import time
from typing import Literal

from lab.doctor.observations import Contact, Point
from lab.doctor.plan import FEW, MANY, SOME, Plan
from lab.doctor.process import Watched
from lab.doctor.raw import Target, Wire
from lab.load.run import LoadSpec, run_load
from lab.load.target import LoadError, nothing_listens

CONTACTS = 5


def contact(target: Target, plan: Plan) -> Contact:
    """Ask for the page a few times. LoadError, in one line, if that cannot be."""
    closed = 0
    connects, firsts = [], []
    until = time.monotonic() + plan.look_s
    for number in range(CONTACTS):
        if number > 1 and time.monotonic() > until:
            break
        try:
            wire = Wire(target, 5.0)
        except ConnectionRefusedError:
            raise nothing_listens(target.host, target.port) from None
        except OSError as error:
            raise LoadError(f"cannot connect to {target.authority}: {error}") from None
        with wire:
            limit_s = 10.0 if number == 0 else 5.0
            seen = wire.exchange(timeout_s=limit_s)
            _must_be_good(target, seen.end, seen.status, wire, seen.answer.head)
            connects.append(wire.connect_ms)
            firsts.append(seen.body_ms)
            answer = seen.answer
            if answer.closes or not wire.exchange(timeout_s=limit_s).ok:
                closed += 1
    server = ""
    for line in answer.head.decode("latin-1").split("\r\n"):
        if line.lower().startswith("server:"):
            server = line.partition(":")[2].strip()
    return Contact(
        status=int(answer.status),
        version=f"1.{answer.version}",
        server=server,
        head_bytes=len(answer.head),
        body_bytes=answer.total - len(answer.head),
        framing=answer.framing,
        closed=closed,
        connections=len(firsts),
        connect_ms=statistics.median(connects),
        first_ms=statistics.median(firsts),
    )


def _must_be_good(
    target: Target, end: str, status: int, wire: Wire, head: bytes
) -> None:
    if end == "malformed":
        tls = head.startswith((b"\x15\x03", b"\x16\x03"))
        raise LoadError(
            f"{target.authority} answers in TLS: the doctor speaks plain HTTP; give it "
            "the port behind whatever ends the TLS"
            if tls
            else f"{target.authority} does not answer in HTTP/1"
        )
    if end == "late":
        raise LoadError(f"{target.url} does not answer a first request within 10 s")
    if end != "whole":
        how = "reset" if end == "reset" else "closed"
        raise LoadError(
            f"{target.authority} {how} the connection without a whole answer; does it "
            "speak plain HTTP?"
        )
    if status == 400 and b"https" in head.lower() + wire.left.lower():
        raise LoadError(f"{target.authority} expects TLS: the doctor speaks plain HTTP")
    if not 200 <= status < 300:
        raise LoadError(
            f"{target.url} answers {status}: give a page that answers 200, for what a "
            "server does with an error says little about its pages"
        )


def growth(target: Target, plan: Plan, watched: Watched | None) -> list[Point]:
    """Loads of 1, 10 and 100 connections, in turns; medians of the rounds."""
    rounds = [
        [load(target, count, plan, watched) for count in (FEW, SOME, MANY)]
        for _ in range(plan.rounds)
    ]
    return [_middle(list(points)) for points in zip(*rounds, strict=True)]


def load(
    target: Target,
    connections: int,
    plan: Plan,
    watched: Watched | None,
    silent: int = 0,
) -> Point:
    """One load."""
    read: list[tuple[float, float]] = []

    def on_window(_: Literal["start", "end"]) -> None:
        if watched:
            read.append((time.monotonic(), watched.cpu_s()))

    spec = LoadSpec(
        target.host,
        target.port,
        connections,
        seconds=plan.window_s,
        warmup_s=plan.window_s / 4,
        path=target.path,
        timeout_s=max(2.0, plan.patience_s),
        anywhere=target.anywhere,
    )
    result = run_load(spec, on_window)
    cpu = None
    if len(read) == 2:
        (began, before), (ended, after) = read
        cpu = (after - before) / (ended - began)
    return Point(
        connections=connections,
        requests=result.requests,
        rate=result.throughput_rps,
        p50_ms=result.latency.p50 if result.latency else 0.0,
        errors=result.errors,
        closed=result.reconnects,
        client_bound=result.generator_bound,
        cpu=cpu,
        rates=[result.throughput_rps],
    )


def _middle(points: list[Point]) -> Point:
    """Of several looks the one with the median rate; what went wrong in all of them."""
    points.sort(key=lambda point: point.rate)
    middle = points[(len(points) - 1) // 2]
    middle.rates = [point.rate for point in points]
    middle.client_bound = any(point.client_bound for point in points)
    cpus = [point.cpu for point in points if point.cpu is not None]
    middle.cpu = statistics.mean(cpus) if cpus else None
    errors: dict[str, int] = {}
    for point in points:
        for kind, count in point.errors.items():
            errors[kind] = errors.get(kind, 0) + count
    middle.errors = errors
    return middle
