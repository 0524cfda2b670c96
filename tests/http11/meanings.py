"""What many requests, good and damaged, mean to the Python that runs this.

    python -m tests.http11.meanings

prints one line of JSON for each. It needs nothing but the standard library, so that
any Python can be asked: see test_other_pythons.py.
"""

import json
import random
from collections.abc import Iterator

from steps.http11 import ORDINARY_HEAD
from tests.http11.lines import LINES
from tests.http11.reading import BROWSER_GET, GET, essence, read

# What damages a request: bytes that mean something somewhere.
TELLING = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b'"', b"/", b"*", b"#"),
    *(b"=", b"\0", b"\x7f", b"\x80", b"0", b"a", b"%", b"%4", b"%41", b"\\", b":80"),
    *(b"http://%", b"Host", b"Host: b\r\n", b"abc\r\n", b'="q\\"', b"[::1]"),
    *(b"Content-Length: 1\r\n", b"Connection: close\r\n", b"0\r\n\r\n"),
    b"Transfer-Encoding: chunked\r\n",
)
COUNT = 20_000
LONGEST = 1000


def inputs() -> Iterator[bytes]:
    """The same ones in each run."""
    whole = [data for line in LINES.values() for data, _ in line]
    whole = [GET, BROWSER_GET, *(data for data in whole if len(data) < LONGEST)]
    yield from whole
    chance = random.Random(1)
    for _ in range(COUNT):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(1, 4)):
            begin = chance.randrange(len(data) + 1)
            end = begin + chance.choice((0, 0, 1, 5))
            data[begin:end] = chance.choice((b"", *TELLING))
        yield bytes(data)


def meanings() -> Iterator[str]:
    for data in inputs():
        is_ordinary = ORDINARY_HEAD.match(data) is not None
        messages, *refusal = essence(read(data))
        yield json.dumps([repr(data), repr(messages), refusal, is_ordinary])


if __name__ == "__main__":
    print(*meanings(), sep="\n")
