"""Checks chapters/15-it-has-a-name/exercise.py.

The starter is told: one call of data_received() is not one line
"""

import asyncio
import contextlib
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any, TypeVarTuple

from workshop import Answer, check, within

#: What asyncio allows to be unsent, in bytes, before it calls pause_writing().
HIGH_WATER = 64 * 1024
#: The length of an answer of which four are too much to be unsent, and one is not.
BIG = 20_000
_Ts = TypeVarTuple("_Ts")
#: Rounds of the loop without any news, after which none is expected.
QUIET_ROUNDS = 10


def line_number(number: int) -> bytes:
    return b"line %d" % number


def lines_numbered(first: int, last: int) -> bytes:
    return b"".join(line_number(n) + b"\n" for n in range(first, last + 1))


def backwards(line: bytes) -> bytes:
    return line[::-1] + b"\n"


def big(line: bytes) -> bytes:
    return line.ljust(BIG - 1, b".") + b"\n"


def in_answers(data: bytes) -> list[bytes]:
    """The lines to which these are the answers of big()."""
    return [line.rstrip(b".") for line in data.split(b"\n")[:-1]]


def numbers(lines: list[bytes]) -> list[str]:
    return [line.decode(errors="replace").removeprefix("line ") for line in lines]


def shown(lines: list[bytes]) -> str:
    if len(lines) < 2:
        return f"the answer to line {numbers(lines)[0]}" if lines else "no answer"
    few = numbers(lines)
    if len(few) > 15:
        few[12:-1] = ["…"]
    return "the answers to the lines " + ", ".join(few)


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts what it is asked to call."""

    calls = 0

    def call_soon(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.calls += 1
        return super().call_soon(callback, *args, context=context)


class Client(asyncio.Transport):
    """Stands for a transport, and for the client at the other end.

    As in asyncio, `write()` itself calls `pause_writing()`; pieces come only while
    reading is not paused, one in a round of the loop; the end comes after the last of
    them; and `connection_lost()` is called when all is sent, or all is lost. What is
    sent waits until the client reads.
    """

    def __init__(self, exercise: Answer, answer: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._exercise = exercise
        self._loop = CountingLoop()
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self._answer = answer
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._coming: list[bytes] = []  # sent by the client, and not received yet
        self._reading = True
        self._pausing = False  # has called pause_writing(), and not resume_writing()
        self._telling = False  # is in resume_writing()
        self.asked: list[bytes] = []  # the lines for which answer() was called
        self.unsent = bytearray()
        self.received = b""  # by the client
        self.pieces = 0  # that data_received() was given
        self.closing = False
        self.closed_while_telling = False
        self.written_after_closing = 0
        self.lost: list[Exception | None] = []
        self.gone_at: int | None = None  # the write() at which it is found to be gone
        self.writes = 0
        self.errors: list[BaseException] = []
        self.connections: set[object] = set()
        self._loop.set_exception_handler(lambda _loop, context: self._failed(context))
        self.was_early = False
        self.limits_set: list[tuple[int | None, int | None]] = []
        #: By method of the answer: how long each call has waited, in seconds. The time
        #: in which it had the processor is no waiting.
        self.waited_s: dict[str, list[float]] = {}

    def tells(self, name: str, *arguments: object) -> Any:
        """Call a method of the answer."""
        began, worked = time.perf_counter(), time.thread_time()
        try:
            return getattr(self.protocol, name)(*arguments)
        finally:
            waited = time.perf_counter() - began - (time.thread_time() - worked)
            self.waited_s.setdefault(name, []).append(waited)

    # -- what the client and the server do

    def play(self, action: Callable[[], object]) -> None:
        """Do that in the loop, and let the loop run until nothing happens any more."""

        async def steps() -> None:
            action()
            quiet = 0
            while quiet < QUIET_ROUNDS and not self.errors:
                before = self._happened()
                await asyncio.sleep(0)
                self._receive()
                quiet = quiet + 1 if self._happened() == before else 0

        with within(
            2,
            self._exercise,
            called="a method of Connection",
            expected="that it returns",
            why="A loop is one thread. A call that does not return stops everybody.",
        ):
            self._runner.run(steps())
            for error_in_a_callback in self.errors:
                raise error_in_a_callback

    def connects(self) -> None:
        protocol = self._exercise.Connection(self.answer, self.connections)
        self.protocol = protocol
        self.was_early = protocol in self.connections
        self.tells("connection_made", self)

    def is_drained(self) -> None:
        self.tells("drain")

    def sends(self, *pieces: bytes) -> None:
        """Send these pieces; an empty one is the end."""
        self.play(lambda: self._coming.extend(pieces))

    def reads(self) -> None:
        """Read all that is unsent."""
        self.play(self._send)

    def reads_on(self) -> None:
        """Read whatever comes until nothing more does."""
        while self.unsent:
            self.reads()

    def busy_rounds(self) -> int:
        """How many calls the answer asks the loop for, in 50 rounds without news."""

        async def rounds() -> int:
            before = self._loop.calls
            for _ in range(50):
                await asyncio.sleep(0)
            return self._loop.calls - before - 50

        return self._runner.run(rounds())

    def ends(self) -> None:
        self._runner.close()

    @property
    def answers(self) -> bytes:
        """All that was written, read or not."""
        return self.received + self.unsent

    # -- the transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closing:
            self.written_after_closing += 1
            return
        self.writes += 1
        if self.writes == self.gone_at:
            self.resets()
            return
        self.unsent += data
        self._tell_if_too_much()

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        self.limits_set.append((high, low))
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low
        self._tell_if_too_much()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def is_reading(self) -> bool:
        return self._reading and not self.closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if self.closing:
            return
        self.closing = True
        self.closed_while_telling = self._telling
        if not self.unsent:
            self._loses(None)

    def abort(self) -> None:
        self._breaks(None)

    def resets(self) -> None:
        """The client is gone, and with it all that was unsent."""
        self._breaks(ConnectionResetError("the client is gone"))

    # -- and its inside

    def answer(self, line: bytes) -> bytes:
        self.asked.append(line)
        return self._answer(line)

    def _receive(self) -> None:
        if self._coming and self.is_reading():
            piece = self._coming.pop(0)
            if piece:
                self.pieces += 1
                self.tells("data_received", piece)
            elif not self.tells("eof_received"):
                self.close()

    def _tell_if_too_much(self) -> None:
        if len(self.unsent) > self._high and not self._pausing:
            self._pausing = True
            self.tells("pause_writing")

    def _send(self) -> None:
        self.received += self.unsent
        self.unsent.clear()
        if self._pausing:
            self._pausing = False
            self._telling = True
            self.tells("resume_writing")
            self._telling = False
        if self.closing and not self.unsent:
            self._loses(None)

    def _breaks(self, error: Exception | None) -> None:
        if not self.closing or self.unsent:
            self.closing = True
            self.unsent.clear()
            self._loses(error)

    def _loses(self, error: Exception | None) -> None:
        def lose() -> None:
            if not self.lost:
                self.lost.append(error)
                self.tells("connection_lost", error)

        self._loop.call_soon(lose)

    def _failed(self, context: dict[str, Any]) -> None:
        self.errors.append(context.get("exception") or Exception(context["message"]))

    def _happened(self) -> tuple[int, ...]:
        sizes = [len(self.asked), len(self._coming), len(self.lost)]
        return *sizes, self.writes, len(self.unsent), self._reading, self.closing


@contextlib.contextmanager
def connected(
    exercise: Answer, answer: Callable[[bytes], bytes] = backwards
) -> Iterator[Client]:
    client = Client(exercise, answer)
    try:
        client.play(client.connects)
        yield client
    finally:
        client.ends()


def check_answers(
    exercise: Answer, pieces: list[bytes], expected: bytes, why: str
) -> None:
    with connected(exercise) as client:
        client.sends(*pieces)
        check(
            client.answers == expected,
            called=" and then ".join(f"data_received({piece!r})" for piece in pieces)
            + ", where answer() turns a line around",
            came_back=f"{client.answers!r} is written",
            expected=f"{expected!r} is written",
            why=why,
        )
        lines = b"".join(pieces).split(b"\n")[:-1]
        check(
            client.asked == lines,
            called=" and then ".join(f"data_received({piece!r})" for piece in pieces),
            came_back=f"answer() is called for {client.asked}",
            expected=f"for {lines}",
            why="answer() is called once for each line. It may be a payment.",
        )


def test_a_line(exercise: Answer) -> None:
    """A line is answered with what answer() gives for it."""
    for line in (b"hello", b"", b"with \r"):
        check_answers(
            exercise,
            [line + b"\n"],
            backwards(line),
            "What is written is what answer() gives for this line, without its end; "
            "nothing else is known about answers. An empty line is a line.",
        )


def test_pieces(exercise: Answer) -> None:
    """A line that comes in pieces is put together."""
    sent, expected = b"abcde\n", b"edcba\n"
    for cut in range(1, len(sent)):
        check_answers(
            exercise,
            [sent[:cut], sent[cut:]],
            expected,
            "A transport carries bytes, as recv() does: one call of data_received() is "
            "not one line. What has no end yet is kept for the next call.",
        )
    check_answers(
        exercise,
        [sent[n : n + 1] for n in range(len(sent))],
        expected,
        "Each byte may come by itself. What has no end yet is kept for the next call.",
    )


def test_two_connections(exercise: Answer) -> None:
    """What one client has sent is not another's."""
    with connected(exercise) as one, connected(exercise) as other:
        one.sends(b"mine is ")
        other.sends(b"yours\n")
        one.sends(b"here\n")
        for client, name, expected in (
            (other, "the other", backwards(b"yours")),
            (one, "the first", backwards(b"mine is here")),
        ):
            check(
                client.answers == expected,
                called="with two connections: the first one's data_received(b'mine is "
                "'), the other's data_received(b'yours\\n'), and the first one's "
                "data_received(b'here\\n')",
                came_back=f"{client.answers!r} is written to {name}",
                expected=f"{expected!r}",
                why="A server has many connections, each with its own state. A list "
                "that stands in the class, in the module, or in a default is shared "
                "by all of them: one client gets what another has sent.",
            )
    with connected(exercise, big) as one, connected(exercise, big) as other:
        one.sends(lines_numbered(1, 10))
        other.sends(lines_numbered(1, 1))
        check(
            in_answers(other.answers) == [line_number(1)],
            called="with two connections: the first one's writing is paused, and the "
            "other's client sends a line",
            came_back=shown(in_answers(other.answers)),
            expected="the answer to line 1",
            why="One client that does not read is no reason to let the others wait. "
            "Whether writing is paused belongs to a connection, not to all.",
        )


