"""While writing is paused, keeps answers in place of lines.

Breaks: From pause_writing() to resume_writing() it calls answer() for no line, keeps
what has come
Refused by: test_called_within_write
Told: Answers that you keep take as much memory
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
        self._answers: deque[bytes] = deque()
        self._is_paused = False
        self._is_last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        *lines, self._half = (self._half + data).split(b"\n")
        self._answers.extend(map(self._answer, lines))
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
            if not self._answers:
                if self._is_last:
                    self._transport.close()
                else:
                    self._transport.resume_reading()
                return
            self._transport.write(self._answers.popleft())
