"""Checks chapters/07-one-line/exercise.py.

The starter is told: The first call gave the kernel the head alone
"""

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workshop import Answer, check, within

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n"
BODY = b"abcdefghijklmnopqrstuvwxyz"
#: For a response that the kernel takes in many pieces.
LARGE = bytes(range(256)) * 256
PIECE = 1024
#: As many as Linux and macOS take.
MOST_BUFFERS = 1024
RECEIVER_LIMIT_S = 10.0
#: So many calls more than the kernel has parts to take are too many.
TOO_MANY_CALLS = 1000
#: More than a function can call itself: Python ends that after about a thousand.
MANY_PARTS = 3000


class TooManyCallsError(Exception):
    """It goes round and round."""


@dataclass
class Call:
    name: str
    given: bytes
    took: int
    #: The objects to which the bytes belong, and how long these are: what is no view of
    #: another object has been copied.
    owners: Sequence[tuple[object, int]]


class Kernel(socket.socket):
    """A connected socket, of which the check says what the kernel takes.

    It takes so many bytes in each call, then all. Nobody receives them.
    """

    def __init__(self, room: Sequence[int | OSError] = ()) -> None:
        one, other = socket.socketpair()
        super().__init__(fileno=one.detach())
        other.close()
        self.room = list(room)
        self.most_calls = len(self.room) + TOO_MANY_CALLS
        self.calls: list[Call] = []

    def send(self, data: Any, flags: int = 0, /) -> int:
        return self._take("send", [data])

    def sendmsg(
        self,
        buffers: Any,
        ancdata: object = (),
        flags: int = 0,
        address: object = None,
        /,
    ) -> int:
        return self._take("sendmsg", list(buffers))

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        self.room.clear()
        self._take("sendall", [data])

    def setsockopt(self, *args: object) -> None:
        self.calls.append(Call("setsockopt", b"", 0, []))

    def settimeout(self, value: float | None, /) -> None:
        self.calls.append(Call("settimeout", b"", 0, []))

    def setblocking(self, flag: bool, /) -> None:
        self.calls.append(Call("setblocking", b"", 0, []))

    def _take(self, name: str, buffers: list[Any]) -> int:
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        owners = [(view.obj, memoryview(view.obj).nbytes) for view in views]
        call = Call(name, b"".join(views), 0, owners)
        self.calls.append(call)
        if len(self.calls) == self.most_calls:
            raise TooManyCallsError
        room = self.room.pop(0) if self.room else len(call.given)
        if len(buffers) > MOST_BUFFERS:
            room = OSError(errno.EMSGSIZE, "Message too long")
        if isinstance(room, OSError):
            raise room
        call.took = min(room, len(call.given))
        return call.took

    @property
    def received(self) -> bytes:
        return b"".join(call.given[: call.took] for call in self.calls)


def shown(number: int) -> str:
    return f"{number} bytes" if number > 1 else "1 byte"


def in_words(calls: list[Call]) -> str:
    shown = calls if len(calls) < 6 else [*calls[:3], None, calls[-1]]
    return "\n".join(
        f"    {call.name}() of {len(call.given)} bytes, of which {call.took} were taken"
        if call
        else f"    … ({len(calls)} calls)"
        for call in shown
    )


