"""Checks chapters/01-close-after-response/exercise.py.

The starter is told: recv() gives what has arrived so far
"""

import select
import socket
import threading
from collections.abc import Callable, Iterable

from workshop import Answer, check, within

END = b"\r\n\r\n"
HEAD = b"GET /sleep/5 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
#: No text in UTF-8, nor in ASCII.
NO_TEXT = b"\xff caf\xc3\xa9 \x00\x80"
TEXT = (
    "What a client sends is bytes, and they need not be text: a path in Latin-1, a "
    "picture behind the head. decode() raises UnicodeDecodeError, which is a "
    "ValueError, too: the caller takes it for a head that is too long."
)
WITHOUT_END = "The empty line that ends the head is part of it, and comes back with it."
CUT_ELSEWHERE = (
    "All of it has come back, and it is cut at the wrong place. The head ends with the "
    "first empty line: one that comes later is in a body, or in the next request."
)
NO_ERROR = (
    "A client may leave at any time, and None says so. An exception looks to the "
    "caller like one of recv(), or like a head that is too long."
)
CLOSED = "The caller has to answer through this socket, and closes it then."
TIMED = (
    "The socket was blocking, and is the caller's: the answer is sent through it, and "
    "a body is read. There, an error of one that does not block is a surprise."
)
AGAIN = (
    "All that was needed had come before. A further recv() takes what the head does "
    "not need; and where nothing is there it waits for the client, who waits for the "
    "answer."
)


