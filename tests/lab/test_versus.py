"""What a comparison with peers says: ratios, winners, ties, and what was not done."""

from __future__ import annotations

from pathlib import Path

import pytest

from book import measures
from book.drawn import Sources
from lab.measure.compare import compare_plan
from lab.measure.peers import BY_PROCESSES, OURS, PEERS
from lab.measure.points import Timing
from lab.paths import COMPARISON
from lab.record.claims import Outcome, at_least, load_claims
from lab.record.measurement import Measurement
from lab.record.model import Conduct, Record, save_record
from lab.record.names import FOUR_WORKERS, IN_THE_LOOP, for_a_list
from lab.record.show import tables
from lab.record.versus import COSTS, RATES, SHEETS, Versus
from tests.lab.sample_record import (
    sample_comparison,
    sample_conduct,
    sample_point,
    sample_record,
    spread,
)

PLAIN_100 = RATES[1]


def versus(record: Record) -> Versus:
    return Versus(Measurement(record))


def row(record: Record, sheet: str, head: str) -> list[str]:
    [found] = [r for r in SHEETS[sheet](versus(record)).rows if r[0] == head]
    return list(found)


def test_ratios_are_to_granian() -> None:
    ratio = versus(sample_comparison()).ratio(PLAIN_100, IN_THE_LOOP)
    assert ratio.median == pytest.approx(1.5)
    assert row(sample_comparison(), "ratios", "granian")[2] == "1.0"


def test_the_winner_of_a_work_is_marked_also_if_it_is_a_peer() -> None:
    assert row(sample_comparison(), "rates", "bjoern")[2].endswith(" ★")
    assert "★" not in "".join(row(sample_comparison(), "rates", "step 13 in the loop"))
    [plain] = [
        r
        for r in SHEETS["winners"](versus(sample_comparison())).rows
        if r[0].endswith("headers, 100")
    ]
    assert list(plain) == ["plain headers, 100", "bjoern", "2.2", "1.5", "1.1"]


def test_those_that_do_not_differ_win_together() -> None:
    record = sample_comparison(bjoern=75_500)
    assert versus(record).winners(PLAIN_100) == ["bjoern", IN_THE_LOOP]
    assert versus(sample_comparison()).winners(PLAIN_100) == ["bjoern"]


def test_the_best_and_those_that_do_not_differ_from_it_have_a_mark_each() -> None:
    record = sample_comparison(bjoern=75_500)
    figures = {
        str(r[0]): r[2].split()[-1][-1] for r in SHEETS["ratios"](versus(record)).rows
    }
    assert figures["bjoern"] == "★"
    assert figures["step 13 in the loop"] == "≈"
    assert figures["granian"].isdigit()
    assert "★ the best; ≈ its spread overlaps" in SHEETS["ratios"](versus(record)).title


def test_names_with_commas_are_told_apart() -> None:
    record = sample_comparison(bjoern=55_200)
    points = [p for p in record.points if p.server != IN_THE_LOOP]
    record = record.model_copy(update={"points": points})
    [plain] = [
        r
        for r in SHEETS["winners"](versus(record)).rows
        if r[0].endswith("headers, 100")
    ]
    assert plain[1] == "bjoern; step 13 (four workers)"


def test_less_memory_wins() -> None:
    memory = next(work for work in COSTS if work.title == "bytes each")
    found = versus(sample_comparison())
    assert found.winners(memory) == [IN_THE_LOOP]
    assert row(sample_comparison(), "costs", "step 13 in the loop")[2] == "650 ★"
    # Of those that it had accepted.
    assert (
        row(sample_comparison(), "costs", "granian")[2].replace("\u202f", "") == "3000"
    )


def test_ten_thousand_are_compared_with_a_hundred_of_the_same_generator() -> None:
    m = Measurement(sample_comparison())
    ratio = m.rate("granian", 10_000) / m.rate("granian", 100)
    assert ratio.median == pytest.approx(30 / 52)
    # Also beside a server that wrk asked as well.
    record = sample_comparison()
    by_wrk = sample_point("granian", 10_000, spread(20_000), generator="wrk")
    record = record.model_copy(update={"points": [by_wrk, *record.points]})
    assert row(record, "rates", "granian")[4].startswith("30\u202f000")


