"""What chapter 13 claims. The comparison has a record of its own: `m.compare`."""

from lab.record.claims import COMPARE, Verdict, at_least, at_most, claim, every
from lab.record.measurement import Measurement
from lab.record.names import FOUR_WORKERS, IN_THE_LOOP
from lab.record.quantity import Quantity
from lab.record.versus import ACTIVE, SILENT

OURS = (IN_THE_LOOP, FOUR_WORKERS)


@claim(
    "With a browser's header fields, step 13 in the loop is not far behind granian, or "
    "ahead: it answers at least 0.8 times as much. It answers at least as much as "
    "uvicorn.",
    decided_by=COMPARE,
)
def quicker_than_two(m: Measurement) -> Verdict:
    ours = m.compare.rate(IN_THE_LOOP, ACTIVE, headers="browser")
    return every(
        *(
            at_least(ours / m.compare.rate(peer, ACTIVE, headers="browser"), least)
            for peer, least in (("granian", 0.8), ("uvicorn", 1))
        )
    )


@claim(
    "With four workers it answers at least twice as much as waitress and as "
    "gunicorn's threads do.",
    decided_by=COMPARE,
)
def far_ahead_of_two(m: Measurement) -> Verdict:
    ours = m.compare.rate(FOUR_WORKERS, ACTIVE)
    return every(
        *(
            at_least(ours / m.compare.rate(peer, ACTIVE), 2)
            for peer in ("waitress", "gunicorn")
        )
    )


@claim(
    "It makes at most two and a half system calls for a request.", decided_by=COMPARE
)
def few_calls(m: Measurement) -> Verdict:
    return at_most(m.compare.syscalls(IN_THE_LOOP, ACTIVE), 2.5)


@claim(
    "Ten thousand silent connections cost a hundred active ones at most half of "
    "their throughput.",
    decided_by=COMPARE,
)
def silence_is_free(m: Measurement) -> Verdict:
    rate = m.compare.rate
    left = rate(IN_THE_LOOP, ACTIVE, silent=SILENT) / rate(IN_THE_LOOP, ACTIVE)
    return at_least(left, 0.5)


@claim(
    "A silent connection costs the process less than a kibibyte.", decided_by=COMPARE
)
def silence_is_small(m: Measurement) -> Verdict:
    return at_most(m.compare.silent_bytes(IN_THE_LOOP), 1024)


@claim(
    "One that was served and is kept costs less than a kibibyte as well, and at most a "
    "fifth more than a silent one.",
    decided_by=COMPARE,
)
def kept_is_as_small(m: Measurement) -> Verdict:
    kept = m.compare.kept_bytes(IN_THE_LOOP)
    return every(
        at_most(kept, 1024), at_most(kept / m.compare.silent_bytes(IN_THE_LOOP), 1.2)
    )


@claim(
    "Keep-alive is at least twice as fast as closing, with a hundred connections.",
    decided_by=COMPARE,
)
def keep_alive_pays(m: Measurement) -> Verdict:
    rate = m.compare.rate
    closing = rate(IN_THE_LOOP, ACTIVE, mode="close")
    return at_least(rate(IN_THE_LOOP, ACTIVE) / closing, 2)


@claim("With a single client that pays less than with a hundred.", decided_by=COMPARE)
def one_client_gains_less(m: Measurement) -> Verdict:
    rate = m.compare.rate
    gains = [
        rate(IN_THE_LOOP, n) / rate(IN_THE_LOOP, n, mode="close") for n in (1, ACTIVE)
    ]
    return at_most(gains[0] / gains[1], 1)


@claim(
    "It refuses every request of the checklist that it must refuse.", decided_by=COMPARE
)
def refuses_what_it_must(m: Measurement) -> Verdict:
    return every(*(at_most(m.compare.not_refused(each), 0) for each in OURS))


@claim(
    "Half a head, a head by a byte a second and half a body are cut off within a "
    "quarter of a minute, without a flag.",
    decided_by=COMPARE,
)
def cuts_off_slow_clients(m: Measurement) -> Verdict:
    limit = Quantity.exactly(15_000, "ms")
    return every(*(at_most(m.compare.cut_off(each), limit) for each in OURS))


@claim("At SIGTERM it answers every request that has come.", decided_by=COMPARE)
def loses_no_answer(m: Measurement) -> Verdict:
    return every(*(at_most(m.compare.lost_at_end(each), 0) for each in OURS))