class Client(socket.socket):
    """The server's end of a pair of sockets; sends one piece after another to it.

    The next piece comes when the one before it has been received.
    """

    def __init__(
        self,
        pieces: Iterable[bytes],
        *,
        closes: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        mine, self.peer = socket.socketpair()
        super().__init__(mine.family, mine.type, mine.proto, mine.detach())
        self.pieces = list(pieces)
        self.closes = closes
        #: What happens before the second call.
        self.meanwhile = meanwhile
        self.taken = b""
        self.calls = 0
        self.again = False
        #: How often it has said that it is closed.
        self.ends = 0
        self.send_more()

    def send_more(self) -> None:
        """Send the next piece, unless one is there still."""
        if select.select([self], [], [], 0)[0]:
            return
        if self.pieces:
            self.peer.send(self.pieces.pop(0))
        elif self.closes:
            self.peer.close()

    def before(self) -> None:
        self.calls += 1
        if self.calls == 2 and self.meanwhile:
            self.meanwhile()
        self.again = self.again or END in self.taken
        if self.gettimeout() is None and not select.select([self], [], [], 0)[0]:
            raise WouldWaitError

    def after(self, received: bytes, flags: int) -> None:
        if not flags & socket.MSG_PEEK:
            self.taken += received
        elif self.pieces:
            self.peer.send(self.pieces.pop(0))  # else who looks sees always the same
        self.ends += not received
        if self.ends == 3:
            raise WouldWaitError
        self.send_more()

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        self.before()
        received = super().recv(size, flags)
        self.after(received, flags)
        return received

    def recv_into(  # type: ignore[override]
        self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0
    ) -> int:
        self.before()
        count = super().recv_into(buffer, nbytes, flags)
        self.after(bytes(memoryview(buffer)[:count]), flags)
        return count

    def recvfrom(self, size: int, flags: int = 0, /) -> tuple[bytes, object]:
        return self.recv(size, flags), None

    def recvmsg(
        self, size: int, ancillary: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]:
        return self.recv(size, flags), [], 0, None

    def forget(self) -> None:
        self.peer.close()
        self.close()


class WouldWaitError(BaseException):
    """The client has sent all that it will, and waits for the answer.

    No Exception, so that `except Exception` in an answer does not catch it.
    """


def check_head(
    exercise: Answer,
    client: Client,
    where: str,
    expected: object,
    why: str,
    **limit: int,
) -> None:
    """What read_head() makes of what this client sends.

    expected: None, ValueError, or the head; what was received behind it is then to
    come back as well.
    """
    shown = "".join(f", limit={value}" for value in limit.values())
    called = f"read_head(sock{shown}) where {where}"
    with within(2, exercise, called=called, expected=expected, why=why):
        try:
            came_back: object = exercise.read_head(client, **limit)
        except WouldWaitError:
            came_back = (
                f"nothing: it waits in call {client.calls} of recv()"
                if client.ends < 3
                else "nothing: it calls recv() again and again, which gives b''"
            )
        except (ValueError, OSError, EOFError) as error:
            came_back = error
    if expected is None and isinstance(came_back, Exception):
        why = NO_ERROR
    if isinstance(expected, bytes):
        expected = expected, client.taken[len(expected) :]
    right = (
        isinstance(came_back, ValueError)
        if expected is ValueError
        else came_back == expected
    )
    is_text = isinstance(came_back, UnicodeError) or (
        isinstance(came_back, tuple) and any(isinstance(it, str) for it in came_back)
    )
    if is_text:
        why = TEXT
    elif isinstance(expected, tuple) and isinstance(came_back, tuple):
        head, rest = expected
        if came_back == (head.removesuffix(END), rest):
            why = WITHOUT_END
        elif len(came_back) == 2 and came_back[0] + came_back[1] == head + rest:
            why = CUT_ELSEWHERE
    check(
        right and not is_text,
        called=called,
        came_back=came_back,
        expected=expected,
        why=why,
    )
    check(
        not client.again,
        called=called,
        came_back="another call of recv(), after the head was there",
        expected="it returns as soon as the head is there",
        why=AGAIN,
    )
    check(
        client.fileno() >= 0,
        called=called,
        came_back="the socket is closed",
        expected="it is open still",
        why=CLOSED,
    )
    check(
        client.gettimeout() is None,
        called=called,
        came_back=f"the socket has a timeout of {client.gettimeout()} s",
        expected="it has none, as before",
        why=TIMED,
    )
    client.forget()


def test_another_request(exercise: Answer) -> None:
    """Any other head is read as well."""
    head = b"HEAD /bytes/10 HTTP/1.0\r\n\r\n"
    check_head(
        exercise,
        Client([head]),
        f"{head!r} arrives at once",
        head,
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
        HEAD,
        "TCP carries bytes, not messages. recv() gives what has arrived so far, "
        "however the client cut it, so one call is not one request.",
    )


def test_each_call_begins_anew(exercise: Answer) -> None:
    """What came in one call does not come in another."""
    kept = (
        "Bytes of one client are given out for another's. What belongs to a call "
        "stands in a variable of that call: a global is there for all of them, and so "
        "is a default such as `received=bytearray()`, which is made once, when Python "
        "reads the `def`."
    )
    first = HEAD.replace(b"/sleep/5", b"/mine")

    def call_before(client: Client, **limit: int) -> None:
        try:
            exercise.read_head(client, **limit)
        except (Exception, WouldWaitError):
            pass
        client.forget()

    for where, client, limit in (
        ("is complete", Client([first + b"and more"]), {}),
        ("ends half-way", Client([first[:20]], closes=True), {}),
        ("is refused", Client([first * 2]), {"limit": 30}),
    ):
        what = f"the head of another client, in the call before, {where}"
        with within(2, exercise, called=what, expected="it returns", why=kept):
            call_before(client, **limit)
        check_head(exercise, Client([HEAD]), what, HEAD, kept)
    other = Client([first[:9], first[9:]])
    check_head(
        exercise,
        Client(
            [HEAD[:20], HEAD[20:]], meanwhile=lambda: in_a_thread(call_before, other)
        ),
        "another thread reads another client's head at the same time",
        HEAD,
        kept,
    )


def in_a_thread(call: Callable[..., object], *args: object) -> None:
    thread = threading.Thread(target=call, args=args, daemon=True)
    thread.start()
    thread.join()


def test_cut_anywhere(exercise: Answer) -> None:
    """It does not matter where the head is cut, even within the empty line."""
    for cut in range(1, len(HEAD)):
        first, second = HEAD[:cut], HEAD[cut:]
        check_head(
            exercise,
            Client([first, second]),
            f"a piece ends with {first[-9:]!r} and the next begins with {second[:9]!r}",
            HEAD,
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
        HEAD,
        "What recv() has given is gone from the socket. Bytes behind the head that are "
        "not handed on are lost, and with them a body or the next request.",
    )


def test_no_more_than_needed(exercise: Answer) -> None:
    """As soon as the head is there it returns."""
    for where, pieces in {
        "a body comes in a piece of its own": [HEAD, b"name=value"],
        "a long body comes with the head": [HEAD + b"x" * 9000],
    }.items():
        check_head(exercise, Client(pieces), where, HEAD, AGAIN)


def test_bytes(exercise: Answer) -> None:
    """Bytes that are no text are read as any others."""
    head = HEAD.replace(b"localhost", NO_TEXT)
    for where, pieces, expected in (
        (f"{NO_TEXT!r} is behind the head", [HEAD + NO_TEXT], HEAD),
        (f"{NO_TEXT!r} is in the head", [head], head),
        (f"{NO_TEXT!r} is in the head, and cut in two", [head[:37], head[37:]], head),
    ):
        check_head(exercise, Client(pieces), where, expected, TEXT)


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
    called = "a line of 100 bytes follows another, and no empty one comes"
    check_head(
        exercise,
        client,
        called,
        ValueError,
        "Without a limit one client can fill the server's memory, a line at a time.",
        limit=1000,
    )
    check(
        len(client.taken) < 1200,
        called=f"read_head(sock, limit=1000) where {called}",
        came_back=f"ValueError, after {len(client.taken)} bytes",
        expected="ValueError as soon as 1000 bytes have come",
        why="A limit that is looked at when all has come limits nothing.",
    )


def test_limit_is_exact(exercise: Answer) -> None:
    """The limit is for the head alone, and a head may reach it."""
    size = len(HEAD)
    check_head(
        exercise,
        Client([HEAD]),
        f"a head of {size} bytes arrives at once",
        HEAD,
        "A head as long as the limit is allowed: ValueError is for one that is longer.",
        limit=size,
    )
    for cut in range(1, size):
        check_head(
            exercise,
            Client([HEAD[:cut], HEAD[cut:]]),
            f"a head of {size} bytes arrives, {cut} of them first",
            HEAD,
            f"With {cut} bytes it is not certain that the head is longer than {size}: "
            "its end may come with the next, and does.",
            limit=size,
        )
    behind = b"name=value" * 4
    check_head(
        exercise,
        Client([HEAD + behind]),
        f"a head of {size} bytes and {len(behind)} behind it arrive at once",
        HEAD,
        "A head as long as the limit is allowed, and what follows it is no part of it. "
        "A limit that counts the body refuses good requests if they come fast.",
        limit=size,
    )
    for limit, why in (
        (20, "The limit is the caller's to choose, and holds for a whole head, too."),
        (
            size - 1,
            "The empty line is part of the head: the limit counts its bytes as well.",
        ),
    ):
        check_head(
            exercise,
            Client([HEAD]),
            f"a head of {size} bytes arrives at once",
            ValueError,
            why,
            limit=limit,
        )


def test_not_a_byte_more(exercise: Answer) -> None:
    """When the limit is reached without the end, it does not wait for more."""
    check_head(
        exercise,
        Client([b"*" * 1000]),
        "1000 bytes come, without an empty line, and then nothing",
        ValueError,
        "The end is not among these 1000 bytes, so the head will be longer whatever "
        "follows. Who waits for one byte more leaves it to the client how long.",
        limit=1000,
    )


def test_limit_that_is_not_given(exercise: Answer) -> None:
    """Without a limit of the caller it is 8192."""
    longest = HEAD[:-4].ljust(8188, b"*") + HEAD[-4:]
    for head, expected in ((longest, longest), (b"*" + longest, ValueError)):
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
        def before(self) -> None:
            raise ConnectionResetError("the client is gone")

    client = Reset([HEAD])
    try:
        came_back: object = exercise.read_head(client)
    except ConnectionResetError:
        return
    except Exception as error:
        came_back = error
    finally:
        client.forget()
    check(
        False,
        called="read_head(sock) where recv() raises ConnectionResetError",
        came_back=came_back,
        expected="the ConnectionResetError",
        why="The caller closes the socket, and logs why. An exception swallowed here, "
        "or turned into another, looks like a client who did something else.",
    )
