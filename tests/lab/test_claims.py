"""A claim holds, is broken or is undecided, and each can happen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.record import show
from lab.record.claims import (
    Outcome,
    Verdict,
    at_least,
    at_most,
    between,
    check_claims,
    claim,
    every,
    load_claims,
    main,
)
from lab.record.measurement import Measurement
from lab.record.model import Record, save_record
from lab.record.quantity import Quantity
from tests.lab.sample_record import (
    disturbed,
    on_one_core,
    sample_machine,
    sample_point,
    sample_record,
    spread,
)

HOLDS, BROKEN, UNDECIDED = Outcome.HOLDS, Outcome.BROKEN, Outcome.UNDECIDED
NEEDS_MORE = Outcome.NEEDS_MORE


def quantity(low: float, median: float, high: float) -> Quantity:
    return Quantity.of([low, median, high], "1/s")


@pytest.mark.parametrize(
    ("bound", "least", "most"),
    [
        (8, HOLDS, BROKEN),
        (9, HOLDS, UNDECIDED),
        (10, UNDECIDED, UNDECIDED),
        (11, UNDECIDED, HOLDS),
        (12, BROKEN, HOLDS),
    ],
)
def test_the_whole_interval_decides(
    bound: float, least: Outcome, most: Outcome
) -> None:
    measured = quantity(9, 10, 11)
    assert at_least(measured, bound).outcome is least
    assert at_most(measured, bound).outcome is most


def test_a_measured_bound_has_a_spread_too() -> None:
    measured = quantity(9, 10, 11)
    assert at_least(measured, quantity(7, 8, 9)).outcome is HOLDS
    assert at_least(measured, quantity(8, 9, 10)).outcome is UNDECIDED
    assert at_least(measured, quantity(12, 13, 14)).outcome is BROKEN
    assert at_most(measured, quantity(11, 12, 13)).outcome is HOLDS
    with pytest.raises(ValueError, match="in 1/s has no bound in ms"):
        at_least(measured, Quantity.exactly(1, "ms"))


def test_between_needs_both_ends() -> None:
    measured = quantity(9, 10, 11)
    assert between(measured, 9, 11).outcome is HOLDS
    assert between(measured, 10, 12).outcome is UNDECIDED
    assert between(measured, 12, 14).outcome is BROKEN
    assert between(measured, 2, 8).outcome is BROKEN


def test_a_generator_bound_rate_can_be_enough_but_never_little() -> None:
    bound = Quantity.of([60, 61], "1/s", at_least=True, doubt="generator-bound")
    assert at_least(bound, 50).outcome is HOLDS
    assert at_least(bound, 70).outcome is UNDECIDED
    assert at_most(bound, 70).outcome is UNDECIDED
    assert at_most(bound, 50).outcome is BROKEN
    assert "generator-bound" in at_most(bound, 70).reason
    # A bound that was itself measured with a limited generator.
    assert at_most(quantity(9, 10, 11), bound).outcome is HOLDS
    assert at_least(quantity(9, 10, 11), bound).outcome is BROKEN
    assert at_least(quantity(80, 90, 99), bound).outcome is UNDECIDED


def test_a_generator_bound_latency_can_be_short_but_never_long() -> None:
    bound = Quantity.of([1.4, 1.6], "ms", at_most=True, doubt="generator-bound")
    assert at_most(bound, 2).outcome is HOLDS
    assert at_least(bound, 1).outcome is UNDECIDED
    assert at_least(bound, 2).outcome is BROKEN


def test_what_was_not_measured_is_no_doubt_and_a_single_figure_is() -> None:
    missing = Quantity.missing("1/s", "step09: not measured")
    assert at_least(missing, 0).outcome is NEEDS_MORE
    assert "step09: not measured" in at_least(missing, 0).reason
    assert at_most(quantity(1, 2, 3), missing).outcome is NEEDS_MORE
    once = Quantity.of([10], "1/s")
    assert at_least(once, 1).outcome is UNDECIDED
    assert "measured once" in at_least(once, 1).reason


def test_a_range_that_holds_is_told_as_one() -> None:
    latency = Quantity.of([43.0, 44.0, 45.0], "ms")
    assert between(latency, 38, 50).reason.replace("\u202f", " ") == (
        "44.0 ms (43.0 to 45.0 ms) is from 38 to 50"
    )
    assert "at least 44.5 ms?" in between(latency, 44.5, 50).reason
    doubled = quantity(20, 22, 24)
    assert "is not at most 10.0 (9.00 to 11.0)" in (
        at_most(doubled, quantity(9, 10, 11)).reason.replace("\u202f", " ")
    )


def test_every_is_as_weak_as_its_weakest() -> None:
    holds, broken, undecided, needs_more = (Verdict(o, str(o)) for o in Outcome)
    assert every(holds, undecided, needs_more) is needs_more
    assert every(needs_more, broken) is broken
    assert every(holds, holds).outcome is HOLDS
    assert every(holds, undecided).outcome is UNDECIDED
    assert every(undecided, broken, holds) is broken
    assert every(holds, holds).reason == "holds; holds"


def test_a_claim_that_needs_more_names_the_command_that_decides_it() -> None:
    @claim("Two is two.", decided_by="python -m lab compare")
    def two(m: Measurement) -> Verdict:
        return at_least(Quantity.missing("", "step09: not measured"), 2)

    verdict = two.check(Measurement(sample_record()))
    assert verdict.outcome is NEEDS_MORE
    assert verdict.reason == (
        "`python -m lab compare` decides it: at least 2? step09: not measured"
    )


def test_a_reason_shows_the_figure_and_the_bound() -> None:
    verdict = at_least(quantity(2_000, 2_280, 2_400), 2_100)
    reason = verdict.reason.replace("\u202f", " ")
    assert reason == (
        "2 280 (2 000 to 2 400), at least 2100? the spread reaches over the bound"
    )
    assert verdict.measured is not None


def a_claim_about(system: str | None) -> Verdict:
    only_on = {"only_on": system} if system else {}

    @claim("Two of anything is at least three.", **only_on)  # type: ignore[arg-type]
    def too_much(m: Measurement) -> Verdict:
        return at_least(quantity(2, 2, 2), 3)

    return too_much.check(Measurement(sample_record()))


def test_a_claim_about_another_system_is_undecided() -> None:
    assert a_claim_about(None).outcome is BROKEN
    assert a_claim_about("Linux").outcome is BROKEN
    verdict = a_claim_about("Darwin")
    assert verdict.outcome is UNDECIDED
    assert verdict.reason == "it is about Darwin; this was measured on Linux"


def test_nothing_is_called_broken_where_all_shared_one_core() -> None:
    @claim("Two of anything is at least three.")
    def too_much(m: Measurement) -> Verdict:
        return at_least(quantity(2, 2, 2), 3)

    record = sample_record().model_copy(update={"machine": sample_machine(cores=1)})
    verdict = too_much.check(Measurement(record))
    assert verdict.outcome is UNDECIDED
    assert "shared one core" in verdict.reason


CLAIMS = """
from lab.record.claims import Verdict, at_least, at_most, claim
from lab.record.measurement import Measurement

