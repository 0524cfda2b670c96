"""The application that every step serves. It never changes.

| path        | answer                                               |
|-------------|------------------------------------------------------|
| `/`         | the 70-byte document of the question                 |
| `/sleep/MS` | the same, after MS milliseconds asleep in its thread |
| `/spin/MS`  | the same, after MS milliseconds of computing         |
| `/bytes/N`  | N bytes                                              |
| `/echo`     | the request's body                                   |

An application is a function from a `Request` to a `Response`, so a step can be tested
with any other function in its place.
"""

import logging
import time
from collections.abc import Callable

from steps.http11 import Request, Response

Application = Callable[[Request], Response]

DOCUMENT = b"<!doctype html><title>70 bytes</title><p>The document that we serve.\n\n"
HTML = (("Content-Type", "text/html"),)
BINARY = (("Content-Type", "application/octet-stream"),)

MAX_WAIT_MS = 600_000
MAX_BYTES = 1_000_000_000

STANDARD_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
)

log = logging.getLogger(__name__)


def answer(app: Application, request: Request) -> Response:
    """Call the application; whatever it raises becomes a 500 and a logged traceback."""
    try:
        response = app(request)
        if type(response) is not Response:
            raise TypeError(f"the handler returned no Response but {response!r:.99}")
        response.check()
        return response
    except BaseException:  # sys.exit() in a handler must not end the server
        report("the handler of %s %s raised", request.method, request.target)
        return Response(500, b"500 the handler failed\n")


def report(text: str, *arguments: object) -> None:
    """Log the exception that is being handled, if that can be done.

    An application may have closed standard error, or may have put something of its own
    in its place, or into `logging`. What that raises must not end the server.
    """
    try:
        log.exception(text, *arguments)
    except BaseException:
        pass


def app(request: Request) -> Response:
    """Answer one request; an unknown path is 404, a wrong method 405 or 501."""
    path = request.target.partition("?")[0]
    if path == "/":
        return _for_readers(request, _document)
    name, _, argument = path[1:].partition("/")
    if name == "echo" and not argument:
        return _echo(request)
    handler, largest = PATHS_WITH_A_NUMBER.get(name, (None, 0))
    # Look before converting: int() accepts the digits of other alphabets, too, and
    # raises ValueError for a number of thousands of digits.
    if handler and argument.isascii() and argument.isdigit() and len(argument) < 11:
        number = int(argument)
        if number <= largest:
            return _for_readers(request, lambda: handler(number))
    return Response(404, b"404 no such page\n")


def _document() -> Response:
    return Response(200, DOCUMENT, HTML)


def _sleep(milliseconds: int) -> Response:
    time.sleep(milliseconds / 1000)
    return _document()


def _spin(milliseconds: int) -> Response:
    # This clock stands still while the thread waits for its turn at the processor. By
    # any other, that waiting would be taken for computing.
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass
    return _document()


def _bytes(count: int) -> Response:
    return Response(200, b"x" * count, BINARY)


PATHS_WITH_A_NUMBER: dict[str, tuple[Callable[[int], Response], int]] = {
    "sleep": (_sleep, MAX_WAIT_MS),
    "spin": (_spin, MAX_WAIT_MS),
    "bytes": (_bytes, MAX_BYTES),
}


def _for_readers(request: Request, page: Callable[[], Response]) -> Response:
    if request.method == "GET" or request.method == "HEAD":
        return page()
    return _other_method(request, "GET, HEAD")


def _echo(request: Request) -> Response:
    if request.method in ("GET", "HEAD", "POST", "PUT"):
        return Response(200, request.body, BINARY)
    return _other_method(request, "GET, HEAD, POST, PUT")


def _other_method(request: Request, allowed: str) -> Response:
    if request.method == "OPTIONS":
        return Response(204, b"", (("Allow", allowed),))
    if request.method in STANDARD_METHODS:
        return Response(405, b"405 wrong method\n", (("Allow", allowed),))
    return Response(501, b"501 unknown method\n")