def test_limits(exercise: Answer) -> None:
    """The limit of what may be unsent stays as it is."""
    with connected(exercise, big) as client:
        client.sends(lines_numbered(1, 10))
        client.reads_on()
        check(
            not client.limits_set,
            called="connection_made(), data_received() with ten lines, pause_writing() "
            "and resume_writing()",
            came_back="transport.set_write_buffer_limits(high, low) with "
            + ", ".join(map(str, client.limits_set)),
            expected="no call of it",
            why="The contract says: leave the limit as it is. With a limit of 0 each "
            "write() pauses, and a client waits a round of the loop for each answer; "
            "with a huge one none does, and the memory fills.",
        )


def test_never_blocks(exercise: Answer) -> None:
    """No method waits: not in sleep(), and not for anything else."""
    waited_s: dict[str, list[float]] = {}
    for end in ([b""], []) * 6:
        with connected(exercise, big) as client:
            client.sends(lines_numbered(1, 10), *end)
            client.reads_on()
            if not client.lost:
                client.play(client.is_drained)
            client.play(client.abort)
            for name, times in client.waited_s.items():
                waited_s.setdefault(name, []).append(min(times))
    for name, times in waited_s.items():
        # Another program may have had the processor, but not each time.
        check(
            min(times) < 0.001,
            called=f"{name}(), in several connections",
            came_back=f"it waits for {1000 * min(times):.0f} ms at least, each time",
            expected="no waiting at all",
            why="A loop is one thread. While a method sleeps, or waits for a lock, "
            "nobody else is served either: with a thousand clients, each waits for "
            "a thousand times that.",
        )


