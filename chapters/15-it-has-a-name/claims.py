"""What chapter 15 claims."""

from lab.record.claims import Verdict, at_least, at_most, claim, every
from lab.record.measurement import Measurement


@claim("In the loop, asyncio answers at most 0.95 times as many requests as step 12.")
def the_loop_costs(m: Measurement) -> Verdict:
    ratio = m.rate("step15 --workers 0", 100) / m.rate("step12 --workers 0", 100)
    return at_most(ratio, 0.95)


@claim("With four workers it answers at most 0.6 times as many.")
def the_hand_over_costs(m: Measurement) -> Verdict:
    return at_most(m.rate("step15", 100) / m.rate("step12", 100), 0.6)


@claim(
    "Each result of a worker wakes asyncio's loop with a byte: at least 1.8 sends for "
    "a request. Step 12 makes at most 1.2.",
    only_on="Linux",
)
def a_byte_for_each_result(m: Measurement) -> Verdict:
    return every(
        at_least(m.syscalls("step15", 100, "sendto"), 1.8),
        at_most(m.syscalls("step12", 100, "sendto"), 1.2),
    )


@claim(
    "A connection takes at least twice as much memory, whether it was never served or "
    "was served and is kept."
)
def silence_takes_memory(m: Measurement) -> Verdict:
    return every(
        at_least(m.silent_bytes("step15") / m.silent_bytes("step12"), 2),
        at_least(m.kept_bytes("step15") / m.kept_bytes("step12"), 2),
    )
