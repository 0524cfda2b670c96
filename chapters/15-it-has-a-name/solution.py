"""Answer lines on `asyncio.Protocol`, no more than the client takes: an answer."""

import asyncio
from collections.abc import Callable
from typing import cast


class Connection(asyncio.Protocol):
    """Answers each line that a client sends; see exercise.py for the contract."""

    def __init__(
        self, answer: Callable[[bytes], bytes], connections: "set[Connection]"
    ) -> None:
        self._answer = answer
        self._connections = connections
        self._received = bytearray()
        self._is_paused = False  # too much is unsent
        self._is_last = False  # what has come is all that will be answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._go_on()

    def pause_writing(self) -> None:
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_paused = False
        # Not at once: it may close, and the transport is not done with this call.
        asyncio.get_running_loop().call_soon(self._go_on)

    def eof_received(self) -> bool:
        self.drain()
        return True

    def drain(self) -> None:
        self._is_last = True
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)

    def _go_on(self) -> None:
        """Answer what may be answered, and decide what to wait for."""
        # Asked before each line: any write() may pause, or find the client gone.
        while not self._is_paused and not self._transport.is_closing():
            end = self._received.find(b"\n")
            if end < 0:
                # All is answered.
                if self._is_last:
                    self._transport.close()
                else:
                    self._transport.resume_reading()
                return
            line = bytes(self._received[:end])
            del self._received[: end + 1]  # from a bytearray's front: copies nothing
            self._transport.write(self._answer(line))
