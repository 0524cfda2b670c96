"""Which connections have something to say: epoll, or what the system has instead."""

from __future__ import annotations

import contextlib
import select
import selectors
import sys
from typing import Protocol

IN = getattr(select, "EPOLLIN", 1)
OUT = getattr(select, "EPOLLOUT", 4)
#: The server has closed its side. Only epoll says so.
HANGUP = getattr(select, "EPOLLRDHUP", 0)


class Poller(Protocol):
    """The part of `select.epoll` that is used here."""

    def register(self, fd: int, eventmask: int, /) -> None: ...
    def modify(self, fd: int, eventmask: int, /) -> None: ...
    def poll(
        self, timeout: float | None, maxevents: int = -1, /
    ) -> list[tuple[int, int]]: ...
    def fileno(self) -> int: ...


class SelectorPoller:
    """The same where there is no epoll (macOS: kqueue). It never reports HANGUP."""

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self._selector = selector or selectors.DefaultSelector()

    def register(self, fd: int, eventmask: int, /) -> None:
        # A descriptor closed without a word may come again under the same number.
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)
        self._selector.register(fd, self._events(eventmask))

    def modify(self, fd: int, eventmask: int, /) -> None:
        self._selector.modify(fd, self._events(eventmask))

    def poll(
        self, timeout: float | None, maxevents: int = -1, /
    ) -> list[tuple[int, int]]:
        return [
            (
                key.fd,
                (IN if events & selectors.EVENT_READ else 0)
                | (OUT if events & selectors.EVENT_WRITE else 0),
            )
            for key, events in self._selector.select(timeout)
        ]

    def fileno(self) -> int:
        return -1

    @staticmethod
    def _events(eventmask: int) -> int:
        return (selectors.EVENT_READ if eventmask & IN else 0) | (
            selectors.EVENT_WRITE if eventmask & OUT else 0
        )


def best_poller() -> Poller:
    """epoll, or the best that this system has."""
    if sys.platform == "linux":
        return select.epoll()
    return SelectorPoller()