def test_many_in_a_piece(exercise: Answer) -> None:
    """All lines in a piece are answered, in order."""
    for pieces in ([b"ab\ncd\nef\ngh"], [b"ab\nc", b"d\nef", b"\n\n", b"h"]):
        sent = b"".join(pieces)
        check_answers(
            exercise,
            pieces,
            b"".join(map(backwards, sent.split(b"\n")[:-1])),
            "A client may send many lines before it reads an answer. Whatever of them "
            "is left until the next piece may be left for ever: the client sends none "
            "before it has its answers, so both wait. What has no end is not answered.",
        )


def test_writing_stops(exercise: Answer) -> None:
    """After pause_writing() no line is answered."""
    with connected(exercise, big) as client:
        client.sends(*(line_number(n) + b"\n" for n in range(1, 11)))
        written = in_answers(client.answers)
        check(
            len(written) <= 4,
            called="data_received() with a line, ten times, for a client that does not "
            f"read. Answers have {BIG} bytes; the fourth brings pause_writing()",
            came_back=f"{shown(written)}: {len(client.unsent)} bytes wait to be sent",
            expected="no write() after the fourth",
            why="transport.write() takes everything, and keeps in memory what cannot "
            "be sent. pause_writing() asks to stop: who does not heed it lets one "
            "client who does not read fill the memory.",
        )


