"""Takes the lines from the front of a list, which moves the others.

Breaks: What is left of them is neither copied nor moved for each that is taken
Refused by: test_a_piece_full_of_lines
Told: as a list moves it in pop(0)
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
        self._lines: list[bytes] = []
        self._half = b""
        self._is_paused = False
        self._is_last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        *lines, self._half = (self._half + data).split(b"\n")
        self._lines += lines
        self._go_on()

    def pause_writing(self) -> None:
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_paused = False
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
            if not self._lines:
                if self._is_last:
                    self._transport.close()
                else:
                    self._transport.resume_reading()
                return
            line = self._lines.pop(0)
            self._transport.write(self._answer(line))