def test_what_a_server_could_not_do_is_a_row() -> None:
    assert row(sample_comparison(), "failures", "gunicorn gthread") == [
        "gunicorn gthread",
        "keep-alive, 100, 10\u202f000 silent",
        "nothing came",
    ]


def with_conduct(record: Record, *conduct: Conduct) -> Record:
    return record.model_copy(update={"conduct": list(conduct)})


def test_what_else_they_do_is_a_table_where_it_was_watched() -> None:
    lax = sample_conduct("granian", refused=20, cut_off=False)
    record = with_conduct(
        sample_comparison(),
        sample_conduct(IN_THE_LOOP),
        lax,
        Conduct(server="bjoern", skipped="bjoern could not be compiled"),
        Conduct(server="uvicorn", drain=lax.drain),
    )
    ours = row(record, "conduct", "step 13 in the loop")
    assert ours[1:] == ["30 of 30", "11 of 12", "10", "10", "10", "100\u202f%"]
    theirs = row(record, "conduct", "granian")
    assert theirs[1:] == ["20 of 30", "11 of 12", "> 65", "> 65", "10", "3\u202f%"]
    a_part = row(record, "conduct", "uvicorn (uvloop)")
    assert a_part[1:] == ["–", "–", "–", "–", "–", "3\u202f%"]
    assert len(SHEETS["conduct"](versus(record)).rows) == 3
    why = ["bjoern", "its conduct", "bjoern could not be compiled"]
    assert row(record, "failures", "bjoern") == why
    titles = [str(table.title) for table in tables(record)]
    assert any(title.startswith("Malformed requests") for title in titles)


def test_a_record_from_before_it_was_watched_has_no_such_table() -> None:
    old = sample_comparison().model_dump()
    del old["conduct"]
    record = Record.model_validate(old)
    assert not SHEETS["conduct"](versus(record)).rows
    titles = [str(table.title) for table in tables(record)]
    assert not any(title.startswith("Malformed requests") for title in titles)


def test_a_page_has_the_table_or_says_that_it_is_missing() -> None:
    pytest.importorskip(
        "markdown", reason="where there is no GIL, the book is not made"
    )
    from book.pages import functions_for

    page = Path(__file__).parents[2] / "chapters" / "13-x" / "README.md"

    def text(record: Record) -> str:
        m = Measurement(sample_record(), {COMPARISON: record})
        drawn = functions_for(page, Sources(m))(m)["compare_table"]("conduct")
        return str(drawn.repository())

    assert "not measured yet" in text(sample_comparison())
    record = with_conduct(sample_comparison(), sample_conduct(IN_THE_LOOP))
    assert "| step 13 in the loop | 30 of 30 | 11 of 12 | 10 |" in text(record)


@pytest.mark.parametrize(
    "name", ["refuses_what_it_must", "cuts_off_slow_clients", "loses_no_answer"]
)
def test_the_claims_of_conduct_can_hold_break_and_be_open(name: str) -> None:
    [found] = [c for c in load_claims("13") if c.name == name]

    def outcome(*conduct: Conduct) -> Outcome:
        compared = with_conduct(sample_comparison(), *conduct)
        return found.check(Measurement(sample_record(), {COMPARISON: compared})).outcome

    good = [sample_conduct(each) for each in (IN_THE_LOOP, FOUR_WORKERS)]
    bad = sample_conduct(FOUR_WORKERS, refused=29, cut_off=False)
    assert outcome(*good) is Outcome.HOLDS
    assert outcome(good[0], bad) is Outcome.BROKEN
    assert outcome(good[0]) is Outcome.NEEDS_MORE
    assert outcome() is Outcome.NEEDS_MORE


def test_versions_and_settings_are_told() -> None:
    found = row(sample_comparison(), "servers", "step 13 (four workers)")
    assert found[1] == "this commit, 0000000000"
    assert "--workers 4" in found[2]