def test_called_within_write(exercise: Answer) -> None:
    """pause_writing() counts at once, also among the lines of one piece."""
    with connected(exercise, big) as client:
        client.sends(lines_numbered(1, 10))
        written = in_answers(client.answers)
        called = (
            "data_received() with ten lines at once, for a client that does not read. "
            f"Answers have {BIG} bytes; the fourth brings pause_writing()"
        )
        check(
            len(written) <= 4,
            called=called,
            came_back=f"{shown(written)}: {len(client.unsent)} bytes wait to be sent",
            expected="no write() after the fourth",
            why="pause_writing() is called from within write(), while your loop over "
            "the lines runs. It has to look before each line; once for a piece is too "
            "late, for a piece may hold thousands.",
        )
        check(
            written == [line_number(n) for n in range(1, 5)],
            called=called,
            came_back=shown(written),
            expected="the answers to the lines 1, 2, 3, 4",
            why="Until pause_writing() there is no reason to wait.",
        )
        check(
            len(client.asked) <= 4,
            called=called,
            came_back=f"answer() was called {len(client.asked)} times, though only 4 "
            "answers were written",
            expected="no call of answer() after the fourth write()",
            why="A line has a few bytes, and its answer may have millions. Answers "
            "that you keep take as much memory as those that the transport keeps.",
        )


def test_reading_stops(exercise: Answer) -> None:
    """While writing is paused, hardly anything is read."""
    with connected(exercise, big) as client:
        client.sends(*(line_number(n) + b"\n" for n in range(1, 101)))
        check(
            client.pieces <= 5,
            called="data_received() with a line, again and again, as long as reading "
            "is not paused. The answer to the fourth brings pause_writing()",
            came_back=f"{client.pieces - 4} pieces more are received, and kept",
            expected="transport.pause_reading(), one piece later at most",
            why="A client may send without end and never read. What has come and may "
            "not be answered is memory, too. Who does not read leaves it to the "
            "kernel, whose buffers are bounded, and the client has to wait.",
        )


def test_waiting_is_no_work(exercise: Answer) -> None:
    """While nothing happens, the loop is not asked to call anything."""
    with connected(exercise, big) as client:
        client.sends(lines_numbered(1, 10))
        calls = client.busy_rounds()
        check(
            calls <= 5,
            called="nothing: writing is paused, and the loop has made 50 rounds",
            came_back=f"the loop was asked for {calls} more calls",
            expected="none",
            why="Who asks again in every round whether writing may go on keeps the "
            "loop from sleeping: a whole core, for one client that does not read. "
            "resume_writing() says when.",
        )