def mistake(calls: list[Call], whole: bytes, head: bytes, most: int) -> str:
    """What is wrong with these calls, in words; empty if nothing is."""
    at = 0
    for number, call in enumerate(calls):
        rest = whole[at:]
        if call.name == "sendall":
            return (
                "sendall() does send everything. But it loops by itself: nobody learns "
                "how often it had to wait for the client, which is asked for here."
            )
        if call.name == "setsockopt":
            return (
                "To set an option is a system call of its own. One for each response "
                "costs as much as the second write did; set once, it lasts."
            )
        if call.name in ("settimeout", "setblocking"):
            return (
                f"{call.name}() changes a socket that is the caller's. How long it may "
                "wait for a client has been decided already."
            )
        if not rest and not call.given:
            return (
                "Everything had been sent. A call that has nothing to send is a system "
                "call wasted for each response."
            )
        if not call.given and not most:
            return "A call gave nothing to the kernel, though bytes were left to send."
        full = most and number_of(call) == most and rest.startswith(call.given)
        if rest and (call.given == rest or full):
            at += call.took
        elif number == 0 and call.given == head:
            return (
                "The first call gave the kernel the head alone. Without TCP_NODELAY it "
                "holds a small second write back until the client acknowledges the "
                "first: the stall of chapter 06. With it, each response costs a system "
                "call and a packet more."
            )
        elif rest and not head and len(call.owners) == 1 and len(calls) > 1:
            return (
                "A call was given one buffer, though others were left. sendmsg() takes "
                "a list of them, and a system call for each is what it saves."
            )
        elif not rest:
            return (
                "The kernel had taken everything, and gets the end of it again: what "
                "is left was worked out as if it had taken less."
            )
        elif most and rest.startswith(call.given):
            return (
                f"Call {number + 1} was given {number_of(call)} buffers, though more "
                f"were left. It may be given the first {most} of what is left then, "
                "not of what the call before it left over: else a short write costs a "
                "call more each time."
            )
        elif rest.startswith(call.given):
            return (
                "The kernel was given only a part of what was left, so it takes more "
                "calls than the kernel needs. Give it all, and let it take what it can."
            )
        elif number > 0 and call.given in (whole, calls[0].given):
            return (
                "The kernel had taken some bytes already, and gets them again: the "
                "client receives them twice, and reads the rest of a response as the "
                "head of the next one."
            )
        else:
            return (
                "This does not begin where the kernel stopped: bytes are lost, or the "
                "client receives some twice. Where it stopped may lie within the head, "
                "within the body, or between the two."
            )
    if at < len(whole) and len(calls) > 1:
        return (
            f"After the first short write it went on, but the kernel may take a part "
            f"again: {len(whole) - at} of {len(whole)} bytes are left after "
            f"{len(calls)} calls. The client waits for them for ever."
        )
    if at < len(whole):
        return (
            f"The kernel took {at} of {len(whole)} bytes and said so, in what the call "
            "returned. Nobody sends the rest, and the client waits for it for ever."
        )
    return ""


def number_of(call: Call) -> int:
    return len(call.owners)


def check_calls(
    exercise: Answer,
    called: str,
    send: Callable[[Kernel], object],
    whole: bytes,
    kernel: Kernel,
    *,
    head: bytes = b"",
    most: int = 0,
) -> None:
    """The kernel got all of it, in the fewest calls, and the number came back."""
    expected = f"{len(whole)} bytes sent, every call given all that was left"
    if most:
        expected = f"{len(whole)} bytes sent, every call given as much as it may be"
    calls_itself = ""
    hangs = within(
        2,
        exercise,
        called=called,
        expected=expected,
        why="It goes round and round, or waits for what does not come. Here the kernel "
        "has always room; nothing may be left over that is never sent.",
    )
    with kernel, hangs:
        try:
            came_back = send(kernel)
        except TooManyCallsError:
            came_back = "nothing"
        except RecursionError:
            came_back = "RecursionError"
            calls_itself = (
                "A function that calls itself for what is left waits for that call, "
                "and Python allows about a thousand that wait. A client that reads "
                "slowly takes a large response in more parts than that: use a loop."
            )
    check(
        not calls_itself,
        called=called,
        came_back=f"{came_back}, after {len(kernel.calls)} calls",
        expected=expected,
        why=calls_itself,
    )
    wrong = mistake(kernel.calls, whole, head, most)
    check(
        not wrong and kernel.received == whole,
        called=called,
        came_back=f"{came_back}, after\n{in_words(kernel.calls) or '    no call'}",
        expected=expected,
        why=wrong or "What the client received is not what was to be sent.",
    )
    check(
        came_back == len(kernel.calls),
        called=called,
        came_back=f"{came_back}, after\n{in_words(kernel.calls)}",
        expected=f"{len(kernel.calls)}: how many calls it took",
        why="A server that counts its calls sees when its clients read too slowly: "
        "then a response takes more than one.",
    )


def check_response(
    exercise: Answer, room: Sequence[int | OSError], where: str, body: bytes = BODY
) -> None:
    check_calls(
        exercise,
        f"send_response(sock, head of {len(HEAD)} bytes, body of {len(body)}) where "
        f"the kernel {where}",
        lambda kernel: exercise.send_response(kernel, HEAD, body),
        HEAD + body,
        Kernel(room),
        head=HEAD,
    )


def check_buffers(
    exercise: Answer,
    buffers: list[bytes],
    room: Sequence[int | OSError],
    where: str,
    most: int = 0,
) -> Kernel:
    kernel = Kernel(room)
    sizes = ", ".join(str(len(buffer)) for buffer in buffers[:6])
    more = ", …" if len(buffers) > 6 else ""
    check_calls(
        exercise,
        f"send_buffers(sock, {len(buffers)} buffers of [{sizes}{more}] bytes) where "
        f"the kernel {where}",
        # A list of its own, in case it is altered: that has a check of its own.
        lambda kernel: exercise.send_buffers(kernel, list(buffers)),
        b"".join(buffers),
        kernel,
        most=most,
    )
    return kernel