def test_show_prints_a_comparison_as_such() -> None:
    titles = [str(table.title) for table in tables(sample_comparison())]
    assert titles[0].startswith("Throughput, granian = 1")
    assert not any("One hundred clients" in title for title in titles)


def test_a_claim_asks_the_comparison_beside_the_record(tmp_path: Path) -> None:
    save_record(sample_record(), tmp_path / "book.json")
    missing = Measurement.load(tmp_path / "book.json")
    rate = missing.compare.rate(IN_THE_LOOP, 100)
    assert at_least(rate, 1).outcome is Outcome.NEEDS_MORE
    assert missing.compare.silent_bytes(IN_THE_LOOP).is_missing

    save_record(sample_comparison(), tmp_path / "compare.json")
    m = Measurement.load(tmp_path / "book.json")
    both = m.compare.rate(IN_THE_LOOP, 100) / m.compare.rate("granian", 100)
    assert at_least(both, 1.4).outcome is Outcome.HOLDS
    assert m.compare.silent_bytes(IN_THE_LOOP).median == 650
    assert m.compare.kept_bytes(IN_THE_LOOP).median == 660
    assert m.compare.kept_bytes("granian").is_missing
    assert m.rate("step08", 100).median == missing.rate("step08", 100).median


def test_a_page_quotes_the_sample_comparison() -> None:
    pytest.importorskip(
        "markdown", reason="where there is no GIL, the book is not made"
    )
    from book.pages import functions_for

    page = Path(__file__).parents[2] / "chapters" / "13-x" / "README.md"
    m = Measurement(sample_record(), {COMPARISON: sample_comparison()})
    mine = Measurement(
        sample_record(), {COMPARISON: sample_comparison(bjoern=90_000, uvicorn=30_000)}
    )
    functions = functions_for(page, Sources(m, mine))(m)
    assert functions["compare"].rate("bjoern", 100).median == 110_000
    assert functions["compare"].silent_cpu("granian").median == 1.0
    drawn = functions["compare_table"]("winners")
    assert "| plain headers, 100 | bjoern | 2.2 |" in drawn.repository()
    assert "|---|---|--:|" in drawn.repository()
    assert '<td class="words" data-head="best">bjoern</td>' in drawn.site()
    assert 'class="yours"' in functions["compare_table"]("ratios").site()
    nothing = functions_for(page, Sources(Measurement(sample_record())))(m)
    assert "not measured yet" in nothing["compare_table"]("ratios").repository()


def test_the_plan_has_every_server_and_takes_less_than_half_an_hour() -> None:
    plans = compare_plan("wrk")
    points = [plan.point().model_dump_json() for plan in plans]
    assert len(set(points)) == len(points)
    for peer in (*OURS, *PEERS):
        own = [plan for plan in plans if plan.server == peer.name]
        kept = {p.connections for p in own if p.mode == "keep-alive" and not p.silent}
        assert kept == {1, 100, 1000, 10_000}
        assert sum(plan.syscalls for plan in own) == 1
        assert sum(plan.silent_cost for plan in own) == 2  # silent, and kept
        assert {plan.headers for plan in own} == {"plain", "browser"}
    for peer in BY_PROCESSES:
        assert {p.path for p in plans if p.server == peer.name} == {"/", "/spin/1"}
    assert Timing(repeats=3).of_all(plans) < 30 * 60


def test_without_wrk_every_point_is_the_embedded_generators() -> None:
    plans = compare_plan("lab")
    assert {plan.generator for plan in plans} == {"lab"}
    assert len({str(plan) for plan in plans}) == len(plans)


def test_a_name_in_a_list_has_no_comma() -> None:
    """A list of names is read by its commas, and by its semicolons where it has any."""
    for name, title in versus(sample_comparison()).titles.items():
        assert "," not in title, name
    assert for_a_list("granian, one thread") == "granian (one thread)"
    assert for_a_list("granian") == "granian"
    for server in ("step10 --workers 0", "step13, one process", "granian, one thread"):
        assert "," not in measures.title(server)
