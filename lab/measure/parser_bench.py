"""How long does it take to read a request, with http11 and with two other parsers?

    $ python -m lab parser-bench
    µs to read a request: the median of 21 repeats (least and most)
                                    plain               browser
    http11                          1.5 (1.4–6.3)       3.6 (2.8–7.8)
    http11, headers asked for       2.3 (2.1–7.3)       11.0 (6.8–15.6)
    httptools                       1.0 (1.0–5.1)       4.0 (2.8–7.4)
    h11                             24.6 (20.4–29.7)    55.8 (51.7–71.3)

"plain" has a Host and no other field, "browser" has thirteen like a browser's; no two
requests in a row are the same. httptools is a parser in C that calls Python for each
field, and here collects what a server needs to call an application. h11 is written in
Python, as http11 is. Nothing is sent, received or answered. On a busy machine look at
the least: nothing else makes a parser look faster than it is.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from lab.load.run import BROWSER_HEADERS
from steps.http11 import Gatherer, Request

REPEATS = 21
#: Requests a repeat.
REQUESTS = 1_000
#: How many different requests take turns.
DIFFERENT = 100

#: Reads all these requests, one after the other, each from a piece of its own.
Reader = Callable[[Sequence[bytes]], None]


def requests(kind: str) -> list[bytes]:
    """Requests of the same length, each with another number in it."""
    fields = ["Host: 127.0.0.1:8000"]
    if kind == "browser":
        fields += [line.format(connection="keep-alive") for line in BROWSER_HEADERS]
    head = "\r\n".join(fields)
    return [
        f"GET /?{number:010} HTTP/1.1\r\n{head}\r\n\r\n".encode()
        for number in range(DIFFERENT)
    ]


def with_http11(messages: Sequence[bytes]) -> None:
    gatherer = Gatherer()
    for message in messages:
        gatherer.feed(message)
        request = gatherer.next_request()
        assert isinstance(request, Request)


def with_http11_and_headers(messages: Sequence[bytes]) -> None:
    gatherer = Gatherer()
    for message in messages:
        gatherer.feed(message)
        request = gatherer.next_request()
        assert isinstance(request, Request)
        assert request.headers


class Collector:
    """What httptools calls: the least that a server needs."""

    def __init__(self) -> None:
        self.is_over = False

    def on_message_begin(self) -> None:
        self.target = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_over = True


def with_httptools(messages: Sequence[bytes]) -> None:
    import httptools

    collector = Collector()
    parser = httptools.HttpRequestParser(collector)
    for message in messages:
        collector.is_over = False
        parser.feed_data(message)
        assert collector.is_over
        assert parser.get_method() == b"GET"
        assert parser.get_http_version() == "1.1"
        assert parser.should_keep_alive()


def with_h11(messages: Sequence[bytes]) -> None:
    import h11

    # It reads no second request before the first is answered: a connection for each.
    for message in messages:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(message)
        assert isinstance(connection.next_event(), h11.Request)
        assert isinstance(connection.next_event(), h11.EndOfMessage)


READERS: dict[str, Reader] = {
    "http11": with_http11,
    "http11, headers asked for": with_http11_and_headers,
    "httptools": with_httptools,
    "h11": with_h11,
}


def measure(reader: Reader, messages: Sequence[bytes], count: int) -> float:
    """Microseconds a request."""
    many = list(itertools.islice(itertools.cycle(messages), count))
    began = time.perf_counter()
    reader(many)
    return (time.perf_counter() - began) / count * 1e6


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m lab parser-bench`."""
    parser = argparse.ArgumentParser(
        prog="python -m lab parser-bench",
        description="Measure how long http11 and others take to read a request.",
    )
    parser.add_argument("--repeats", type=int, default=REPEATS, metavar="N")
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, metavar="N", help="a repeat"
    )
    options = parser.parse_args(argv)
    kinds = {kind: requests(kind) for kind in ("plain", "browser")}
    readers = dict(READERS)
    for name in "httptools", "h11":
        try:
            readers[name](kinds["plain"])
        except ImportError:
            del readers[name]
            print(f"{name} is not here: `make test` installs it", file=sys.stderr)

    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(options.repeats):  # in turn, so that a busy moment hits all alike
        for name, reader in readers.items():
            for kind, messages in kinds.items():
                took = measure(reader, messages, options.requests)
                times.setdefault((name, kind), []).append(took)

    print(
        f"µs to read a request: the median of {options.repeats} repeats "
        "(least and most)"
    )
    print(f"{'':30}  {'plain':18}  browser")
    for name in readers:
        cells = [
            f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"
            for values in (times[name, kind] for kind in kinds)
        ]
        print(f"{name:30}  {cells[0]:18}  {cells[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