def test_writing_goes_on(exercise: Answer) -> None:
    """After resume_writing(), what has waited is answered, in order."""
    with connected(exercise, big) as client:
        client.sends(lines_numbered(1, 10))
        client.reads()
        written = in_answers(client.answers)
        first_8 = [line_number(n) for n in range(1, 9)]
        if len(written) < 8:
            why = (
                "The lines that wait are in your hands, not in the socket: no event "
                "will come for them. If resume_writing() forgets them, nobody answers "
                "them, and the client waits for ever."
            )
        elif len(written) > 8:
            why = (
                "pause_writing() may come again, in the middle of what has waited. It "
                "counts each time."
            )
        else:
            why = (
                "A client tells answers apart by their order alone. The line that has "
                "waited longest is next."
            )
        called = (
            "data_received() with ten lines, of which four are answered before "
            "pause_writing(). Then the client reads, and resume_writing() is called; "
            "four answers later, pause_writing() again"
        )
        check(
            written == first_8,
            called=called,
            came_back=shown(written),
            expected=shown(first_8),
            why=why,
        )
        client.reads_on()
        written = in_answers(client.answers)
        check(
            written == [line_number(n) for n in range(1, 11)],
            called=called + ". The client reads that, too",
            came_back=shown(written),
            expected="the answers to the lines 1 to 10",
            why="Each line is answered once, in order, however often writing pauses.",
        )


def test_reading_goes_on(exercise: Answer) -> None:
    """Reading goes on when nothing waits, and not while writing is paused."""
    with connected(exercise, big) as client:
        client.sends(
            lines_numbered(1, 10),
            *(line_number(n) + b"\n" for n in range(11, 61)),
        )
        client.reads()
        called = (
            "resume_writing() while six lines wait. After four of them "
            "pause_writing() comes again, and the client has sent 50 pieces more"
        )
        check(
            client.pieces <= 3,
            called=called,
            came_back=f"{client.pieces - 1} of them are received meanwhile",
            expected="no more than one, each time that writing pauses",
            why="Reading that goes on while writing is paused again lets the input "
            "grow, as if it had never been paused.",
        )
        client.reads_on()
        written = in_answers(client.answers)
        check(
            len(written) == 60,
            called=called + ". Then it reads all that comes",
            came_back=f"{len(written)} of its 60 lines are answered",
            expected="all of them",
            why="pause_reading() lasts until resume_reading(). Where that is not "
            "called when the last line that has waited is answered, the client is "
            "never heard again.",
        )
        check(
            written == [line_number(n) for n in range(1, 61)],
            called=called + ". Then it reads all that comes",
            came_back=shown(written),
            expected="the answers to the lines 1 to 60, in order",
            why="A client tells answers apart by their order alone. What comes last "
            "has to queue behind what waits.",
        )


def test_half_close(exercise: Answer) -> None:
    """A client that has sent all gets its answers; then the connection is closed."""
    for wholes, half in ((1, b""), (10, b""), (0, b"half a line"), (10, b"half")):
        with connected(exercise, big) as client:
            client.sends(lines_numbered(1, wholes) + half, b"")
            client.reads_on()
            expected = [line_number(n) for n in range(1, wholes + 1)]
            answered = in_answers(client.received)
            called = (
                f"data_received() with lines: {wholes}"
                + (f" and {half!r}" if half else "")
                + ". Then the client half-closes, and reads all that comes"
            )
            closed = ", and the connection is closed" if client.lost else ""
            check(
                answered[: len(expected)] == expected,
                called=called,
                came_back=shown(answered) + closed,
                expected=shown(expected) + ", and then a closed connection",
                why="A half-closed client has nothing to add, but waits for what it "
                "has asked. close() sends what was written; what waits in your hands "
                "it does not know. It has to be answered before.",
            )
            check(
                answered == expected,
                called=called,
                came_back=shown(answered),
                expected=shown(expected),
                why="What has no end is no line: perhaps the client broke off. Half a "
                "request may say the contrary of the whole.",
            )
            check(
                client.lost,
                called=called,
                came_back=shown(answered) + ", and the connection stays open",
                expected="transport.close() when all is answered; or False, if all was",
                why="True from eof_received() leaves the closing to you, and no event "
                "will remind you. A connection that nobody closes keeps its descriptor "
                "until there are none left.",
            )