def test_one_call(exercise: Answer) -> None:
    """Head and body go to the kernel in one call."""
    check_response(exercise, [], "takes all")
    check_response(exercise, [], "takes all", body=LARGE * 4)


def test_empty_body(exercise: Answer) -> None:
    """Where the body is empty, that is one call, too."""
    check_response(exercise, [], "takes all", body=b"")


def test_short_write(exercise: Answer) -> None:
    """If the kernel takes a part, the rest follows, wherever it stopped."""
    for cut in range(1, len(HEAD + BODY)):
        check_response(exercise, [cut], f"takes {shown(cut)}, and then the rest")
    for cut in range(1, len(HEAD)):
        where = f"takes {shown(cut)}, and then the rest"
        check_response(exercise, [cut], where, body=b"")


def test_many_short_writes(exercise: Answer) -> None:
    """The kernel may take a part many times."""
    check_response(exercise, [20, 20], "takes 20 bytes twice, and then the rest")
    check_response(exercise, [1] * 100, "takes 1 byte a call")
    where = "takes 1 byte a call"
    check_response(exercise, [1] * MANY_PARTS, where, body=LARGE[:MANY_PARTS])


def test_no_copies(exercise: Answer) -> None:
    """What is left of a large body is not copied for each call."""
    whole = len(HEAD + LARGE)
    kernel = Kernel([PIECE] * (whole // PIECE + 1))
    called = (
        f"send_response(sock, head of {len(HEAD)} bytes, body of {len(LARGE)}) where "
        f"the kernel takes {PIECE} bytes a call"
    )
    check_calls(
        exercise,
        called,
        lambda kernel: exercise.send_response(kernel, HEAD, LARGE),
        HEAD + LARGE,
        kernel,
        head=HEAD,
    )
    copied = copied_by(kernel, [HEAD, LARGE])
    check(
        copied <= whole,
        called=called,
        came_back=f"{len(kernel.calls)} calls, for which {copied:,} bytes were copied",
        expected=f"at most {whole:,} bytes copied, to put head and body together once",
        why="A slice of bytes is a copy. To copy the rest for each call is 1 + 2 + 3 + "
        "… pieces: for a body ten times as large, a hundred times the work.",
    )
    check(
        not any(len(sizes) > 1 for sizes in sizes_of_bytearrays(kernel).values()),
        called=called,
        came_back="a bytearray, which gets shorter with each call",
        expected="head and body put together once, and then not copied any more",
        why="Who deletes the beginning of a bytearray leaves it to Python when the "
        "rest is moved to a smaller place: each time that half of it has gone. Leave "
        "the bytes where they are, and remember from where on they are to be sent.",
    )


def sizes_of_bytearrays(kernel: Kernel) -> dict[int, set[int]]:
    """Which sizes each bytearray had that was given to the kernel."""
    sizes: dict[int, set[int]] = {}
    for call in kernel.calls:
        for owner, size in call.owners:
            if isinstance(owner, bytearray):
                sizes.setdefault(id(owner), set()).add(size)
    return sizes


def copied_by(kernel: Kernel, originals: Sequence[bytes]) -> int:
    """How many bytes belonged to objects that are not the originals."""
    known = {id(original) for original in originals}
    sizes: dict[int, int] = {}
    for call in kernel.calls:
        for owner, size in call.owners:
            if id(owner) not in known:
                sizes[id(owner)] = max(size, sizes.get(id(owner), 0))
    return sum(sizes.values())


def test_errors(exercise: Answer) -> None:
    """An error goes to the caller, also after a part has been sent."""
    check_errors(
        exercise,
        "send_response(sock, head, body)",
        lambda kernel: exercise.send_response(kernel, HEAD, BODY),
    )


def check_errors(
    exercise: Answer, called: str, send: Callable[[Kernel], object]
) -> None:
    for error in (
        BrokenPipeError(errno.EPIPE, "the client has gone"),
        TimeoutError("the client did not read for too long"),
        BlockingIOError(errno.EAGAIN, "there is no room at the moment"),
        OSError(errno.ENOBUFS, "no buffer space available"),
    ):
        for before in ([], [30]):
            kernel = Kernel([*before, *[error] * 50])
            name = type(error).__name__
            expected = f"the {name}, from the first call that raises it"
            situation = (
                f"{called} where the kernel takes {sum(before)} bytes, and then "
            )
            situation += f"there is a {name}"
            why = "The caller closes the connection and logs why."
            hangs = within(2, exercise, called=situation, expected=expected, why=why)
            with kernel, hangs:
                try:
                    came_back: object = send(kernel)
                except OSError as raised:
                    came_back = raised
            if came_back is not error:
                why = (
                    "The response is not whole, and the caller does not learn of it: "
                    "the connection is kept, and the next response begins within this "
                    "one."
                )
            if len(kernel.calls) > len(before) + 1:
                why = (
                    f"It went on after the {name}, {len(kernel.calls)} calls in all. A "
                    "client that does not read would keep this thread for ever."
                )
            check(
                came_back is error and len(kernel.calls) == len(before) + 1,
                called=situation,
                came_back=came_back,
                expected=expected,
                why=why,
            )


def test_real_socket(exercise: Answer) -> None:
    """A large response goes through a socket of this machine."""
    with connected() as (sock, received):
        check_real(
            exercise,
            f"send_response() of {len(LARGE * 16):,} bytes to a client that reads",
            lambda: exercise.send_response(sock, HEAD, LARGE * 16),
            HEAD + LARGE * 16,
            sock,
            received,
        )


class Counting(socket.socket):
    """Counts the calls that send something."""

    calls = 0

    def send(self, data: Any, flags: int = 0, /) -> int:
        self.calls += 1
        return super().send(data, flags)

    def sendmsg(self, buffers: Any, *args: Any) -> int:
        self.calls += 1
        return super().sendmsg(buffers, *args)


@contextlib.contextmanager
def connected() -> Iterator[tuple[Counting, Callable[[], bytes]]]:
    """A socket, and what its other end, which reads, has received until it closed."""
    one, other = socket.socketpair()
    pieces: list[bytes] = []

    def read() -> None:
        while piece := other.recv(65_536):
            pieces.append(piece)

    def received() -> bytes:
        sock.shutdown(socket.SHUT_WR)
        reader.join(RECEIVER_LIMIT_S)
        return b"".join(pieces)

    reader = threading.Thread(target=read, name="the client", daemon=True)
    with other, Counting(fileno=one.detach()) as sock:
        # With a timeout a socket takes what it has room for, and no more.
        sock.settimeout(RECEIVER_LIMIT_S)
        reader.start()
        try:
            yield sock, received
        finally:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
            reader.join(RECEIVER_LIMIT_S)


def check_real(
    exercise: Answer,
    called: str,
    send: Callable[[], object],
    whole: bytes,
    sock: Counting,
    received: Callable[[], bytes],
) -> None:
    expected = f"{len(whole):,} bytes received, as they were to be sent"
    why = "What works with a socket that the check made up should work with a real one."
    with within(2, exercise, called=called, expected=expected, why=why):
        calls = send()
    got = received()
    check(
        got == whole and calls == sock.calls,
        called=called,
        came_back=f"{calls!r}; {len(got):,} bytes received in {sock.calls} calls",
        expected=expected,
        why=why,
    )


def test_buffers(exercise: Answer) -> None:
    """Harder: many buffers go to the kernel in one call, and are not copied."""
    buffers = [HEAD, BODY, LARGE, HEAD, BODY]
    kernel = check_buffers(exercise, buffers, [], "takes all")
    check_not_copied(buffers, kernel, "takes all")


def check_not_copied(buffers: list[bytes], kernel: Kernel, where: str) -> None:
    copied = copied_by(kernel, buffers)
    called = f"send_buffers(sock, {len(buffers)} buffers) where the kernel {where}"
    joined = "To join the buffers, so that send() takes them, copies all of them. "
    check(
        {call.name for call in kernel.calls} == {"sendmsg"},
        called=called,
        came_back=f"not every call was a sendmsg():\n{in_words(kernel.calls)}",
        expected="every call is a sendmsg()",
        why=(joined if copied else "")
        + "send() takes one buffer, so it fits where one is left, and nowhere else. "
        "sendmsg() takes one as well as many: there is one way to send, and to test.",
    )
    check(
        copied == 0,
        called=called,
        came_back=f"{copied:,} bytes copied, for\n{in_words(kernel.calls)}",
        expected="sendmsg() with the buffers themselves, or views of them",
        why="To join them copies all of them, and a slice of bytes is a copy, too. "
        "sendmsg() takes a list, so that the kernel collects the bytes where they lie.",
    )


def test_buffers_short_write(exercise: Answer) -> None:
    """Harder: the kernel may stop within a buffer, or between two."""
    buffers = [HEAD, BODY, b"HTTP/1.1 204 No Content\r\n\r\n", HEAD, BODY]
    whole = len(b"".join(buffers))
    for cut in range(1, whole):
        where = f"takes {shown(cut)}, and then the rest"
        check_not_copied(buffers, check_buffers(exercise, buffers, [cut], where), where)
    for each in (1, 2, 30, 100):
        where = f"takes {shown(each)} a call"
        room = [each] * (whole // each + 1)
        check_not_copied(buffers, check_buffers(exercise, buffers, room, where), where)
    where = "takes 1 byte a call"
    large = [HEAD, LARGE[:MANY_PARTS], HEAD]
    check_buffers(exercise, large, [1] * MANY_PARTS, where)


def test_empty_buffers(exercise: Answer) -> None:
    """Harder: empty buffers are neither sent nor waited for."""
    buffers = [b"", HEAD, b"", b"", BODY, b""]
    for cut in (1, len(HEAD), len(HEAD) + 1):
        where = f"takes {shown(cut)}, and then the rest"
        check_buffers(exercise, buffers, [cut], where)
    check_buffers(exercise, [HEAD, b""], [], "takes all")
    check_buffers(exercise, [b"", b""], [], "would take all")
    check_buffers(exercise, [], [], "would take all")


def test_many_buffers(exercise: Answer) -> None:
    """Harder: one call is given at most MOST_BUFFERS buffers."""
    for number in (MOST_BUFFERS, MOST_BUFFERS + 1, 2 * MOST_BUFFERS + 10):
        buffers = [b"%06d" % each for each in range(number)]
        kernel = Kernel()
        called = f"send_buffers(sock, {number} buffers) where the kernel takes all"
        fewest = -(-number // MOST_BUFFERS)
        expected = f"all sent, in {fewest} calls"
        why = "It has to go on until all are sent."
        hangs = within(2, exercise, called=called, expected=expected, why=why)
        with kernel, hangs:
            try:
                came_back: object = exercise.send_buffers(kernel, list(buffers))
            except OSError as error:
                came_back = error
        if max([0, *map(number_of, kernel.calls)]) > MOST_BUFFERS:
            why = (
                f"The kernel takes at most {MOST_BUFFERS} buffers in one call, and "
                "refuses more: “Message too long”. A busy connection gets there."
            )
        elif kernel.received == b"".join(buffers):
            why = "Each call may be given as many as the kernel allows, and no fewer."
        check(
            kernel.received == b"".join(buffers)
            and came_back == len(kernel.calls) == fewest,
            called=called,
            came_back=f"{came_back!r}, after {len(kernel.calls)} calls",
            expected=expected,
            why=why,
        )
    for cut in (4, 62, 6 * MOST_BUFFERS - 6, 6 * MOST_BUFFERS - 1):
        where = f"takes {cut} bytes, and then all"
        check_buffers(exercise, buffers, [cut], where, most=MOST_BUFFERS)


def test_buffers_are_left(exercise: Answer) -> None:
    """Harder: the caller's list is left as it is."""
    before = [HEAD, BODY, HEAD, BODY]
    buffers = list(before)
    kernel = Kernel([50, 50])
    called = f"send_buffers(sock, buffers) with a list of {len(before)} buffers"
    check_calls(
        exercise,
        called,
        lambda kernel: exercise.send_buffers(kernel, buffers),
        b"".join(before),
        kernel,
    )
    check(
        buffers == before,
        called=called,
        came_back=f"the list holds {len(buffers)} buffers, and not those",
        expected="the list is as it was",
        why="The list is the caller's, who may have to log what it sent, or to try the "
        "responses on another connection.",
    )
    check_calls(
        exercise,
        f"send_buffers(sock, buffers) with a tuple of {len(before)} buffers",
        lambda kernel: exercise.send_buffers(kernel, tuple(before)),
        b"".join(before),
        Kernel([50, 50]),
    )


def test_buffers_errors(exercise: Answer) -> None:
    """Harder: an error goes to the caller here as well."""
    check_errors(
        exercise,
        "send_buffers(sock, [head, body])",
        lambda kernel: exercise.send_buffers(kernel, [HEAD, BODY]),
    )


def test_buffers_real_socket(exercise: Answer) -> None:
    """Harder: three thousand buffers go through a socket of this machine."""
    buffers = [HEAD, BODY, b"x" * 200] * 1000
    with connected() as (sock, received):
        check_real(
            exercise,
            f"send_buffers() of {len(buffers):,} buffers to a client that reads",
            lambda: exercise.send_buffers(sock, buffers),
            b"".join(buffers),
            sock,
            received,
        )