@claim("Keep-alive with 100 connections reaches at most a fifth of step 02.")
def a_fifth(m: Measurement) -> Verdict:
    return at_most(m.rate("step03", 100) / m.rate("step02", 100), 1 / 5)

@claim("One write makes it twenty times as fast.")
def twenty(m: Measurement) -> Verdict:
    return at_least(m.rate("step07", 100) / m.rate("step06", 100), 20)
"""


@pytest.fixture(name="chapters")
def two_chapters(tmp_path: Path) -> Path:
    for folder, text in {
        "03-timeout-and-rebuild": CLAIMS,
        "07-one-line": CLAIMS.replace("a_fifth", "the_same"),
        "08-no-claims": None,
    }.items():
        (tmp_path / "chapters" / folder).mkdir(parents=True)
        if text:
            (tmp_path / "chapters" / folder / "claims.py").write_text(text)
    return tmp_path / "chapters"


def slow(record: Record) -> Record:
    """The same, but step 07 was no faster than step 06."""
    points = [point for point in record.points if point.server != "step07"]
    points.append(sample_point("step07", 100, spread(2_300)))
    return record.model_copy(update={"points": points})


def test_claims_are_found_by_path_and_named_by_chapter(chapters: Path) -> None:
    ids = [each.id for each in load_claims(chapters=chapters)]
    assert ids == ["03.a_fifth", "03.twenty", "07.the_same", "07.twenty"]
    found = load_claims("07", chapters)
    assert {each.chapter for each in found} == {"07-one-line"}
    assert load_claims("09", chapters) == []


def test_claims_are_checked_against_the_record_they_are_given(chapters: Path) -> None:
    good = check_claims(sample_record(), "03", chapters)
    assert [verdict.outcome for _, verdict in good] == [HOLDS, HOLDS]
    bad = check_claims(slow(sample_record()), "03", chapters)
    assert [verdict.outcome for _, verdict in bad] == [HOLDS, BROKEN]


def test_the_command_fails_if_a_claim_is_broken(
    chapters: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("lab.record.claims.CHAPTERS", chapters)
    path = tmp_path / "record.json"
    save_record(sample_record(), path)
    assert main(["--record", str(path)]) == 0
    assert "4 hold, 0 broken, 0 undecided" in capsys.readouterr().out
    save_record(slow(sample_record()), path)
    assert main(["--record", str(path), "07"]) == 1
    assert "1 hold, 1 broken, 0 undecided" in capsys.readouterr().out


@pytest.mark.parametrize("command", [main, show.main], ids=["claims", "show"])
def test_what_a_machine_makes_doubtful_stands_below(
    command: Callable[[list[str]], int],
    chapters: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("lab.record.claims.CHAPTERS", chapters)
    path = tmp_path / "record.json"

    def said(record: Record) -> str:
        save_record(record, path)
        assert command(["--record", str(path)]) == 0
        return capsys.readouterr().out

    plain = said(disturbed(sample_record(), 0))
    assert "disturbed" not in plain
    assert "one core" not in plain
    assert "2 of 3 runs were disturbed" in said(disturbed(sample_record(), 2))
    assert "one core, which server and generator shared" in said(
        on_one_core(sample_record())
    )


def test_the_command_says_what_it_cannot_find(
    tmp_path: Path,
    chapters: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("lab.record.claims.CHAPTERS", chapters)
    assert main(["--record", str(tmp_path / "none.json")]) == 2
    assert "does not exist" in capsys.readouterr().err
    save_record(sample_record(), tmp_path / "record.json")
    assert main(["--record", str(tmp_path / "record.json"), "99"]) == 2
    assert "no claims in chapters/99*" in capsys.readouterr().err