def test_drain(exercise: Answer) -> None:
    """A drain answers what has come, then closes, and waits for no more."""
    for pieces in ([], [b"half a line"], [lines_numbered(1, 2)]):
        with connected(exercise, big) as client:
            client.sends(*pieces)
            client.reads_on()
            client.play(client.protocol.drain)
            check(
                client.lost,
                called="drain() while no whole line waits for its answer",
                came_back="the connection stays open",
                expected="transport.close()",
                why="A server that ends cannot wait until each client thinks of "
                "leaving.",
            )
    with connected(exercise, big) as client:
        client.sends(
            lines_numbered(1, 10), *(line_number(n) + b"\n" for n in range(11, 61))
        )
        expected = numbers([line_number(n) for n in range(1, client.pieces + 10)])
        client.play(client.protocol.drain)
        client.reads_on()
        came_back = numbers(in_answers(client.received))
        called = (
            f"drain() when {len(expected)} lines have come, four are answered, and "
            "writing is paused. Then the client reads all that comes"
        )
        check(
            came_back[: len(expected)] == expected,
            called=called,
            came_back=f"{len(came_back)} of them are answered, and "
            + ("the connection is closed" if client.lost else "it stays open"),
            expected=f"{len(expected)} answers, and then a closed connection",
            why="What has come was asked before the drain. To close while lines wait "
            "for their answers loses them, and a drain is there to lose nothing.",
        )
        check(
            client.lost and came_back == expected,
            called=called + ". It has sent 50 lines more",
            came_back=f"{len(came_back)} lines are answered, and "
            + ("the connection is closed" if client.lost else "it stays open"),
            expected=f"{len(expected)} answers, and then a closed connection",
            why="A drain that goes on reading ends when the clients like, or never.",
        )
    with connected(exercise, big) as client:
        client.sends(lines_numbered(1, 4))
        client.play(client.protocol.drain)
        client.reads_on()
        check(
            client.lost,
            called="drain() when four lines have come and are answered, and writing is "
            "paused. Then the client reads all that comes",
            came_back="the connection stays open",
            expected="transport.close(), at once or when writing may go on",
            why="close() sends what is written, so it need not wait. Who puts it off "
            "all the same has to remember: resume_writing() is the last event here, "
            "and no line waits that would bring it to mind.",
        )
    with connected(exercise, big) as client:
        client.sends(lines_numbered(1, 10))
        client.play(client.protocol.drain)
        client.sends(lines_numbered(11, 11))
        client.reads_on()
        came_back = numbers(in_answers(client.received))
        check(
            client.lost and len(came_back) == 10,
            called="drain() when ten lines have come, four are answered, and writing "
            "is paused. Then the client sends another, and reads all that comes",
            came_back=f"{len(came_back)} lines are answered, and "
            + ("the connection is closed" if client.lost else "it stays open"),
            expected="10 answers, and then a closed connection",
            why="That line came after the drain. It is not read, or if it is, as the "
            "one piece that may be, then it is dropped like half a line.",
        )


def test_gone(exercise: Answer) -> None:
    """For a client that is gone, nothing more is done."""
    with connected(exercise) as client:
        client.gone_at = 3
        client.sends(lines_numbered(1, 1000))
        check(
            len(client.asked) <= 3,
            called="data_received() with 1000 lines. At the third write() the "
            "transport finds that the client is gone",
            came_back=f"answer() was called {len(client.asked)} times",
            expected="no call after the third",
            why="write() does not raise when the client is gone: is_closing() says so. "
            "Who does not ask works for nobody, while others wait: a cheap attack.",
        )
    with connected(exercise, big) as client:
        client.sends(lines_numbered(1, 10))
        client.play(client.resets)
        before = len(client.asked)
        client.play(client.protocol.drain)
        check(
            len(client.asked) == before and not client.written_after_closing,
            called="connection_lost() while six lines wait, and then drain()",
            came_back=f"answer() is called {len(client.asked) - before} times more",
            expected="nothing",
            why="connection_lost() was the last of it. Lines that still wait have "
            "nobody to be sent to.",
        )
    with connected(exercise, big) as client:
        client.sends(lines_numbered(1, 10))

        def resumed_and_gone() -> None:
            client._send()
            client.abort()

        client.play(resumed_and_gone)
        check(
            not client.written_after_closing,
            called="resume_writing() while six lines wait; and before the loop comes "
            "to anything else, the server calls transport.abort()",
            came_back=f"calls of write() after abort(): {client.written_after_closing}",
            expected="no call",
            why="What is put off with call_soon() comes into another world: the "
            "transport may be closed by then. It has to ask is_closing() again.",
        )


