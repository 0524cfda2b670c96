"""What was seen, before anybody says what it means.

Times are in milliseconds where their names end in `_ms`, in seconds in `_s`. Whatever
was not looked at, or could not be, is None, and `notes` says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Contact:
    """The first answers."""

    status: int
    #: "1.1" or "1.0": what the status line says.
    version: str
    #: Its `Server` field, or nothing.
    server: str
    head_bytes: int
    body_bytes: int
    #: How the body's end is told: "length", "chunked", "close", "none".
    framing: str
    #: How many of the connections that should have been kept were closed after one
    #: answer, of how many.
    closed: int
    connections: int
    #: How many of those had not said that they would close.
    unannounced: int
    #: First requests that had no right answer, beside those.
    failed: int
    #: Until a connection was open, and until its answer was whole; medians.
    connect_ms: float
    first_ms: float


@dataclass
class Times:
    """Requests on kept connections, each connection's first left out."""

    latency_ms: list[float] = field(default_factory=list)
    #: How long an answer's last bytes came after its first.
    gap_ms: list[float] = field(default_factory=list)
    head_ms: list[float] = field(default_factory=list)
    #: How many of the answers came in pieces, the first of which ended with the head.
    cut_after_head: int = 0


@dataclass
class Split:
    """How the parts of an answer arrive."""

    #: Answers that came in two or more segments, the first of which ended where the
    #: head does; of how many.
    cut_after_head: int = 0
    looked_at: int = 0
    #: Segments of data an answer, the median; None: the system does not say.
    segments: float | None = None
    #: The first answer on a connection.
    first_ms: list[float] = field(default_factory=list)
    #: One client alone, its next request when the last is answered.
    alone: Times | None = None
    #: The same, and this side acknowledges at once (None: it cannot).
    quick: Times | None = None
    #: The same as alone, with pauses of `PAUSE_S`.
    paused: Times | None = None
    #: Alone, and acknowledging at once where that can be, while others come and go.
    beside: Times | None = None
    #: Answers to a POST, alone; and the same where this side acknowledges at once, if
    #: they come in pieces that are far apart.
    posted: Times | None = None
    posted_quick: Times | None = None


@dataclass
class Point:
    """One load: so many connections, each with its next request at once."""

    connections: int
    requests: int
    rate: float
    p50_ms: float
    errors: dict[str, int]
    #: Answers after which the server closed.
    closed: int
    #: The client may have been the limit.
    client_bound: bool
    #: Processor seconds a second that the server used.
    cpu: float | None = None
    #: How many of its threads waited for a processor, on average.
    waited: float | None = None
    #: How often the kernel had no room for a connection that waited to be accepted, in
    #: all of this system; and whether this server's queue was full at the end.
    overflows: int = 0
    queue_full: bool = False
    #: The longest latency, and how many clients were without an answer all the time
    #: that others were answered: by the law, clients less rate x mean latency.
    max_ms: float = 0.0
    starved: float = 0.0
    #: The rate in each look.
    rates: list[float] = field(default_factory=list)


@dataclass
class Held:
    """So many clients hold a connection each; is somebody else still answered?"""

    #: "silent": they say nothing. "half": half a request. "body": a head, and half of
    #: the body that it announces. "unread": they read none of their answers.
    #: "ended": they have had an answer, and closed their sending side.
    #: "slow": they have asked for something that takes long.
    kind: str
    holders: int
    #: How many of them the server had not closed.
    open: int
    #: Until the other was answered; None: not while they were there.
    answered_ms: float | None
    #: It was closed without an answer: "closed", "reset" or "".
    ended: str = ""
    #: How many of them were gone when it was answered; None: it never was.
    answered_after: int | None = None
    #: How often the same was seen again, of how many.
    again: tuple[int, int] = (0, 0)
    #: Processor seconds a second that the server used while the other waited.
    cpu: float | None = None
    #: The server was at work on what they had asked for: nothing can be said.
    busy: bool = False
    #: How many processors it wanted while they did nothing, and nobody asked.
    rest_cpu: float | None = None
    #: How many requests they had sent, and how much processor time the server has had
    #: or wanted since, if it was at work on them.
    asked: int = 0
    worked_s: float = 0.0
    #: How long the other waited, who was answered when some of them had gone.
    waited_ms: float = 0.0
    #: The kernel kept them from the server, for they said nothing (TCP_DEFER_ACCEPT).
    deferred: bool = False

    @property
    def stopped(self) -> bool:
        return self.answered_ms is None

    @property
    def limit(self) -> int | None:
        """So many of them are enough."""
        if not self.stopped or self.answered_after is None:
            return None
        # Those whom the server had closed already held nothing.
        return max(1, self.open - self.answered_after + 1)


