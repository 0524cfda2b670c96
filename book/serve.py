"""Build the book and serve it on this machine: `python -m book serve`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import http.server
import sys
from collections.abc import Sequence
from pathlib import Path

from book.site import SITE, SiteError, build, is_current, show_warnings
from lab.commands import in_words
from lab.paths import READER, check_writable

FIRST_PORT = 8000
#: So much the book takes on the disk.
SITE_BYTES = 25_000_000
#: How many ports are tried, from the first one up.
PORTS = 100


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder, without a line for each of them on the terminal."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def make_server(
    folder: Path, first_port: int = FIRST_PORT
) -> http.server.ThreadingHTTPServer:
    """A server of that folder on the first free port of 127.0.0.1 from that one up."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    last_port = min(first_port + PORTS - 1, 65_535)
    for number in range(first_port, last_port + 1):
        try:
            return http.server.ThreadingHTTPServer(("127.0.0.1", number), handler)
        except OSError as error:
            if error.errno == errno.EACCES:
                raise OSError(
                    f"port {number} needs privileges: choose one above 1023"
                ) from None
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(f"no free port from {first_port} to {last_port}")


def port(text: str) -> int:
    """An argparse type: a number that a port can have."""
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port: take a number from 1 to 65535"
        )
    return int(text)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m book serve", description=__doc__)
    parser.add_argument(
        "--port", type=port, default=FIRST_PORT, help="the first to try"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only see whether there is a free port, and space for the book",
    )
    arguments = parser.parse_args(argv)
    if arguments.check:
        try:
            make_server(SITE, arguments.port).server_close()
            index = SITE / "index.html"  # if there is one, its space is used again
            check_writable(index, 0 if index.exists() else SITE_BYTES)
        except OSError as error:
            print(in_words(error), file=sys.stderr)
            return 1
        return 0
    show_warnings()
    try:
        if not is_current(SITE):
            # It takes longer than one waits without a word.
            print("Building the book …", flush=True)
            build()
        server = make_server(SITE, arguments.port)
    except (SiteError, OSError) as error:
        words = in_words(error) if isinstance(error, OSError) else error
        print(words, file=sys.stderr)
        return 1
    whose = " with your figures beside the book's" if READER.exists() else ""
    address = f"http://127.0.0.1:{server.server_port}"
    print(f"The book{whose} is at {address} (Ctrl-C ends it)", flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0