def test_closing_is_put_off(exercise: Answer) -> None:
    """The transport is not closed while it calls resume_writing()."""

    def small_at_last(line: bytes) -> bytes:
        return big(line) if line != b"last" else b"."

    with connected(exercise, small_at_last) as client:
        client.sends(lines_numbered(1, 4) + b"last\n", b"")
        client.play(client.protocol.drain)
        client.reads_on()
        check(
            not client.closed_while_telling,
            called="resume_writing() when a line waits, and is the last",
            came_back="transport.close() within resume_writing()",
            expected="transport.close() after resume_writing() has returned",
            why="The transport is in the middle of its own work when it calls you. "
            "Many versions of asyncio then end the connection twice, and log an "
            "AttributeError. call_soon() puts it off until they are done.",
        )


def test_set(exercise: Answer) -> None:
    """The server's set has the connection as long as it lasts, and no longer."""
    with connected(exercise, big) as client:
        check(
            not client.was_early and client.protocol in client.connections,
            called="Connection(answer, connections) and connection_made()",
            came_back="it was in the set before connection_made()"
            if client.was_early
            else "it is not in the set",
            expected="in the set from connection_made() on",
            why="A drain asks each connection in the set to end. One that is not there "
            "is cut off; one that has no transport yet cannot close it.",
        )
        client.sends(lines_numbered(1, 1))
        client.play(client.protocol.drain)
        check(
            client.protocol in client.connections,
            called="drain(), while an answer is written and the client has not read it",
            came_back="it is no longer in the set",
            expected="in the set until connection_lost()",
            why="close() is a wish: what is written has yet to be sent. A server that "
            "ends when the set is empty would end before, and lose it.",
        )
        client.reads_on()
        check(
            client.protocol not in client.connections,
            called="connection_lost()",
            came_back="it still is in the set",
            expected="no longer in the set",
            why="What stays in the set is never freed, and a drain that waits for the "
            "set to be empty waits for ever.",
        )
    with connected(exercise, big) as client:
        client.sends(lines_numbered(1, 10))
        client.play(client.resets)
        check(
            client.protocol not in client.connections,
            called="connection_lost(ConnectionResetError('the client is gone'))",
            came_back="it still is in the set",
            expected="no longer in the set",
            why="Most connections that are lost with an error have no other end. The "
            "error says why, and the connection is gone either way.",
        )


def test_copies(exercise: Answer) -> None:
    """Many short lines in one piece are taken without copying the rest for each."""
    count = 3000
    copies = 0
    left = count

    def watched(line: bytes) -> bytes:
        nonlocal copies, left
        now, most = tracemalloc.get_traced_memory()
        # Whoever makes another list or string of what is left has both for a moment.
        copies += most - now > 2 * left
        left -= 1
        tracemalloc.reset_peak()
        return b"."

    with connected(exercise, watched) as client:
        was_tracing = tracemalloc.is_tracing()
        tracemalloc.start()
        raised = ""
        try:
            client.sends(b"abc\n" * count)
        except RecursionError as error:
            raised = f"RecursionError: {error}"
        finally:
            if not was_tracing:
                tracemalloc.stop()
        check(
            not raised,
            called=f"data_received() with {count} lines of three letters",
            came_back=raised,
            expected="an answer to each",
            why="A call within a call for each line ends after a thousand: Python "
            "allows no more. A loop goes on.",
        )
        check(
            copies < count / 10,
            called=f"data_received() with {count} lines of three letters",
            came_back=f"the lines that are left are copied {copies} times",
            expected="a few times at most",
            why="To copy the rest for each line is quadratic. asyncio receives up to "
            "256 KiB at a time: a client that fills that with short lines stops "
            "everybody for seconds.",
        )


