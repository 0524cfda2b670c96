"""Answer lines on `asyncio.Protocol`, no more than the client takes.

Work in this file. `pytest chapters/15-it-has-a-name` checks it.
"""

import asyncio
from collections.abc import Callable
from typing import cast


class Connection(asyncio.Protocol):
    r"""Answers each line that a client sends, in order. A server has many of these.

    A line ends with b"\n", which is no part of it. It may come in several pieces, and
    a piece may hold many lines. What has come behind the last b"\n" is no line yet.

    answer: called once for each line; gives the bytes to write, never raises.
    connections: those that the server has. This one is in it from connection_made()
    until connection_lost(), so that a drain finds all, and knows when they are gone.

    From pause_writing() to resume_writing() it calls answer() for no line, keeps what
    has come, and reads no more, or at most one piece: `transport.pause_reading()`.
    Then it answers what it kept, and reads on: `transport.resume_reading()`.

    When nothing more is wanted, because of eof_received() or drain(), it answers the
    lines that have come until then, reads no more, and calls `transport.close()`, which
    sends what is written before it closes. A line without its end is dropped.

    Once `transport.is_closing()`, the client is gone, or will be: no more answers.

    Many lines may have come, a quarter of a million in one piece. What is left of them
    is neither copied nor moved for each that is taken.

    Example: answer is `lambda line: line.upper() + b"\n"`.

        >>> connection.data_received(b"tick\nto")    # writes b"TICK\n"
        >>> connection.data_received(b"ck\n")        # writes b"TOCK\n"

    asyncio calls all methods in one thread, the loop's, and never waits for one: none
    may block. There is always a running loop: `asyncio.get_running_loop()`.
    """

    def __init__(
        self, answer: Callable[[bytes], bytes], connections: "set[Connection]"
    ) -> None:
        self._answer = answer
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first call. Until the last, the transport is the same."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        # TODO: this takes each piece for a line, and has no regard for the rest below.
        self._transport.write(self._answer(data.rstrip(b"\n")))

    def pause_writing(self) -> None:
        """Too much is unsent: more than 64 KiB, if nobody has set another limit.

        `transport.write()` itself calls this, before it returns. Leave the limit as
        it is.
        """

    def resume_writing(self) -> None:
        """The client has taken enough; writing may go on.

        A transport that calls this must not be closed before it returns: many versions
        of Python trip over that. `loop.call_soon(f)` calls f() a moment later.
        """

    def eof_received(self) -> bool:
        """The client will send no more, but may well wait for answers.

        False: the transport closes itself, as by `close()`. True: it does not.
        """
        return False

    def drain(self) -> None:
        """The server calls this when it is about to end: nothing more is wanted."""

    def connection_lost(self, error: Exception | None) -> None:
        """The last call: the transport has closed, and nothing more can be sent."""
