"""What it does to a client that answers are sent together."""

import pytest

from lab.measure import batching
from lab.measure.machine import choose_cores, usable_cores


@pytest.mark.skipif(usable_cores() < 2, reason="the server would sleep beside nobody")
def test_a_client_is_woken_less_often_by_answers_that_come_together() -> None:
    cores = choose_cores()

    def each() -> tuple[float, ...]:
        ways = batching.WAYS.values()
        return tuple(batching.measure(batch, 0.5, cores)[1] for batch in ways)

    # Where others have the generator's core, it is never idle, and sleeps in neither.
    found = []
    for _ in range(5):
        one, together = each()
        found.append((one, together))
        if one > 2 * together:
            return
    pytest.fail(f"it slept as often in both ways: {found}")


def test_both_ways_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert batching.main(["--rounds", "1", "--seconds", "0.3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said[::2]] == list(batching.WAYS)
    assert all("the generator slept" in line for line in said[1::2])
