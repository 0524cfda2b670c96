r"""Checks chapters/13-any-application/exercise.py.

The starter is told: for the beginning of its next answer

The checks go through all short bodies of a few kinds of pieces, in each kind of answer
to which a rule applies, and compare what goes out with the rules. Of the bodies that
show a mistake, the shortest is told.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from workshop import Answer, check, within

LAST = b"0\r\n\r\n"


class Failure(Exception):  # noqa: N818 - what it is to the reader
    """What an application may raise."""


class Unreadable(OSError):  # noqa: N818
    """Likewise, when it reads a file."""


class Reset(ConnectionResetError):  # noqa: N818
    """What a socket may raise."""


class Stopped(BaseException):
    """Likewise. It is no Exception; nor is that with which `sys.exit()` ends."""


FAILURES = (Failure("no such table"), Unreadable("no such disk"), Stopped("exit"))


class Case(NamedTuple):
    """An answer, and what becomes of it."""

    pieces: tuple[bytes, ...]
    length: int | None = None
    version: tuple[int, int] = (1, 1)
    method: str = "GET"
    status: int = 200
    #: What is raised, and by whom: by the body after its last piece, or by that call of
    #: send(), counted from 0.
    failure: BaseException | None = None
    failing_call: int | None = None
    is_list: bool = False
    #: What goes through it is an iterator of its own: its `__iter__()` has a `yield`.
    is_apart: bool = False
    #: What its close() raises.
    close_failure: BaseException | None = None

    @property
    def is_silent(self) -> bool:
        return self.method == "HEAD" or self.status in (204, 304)

    @property
    def whole(self) -> bytes:
        return b"".join(self.pieces)

    def __str__(self) -> str:
        gives = ", ".join(repr(piece) for piece in self.pieces) or "no piece"
        if self.is_list:
            gives += ", and is a list"
        if self.is_apart:
            gives += ", by an __iter__() that has a `yield`"
        if self.close_failure:
            gives += f", and its close() raises {self.close_failure!r}"
        if self.failing_call is not None:
            gives += f"; call {self.failing_call + 1} of send() raises {self.failure!r}"
        elif self.failure:
            gives += f", and then raises {self.failure!r}"
        return (
            f"send_body(send, body, method={self.method!r}, status={self.status}, "
            f"version={self.version}, length={self.length})\nwhere body gives {gives}"
        )


class Ran(NamedTuple):
    """What an answer has done: "ask", "close", or the bytes that it has sent."""

    events: list[str | bytes]
    keeps: bool
    raised: BaseException | None

    @property
    def sent(self) -> bytes:
        return b"".join(event for event in self.events if isinstance(event, bytes))

    @property
    def asked(self) -> int:
        return self.events.count("ask")

    def __str__(self) -> str:
        end = f"it raises {self.raised!r}" if self.raised else f"returns {self.keeps}"
        return f"sends {shown(self.sent)}, and {end}"


def shown(data: bytes) -> str:
    return repr(data) if len(data) < 99 else f"{data[:60]!r} … ({len(data)} bytes)"


class Body:
    """What an application returns. It notes what it is asked for."""

    def __init__(self, case: Case, events: list[str | bytes]) -> None:
        self._pieces = iter(case.pieces)
        self._failure = None if case.failing_call is not None else case.failure
        self._events = events
        self._close_failure = case.close_failure

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._events.append("ask")
        for piece in self._pieces:
            return piece
        if self._failure is not None:
            raise self._failure
        raise StopIteration

    def close(self) -> None:
        self._events.append("close")
        if self._close_failure is not None:
            raise self._close_failure


class BodyApart:
    """A body that is no iterator, but has one."""

    def __init__(self, case: Case, events: list[str | bytes]) -> None:
        self._body = Body(case, events)

    def __iter__(self) -> Iterator[bytes]:
        yield from iter(self._body.__next__, None)

    def close(self) -> None:
        self._body.close()


def run(exercise: Answer, case: Case) -> Ran:
    events: list[str | bytes] = []
    calls = 0

    def send(data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls - 1 == case.failing_call and case.failure is not None:
            events.append("fail")
            raise case.failure
        events.append(bytes(data))

    body: object = list(case.pieces)
    if not case.is_list:
        body = (BodyApart if case.is_apart else Body)(case, events)
    keeps, raised = False, None
    try:
        keeps = bool(
            exercise.send_body(
                send,
                body,
                method=str(case.method.encode(), "ascii"),  # as parsed: a new one
                status=case.status,
                version=case.version,
                length=case.length,
            )
        )
    except (Failure, OSError, Stopped, AttributeError) as error:
        if error not in (case.failure, case.close_failure):
            raise  # a mistake of the answer's own
        raised = error
    return Ran(events, keeps, raised)


def framed(case: Case) -> bytes:
    """What is sent if the body ends well."""
    if case.is_silent:
        return b""
    if case.length is not None:
        return case.whole[: case.length]
    if case.version == (1, 1):
        return in_chunks(case.pieces) + LAST
    return case.whole


def in_chunks(pieces: tuple[bytes, ...]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces if each)


def can_keep(case: Case) -> bool:
    """Likewise, and no more is missing."""
    if case.is_silent:
        return True
    if case.length is not None:
        return len(case.whole) >= case.length
    return case.version == (1, 1)


def same(one: bytes, other: bytes) -> bool:
    """Sizes may have capital letters, and begin with zeros; the bodies here do not."""
    zeros = rb"(?m)^0+(?=[0-9a-f]+\r$)"
    return re.sub(zeros, b"", one.lower()) == re.sub(zeros, b"", other.lower())


#: Given an answer and what was done: what is wrong with that, or None.
Judge = Callable[[Case, Ran], str | None]


def go_through(
    exercise: Answer, cases: Iterator[Case], judge: Judge, expected: str = ""
) -> None:
    """expected: if it is not to be sent to its end."""
    for case in cases:
        ran = run(exercise, case)
        if why := judge(case, ran):
            check(
                False,
                called=str(case),
                came_back=f"it {ran}",
                expected=expected
                or f"it sends {shown(framed(case))}, and returns {can_keep(case)}",
                why=why,
            )


def bodies(*kinds: bytes, most: int = 3) -> Iterator[tuple[bytes, ...]]:
    """All that have so many pieces at most; short ones first."""
    for number in range(most + 1):
        yield from itertools.product(kinds, repeat=number)


def lengths(pieces: tuple[bytes, ...], more: int = 0) -> Iterator[int]:
    """All that such a body may be too long for, its own, and so many more."""
    yield from range(sum(len(piece) for piece in pieces) + more + 1)


SMALL = (b"a", b"bcd", b"")
#: Pieces that are as good as others: what looks like nothing, or like framing.
ODD = (b" ", b"\r\n", b"\0", b"\xff\xfe", b"0\r\n\r\n")


# -- Content-Length -----------------------------------------------------------


def test_length(exercise: Answer) -> None:
    """A body that is as long as announced goes out as it is."""

    def judge(case: Case, ran: Ran) -> str | None:
        if ran.sent == LAST != case.whole:
            return (
                "A length of 0 is a length, and was announced: nothing follows. It is "
                "false to Python, as None is, so ask whether it `is not None`."
            )
        if ran.sent != case.whole:
            return "The client counts the bytes behind the head. Each is the body's."
        if not ran.keeps:
            return (
                "The client has counted, and knows where the answer ends. Closed for "
                "nothing, each request costs a connection."
            )
        return None

    cases = (
        Case(pieces, len(b"".join(pieces)), version, is_list=True)
        for pieces in itertools.chain(bodies(*SMALL), bodies(*ODD, most=1))
        for version in ((1, 1), (1, 0))
    )
    go_through(exercise, cases, judge)


def test_too_long(exercise: Answer) -> None:
    """Rule 2: what goes beyond the length is cut off."""

    def judge(case: Case, ran: Ran) -> str | None:
        if len(ran.sent) > (case.length or 0):
            if ran.sent != case.whole or len(case.pieces) == 1:
                return (
                    "The border may lie within a piece: of that one, only the "
                    "beginning was announced. The client takes the rest for the "
                    "beginning of its next answer."
                )
            return (
                "The client stops where the length says. It takes what comes behind "
                "for the beginning of its next answer."
            )
        if ran.sent != framed(case):
            return "Up to the length, all that the application makes is sent."
        if not ran.keeps:
            return (
                "What was sent is as long as announced, so the next answer begins "
                "where the client looks for it. There is no reason to close."
            )
        return None

    cases = (
        Case(pieces, length)
        for pieces in bodies(*SMALL)
        if pieces and pieces[-1]
        for length in lengths(pieces, -1)
    )
    # Those that are cut between two pieces, then all.
    first = Case((b"a", b"bcd"), 1)
    go_through(exercise, itertools.chain([first], cases), judge)


def test_enough(exercise: Answer) -> None:
    """Rule 2: when the length is reached, no other piece is asked for."""

    def judge(case: Case, ran: Ran) -> str | None:
        if ran.asked <= needed(case):
            return None
        if case.length == 0:
            return (
                "Of 0 bytes all have been sent before the first piece. Ask whether "
                f"there is something left before you ask for a piece: it was "
                f"{ran.asked}."
            )
        return (
            f"{needed(case)} of the pieces are enough, and {ran.asked} times one was "
            "asked for. The next may take ten minutes, or never come, and the answer "
            "is over already."
        )

    cases = (
        Case(pieces, length)
        for pieces in bodies(b"a", b"bcd")
        for length in lengths(pieces)
        if length or not pieces
    )
    nothing = (Case(pieces, 0) for pieces in bodies(*SMALL))
    go_through(exercise, itertools.chain(cases, nothing), judge)


def needed(case: Case) -> int:
    """How many pieces hold what was announced."""
    sums = itertools.accumulate((len(piece) for piece in case.pieces), initial=0)
    return next(n for n, total in enumerate(sums) if total >= (case.length or 0))


def test_too_short(exercise: Answer) -> None:
    """Rule 2: what is missing is not made up, and the connection is not kept."""

    def judge(case: Case, ran: Ran) -> str | None:
        missing = (case.length or 0) - len(case.whole)
        if len(ran.sent) > len(case.whole):
            return (
                "The client cannot tell filling from the application's bytes: it takes "
                "half a document for a whole one. Nobody may mend that in silence."
            )
        if ran.sent != case.whole:
            return "What there is is sent: the head has promised it."
        if ran.keeps:
            return (
                f"The client waits for {missing} more. If the connection is kept, it "
                "takes the head of its next answer for them. Closed, it sees that "
                "something is missing."
            )
        return None

    short = Case((b"a",), 2)
    with within(
        2,
        exercise,
        called=str(short),
        expected="it returns False",
        why="This body has ended. Whoever waits for what is missing waits for ever.",
    ):
        run(exercise, short)
    cases = (
        Case(pieces, len(b"".join(pieces)) + more)
        for pieces in bodies(*SMALL)
        for more in (1, 2, 50)
    )
    go_through(exercise, cases, judge)


# -- no body ------------------------------------------------------------------


def test_no_body(exercise: Answer) -> None:
    """Rule 1: nothing follows the head of an answer to HEAD, or of a 204 or 304."""

    def judge(case: Case, ran: Ran) -> str | None:
        if ran.sent == LAST:
            return (
                "The last chunk belongs to the body as well. Where there is no body, "
                "there is none."
            )
        if ran.sent and case.method == "HEAD":
            return (
                "Who asks HEAD wants the head, and stops reading behind it. Its length "
                "says what GET would have brought."
            )
        if ran.sent:
            return (
                "A 204 or 304 ends with its head. A 304 may carry a length: that of "
                "the document which the client has already."
            )
        if ran.asked:
            return (
                "What nobody will see need not be made. It may be a gigabyte, or raise "
                "an exception when the answer is over."
            )
        if not ran.keeps:
            return (
                "Nothing is missing, and the answer has an end that the client knows: "
                "the empty line behind its head."
            )
        return None

    kinds = [
        *itertools.product(["HEAD"], [200, 404, 204]),
        *itertools.product(["GET", "POST"], [204, 304]),
    ]
    cases = (
        Case(pieces, length, version, method, status)
        for method, status in kinds
        # No piece at all comes last: a mistake shows better with one.
        for pieces in sorted(bodies(*SMALL, most=2), key=lambda each: not each)
        for length in (1, 9, 0, None)
        for version in ((1, 1), (1, 0))
    )
    go_through(exercise, cases, judge)
    others = (
        Case((b"a",), 1, (1, 1), method, status)
        for method, status in (
            *itertools.product(["GET", "POST"], [200, 201, 203, 205, 303, 305, 404]),
            ("OPTIONS", 200),
        )
    )
    go_through(
        exercise,
        others,
        lambda case, ran: (
            None
            if ran.sent == case.whole
            else "Only in answer to HEAD, and with 204 and 304, the body is left out."
        ),
    )


# -- no length ----------------------------------------------------------------


def test_chunks(exercise: Answer) -> None:
    """Rule 3: without a length, an HTTP/1.1 client gets chunks."""

    def judge(case: Case, ran: Ran) -> str | None:
        ends = framed(case)
        if case.whole and ran.sent == case.whole:
            return (
                "Nothing tells the client where this ends. In HTTP/1.1 a chunk says "
                "how long it is, and the last one that it is the last."
            )
        if same(ran.sent + LAST, ends):
            return (
                "The body has ended well, and nothing says so: the client waits for "
                "another chunk until somebody gives up."
            )
        if same(ran.sent, with_empty(case.pieces)) and b"" in case.pieces:
            return (
                "A chunk without a byte is the last one. The client stops there, and "
                "takes the other pieces for the beginning of its next answer."
            )
        if ran.sent == with_decimals(case.pieces) and ran.sent != ends:
            return (
                "The client reads the size as hexadecimal digits: 10 bytes are a, and "
                "10 would be sixteen of them."
            )
        if not case.whole.strip() and same(ran.sent, LAST) and not same(LAST, ends):
            return (
                "A piece of white space is no empty piece. It has bytes, and a text "
                "without its spaces and ends of lines is another text."
            )
        if not same(ran.sent, ends):
            return (
                "A chunk is its size, b'\\r\\n', the piece, b'\\r\\n'; the end is "
                "b'0\\r\\n\\r\\n'."
            )
        if not ran.keeps:
            return (
                "The last chunk says where the body ends. That is what chunks are for: "
                "the connection need not end with it."
            )
        return None

    def with_empty(pieces: tuple[bytes, ...]) -> bytes:
        return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + LAST

    def with_decimals(pieces: tuple[bytes, ...]) -> bytes:
        return (
            b"".join(b"%d\r\n%b\r\n" % (len(each), each) for each in pieces if each)
            + LAST
        )

    cases = (
        Case(pieces)
        for pieces in itertools.chain(
            [(b"a",)],
            bodies(b"a", b"bcd", b"0123456789", b"b" * 15),
            bodies(b"", *(b"c" * size for size in (1, 9, 16, 26, 255, 4096)), most=2),
            bodies(*SMALL),
            bodies(*ODD, most=1),
        )
    )
    go_through(exercise, cases, judge)


def test_old_client(exercise: Answer) -> None:
    """Rule 4: without a length, an HTTP/1.0 client gets the pieces, then the end."""

    def judge(case: Case, ran: Ran) -> str | None:
        if ran.sent != case.whole:
            return (
                "HTTP/1.0 knows no chunks: its client takes the sizes for a part of "
                "the text."
            )
        if ran.keeps:
            return (
                "Nothing but the end of the connection tells this client where the "
                "body ends. If it is kept, the client waits."
            )
        return None

    cases = (
        Case(pieces, None, (1, 0))
        for pieces in itertools.chain(bodies(*SMALL), bodies(*ODD, most=1))
    )
    go_through(exercise, cases, judge)


# -- all answers --------------------------------------------------------------


def framings(pieces: tuple[bytes, ...]) -> Iterator[Case]:
    """Such a body in each kind of answer, the empty ones apart."""
    for more in (0, 1, 9):
        yield Case(pieces, len(b"".join(pieces)) + more)
    yield Case(pieces)
    yield Case(pieces, None, (1, 0))


def test_piece_by_piece(exercise: Answer) -> None:
    """Rule 5: a piece is sent before the next one is asked for."""

    def judge(case: Case, ran: Ran) -> str | None:
        sent, asked = b"", 0
        chunked = case.length is None and case.version == (1, 1)
        for event in ran.events:
            if isinstance(event, bytes):
                sent += event
            elif event == "ask":
                before = case.pieces[:asked]
                due = in_chunks(before) if chunked else b"".join(before)
                asked += 1
                if len(sent) >= len(due):
                    continue
                if not sent and len(before) > 1:
                    return (
                        f"{len(before)} pieces were made, and none was sent. A body "
                        "may be longer than the memory, and its first piece may be all "
                        "that the client waits for."
                    )
                if len(before) > 1:
                    return (
                        "The newest piece is held back until another one comes. That "
                        "may take ten minutes, and the client could have had it."
                    )
        return None

    cases = (
        case
        for pieces in bodies(b"a", b"bcd")
        for case in reversed([*framings(pieces)])
    )
    go_through(
        exercise,
        cases,
        judge,
        "each piece is sent before the next one is asked for",
    )


def test_body_fails(exercise: Answer) -> None:
    """Rule 6: what the body raises goes on to the caller, and nothing more is sent."""

    def judge(case: Case, ran: Ran) -> str | None:
        chunked = case.length is None and case.version == (1, 1)
        sent = in_chunks(case.pieces) if chunked else case.whole
        if chunked and same(ran.sent, sent + LAST):
            return (
                "The last chunk says that the body is whole, and half of it is "
                "missing. Without it, the client sees that."
            )
        if not same(ran.sent, sent):
            return (
                "In the midst of a body there is no place for anything else: the "
                "client takes it for a part of the text. What was made before is sent."
            )
        if ran.raised is not case.failure:
            return (
                "The caller has to learn that it has failed, and why: it reports that, "
                "and closes the connection."
            )
        return None

    cases = (
        case._replace(failure=failure)
        for pieces in bodies(*SMALL)
        for case in framings(pieces)
        if case.length is None or len(pieces) == 0 or case.length > len(case.whole)
        if case.length != 0
        for failure in FAILURES
    )
    go_through(
        exercise,
        cases,
        judge,
        "it sends what was made before the failure, and raises that failure",
    )


def test_send_fails(exercise: Answer) -> None:
    """Rule 6: what send() raises goes on to the caller, and nothing more is sent."""

    def judge(case: Case, ran: Ran) -> str | None:
        if "fail" not in ran.events:
            return None
        behind = ran.events[ran.events.index("fail") + 1 :]
        if any(isinstance(event, bytes) for event in behind):
            return "Behind a gap nothing may follow: the client would not see the gap."
        if ran.raised is not case.failure:
            return "Only the caller can give up a client that is gone, so tell it."
        return None

    cases = (
        case._replace(failure=failure, failing_call=call)
        for pieces in bodies(*SMALL)
        for case in framings(pieces)
        for call in (0, 1, 2)
        for failure in (Reset("the client is gone"), *FAILURES)
    )
    go_through(exercise, cases, judge, "what send() raises, and nothing after it")


def test_close(exercise: Answer) -> None:
    """Rule 7: close() is called once, last of all, whatever has happened."""

    def judge(case: Case, ran: Ran) -> str | None:
        times = ran.events.count("close")
        if times > 1:
            return f"It was closed {times} times. What is given back twice fails."
        if times == 0:
            if "fail" in ran.events:
                end = "a client that is gone leaves this for ever."
            elif case.is_silent:
                end = "an application has been called here, though nothing is sent."
            elif isinstance(ran.raised, Exception):
                end = "whoever fails needs it more than others."
            elif ran.raised is not None:
                end = "an exception need not be an Exception: nor is sys.exit()'s."
            elif case.length is not None and case.length < len(case.whole):
                end = "a body that is cut off never comes to its own end."
            elif not ran.keeps:
                end = "the connection ends, and the application lives on."
            else:
                end = "a framework gives back there what a request has used."
            return f"close() was not called: {end}"
        if ran.events[-1] != "close":
            return (
                "close() was called before the end. It may take its time, and the "
                "client waits meanwhile for what is sent after it."
            )
        return None

    def cases() -> Iterator[Case]:
        for pieces in bodies(*SMALL, most=2):
            whole = [*framings(pieces)]
            whole += [Case(pieces, length) for length in lengths(pieces)]
            silent = [
                Case(pieces, length, version, method, status)
                for length in (None, 1)
                for version in ((1, 1), (1, 0))
                for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304))
            ]
            yield from (*whole, *silent)
            for failure in FAILURES:
                for case in whole:
                    yield case._replace(failure=failure)
                    yield case._replace(failure=failure, failing_call=0)
                    yield case._replace(failure=failure, failing_call=1)

    go_through(exercise, cases(), judge, "close() is called once, after all else")

    def judge_apart(case: Case, ran: Ran) -> str | None:
        if "close" not in ran.events:
            return (
                "This body has a close(), though it is no iterator and no generator. "
                "It is the body that is closed, and not what goes through it."
            )
        return judge(case, ran)

    apart = (case._replace(is_apart=True) for case in cases())
    go_through(exercise, apart, judge_apart, "close() of the body is called once")


def test_close_fails(exercise: Answer) -> None:
    """Rules 6 and 7: what close() raises goes on to the caller."""

    def judge(case: Case, ran: Ran) -> str | None:
        if ran.events.count("close") > 1:
            return (
                "close() has failed, and that was taken for a failure of the body: it "
                "was called once more. Half of it may have been given back already."
            )
        if ran.raised is case.close_failure:
            return None
        if isinstance(case.close_failure, AttributeError):
            return (
                "This close() exists, and has failed within. Who calls it and catches "
                "AttributeError, for bodies that have none, hides that. Ask first."
            )
        return (
            "What fails there may be what saves the work: a transaction that cannot be "
            "ended. If nobody hears of it, nobody mends it."
        )

    failures = (*FAILURES, AttributeError("no such field"))
    cases = (
        case._replace(close_failure=failure)
        for case in (*framings((b"a",)), Case((b"a",), method="HEAD"))
        for failure in failures
    )
    go_through(exercise, cases, judge, "one close(), and what it raises goes on")


def test_many_pieces(exercise: Answer) -> None:
    """A body may have thousands of pieces."""
    for case in framings((b"a", b"b") * 2500):
        called = str(case).partition("where")[0] + "where body gives 5000 pieces"
        why = (
            "A file of a gigabyte comes in many pieces. A call within a call for each "
            "piece ends after a thousand: Python allows no more. A loop goes on."
        )
        came_back = ""
        try:
            ran = run(exercise, case)
        except RecursionError as error:
            came_back = f"RecursionError: {error}"
        else:
            if not same(ran.sent, framed(case)):
                came_back = f"it {ran}"
        check(
            not came_back,
            called=called,
            came_back=came_back,
            expected="all of them are sent",
            why=why,
        )
