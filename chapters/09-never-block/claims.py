"""What chapter 09 claims."""

from lab.load.kinds import UNREAD_BYTES
from lab.record.claims import Verdict, at_least, at_most, claim
from lab.record.matrix import STALLED
from lab.record.measurement import Measurement
from lab.record.quantity import Quantity


@claim("Beside four clients that do not read, step 08 answers nobody.")
def all_stop(m: Measurement) -> Verdict:
    beside = m.rate("step08", 10, silent=STALLED, manner="unread")
    return at_most(beside / m.rate("step08", 10), 0.01)


@claim("Beside the same four, step 09 goes on: half of its answers take at most 10 ms.")
def nobody_stops(m: Measurement) -> Verdict:
    beside = m.latency("step09", 10, silent=STALLED, manner="unread")
    return at_most(beside, Quantity.exactly(10, "ms"))


@claim(
    "Each of them costs the server its answer once: at most one and a half times its "
    "size."
)
def no_copy(m: Measurement) -> Verdict:
    with_them = m.memory("step09", 10, silent=STALLED, manner="unread")
    answers = Quantity.exactly(STALLED * UNREAD_BYTES, "bytes")
    return at_most((with_them - m.memory("step09", 10)) / answers, 1.5)


@claim("With 100 clients, it needs no more system calls for a request than step 08.")
def no_more_calls(m: Measurement) -> Verdict:
    more = m.syscalls("step09", 100) - m.syscalls("step08", 100)
    return at_most(more, 0.1)


@claim("Never to block costs at most half of the throughput.")
def hardly_slower(m: Measurement) -> Verdict:
    return at_least(m.rate("step09", 100) / m.rate("step08", 100), 0.5)
