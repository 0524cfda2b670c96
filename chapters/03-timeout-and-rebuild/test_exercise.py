"""Checks chapters/03-timeout-and-rebuild/exercise.py.

The starter is told: the time from one answer to the next
"""

import math

from workshop import Answer, check


def check_number(
    called: str, came_back: object, right: float, mistakes: dict[float, str], law: str
) -> None:
    """`came_back` is this number. `mistakes`: what another number is, in words."""

    def is_about(number: float) -> bool:
        return isinstance(came_back, int | float) and math.isclose(came_back, number)

    rounded = {
        float(round(right, digits)): "It is rounded. What is reckoned from a rounded "
        "number is off, and by much where the number is small: round what is printed."
        for digits in range(4)
    }
    if math.isfinite(right):
        rounded[float(math.floor(right))] = (
            "What follows the point is cut off, by // or int(). That is rounding, too, "
            "and always to the same side."
        )
    named = [why for number, why in (mistakes | rounded).items() if is_about(number)]
    check(
        is_about(right),
        called=called,
        came_back=came_back,
        expected=f"{right:.6g}",
        why=(named or [law])[0],
    )


def check_latency(exercise: Answer, connections: int, rate: float) -> None:
    check_number(
        f"latency_ms(Measured(connections={connections}, rate={rate}))",
        exercise.latency_ms(exercise.Measured(connections, rate)),
        1000 * connections / rate,
        {
            1000 / rate: "1000 / rate is the time from one answer to the next, whoever "
            f"gets it. Here {connections} clients wait at the same time, so each of "
            "them waits for as many answers.",
            250.0: "That is what the example shows, whatever is asked.",
            connections
            / rate: "That is in seconds; it is to be in milliseconds. Mixed "
            "up, the two make a server a thousand times too fast or too slow.",
            rate / connections: "That is upside down: it is how many answers a second "
            "one client gets.",
        },
        "Little's law: clients = rate * latency. Two of them give the third.",
    )


def check_rate(
    exercise: Answer, connections: int, wait_ms: float, ceiling: float, why: str
) -> None:
    called = f"predicted_rate({connections}, wait_ms={wait_ms}, ceiling={ceiling})"
    alone = 1000 * connections / wait_ms if wait_ms else math.inf
    mistakes = {
        alone: "What waits does not use the processor, but what is answered does. "
        "No wait is so short that a server answers more than it can."
    }
    if 0 < wait_ms < 1:
        mistakes[ceiling] = (
            f"A wait of {wait_ms} ms is short, and a wait all the same: only with a "
            "wait of 0 is the ceiling alone the limit."
        )
    if wait_ms:
        of_each = connections * min(1000 / wait_ms, ceiling)
        if of_each < alone:
            mistakes[of_each] = (
                "The ceiling is the server's, for all clients together, and not for "
                "each of them."
            )
        mistakes |= {
            1000
            / wait_ms: "That is what one client gets. All of them wait at the same "
            "time, and each gets as much.",
            connections
            / wait_ms: "wait_ms is in milliseconds, and the rate is to be a second's.",
            connections
            * wait_ms
            / 1000: "The clients are multiplied with the wait, as "
            "if a longer wait made a server faster.",
        }
    try:
        came_back = exercise.predicted_rate(connections, wait_ms, ceiling)
    except ZeroDivisionError as error:
        came_back = error
    check_number(called, came_back, min(alone, ceiling), mistakes, why)


def check_cause(
    exercise: Answer,
    one: tuple[int, float],
    other: tuple[int, float],
    expected: str,
    why: str,
) -> None:
    came_back = exercise.diagnose(exercise.Measured(*one), exercise.Measured(*other))
    fewer, more = sorted((one, other))
    latencies = [f"{1000 * n / rate:.3g} ms" for n, rate in (fewer, more)]
    check(
        came_back == expected,
        called=f"diagnose(Measured{one}, Measured{other})",
        came_back=came_back,
        expected=expected,
        why=f"The latency was {latencies[0]}, and {latencies[1]} with more clients. "
        + why,
    )


def test_latency(exercise: Answer) -> None:
    """From the connections and the rate to the time that a request takes."""
    check_latency(exercise, 100, 1500)
    check_latency(exercise, 100, 2200)
    check_latency(exercise, 1000, 12_000)
    check_latency(exercise, 1, 9_650.5)
    check_latency(exercise, 3, 0.25)


def test_rate(exercise: Answer) -> None:
    """From the connections and a wait to the rate."""
    law = "Little's law: clients = rate * latency. Two of them give the third."
    for connections, wait_ms in ((100, 60), (1000, 90), (7, 0.25)):
        check_rate(exercise, connections, wait_ms, math.inf, law)


def test_ceiling(exercise: Answer) -> None:
    """A server does not answer more than it can, and a short wait does not help."""
    why = "The ceiling is a limit. Below it, the wait alone decides."
    check_rate(exercise, 4, 0.05, 16_000, why)
    check_rate(exercise, 10, 10, 16_000, why)
    check_rate(exercise, 1000, 10, 16_000, why)
    check_rate(exercise, 16, 1, 20_000, why)


def test_no_wait(exercise: Answer) -> None:
    """Where nothing waits, the ceiling is what limits."""
    for wait_ms in (0, 0.0):
        check_rate(
            exercise,
            100,
            wait_ms,
            16_000,
            "A wait of 0 is allowed: it is the server that one hopes for. Nothing can "
            "be divided by it, and the ceiling alone is the limit.",
        )


