"""Four tanks: where an answer stands that nobody reads."""

from __future__ import annotations

from typing import Any

from book.listing import constant
from book.works.common import Materials, Work
from book.works.plane import WIDTH_PX, drawing, number, text

#: Linux gives a connection so large a receive buffer until its program has read from
#: it: the middle value of tcp_rmem, see tcp(7).
CLIENT_BUFFER_BYTES = 131_072
#: So long is a way through the model's network, in ms. A real one on one machine takes
#: a hundredth of that, and nobody would see anything in it.
WAY_MS = 5
#: The selector says that there is room when a third of the send buffer is free: so
#: Linux does, as we read its sk_stream_is_writeable().
ROOM_SHARE = 1 / 3
#: The answers of a client that asks for many at a time.
SMALL_BYTES = 50_000

TANKS = ("output list", "send buffer", "network", "receive buffer")
_OWNERS = ("server's program", "server's kernel", "", "client's kernel")
_TOP, _BOTTOM = 66, 196
_WIDE, _APART = 58, 80


def tanks(materials: Materials, step: str) -> Work:
    """A model, with what each send() took in the step's recording."""
    sent = sent_bytes(materials.trace(step))
    whole, at_once = sum(sent), sent[0]
    buffered = int(
        constant(materials.root / "steps/step09/server.py", "MAX_BUFFERED_BYTES")
    )
    room = at_once - CLIENT_BUFFER_BYTES
    # Nobody knows how long the output list can get: it is drawn to the whole answer.
    limits = (whole, room, CLIENT_BUFFER_BYTES, CLIENT_BUFFER_BYTES)
    held = (whole - at_once, room, 0, CLIENT_BUFFER_BYTES)
    parts = []
    for place, name in enumerate(TANKS):
        left = 4 + place * _APART
        full = held[place] / limits[place] if limits[place] else 0
        parts.append(_tank(left, name, _OWNERS[place], held[place], full, place))
    for place in range(len(TANKS)):
        x = 4 + place * _APART + _WIDE
        parts.append(
            f'<path d="M{x + 4:g} 132h14m-5 -4l5 4l-5 4" stroke="var(--chart-soft)" '
            'stroke-width="1.5"/>'
        )
    parts.append(text(4, 16, "interest = EVENT_WRITE", more='data-interest=""'))
    reads = "does not read"
    parts.append(text(WIDTH_PX - 4, 16, reads, anchor="end", more='data-reader=""'))
    data: dict[str, Any] = {
        "tanks": TANKS,
        "top": _TOP,
        "bottom": _BOTTOM,
        "limits": limits,
        "whole": whole,
        "small": SMALL_BYTES,
        "many": whole // SMALL_BYTES,
        "buffered": buffered,
        "way_ms": WAY_MS,
        "room": ROOM_SHARE,
        "recorded": sent,
    }
    words = [
        f"A client has asked for {number(whole)} bytes and does not read. send() took "
        f"{number(at_once)} of them, so it fell short.",
        f"{number(room)} bytes stand in the send buffer of the server's kernel, none "
        f"in the network, {number(CLIENT_BUFFER_BYTES)} in the receive buffer of the "
        "client's kernel. Both buffers are full.",
        f"The other {number(whole - at_once)} bytes are in the connection's output "
        "list. Its interest is EVENT_WRITE, and the loop serves others.",
        "As soon as the client reads, there is room behind it, tank by tank. When a "
        "third of the send buffer is free, the selector says so, and send() takes "
        "more. With the last bytes the interest becomes EVENT_READ.",
        f"A client that asks for {whole // SMALL_BYTES} answers of "
        f"{number(SMALL_BYTES)} bytes at once fills the same two buffers. But its "
        f"output list never has more than {number(buffered)} bytes and one answer: "
        "further requests are not taken.",
        "This is a model. What the first send() takes is from the step's recording. "
        "How the two kernels share it was not recorded: the client's has what Linux "
        f"gives at first. The network is slow, {WAY_MS} ms a way, so that it is seen.",
    ]
    return Work(
        name="tanks",
        caption="A model of the way of an answer. The client does not read: both "
        "kernels are full, and the rest waits in the output list.",
        words=words,
        still=drawing("Four tanks, one behind the other.", 258, parts),
        data=data,
    )


def sent_bytes(trace: dict[str, Any], client: str = "client 1") -> list[int]:
    """What each send() to a client took, where it took anything."""
    return [
        event["args"]["bytes"]
        for event in trace["traceEvents"]
        if event["name"] in ("send both", "send body")
        and event["args"]["client"] == client
        and event["args"]["bytes"]
    ]


def in_short(count: float) -> str:
    if count < 1000:
        return f"{count:.0f} B"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.2f} MB"


def _tank(
    left: float, name: str, owner: str, held: float, full: float, place: int
) -> str:
    colour = "var(--chart-7)" if place < 2 else "var(--chart-8)"
    high = round(full * (_BOTTOM - _TOP), 1)
    middle = left + _WIDE / 2
    lines = [
        text(middle, y + 15 * n, word, tone, "middle")
        for y, said, tone in (
            (_TOP - 22, owner, "soft"),
            (_BOTTOM + 17, name, "ink"),
        )
        for n, word in enumerate(said.split())
    ]
    said = in_short(held)
    amount = text(middle, _BOTTOM + 54, said, "ink", "middle", f'data-held="{place}"')
    return (
        f'<rect data-tank="{place}" x="{left:g}" y="{_BOTTOM - high:g}" '
        f'width="{_WIDE}" height="{high:g}" fill="{colour}" fill-opacity=".55"/>'
        f'<rect x="{left:g}" y="{_TOP}" width="{_WIDE}" height="{_BOTTOM - _TOP}" '
        f'stroke="var(--chart-ink)" stroke-width="1.5" rx="2"/>{"".join(lines)}{amount}'
    )
