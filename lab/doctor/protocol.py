"""Exchanges that HTTP/1.1 allows and that servers get wrong."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from lab.doctor.observations import Contact, Protocol
from lab.doctor.plan import Plan
from lab.doctor.raw import Target, Wire

#: Which of two pages is asked for: the ends differ, and all neighbours but two.
ORDER = (0, 1, 0, 0, 1)
PIPELINED = len(ORDER)
#: A page that no server has: its answer differs from that of one that it has.
ELSEWHERE = "/a-page-that-is-not-there"
HALF_CLOSES = 6
BODY_BYTES = 1_000_000


def protocol(target: Target, contact: Contact, plan: Plan) -> Protocol:
    """Try each of them once, and what went wrong once more."""
    seen = Protocol()
    keeps = contact.closed < contact.connections
    tries: list[tuple[str, Callable[[Target, Contact, float, Protocol], str]]] = [
        ("half_closed", half_closed),
        ("post", post),
        ("expect", expect),
        ("head", head),
        ("http10", http10),
        ("length", length),
        ("body_unread", body_unread),
        ("closing", closing),
    ]
    if keeps:
        tries.insert(0, ("pipelined", pipelined))
    for name, attempt in tries:
        if seen.post and name in ("expect", "body_unread"):
            continue  # nothing can be lost that no POST has
        wrong = ""
        for _ in range(2):  # what goes well the second time was an accident
            try:
                wrong = attempt(target, contact, plan.patience_s, seen)
            except ConnectionRefusedError:
                raise  # it has gone
            except OSError as error:
                wrong = f"the connection failed: {error.strerror or error}"
            if not wrong:
                break
        setattr(seen, name, wrong)
    return seen


def pipelined(target: Target, contact: Contact, patience_s: float, _: Protocol) -> str:
    """Several requests in one packet: as many answers, in order, without a pause."""
    kinds = _two_kinds(target, contact)
    with Wire(target) as wire:
        wire.exchange()
        began = time.perf_counter()
        wire.send(
            b"".join(
                target.request(path=kinds[which][0] if kinds else None)
                for which in ORDER
            )
        )
        for number in range(1, PIPELINED + 1):
            limit_s = patience_s * 2 + contact.first_ms / 1e3 * number
            exchange = wire.receive(began, limit_s)
            if exchange.end == "late":
                wire.send(target.request())
                nudged = wire.receive(time.perf_counter(), patience_s)
                if nudged.ok and wire.receive(time.perf_counter(), patience_s).ok:
                    return (
                        f"answer {number} of {PIPELINED} came only when one more "
                        "request did"
                    )
                lost = PIPELINED - number + 1
                return f"{lost} of {PIPELINED} answers did not come"
            if exchange.end == "closed" and number > 1:
                return f"it closed after {number - 1} of {PIPELINED} answers"
            if not exchange.ok:
                return f"answer {number} of {PIPELINED}: {exchange.end}"
            if kinds:
                # It is the other one's: what differs in another way proves nothing.
                other = kinds[1 - ORDER[number - 1]]
                if (exchange.status, exchange.answer.total) == other[1:]:
                    return f"answer {number} of {PIPELINED} is another request's"
                continue
            if exchange.status != contact.status:
                return f"answer {number} of {PIPELINED} was {exchange.status}"
            if exchange.answer.closes and number < PIPELINED:
                return f"it closed after {number} of {PIPELINED} answers"
    return ""


def _two_kinds(target: Target, contact: Contact) -> list[tuple[str, int, int]]:
    """Two paths, and the status and the length of their answers, if these differ and
    stay the same: then an answer tells which request it is for."""
    seen = []
    with contextlib.suppress(OSError), Wire(target) as wire:
        limit_s = 1.0 + 2 * contact.first_ms / 1e3
        for path in (target.path, ELSEWHERE) * 2:
            exchange = wire.exchange(target.request(path=path), limit_s)
            if not exchange.ok or exchange.answer.closes:
                return []
            seen.append((path, exchange.status, exchange.answer.total))
    if len(seen) < 4 or seen[:2] != seen[2:] or seen[0][1:] == seen[1][1:]:
        return []
    return seen[:2]


def half_closed(
    target: Target, contact: Contact, patience_s: float, _: Protocol
) -> str:
    """A request, and the end of what the client has to say: an answer all the same.

    Some answer those who have asked to close, and not the others, or now and then. And
    some look whether more comes when they have read the request: so in two of the tries
    the end comes in one packet with it, where the system can do that.
    """
    limit_s = patience_s + contact.first_ms / 1e3
    lost = []
    for number in range(HALF_CLOSES):
        fields = ("Connection: close",) if number % 2 else ()
        with Wire(target) as wire:
            together = getattr(socket, "MSG_MORE", 0) if number % 4 >= 2 else 0
            wire.sock.sendall(target.request(fields=fields), together)
            wire.sock.shutdown(socket.SHUT_WR)
            exchange = wire.receive(time.perf_counter(), limit_s)
            if not exchange.ok:
                lost.append(exchange.end)
    if lost:
        return f"{_no_answer(lost[0])}, in {len(lost)} of {HALF_CLOSES} tries"
    return ""


def post(target: Target, contact: Contact, patience_s: float, _: Protocol) -> str:
    """A POST with a short body: whatever the answer, there is one."""
    limit_s = patience_s + contact.first_ms / 1e3
    request = target.request("POST", fields=("Content-Length: 4",)) + b"four"
    with Wire(target) as wire:
        exchange = wire.exchange(request, limit_s)
        return "" if exchange.ok else _no_answer(exchange.end)


def expect(target: Target, contact: Contact, patience_s: float, seen: Protocol) -> str:
    """`Expect: 100-continue`: a 100, or a final answer, before the body is sent."""
    fields = ("Content-Length: 4", "Expect: 100-continue")
    with Wire(target) as wire:
        began = time.perf_counter()
        wire.send(target.request("POST", fields=fields))
        wire.sock.settimeout(patience_s)
        try:
            data = wire.sock.recv(65536)
        except TimeoutError:
            return f"nothing came within {patience_s:g} s; curl waits a second for that"
        seen.expect_ms = (time.perf_counter() - began) * 1e3
        return "" if data else "it closed without an answer"


def head(target: Target, contact: Contact, patience_s: float, _: Protocol) -> str:
    """The answer to a HEAD has no body, or the next answer on the connection is one."""
    with Wire(target) as wire:
        limit_s = patience_s + contact.first_ms / 1e3
        exchange = wire.exchange(target.request("HEAD"), limit_s)
        if not exchange.ok:
            return _no_answer(exchange.end)
        if wire.left:
            return "a body came with the answer"
        if wire.ends(0.05) == "talks":
            return "a body came after the answer"
    return ""


def http10(target: Target, contact: Contact, patience_s: float, seen: Protocol) -> str:
    """A client of HTTP/1.0: no chunks, and the end of the connection."""
    limit_s = patience_s + contact.first_ms / 1e3
    with Wire(target) as wire:
        exchange = wire.exchange(target.request(version="1.0"), limit_s)
        if not exchange.ok:
            return _no_answer(exchange.end)
        if exchange.answer.framing == "chunked":
            return "the answer is chunked, which HTTP/1.0 does not know"
        if not exchange.answer.closes and wire.ends(patience_s) == "open":
            return "it kept the connection, though it was not asked to"
    fields = ("Connection: keep-alive",)
    with contextlib.suppress(OSError), Wire(target) as wire:
        wire.exchange(target.request(version="1.0", fields=fields), limit_s)
        seen.http10_keeps = wire.ends(0.02) == "open"
    return ""


def length(target: Target, contact: Contact, patience_s: float, _: Protocol) -> str:
    """What comes is as long as the head says."""
    limit_s = patience_s + contact.first_ms / 1e3
    with Wire(target) as wire:
        exchange = wire.exchange(timeout_s=limit_s)
        if exchange.end in ("closed", "late") and exchange.status:
            return "less came than its Content-Length says"
        if exchange.ok and (wire.left or wire.ends(0.05) == "talks"):
            return "more came than its Content-Length says"
    return ""


def body_unread(
    target: Target, contact: Contact, patience_s: float, seen: Protocol
) -> str:
    """A long body that the server may not want: its answer arrives nonetheless."""
    fields = (f"Content-Length: {BODY_BYTES}", "Content-Type: application/octet-stream")
    with Wire(target) as wire:
        wire.send(target.request("POST", fields=fields))
        refused = False
        wire.sock.settimeout(patience_s)
        try:
            wire.send(bytes(BODY_BYTES))
        except OSError:
            refused = True
        exchange = wire.receive(time.perf_counter(), patience_s + 1)
        if exchange.ok:
            closes = exchange.answer.closes
            seen.body_reset = closes and (refused or wire.ends(patience_s) == "reset")
            return ""
        if exchange.end == "reset" or (refused and exchange.end == "closed"):
            return "the answer to a POST with a long body was lost to a reset"
        if exchange.end == "closed":
            return "a POST with a long body had no answer"
    return ""


def closing(target: Target, contact: Contact, patience_s: float, seen: Protocol) -> str:
    """Asked to close, it has something unread: the answer must arrive all the same.

    `close()` with bytes unread is a reset, which may overtake the answer.
    """
    limit_s = patience_s + contact.first_ms / 1e3
    with Wire(target) as wire:
        asked = wire.exchange(target.request(fields=("Connection: close",)), limit_s)
        if asked.ok and wire.ends(patience_s) == "open":
            return "it keeps a connection that the client asks to close"
    with Wire(target) as wire:
        wire.send(
            target.request(fields=("Connection: close",))
            + target.request(fields=("X-More: " + "y" * 20_000,))
        )
        exchange = wire.receive(time.perf_counter(), limit_s)
        if exchange.end == "reset":
            return "the answer was lost to a reset"
        if not exchange.ok:
            return _no_answer(exchange.end)
        if wire.ends(patience_s) == "reset":
            return (
                "where something is still unread a reset followed the answer, and can "
                "overtake it on a network"
            )
    if seen.body_reset:
        return (
            "a reset followed the answer to a POST whose body it did not read, and can "
            "overtake it on a network"
        )
    return ""


def _no_answer(end: str) -> str:
    return {
        "closed": "it closed without an answer",
        "reset": "it reset the connection",
        "late": "no answer came",
        "malformed": "what came is no HTTP",
    }[end]