def test_ceiling_that_is_not_given(exercise: Answer) -> None:
    """Without a ceiling there is none."""
    why = (
        "The signature says that the ceiling is math.inf if the caller gives none. "
        "Then the wait alone decides, and where nothing waits there is no limit."
    )
    for connections, wait_ms, right in ((1000, 0.5, 2_000_000), (100, 0, math.inf)):
        called = f"predicted_rate({connections}, wait_ms={wait_ms})"
        try:
            came_back = exercise.predicted_rate(connections, wait_ms)
        except ZeroDivisionError as error:
            came_back = error
        check_number(called, came_back, right, {}, why)


def test_the_question(exercise: Answer) -> None:
    """The server of the question."""
    for rate in (1500, 2200):
        one, other = exercise.Measured(100, rate), exercise.Measured(1000, 12_000)
        if exercise.diagnose(one, other) == "neither":
            why = (
                "No two measurements are equal. One that is less than TWICE the other "
                "is about the same."
            )
        else:
            why = (
                "Ten times the clients got many times the answers: it was short of "
                "nothing. Somebody who makes it faster would see nothing change."
            )
        check_cause(exercise, (100, rate), (1000, 12_000), "waits", why)


def test_a_busy_server(exercise: Answer) -> None:
    """A server that is short of something: the rate hardly grows, the latency does."""
    for before, after in ((15_700, 16_600), (9_000, 15_000)):
        check_cause(
            exercise,
            (100, before),
            (1000, after),
            "works",
            "With ten times the clients, a few more answers are no sign of a wait: the "
            "rate has grown less than TWICE, and the latency much more.",
        )


def test_a_lower_rate(exercise: Answer) -> None:
    """Which measurement is which, the connections say, and not the rate."""
    why = (
        "Here the rate fell a little, or the latency did. The measurement with more "
        "connections is compared to the other, whichever is the faster one."
    )
    check_cause(exercise, (100, 16_000), (1000, 15_800), "works", why)
    check_cause(exercise, (100, 1_000), (1000, 10_500), "waits", why)


def test_fast_and_slow(exercise: Answer) -> None:
    """A server may wait for a short time, or work for a long one."""
    why = (
        "Slow is not waiting, nor is fast working. Not how long it takes decides, nor "
        "by how many milliseconds it grew, but how many times."
    )
    check_cause(exercise, (10, 100), (100, 101), "works", why)
    check_cause(exercise, (10, 10_000), (100, 10_100), "works", why)
    check_cause(exercise, (10, 9_500), (100, 88_000), "waits", why)
    check_cause(exercise, (10, 10), (100, 80), "waits", why)


def test_any_order(exercise: Answer) -> None:
    """The measurement with more connections may come first."""
    why = "Here it is given first. Which one has more connections has to be looked up."
    check_cause(exercise, (1000, 12_000), (100, 1500), "waits", why)
    check_cause(exercise, (1000, 16_600), (100, 15_700), "works", why)


def test_neither(exercise: Answer) -> None:
    """A wait, and then a ceiling: both have grown."""
    check_cause(
        exercise,
        (100, 2000),
        (1000, 8000),
        "neither",
        "The rate has grown more than TWICE as well: neither a fixed wait nor a "
        "ceiling explains both. Who names one cause stops looking for the other.",
    )


def test_other_factors(exercise: Answer) -> None:
    """More connections may be four times as many, or fifty."""
    why = (
        "What a growth of the rate says depends on how many times the clients have "
        "grown. That was not ten times here."
    )
    check_cause(exercise, (20, 1000), (1000, 20_000), "neither", why)
    check_cause(exercise, (25, 1000), (110, 3960), "waits", why)
    check_cause(exercise, (20, 1000), (1000, 1900), "works", why)


def test_too_little_to_compare(exercise: Answer) -> None:
    """Two measurements with nearly the same connections say nothing."""
    for one, other in (
        ((100, 1500), (200, 2500)),
        ((200, 2500), (100, 1500)),
        ((100, 1000), (399, 3900)),
        ((100, 15_000), (399, 15_000)),
        ((100, 1500), (100, 1700)),
    ):
        check_cause(
            exercise,
            one,
            other,
            "neither",
            "There are less than ENOUGH times the connections. Noise alone may change "
            "a figure so much, so both answers would fit.",
        )


def test_less_than_before(exercise: Answer) -> None:
    """More clients may also make a wait shorter, or a busy server slower."""
    check_cause(
        exercise,
        (100, 994),
        (1000, 20_500),
        "waits",
        "That is step 03, where clients end each other's wait. What has become shorter "
        "is less than TWICE what it was.",
    )
    check_cause(
        exercise,
        (100, 15_000),
        (1000, 5000),
        "works",
        "A busy server that gets slower under more load is still busy. What has become "
        "less is less than TWICE what it was.",
    )


def test_exactly(exercise: Answer) -> None:
    """Exactly so many times is not less."""
    check_cause(
        exercise,
        (25, 1000),
        (100, 3600),
        "waits",
        "There are exactly ENOUGH times the connections. “neither” is for less, so "
        "that is `<`, not `<=`.",
    )
    check_cause(
        exercise,
        (16, 1024),
        (128, 4096),
        "neither",
        "The latency is exactly TWICE what it was. “waits” is for less than TWICE, so "
        "that is `<`, not `<=`.",
    )
    check_cause(
        exercise,
        (16, 1024),
        (128, 2048),
        "neither",
        "The rate is exactly TWICE what it was. “works” is for less than TWICE, so "
        "that is `<`, not `<=`.",
    )