@dataclass
class Crowd:
    """A crowd of connections that say nothing."""

    #: How many were wanted, and how many could be opened.
    wanted: int
    opened: int
    #: How many the server kept open.
    kept: int
    #: One client's median latency with nobody there, and beside a part of the crowd.
    part: int
    without_ms: list[float]
    beside_ms: list[float]
    #: The server's processor time for a request, likewise, in microseconds.
    cpu_without_us: float | None = None
    cpu_beside_us: float | None = None
    #: Beside all of them: until somebody was answered; None: not at all.
    answered_ms: float | None = None
    ended: str = ""
    #: How many connections the server had, or the most beside which somebody was
    #: answered; None: it did not matter, or could not be found.
    limit: int | None = None
    #: The first of these is known.
    counted: bool = False
    #: The highest number of a descriptor that the server had beside all of them.
    highest: int | None = None
    #: Somebody was answered when all had gone.
    recovered: bool | None = None
    #: The server's memory for a connection that says nothing, in bytes.
    bytes_each: float | None = None
    note: str = ""


@dataclass
class Slow:
    """A request that takes long."""

    path: str
    #: How long it takes by itself.
    takes_ms: float
    #: So many at once, and how long they took together.
    at_once: int = 0
    together_ms: float = 0.0
    #: What became of others beside one of them, and beside several.
    one: Held | None = None
    several: Held | None = None
    #: How many of those at once were answered about when one by itself would have been.
    in_time: int = 0

    @property
    def works_on(self) -> int:
        """So many of them at a time. Where they share a processor none is in time, and
        together they take as long as one after another."""
        if self.in_time or not self.together_ms:
            return self.in_time
        return max(1, round(self.at_once * self.takes_ms / self.together_ms))


@dataclass
class Dawdler:
    """A client that does not go on; what did the server do about it?"""

    #: "silent", "half", "trickle" (a byte a second of its head), "body", "kept" (it has
    #: had an answer), "unread".
    kind: str
    watched_s: float
    #: When the server ended the connection; None: it did not.
    ended_s: float | None = None
    #: The status that it was told first; 0: none.
    status: int = 0
    #: It was answered at once, as if nothing were missing.
    answered: bool = False
    #: It was ended while there was a crowd of others.
    crowded_out: bool = False


@dataclass
class Protocol:
    """Whether an exchange that HTTP/1.1 allows went well: "" or what went wrong.

    None: it was not tried.
    """

    pipelined: str | None = None
    half_closed: str | None = None
    expect: str | None = None
    head: str | None = None
    http10: str | None = None
    http10_keeps: bool | None = None
    length: str | None = None
    body_unread: str | None = None
    closing: str | None = None
    #: A reset followed the answer to a long body, which was not read to its end.
    body_reset: bool = False
    #: Milliseconds until the first byte for `Expect: 100-continue`.
    expect_ms: float | None = None
    #: A POST with a short body. Where it has no answer, the two with a long body and
    #: with `Expect` are not tried.
    post: str | None = None


@dataclass
class Process:
    """The server's process, and those that it has started."""

    pids: list[int]
    threads: int
    #: How it waits for its connections: "epoll", or "" if that cannot be seen.
    waits_with: str = ""
    #: How many connections may wait to be accepted.
    backlog: int | None = None
    #: How many files it may open.
    descriptors: int | None = None
    #: Processor seconds a second, while nobody asks for anything; and how many of its
    #: threads waited for a processor meanwhile.
    idle_cpu: float | None = None
    idle_waited: float = 0.0
    #: Files, and connections from clients, that it had open before anybody came, and
    #: when all had gone.
    open_before: int | None = None
    open_after: int | None = None
    #: Its memory, and what a connection that is kept costs, in bytes.
    rss_bytes: int = 0
    kept_bytes_each: float | None = None


@dataclass
class Ending:
    """What became of its clients when it was told to end."""

    #: Requests that were being served, and how many of them were answered.
    in_flight: int
    answered: int
    #: Connections that were kept, and how many of them came to a plain end.
    idle: int
    idle_closed: int
    #: One that had sent half a request: "answered" (the rest came after the signal),
    #: "closed", "reset", "late".
    half_sent: str
    #: Until the process was gone; None: it was not, in time.
    gone_s: float | None


@dataclass
class Observations:
    """All that was seen in one consultation."""

    url: str
    seconds: float
    system: str = ""
    contact: Contact | None = None
    split: Split | None = None
    growth: list[Point] = field(default_factory=list)
    #: Processors that other programs used meanwhile; None: not known.
    others_cpu: float | None = None
    #: A small number of holders, of each kind, in the order in which they were tried.
    held: list[Held] = field(default_factory=list)
    crowd: Crowd | None = None
    slow: Slow | None = None
    dawdlers: list[Dawdler] = field(default_factory=list)
    protocol: Protocol | None = None
    process: Process | None = None
    ending: Ending | None = None
    #: During which stage it went away: nothing listened any more. "" : it did not.
    died: str = ""
    #: After which stage it answered nobody any more, though it listens. "": it did.
    mute: str = ""
    #: What could not be looked at, and why.
    notes: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    took_s: float = 0.0

    def point(self, connections: int) -> Point | None:
        """The load with so many connections, if it brought an answer."""
        for point in self.growth:
            if point.connections == connections and point.requests:
                return point
        return None
