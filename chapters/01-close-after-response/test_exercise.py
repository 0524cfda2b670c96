"""Checks chapters/01-close-after-response/exercise.py.

The starter is told: recv() gives what has arrived so far
"""

from collections.abc import Iterable

from workshop import Answer, check, within

HEAD = b"GET /sleep/5 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"


class Client:
    """Stands for a socket: gives one piece a call, and counts the calls."""

    def __init__(self, pieces: Iterable[bytes], *, closes: bool = False) -> None:
        self.pieces = list(pieces)
        self.closes = closes
        self.calls = 0

    def recv(self, size: int) -> bytes:
        self.calls += 1
        if self.pieces:
            piece = self.pieces.pop(0)
            if len(piece) > size:
                self.pieces.insert(0, piece[size:])
            return piece[:size]
        if self.closes:
            return b""
        raise WouldWaitError


class WouldWaitError(Exception):
    """The client has sent all that it will, and waits for the answer."""


def check_head(
    exercise: Answer,
    client: Client,
    where: str,
    expected: object,
    why: str,
    **limit: int,
) -> None:
    """What read_head() makes of what this client sends."""
    shown = "".join(f", limit={value}" for value in limit.values())
    called = f"read_head(sock{shown}) where {where}"
    with within(2, exercise, called=called, expected=expected, why=why):
        try:
            came_back: object = exercise.read_head(client, **limit)
        except WouldWaitError:
            came_back = f"nothing: it waits in call {client.calls} of recv()"
        except ValueError as error:
            came_back = error
    right = (
        isinstance(came_back, ValueError)
        if expected is ValueError
        else came_back == expected
    )
    check(right, called=called, came_back=came_back, expected=expected, why=why)


def test_another_request(exercise: Answer) -> None:
    """Any other head is read as well."""
    head = b"HEAD /bytes/10 HTTP/1.0\r\n\r\n"
    check_head(
        exercise,
        Client([head]),
        f"{head!r} arrives at once",
        (head, b""),
        "The head is what this client sent, not what the example shows; and once it is "
        "there, the client waits for the answer. Another recv() would wait for the "
        "client: both would wait for ever.",
    )


def test_pieces(exercise: Answer) -> None:
    """A head that arrives in three pieces is put together."""
    check_head(
        exercise,
        Client([HEAD[:9], HEAD[9:30], HEAD[30:]]),
        "the head arrives in three pieces",
        (HEAD, b""),
        "TCP carries bytes, not messages. recv() gives what has arrived so far, "
        "however the client cut it, so one call is not one request.",
    )


def test_cut_anywhere(exercise: Answer) -> None:
    """It does not matter where the head is cut, even within the empty line."""
    for cut in range(1, len(HEAD)):
        first, second = HEAD[:cut], HEAD[cut:]
        check_head(
            exercise,
            Client([first, second]),
            f"a piece ends with {first[-9:]!r} and the next begins with {second[:9]!r}",
            (HEAD, b""),
            "A piece can end within the empty line itself. The end has to be looked "
            "for in all that has come, not in the newest piece.",
        )


def test_what_follows(exercise: Answer) -> None:
    """What came behind the head is kept."""
    body = b"name=value\r\n\r\n and more"
    check_head(
        exercise,
        Client([HEAD[:9], HEAD[9:] + body]),
        f"the end of the head arrives together with {body!r}",
        (HEAD, body),
        "What recv() has given is gone from the socket. Bytes behind the head that are "
        "not handed on are lost, and with them a body or the next request.",
    )


def test_hang_up(exercise: Answer) -> None:
    """A client that closes half-way is given up."""
    for pieces in ([], [HEAD[:20]], [HEAD[:20], HEAD[20:-1]]):
        check_head(
            exercise,
            Client(pieces, closes=True),
            f"the client sends {b''.join(pieces)!r} and closes",
            None,
            "b'' from recv() says that the client has closed, and it says so again and "
            "again. Half a head is no request that could be answered, and a loop that "
            "waits for the rest never ends: one client who hangs up stops the server.",
        )


def test_no_end(exercise: Answer) -> None:
    """A head that does not end is refused."""
    lines = [b"GET / HTTP/1.1\r\n", *[b"X: %s\r\n" % (b"x" * 95)] * 200]
    client = Client(lines)
    check_head(
        exercise,
        client,
        "a line of 100 bytes follows another, and no empty one comes",
        ValueError,
        "Without a limit one client can fill the server's memory, a line at a time.",
        limit=1000,
    )
    check(
        client.calls < 20,
        called="read_head(sock, limit=1000) where a line of 100 bytes follows another",
        came_back=f"ValueError, after {client.calls} calls of recv()",
        expected="ValueError as soon as there are more than 1000 bytes",
        why="A limit that is looked at when all has come limits nothing.",
    )


def test_limit_is_exact(exercise: Answer) -> None:
    """The limit is for the head alone, and a head may reach it."""
    for behind in (b"", b"y" * 3000):
        check_head(
            exercise,
            Client([HEAD + behind]),
            f"a head of {len(HEAD)} bytes and {len(behind)} behind it arrive at once",
            (HEAD, behind),
            "A head as long as the limit is allowed, and what follows it is no part of "
            "it. A limit that counts the body refuses good requests if they come fast.",
            limit=len(HEAD),
        )
    check_head(
        exercise,
        Client([HEAD]),
        f"a head of {len(HEAD)} bytes arrives at once",
        ValueError,
        "The limit is the caller's to choose, and holds for a head in one piece, too.",
        limit=len(HEAD) - 1,
    )


def test_limit_that_is_not_given(exercise: Answer) -> None:
    """Without a limit of the caller it is 8192."""
    longest = HEAD[:-4].ljust(8188, b"*") + HEAD[-4:]
    for head, expected in ((longest, (longest, b"")), (b"*" + longest, ValueError)):
        check_head(
            exercise,
            Client([head]),
            f"a head of {len(head)} bytes arrives",
            expected,
            "The signature promises 8192, and whoever calls it relies on that.",
        )


def test_reset(exercise: Answer) -> None:
    """An error of the socket is left to the caller."""

    class Reset(Client):
        def recv(self, size: int) -> bytes:
            raise ConnectionResetError("the client is gone")

    try:
        came_back: object = exercise.read_head(Reset([]))
    except ConnectionResetError:
        return
    check(
        False,
        called="read_head(sock) where recv() raises ConnectionResetError",
        came_back=came_back,
        expected="the ConnectionResetError",
        why="The caller closes the socket, and logs why. An exception swallowed here "
        "looks like a client who hung up in good order.",
    )
