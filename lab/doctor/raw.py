"""One connection, and each exchange on it with the moments at which bytes arrived."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from lab.load.answer import Answer, MalformedError

READ_BYTES = 65536

#: Linux has it: "acknowledge what comes at once". It holds until the kernel changes its
#: mind, so it is said again before each receive.
TCP_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)
#: Where Linux's `struct tcp_info` has `tcpi_data_segs_in` (since 4.6).
DATA_SEGS_IN_OFFSET = 152

#: How long to ask for bytes again and again, in place of sleeping.
EAGER_S = 0.02

#: How an exchange ended: the answer is whole; the connection ended first, plainly or
#: with a reset; nothing came in time; or what came is no HTTP.
End = Literal["whole", "closed", "reset", "late", "malformed"]


@dataclass(frozen=True)
class Target:
    """The server that is looked at."""

    host: str
    port: int
    path: str = "/"
    #: It may be on another machine.
    anywhere: bool = False
    #: How long an answer is, as far as that is known.
    answer_bytes: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}{self.path}"

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    def request(
        self,
        method: str = "GET",
        path: str | None = None,
        fields: tuple[str, ...] = (),
        version: str = "1.1",
    ) -> bytes:
        """The head of a request. `fields`: whole lines without their ends."""
        lines = (
            f"{method} {self.path if path is None else path} HTTP/{version}",
            f"Host: {self.authority}",
            *fields,
        )
        return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


@dataclass
class Exchange:
    """What came back for one request; times are in milliseconds after it was sent."""

    end: End = "late"
    status: int = 0
    #: When the last byte of the head, and of the answer, had arrived.
    head_ms: float = 0.0
    body_ms: float = 0.0
    #: How many bytes each `recv` gave, and when.
    pieces: list[tuple[float, int]] = field(default_factory=list)
    answer: Answer = field(default_factory=Answer)
    #: The first bytes of it.
    text: bytes = b""
    #: Segments with data that the answer came in; None: the system does not say.
    segments: int | None = None

    @property
    def ok(self) -> bool:
        return self.end == "whole"

    @property
    def served(self) -> bool:
        """It is whole, and the page; who is told that there is no room has none."""
        return self.ok and 200 <= self.status < 300

    @property
    def gap_ms(self) -> float:
        """How long the last bytes came after the first."""
        return self.body_ms - self.pieces[0][0] if self.pieces else 0.0


class Wire:
    """One connection to the server. It is closed with its context.

    small: the kernel takes little of an answer that is not read, in small segments.
    """

    def __init__(
        self, target: Target, timeout_s: float = 5.0, small: bool = False
    ) -> None:
        self.target = target
        self.left = b""  # bytes that came after an answer
        self.asked = 0  # requests that were sent without reading their answers
        began = time.perf_counter()
        if small:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
            self.sock.settimeout(timeout_s)
            try:
                self.sock.connect((target.host, target.port))
            except OSError:
                self.sock.close()
                raise
        else:
            self.sock = socket.create_connection(
                (target.host, target.port), timeout=timeout_s
            )
        self.connect_ms = (time.perf_counter() - began) * 1e3
        # What we send in two pieces is meant to go in two pieces.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close so that the other side sees a reset, and no port is kept for us."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def exchange(
        self,
        request: bytes | None = None,
        timeout_s: float = 5.0,
        quick: bool = False,
        eager: bool = False,
    ) -> Exchange:
        """Send a request and receive its answer.

        quick: ask this side's kernel to acknowledge at once what arrives.
        eager: ask for bytes again and again for a while, in place of sleeping, so that
        two pieces which come closely one after the other are seen as two.
        """
        request = self.target.request() if request is None else request
        segments = self.data_segments()
        began = time.perf_counter()
        try:
            self.sock.settimeout(timeout_s)
            self.sock.sendall(request)
        except TimeoutError:
            return Exchange("late")
        except OSError:
            # Refused while it was sent: an answer may have come all the same.
            pass
        head = request.startswith(b"HEAD ")
        seen = self.receive(began, timeout_s, quick, head, eager)
        if segments is not None and (now := self.data_segments()) is not None:
            seen.segments = now - segments
        return seen

    def receive(
        self,
        began: float,
        timeout_s: float = 5.0,
        quick: bool = False,
        bodiless: bool = False,
        eager: bool = False,
    ) -> Exchange:
        """Receive one answer; `began` is on the clock `time.perf_counter`."""
        answer = Answer(bodiless)
        seen = Exchange(answer=answer)
        deadline = began + timeout_s
        try:
            while True:
                data, self.left = self.left, b""
                if not data:
                    left_s = deadline - time.perf_counter()
                    if left_s <= 0:
                        return seen
                    self.sock.settimeout(left_s)
                    if quick and TCP_QUICKACK is not None:
                        self.sock.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 1)
                    if eager:
                        self._wait_eagerly()
                    data = self.sock.recv(READ_BYTES)
                now_ms = (time.perf_counter() - began) * 1e3
                if not data and not answer.end():
                    seen.end = "closed"
                    return seen
                seen.pieces.append((now_ms, len(data)))
                had_head = answer.head_is_whole
                self.left = answer.take(data)
                if len(seen.text) < 1000:
                    seen.text += data
                if answer.head_is_whole and not had_head:
                    seen.head_ms = now_ms
                    seen.status = int(answer.status)
                if not answer.whole:
                    continue
                seen.body_ms = now_ms
                seen.end = "whole"
                return seen
        except TimeoutError:
            return seen
        except MalformedError:
            seen.end = "malformed"
        except OSError:
            seen.end = "reset"
        return seen

    def _wait_eagerly(self) -> None:
        """Return when there is something to receive, or after `EAGER_S`."""
        until = time.perf_counter() + EAGER_S
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        while time.perf_counter() < until and not poll.poll(0):
            pass

    def ends(self, timeout_s: float) -> Literal["closed", "reset", "open", "talks"]:
        """What becomes of a connection on which nothing is left to say."""
        deadline = time.perf_counter() + timeout_s
        if self.left:
            return "talks"
        try:
            self.sock.settimeout(max(0.001, deadline - time.perf_counter()))
            return "talks" if self.sock.recv(READ_BYTES) else "closed"
        except TimeoutError:
            return "open"
        except OSError:
            return "reset"

    def data_segments(self) -> int | None:
        """Segments with data that have come so far."""
        if TCP_INFO is None or not hasattr(socket, "TCP_QUICKACK"):
            return None
        try:
            info = self.sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 256)
        except OSError:
            return None
        if len(info) < DATA_SEGS_IN_OFFSET + 4:
            return None
        (count,) = struct.unpack_from("I", info, DATA_SEGS_IN_OFFSET)
        assert isinstance(count, int)
        return count


@contextlib.contextmanager
def several(wires: list[Wire]) -> Iterator[list[Wire]]:
    """Wires that are closed together."""
    try:
        yield wires
    finally:
        for wire in wires:
            wire.reset()
