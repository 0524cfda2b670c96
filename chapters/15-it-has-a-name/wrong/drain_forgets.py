"""Does nothing in resume_writing() if no line waits, not even what a drain has put off.

Breaks: reads no more, and calls `transport.close()`
Refused by: test_drain
Told: no line waits that would bring it to mind
"""

import asyncio
from collections.abc import Callable
from typing import cast


class Connection(asyncio.Protocol):
    def __init__(
        self, answer: Callable[[bytes], bytes], connections: "set[Connection]"
    ) -> None:
        self._answer = answer
        self._connections = connections
        self._received = bytearray()
        self._is_paused = False
        self._is_last = False

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
        if b"\n" not in self._received and self._is_last:
            return
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
        while not self._is_paused and not self._transport.is_closing():
            end = self._received.find(b"\n")
            if end < 0:
                if self._is_last:
                    self._transport.close()
                else:
                    self._transport.resume_reading()
                return
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            self._transport.write(self._answer(line))
