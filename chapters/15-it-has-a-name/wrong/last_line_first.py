"""Takes the line that has come last.

Breaks: Answers each line that a client sends, in order
Refused by: test_writing_goes_on
Told: The line that has waited longest is next
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast


class Connection(asyncio.Protocol):
    def __init__(
        self, answer: Callable[[bytes], bytes], connections: "set[Connection]"
    ) -> None:
        self._answer = answer
        self._connections = connections
        self._half = b""
        self._lines: deque[bytes] = deque()
        self._is_paused = False
        self._is_last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        *lines, self._half = (self._half + data).split(b"\n")
        for line in lines:
            if self._is_paused or self._transport.is_closing():
                self._lines.append(line)
            else:
                self._transport.write(self._answer(line))

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
            self._transport.write(self._answer(self._lines.pop()))
