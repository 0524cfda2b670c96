"""What usually helps against a finding, and what to look at in its command's output.

Words alone: nothing here is judged. The report prints the one, the book's page both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remedy:
    #: The findings' ids.
    ids: tuple[str, ...]
    #: What they say, in a few words.
    says: str
    #: Where to look in what the finding's command prints.
    look: str
    #: What to change, as a sentence without its full stop.
    helps: str


REMEDIES = (
    Remedy(
        ("stall", "hidden-stall", "stall-post"),
        "the body is held back",
        "`probe`: from the second request on, the body comes long after the head; "
        "`strace`: two writes for one answer",
        "write head and body with one call, or set TCP_NODELAY on each connection; "
        "best do both",
    ),
    Remedy(
        ("timeout",),
        "a request waits for a timeout",
        "the head comes late, by up to the timeout",
        "wake the thread that waits, by a byte in a pipe, when there is one more "
        "connection to watch; or watch each of them all the time",
    ),
    Remedy(
        ("fixed-wait",),
        "a fixed wait in each request",
        "all heads come late, by about the same time",
        "look in what answers a request for a sleep, or for something that is asked "
        "and takes its time: a database, another server, a name",
    ),
    Remedy(
        ("closes",),
        "each response ends the connection",
        "`1 1` is a connection for each of two requests; `1 0` would be one for both",
        "speak HTTP/1.1, say in each answer where it ends (Content-Length, or "
        "chunked), and go on reading",
    ),
    Remedy(
        ("many-writes",),
        "many small pieces",
        "many calls that write, between two that read",
        "collect the pieces in a buffer and write that",
    ),
    Remedy(
        ("errors", "lost-answers", "died"),
        "requests fail, or it died",
        "the line `errors`, and what the server prints meanwhile",
        "read what the server has logged at that moment: an exception, or a limit of "
        "threads, files or memory",
    ),
    Remedy(
        ("mute",),
        "it answers nobody any more",
        "no answer within 10 s",
        "look where its threads stand (py-spy, gdb, jstack): at a lock that nobody "
        "gives back, or in a pool all of whose workers wait",
    ),
    Remedy(
        ("slow-first",),
        "a slow first request",
        "the first head comes late, and the others at once",
        "look for what is done for each connection before it is read: a name that is "
        "looked up, a process or a session that is begun",
    ),
    Remedy(
        ("rare",),
        "a few very slow requests",
        "the longest latency beside the median",
        "look for what happens now and then: collecting garbage, writing to a disk, a "
        "task that runs each minute",
    ),
    Remedy(
        ("costly",),
        "a page that costs much",
        "where the processor's time goes, function by function",
        "find it with a profiler of the server's language, and remember what is "
        "computed anew for each request; more processes use more processors",
    ),
    Remedy(
        ("descriptors",),
        "descriptors are not given back",
        "what is open, though nobody is there",
        "close a connection, and what was opened for it, on every way out of its "
        "handler, that of an exception as well",
    ),
    Remedy(
        ("memory",),
        "much memory for each connection",
        "VmRSS, beside that without the first command",
        "make buffers when something comes, and give them back with the answer",
    ),
    Remedy(
        ("unfair",),
        "it is unfair",
        "the longest latency beside the median, and timeouts",
        "let a worker answer one request and take the next connection, rather than "
        "stay with one connection until that ends; or have more workers",
    ),
    Remedy(
        ("collapse",),
        "slower with 100 clients",
        "requests a second, beside those with `--connections 10`",
        "have no more threads at work than there are processors, and no lock that all "
        "of them need; or use an event loop",
    ),
    Remedy(
        ("queue",),
        "so many at a time, and the processor is idle",
        "requests a second stay the same, with `--connections 10` or 100",
        "have more workers, if what they wait for can serve more at once",
    ),
    Remedy(
        ("backlog",),
        "room for few that wait to be accepted",
        "Send-Q, the room there is, and TcpExtListenOverflows, how often it was full",
        "ask for a longer backlog, `listen(128)` or more (`request_queue_size` in "
        "Python's socketserver), and accept sooner",
    ),
    Remedy(
        ("stopped-by-silent", "stopped-by-half", "stopped-by-body"),
        "a few clients stop it",
        "the answer comes only when those clients have gone, after 10 s",
        "let an event loop read, and give a worker a request when all of it has come; "
        "or have a thread for each connection, and a deadline for reading",
    ),
    Remedy(
        ("stopped-by-unread",),
        "clients that do not read stop it",
        "the answer comes only when those clients have gone, after 10 s",
        "write what the socket takes, keep the rest until it takes more, and set a "
        "deadline for that",
    ),
    Remedy(
        ("select",),
        "1,024 descriptors",
        "`silent`: some are closed by the server; `probe`: a reset, or no answer",
        "use epoll, kqueue or poll in place of select() (selectors.DefaultSelector in "
        "Python)",
    ),
    Remedy(
        ("connection-limit",),
        "a limit of connections",
        "`silent`: some are closed by the server; `probe`: a reset, or no answer",
        "close connections that are silent for long, and raise the limit if clients "
        "need more (ulimit -n, or the server's own)",
    ),
    Remedy(
        ("never-recovers",),
        "it never answers again",
        "`probe`: no answer, though all have gone",
        "look for what is left when they have gone: descriptors that nobody closes, a "
        "thread that an exception ended",
    ),
    Remedy(
        ("crowd-cost",),
        "silent connections cost time",
        "the median, beside that without the first command",
        "register each connection once, with epoll or kqueue, rather than hand over "
        "the whole list at each call",
    ),
    Remedy(
        ("slow-handler",),
        "one slow request stops it",
        "the answer comes only when the slow one is over",
        "give slow work to a thread or a process (asyncio.to_thread(), a worker of "
        "node's), or have more workers than one",
    ),
    Remedy(
        ("spins", "spins-while-held", "spins-beside"),
        "it spins",
        "a thread that uses a processor while nobody asks",
        "look for what is always ready and never dealt with: a read that returns "
        "nothing, in a loop; a closed socket that is still watched; a timeout of 0",
    ),
    Remedy(
        ("length",),
        "an answer of the wrong length",
        "curl's last lines: bytes that are missing, or too many",
        "count the bytes of the body as it is sent, not its characters",
    ),
    Remedy(
        ("pipelined",),
        "pipelined requests are lost",
        "one line, where two requests were sent",
        "keep what was read beyond the first request, and look there before you wait "
        "for the socket",
    ),
    Remedy(
        ("body-unread", "closing"),
        "an answer lost to a reset",
        "curl's last line; `tcpdump` (as root): a packet with an R",
        "before closing, end the sending side with shutdown() and read on until the "
        "client ends its side",
    ),
    Remedy(
        ("head",),
        "a wrong answer to HEAD",
        "a status other than GET's, or anything after the empty line",
        "answer it as GET is answered, without the body",
    ),
    Remedy(
        ("expect",),
        "no answer to Expect",
        "`Done waiting for 100-continue`, after a second",
        "send `HTTP/1.1 100 Continue` before you read the body, or refuse at once",
    ),
    Remedy(
        ("half-closed",),
        "no answer after a half-close",
        "fewer than two answers",
        "an empty read says that the client sends no more, not that it has gone: "
        "answer what it has asked",
    ),
    Remedy(
        ("http10",),
        "HTTP/1.0",
        "`left intact` at the end, or chunks",
        "close after the answer, unless the client says `Connection: keep-alive`, and "
        "send it no chunks",
    ),
    Remedy(
        ("post",),
        "no answer to a POST",
        "`Empty reply from server`, or nothing",
        "answer a method that the page does not have with 405, rather than close",
    ),
    Remedy(
        ("rearmed",),
        "a deadline that each byte puts off",
        "`nc` goes on",
        "set the deadline when the phase begins, and leave it there until it is over",
    ),
    Remedy(
        ("no-deadline",),
        "it waits for ever",
        "`1 of 1 still open`",
        "set a deadline for each phase: the head, the body, the answer, and the time "
        "between requests",
    ),
    Remedy(
        ("lost-at-the-end", "does-not-end"),
        "SIGTERM",
        "`Empty reply from server`, or a process that goes on",
        "at SIGTERM stop accepting, finish what is under way, and then end",
    ),
)

_BY_ID = {id: remedy for remedy in REMEDIES for id in remedy.ids}


def helps(id: str) -> str | None:
    """What usually helps against the finding of this id."""
    remedy = _BY_ID.get(id)
    return remedy.helps if remedy else None