def test_a_piece_full_of_lines(exercise: Answer) -> None:
    """A line among 256 Ki costs what one among a few thousand costs."""
    few, many = 2000, 256 * 1024
    called = f"data_received() with {many} empty lines, which is 256 KiB"
    why = (
        "What is left is moved or copied for each line that is taken, as a list moves "
        "it in pop(0). That is quadratic: one client with one such piece stops "
        "everybody for many seconds."
    )
    with within(4, exercise, called=called, expected="an answer to each", why=why):
        used_s = {n: min(used(exercise, n, few) for _ in range(3)) for n in (few, many)}
    times = used_s[many] / used_s[few]
    check(
        times < 10,
        called=called,
        came_back=f"a line takes {times:.0f} times as long as with {few} lines",
        expected="about as long",
        why=why,
    )


def used(exercise: Answer, lines: int, answers: int) -> float:
    """The processor's time for so many answers, of that many lines, in seconds."""
    ends: list[float] = []

    def answer(line: bytes) -> bytes:
        ends.append(time.thread_time())
        if len(ends) == answers:
            taker.is_gone = True
        return b""

    async def receive() -> None:
        protocol = exercise.Connection(answer, set())
        protocol.connection_made(taker)
        protocol.data_received(b"\n" * lines)
        before = -1
        while before < len(ends):
            before = len(ends)
            for _ in range(QUIET_ROUNDS):
                await asyncio.sleep(0)

    taker = Taker()
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(receive())
    check(
        len(ends) >= answers,
        called=f"data_received() with {lines} empty lines",
        came_back=f"{len(ends)} calls of answer()",
        expected="one for each",
        why="An empty line is a line, however many of them have come.",
    )
    return max(ends[answers - 1] - ends[0], 1e-5)


class Taker(asyncio.Transport):
    """A transport whose client takes everything at once, until it is gone."""

    is_gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_gone

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_reading(self) -> bool:
        return not self.is_gone

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.is_gone = True


def test_real_client(exercise: Answer) -> None:
    """On a real loop, for a client that reads late, memory stays bounded."""
    count = 1000
    most = 0
    sent = b"".join(line_number(n).ljust(99) + b"\n" for n in range(count))
    expected = b"".join(line_number(n).ljust(999) + b"\n" for n in range(count))
    errors: list[BaseException] = []
    transports: list[asyncio.Transport] = []

    def answer(line: bytes) -> bytes:
        nonlocal most
        most = max(most, transports[0].get_write_buffer_size())
        return line.ljust(999) + b"\n"

    async def talk() -> bytes:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _loop, context: errors.append(
                context.get("exception") or Exception(context["message"])
            )
        )
        transport, _ = await loop.connect_accepted_socket(
            lambda: exercise.Connection(answer, set()), ours
        )
        transports.append(transport)

        async def ask() -> None:
            await loop.sock_sendall(client, sent)
            client.shutdown(socket.SHUT_WR)

        asking = asyncio.create_task(ask())
        # It does not read yet, and the server has time for all that it would do.
        for _ in range(200):
            await asyncio.sleep(0)
        received = b""
        with contextlib.suppress(ConnectionError):
            while not errors and (piece := await loop.sock_recv(client, 1 << 16)):
                received += piece
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return received

    ours, client = socket.socketpair()
    with ours, client:
        for end in (ours, client):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        called = (
            f"Connection on a real socket. The client sends {count} lines, does not "
            "read while the loop makes 200 rounds, half-closes, and reads to the end"
        )
        with (
            within(
                2,
                exercise,
                called=called,
                expected=f"{count} answers of 1000 bytes, and a closed connection",
                why="With asyncio's own transport something is waited for that does "
                "not come: an answer, or the end.",
            ),
            asyncio.Runner() as runner,
        ):
            received = runner.run(talk())
        for error_in_a_callback in errors:
            raise error_in_a_callback
    check(
        received == expected,
        called=called,
        came_back=f"{len(received)} bytes, not those that were expected",
        expected=f"{count} answers of 1000 bytes, in order",
        why="All answers arrive, in the order of the lines, as with the transport of "
        "the other checks.",
    )
    check(
        most <= HIGH_WATER,
        called=called,
        came_back=f"answer() was called while {most} bytes were unsent",
        expected=f"no call while more than {HIGH_WATER} are unsent",
        why="That is what pause_writing() is for: a bound for what one client can make "
        "the server keep.",
    )
