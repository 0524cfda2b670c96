"""What a comparison with peers says: ratios, winners, ties, and what was not done."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.book import Sources
from lab.claims import Outcome, at_least
from lab.compare import compare_plan
from lab.measure import Timing
from lab.peers import BY_PROCESSES, FOUR_WORKERS, IN_THE_LOOP, OURS, PEERS, contestant
from lab.record import Measurement, Point, Record, SilentCost, save_record
from lab.show import tables
from lab.versus import COSTS, RATES, SHEETS, Versus
from tests.lab.sample_record import sample_machine, sample_point, sample_record, spread

PLAIN_100 = RATES[1]


def silent_point(server: str, each: int, cpu: float) -> Point:
    cost = SilentCost(
        connections=10_000,
        accepted=8_000,
        still_open=10_000,
        rss_before_bytes=20_000_000,
        rss_after_bytes=20_000_000 + 8_000 * each,
        seconds=3.0,
        cpu=cpu,
    )
    point = sample_point(server, 100, spread(45_000), silent=10_000, generator="wrk")
    return point.model_copy(update={"silent_cost": cost})


def comparison(*, bjoern: float = 110_000, uvicorn: float = 40_000) -> Record:
    points = [
        sample_point(IN_THE_LOOP, 100, spread(75_000), generator="wrk"),
        sample_point(FOUR_WORKERS, 100, spread(55_000), generator="wrk"),
        sample_point("granian", 100, spread(50_000), generator="wrk"),
        sample_point("bjoern", 100, spread(bjoern), generator="wrk"),
        sample_point("uvicorn", 100, spread(uvicorn), generator="wrk"),
        sample_point("granian", 10_000, spread(30_000)),
        sample_point("granian", 100, spread(52_000)),
        silent_point(IN_THE_LOOP, 650, 0.0),
        silent_point("granian", 3_000, 0.01),
        sample_point("gunicorn", 100, [], silent=10_000, skipped="nothing came"),
    ]
    names = dict.fromkeys(point.server for point in points)
    return Record(
        created_utc="2000-01-01T00:00:00+00:00",
        commit="0" * 40,
        dirty=False,
        complete=True,
        machine=sample_machine(),
        points=points,
        contestants=[contestant(name) for name in names],
    )


def versus(record: Record) -> Versus:
    return Versus(Measurement(record))


def row(record: Record, sheet: str, head: str) -> list[str]:
    [found] = [r for r in SHEETS[sheet](versus(record)).rows if r[0] == head]
    return list(found)


def test_ratios_are_to_granian() -> None:
    ratio = versus(comparison()).ratio(PLAIN_100, IN_THE_LOOP)
    assert ratio.median == pytest.approx(1.5)
    assert row(comparison(), "ratios", "granian")[2] == "1.0"


def test_the_winner_of_a_work_is_marked_also_if_it_is_a_peer() -> None:
    assert row(comparison(), "rates", "bjoern")[2].endswith(" ★")
    assert "★" not in "".join(row(comparison(), "rates", "step 12 in the loop"))
    [plain] = [
        r
        for r in SHEETS["winners"](versus(comparison())).rows
        if r[0].endswith("headers, 100")
    ]
    assert list(plain) == ["plain headers, 100", "bjoern", "2.2", "1.5", "1.1"]


def test_those_that_do_not_differ_win_together() -> None:
    record = comparison(bjoern=75_500)
    assert versus(record).winners(PLAIN_100) == [IN_THE_LOOP, "bjoern"]
    assert versus(comparison()).winners(PLAIN_100) == ["bjoern"]


def test_less_memory_wins() -> None:
    memory = next(work for work in COSTS if work.title == "bytes each")
    found = versus(comparison())
    assert found.winners(memory) == [IN_THE_LOOP]
    assert row(comparison(), "costs", "step 12 in the loop")[2] == "650 ★"
    # Of those that it had accepted.
    assert row(comparison(), "costs", "granian")[2].replace("\u202f", "") == "3000"


def test_ten_thousand_are_compared_with_a_hundred_of_the_same_generator() -> None:
    m = Measurement(comparison())
    ratio = m.rate("granian", 10_000) / m.rate("granian", 100)
    assert ratio.median == pytest.approx(30 / 52)


def test_what_a_server_could_not_do_is_a_row() -> None:
    assert row(comparison(), "failures", "gunicorn gthread") == [
        "gunicorn gthread",
        "keep-alive, 100, 10\u202f000 silent",
        "nothing came",
    ]


def test_versions_and_settings_are_told() -> None:
    found = row(comparison(), "servers", "step 12, four workers")
    assert found[1] == "this commit, 0000000000"
    assert "--workers 4" in found[2]


def test_show_prints_a_comparison_as_such() -> None:
    titles = [str(table.title) for table in tables(comparison())]
    assert titles[0].startswith("Throughput, granian = 1")
    assert not any("One hundred clients" in title for title in titles)


def test_a_claim_asks_the_comparison_beside_the_record(tmp_path: Path) -> None:
    save_record(sample_record(), tmp_path / "book.json")
    missing = Measurement.load(tmp_path / "book.json")
    rate = missing.compare.rate(IN_THE_LOOP, 100)
    assert at_least(rate, 1).outcome is Outcome.UNDECIDED
    assert missing.compare.silent_bytes(IN_THE_LOOP).is_missing

    save_record(comparison(), tmp_path / "compare.json")
    m = Measurement.load(tmp_path / "book.json")
    both = m.compare.rate(IN_THE_LOOP, 100) / m.compare.rate("granian", 100)
    assert at_least(both, 1.4).outcome is Outcome.HOLDS
    assert m.compare.silent_bytes(IN_THE_LOOP).median == 650
    assert m.rate("step08", 100).median == missing.rate("step08", 100).median


def test_a_page_quotes_the_comparison() -> None:
    from lab.blocks import functions_for

    page = Path(__file__).parents[2] / "chapters" / "12-x" / "README.md"
    m = Measurement(sample_record(), comparison())
    mine = Measurement(sample_record(), comparison(bjoern=90_000, uvicorn=30_000))
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


def test_the_plan_has_every_server_and_takes_less_than_twenty_minutes() -> None:
    plans = compare_plan("wrk")
    points = [plan.point().model_dump_json() for plan in plans]
    assert len(set(points)) == len(points)
    for peer in (*OURS, *PEERS):
        own = [plan for plan in plans if plan.server == peer.name]
        kept = {p.connections for p in own if p.mode == "keep-alive" and not p.silent}
        assert kept == {1, 100, 1000, 10_000}
        assert sum(plan.syscalls for plan in own) == 1
        assert sum(plan.silent_cost for plan in own) == 1
        assert {plan.headers for plan in own} == {"plain", "browser"}
    for peer in BY_PROCESSES:
        assert {p.path for p in plans if p.server == peer.name} == {"/", "/spin/1"}
    assert Timing(repeats=3).of_all(plans) < 20 * 60


def test_without_wrk_every_point_is_the_embedded_generators() -> None:
    plans = compare_plan("lab")
    assert {plan.generator for plan in plans} == {"lab"}
    assert len({str(plan) for plan in plans}) == len(plans)
