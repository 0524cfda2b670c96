"""What observations mean. All of them are made up: no server, no clock."""

import shlex
import subprocess
from copy import deepcopy
from dataclasses import replace

import pytest

from lab.doctor.finding import Finding, Verdict, listed
from lab.doctor.observations import (
    Contact,
    Crowd,
    Dawdler,
    Ending,
    Held,
    Observations,
    Point,
    Process,
    Protocol,
    Slow,
    Split,
    Times,
)
from lab.doctor.verdict import verdict

KEEPS = Contact(200, "1.1", "", 100, 70, "length", 0, 5, 0, 0, 0.05, 0.2)
CLOSES = replace(KEEPS, closed=5)
FINE = "Nothing was found that holds the server back."


def times(latency: float, gap: float = 0.0) -> Times:
    return Times([latency] * 8, [gap] * 8, [latency - gap] * 8, 8 if gap else 0)


def points(
    *seen: tuple[float, float], cpu: float | None = None, waited: float | None = None
) -> list[Point]:
    """(rate, latency) with 1, 10 and 100 clients."""
    return [
        replace(
            Point(count, int(rate), rate, ms, {}, 0, False, cpu),
            rates=[rate, rate * 1.02],
            waited=waited,
        )
        for count, (rate, ms) in zip((1, 10, 100), seen, strict=True)
    ]


QUICK = times(0.1)
WORKS = points((9_000, 0.1), (20_000, 0.5), (20_500, 5.0), cpu=1.0)
STALLS = points((22, 44.0), (220, 44.0), (2_200, 45.0), cpu=0.1)


def healthy() -> Observations:
    """A server that has nothing, watched until it ended all who dawdled."""
    seen = Observations(
        "http://127.0.0.1:8000/",
        30.0,
        contact=KEEPS,
        split=Split(0, 20, 1.0, [0.2] * 8, QUICK, QUICK, QUICK, QUICK),
        growth=WORKS,
        held=[Held("half", 64, 64, 0.4)],
        crowd=Crowd(1100, 1100, 1100, 900, [0.1, 0.11], [0.1, 0.12], 60, 65, 0.4),
        dawdlers=[Dawdler("half", 10.0, 10.0, 408)],
        protocol=Protocol("", "", "", "", "", True, "", "", ""),
        process=Process([1], 1, "epoll", idle_cpu=0.0, descriptors=20_000),
    )
    return deepcopy(seen)  # a test that changes it changes nobody else's


def only(said: Verdict) -> Finding:
    assert len(said.findings) == 1, [each.id for each in said.findings]
    return said.findings[0]


def test_a_healthy_server_has_nothing() -> None:
    said = verdict(healthy())
    assert said.first == FINE
    assert said.findings == []
    assert said.undecided == []
    assert said.tried


def test_a_body_that_comes_when_its_head_is_acknowledged() -> None:
    seen = healthy()
    seen.split = Split(20, 20, 2.0, [0.2] * 8, times(44, 43), times(0.2), QUICK, QUICK)
    seen.growth = STALLS
    said = verdict(seen)
    finding = only(said)
    assert finding.id == "stall"
    assert finding.sure == "certain"
    assert finding.chapters == ("06-both", "07-one-line")
    assert said.first.startswith("It writes the head and the body of a response sepa")
    assert "43 ms" in said.first
    # And the law's acquittal, with the processor's.
    [acquitted] = [each for each in said.tried if "lock" in each.what]
    assert "10% of a core" in acquitted.found


def test_where_it_cannot_be_acknowledged_at_once_the_first_request_tells() -> None:
    seen = healthy()
    seen.split = Split(20, 20, None, [0.2] * 8, times(44, 43), None, QUICK, QUICK)
    assert only(verdict(seen)).sure == "likely"
    seen.split.first_ms = [44.0] * 8  # late from the first request on: something else
    assert verdict(seen).findings == []


def test_a_late_body_that_no_acknowledgement_brings_is_no_stall() -> None:
    seen = healthy()
    late = times(44, 43)
    seen.split = Split(20, 20, 2.0, [44.0] * 8, late, late, late, late)
    seen.growth = STALLS
    assert only(verdict(seen)).id == "fixed-wait"


def test_a_wait_that_others_end_is_a_timeout_and_two_writes_stand_behind_it() -> None:
    seen = healthy()
    beside = times(3.0)
    seen.split = Split(
        20, 20, 2.0, [0.2] * 8, times(100, 42), times(100), QUICK, beside
    )
    seen.growth = points((10, 100), (100, 100), (950, 101), cpu=0.05)
    said = verdict(seen)
    assert [each.id for each in said.findings] == ["timeout", "stall"]
    assert "timeout of about 100 ms" in said.first
    assert "Behind it: two writes" in said.first


def test_a_wait_that_others_do_not_shorten_is_none() -> None:
    seen = healthy()
    slow = times(100)
    seen.split = Split(0, 20, 1.0, [100.0] * 8, slow, slow, slow, slow)
    seen.growth = points((10, 100), (100, 100), (990, 101), cpu=0.05)
    finding = only(verdict(seen))
    assert finding.id == "fixed-wait"
    assert "the head itself comes late" in finding.figure


def test_noise_in_some_requests_is_no_timeout() -> None:
    seen = healthy()
    noisy = Times([0.2] * 4 + [9.0] * 5, [0.0] * 9, [0.2] * 4 + [9.0] * 5)
    seen.split = Split(0, 20, 1.0, [0.2] * 8, noisy, noisy, noisy, QUICK)
    assert verdict(seen).first == FINE


def test_closing_comes_first_where_nobody_waits() -> None:
    seen = healthy()
    seen.contact = CLOSES
    seen.split = Split(10, 12, 2.0, [0.2] * 12)
    said = verdict(seen)
    assert [each.id for each in said.findings] == ["closes", "hidden-stall"]
    assert said.first.startswith("It closes the connection after each response")


def test_two_writes_that_nothing_holds_back_are_no_fault() -> None:
    seen = healthy()
    assert seen.split
    seen.split.segments = 2.0
    said = verdict(seen)
    assert said.first == FINE
    assert any("two writes" in each.what for each in said.tried)


STOPPED = Held("half", 8, 8, None, "", 5, (1, 1))


def test_clients_that_stop_it_are_counted_by_who_had_to_leave() -> None:
    seen = healthy()
    seen.held = [Held("half", 1, 1, 0.3), STOPPED]
    said = verdict(seen)
    assert said.first == (
        "4 clients that have sent half a request stop it for everybody else."
    )
    assert "--connections 4 --half" in only(said).see


def test_who_stops_nobody_does_not_stop_it_among_others() -> None:
    seen = healthy()
    alone, among = Held("unread", 1, 1, 0.4), replace(STOPPED, kind="unread")
    seen.held = [alone, replace(among, answered_after=8)]
    said = verdict(seen)
    assert said.first == FINE
    assert "beside 1 of them at once" in said.undecided[0].why
    seen.held = [alone, among]
    assert "4 clients" in only(verdict(seen)).sentence


def test_where_nobody_holds_on_nobody_is_praised() -> None:
    seen = healthy()
    seen.held = [Held("unread", 0, 0, 0.4), Held("silent", 8, 0, 0.4)]
    said = verdict(seen)
    assert not [each for each in said.tried if "stop nobody" in each.what]
    assert len(said.undecided) == 2


def test_who_does_not_read_may_have_given_work_that_nobody_could_see() -> None:
    seen = healthy()
    seen.held = [replace(STOPPED, kind="unread")]
    assert only(verdict(seen)).sure == "certain"
    seen.process = None
    assert only(verdict(seen)).sure == "likely"


@pytest.mark.parametrize(
    ("kind", "shows"),
    [("body", "Content-Length: 100"), ("unread", "nc -I 4096 127.0.0.1 8000 | sleep")],
)
def test_a_command_holds_them_as_the_doctor_did(kind: str, shows: str) -> None:
    seen = healthy()
    seen.held = [Held(kind, 8, 8, None, "", 5, (1, 1))]
    see = only(verdict(seen)).see
    assert "seq 4" in see
    assert shows in see
    shell = subprocess.run(["bash", "-n", "-c", see], capture_output=True, check=False)
    assert not shell.stderr


def test_who_ends_some_does_not_wait_for_ever_for_all() -> None:
    seen = healthy()
    seen.dawdlers = [Dawdler("half", 90.0, 20.0), Dawdler("unread", 90.0)]
    said = verdict(seen)
    assert said.first.startswith("It closes the connections of some clients")
    assert "nc -I 4096" in only(said).see
    seen.dawdlers = [Dawdler("half", 90.0), Dawdler("unread", 90.0)]
    said = verdict(seen)
    assert said.first.startswith("It waits for ever, or very long, for a client that")
    assert "--half --seconds 90" in only(said).see


@pytest.mark.parametrize(
    "held",
    [
        replace(STOPPED, again=(0, 1)),  # not the second time
        replace(STOPPED, answered_after=None),  # not even when they had left
    ],
)
def test_what_was_not_seen_again_is_undecided(held: Held) -> None:
    seen = healthy()
    seen.held = [held]
    said = verdict(seen)
    assert said.first == FINE
    assert "half a request" in said.undecided[0].what


def test_one_silent_client_is_worse_than_closing() -> None:
    seen = healthy()
    seen.contact = CLOSES
    seen.held = [Held("silent", 1, 1, None, "", 1, (1, 1))]
    assert verdict(seen).first.startswith("One client that connects and says nothing")


def shut(limit: int) -> Crowd:
    return Crowd(1100, 1100, limit, 900, [0.1], [0.1], 60, 65, None, "reset", limit)


@pytest.mark.parametrize(
    ("limit", "waits", "descriptors", "name"),
    [
        (1_014, "no epoll", 20_000, "select"),
        (1_014, "", None, "select"),
        (1_014, "epoll", 20_000, "connection-limit"),
        (1_014, "no epoll", 1_024, "connection-limit"),  # ulimit -n
        (990, "no epoll", 1_024, "connection-limit"),
        (512, "no epoll", 20_000, "connection-limit"),
        (100, "epoll", 20_000, "connection-limit"),
    ],
)
def test_which_limit_a_crowd_meets(
    limit: int, waits: str, descriptors: int | None, name: str
) -> None:
    seen = healthy()
    seen.crowd = shut(limit)
    seen.process = replace(
        Process([1], 1), waits_with=waits, descriptors=descriptors, idle_cpu=0.0
    )
    finding = only(verdict(seen))
    assert finding.id == name
    assert f"{limit:,}" in finding.sentence
    guessed = name == "select" and not waits
    assert finding.sure == ("likely" if guessed else "certain")


def test_select_comes_before_four_half_requests() -> None:
    seen = healthy()
    seen.crowd, seen.held = shut(1_014), [STOPPED]
    seen.process = Process([1], 1, "no epoll", idle_cpu=0.0, descriptors=20_000)
    said = verdict(seen)
    assert [each.id for each in said.findings] == ["select", "stopped-by-half"]


def test_a_limit_of_many_is_noted_and_no_more() -> None:
    seen = healthy()
    seen.crowd = shut(990)
    assert verdict(seen).first.startswith(FINE[:-1])


def test_a_crowd_costs_something_if_the_processor_says_so_too() -> None:
    seen = healthy()
    assert seen.crowd
    seen.crowd.beside_ms, seen.crowd.cpu_beside_us = [0.9, 1.0], 850.0
    assert only(verdict(seen)).id == "crowd-cost"
    assert only(verdict(seen)).figure.endswith("60 µs and 850 µs")
    seen.crowd.cpu_beside_us = 1_005.0  # a whole request; its answer goes before
    assert only(verdict(seen)).figure.endswith(
        "1005 µs, some of it when the answer has gone"
    )
    seen.crowd.beside_ms = [44.5, 44.0]
    assert only(verdict(seen)).figure.endswith("and the rest of the time it waits")
    seen.crowd.beside_ms = [0.9, 1.0]
    seen.crowd.cpu_beside_us = 66.0  # somebody else had the processor
    said = verdict(seen)
    assert said.first == FINE
    assert "cost" in said.undecided[0].what


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["one"], "one"),
        (["a, b"], "a, b"),
        (["one", "two", "three"], "one, two and three"),
        (["one, or none", "two"], "one, or none; and two"),
        (["one", "a, b", "c"], "one; a, b; and c"),
    ],
)
def test_semicolons_stand_between_what_has_commas(words: list[str], text: str) -> None:
    assert listed(words) == text


def test_a_collapse_needs_all_looks_and_a_quiet_machine() -> None:
    seen = healthy()
    seen.growth = points((9_000, 0.1), (20_000, 0.5), (5_000, 20.0), cpu=0.9)
    assert only(verdict(seen)).id == "collapse"
    seen.others_cpu = 1.2
    assert verdict(seen).first == FINE
    seen.others_cpu = 0.0
    seen.growth[2].rates = [5_000, 14_000]
    assert verdict(seen).first == FINE


def test_a_queue_before_something_that_waits() -> None:
    seen = healthy()
    slow = times(50)
    seen.split = Split(0, 20, 1.0, [50.0] * 8, slow, slow, slow, slow)
    seen.growth = points((20, 50), (80, 125), (80, 1250), cpu=0.02)
    assert verdict(seen).first.startswith("It works on about 4 requests at a time")


def test_requests_that_fail() -> None:
    seen = healthy()
    seen.growth = points((9_000, 0.1), (20_000, 0.5), (20_000, 5.0))
    seen.growth[2].errors = {"reset": 2_000}
    assert verdict(seen).first == "With 100 clients, requests fail: 2,000 of 22,000."
    seen.growth[2].errors = {"reset": 2}  # of 20 000: an accident
    assert verdict(seen).first == FINE


def test_the_cause_is_named_and_not_what_the_load_makes_of_it() -> None:
    seen = healthy()
    assert seen.protocol
    seen.protocol.length = "more came than its Content-Length says"
    seen.growth[0].errors = {"malformed": 9_000}
    try:
        assert only(verdict(seen)).id == "length"
    finally:
        seen.growth[0].errors = {}


def test_a_slow_request_that_stops_others() -> None:
    seen = healthy()
    seen.slow = Slow("/sleep/300", 300.0, one=Held("slow", 1, 1, None, "", 1, (1, 1)))
    assert verdict(seen).first.startswith("One slow request stops it")
    assert seen.slow.one
    seen.slow.one.again = (0, 1)
    assert verdict(seen).first == FINE


def test_how_many_slow_ones_it_works_on_is_said_where_others_have_to_wait() -> None:
    seen = healthy()
    one, late = Held("slow", 1, 1, 0.4), Held("slow", 12, 12, None, "", 1)
    seen.slow = Slow("/slow", 500.0, 12, 1_000.0, one, late, in_time=10)
    [said] = [each for each in verdict(seen).tried if "slow" in each.what]
    assert "about 10 at a time" in said.found
    seen.slow.in_time, seen.slow.together_ms = 0, 6_000.0  # they share a processor
    [said] = [each for each in verdict(seen).tried if "slow" in each.what]
    assert "about 1 at a time" in said.found
    seen.slow.several = Held("slow", 12, 12, 0.4)  # so some were late to connect
    [said] = [each for each in verdict(seen).tried if "slow" in each.what]
    assert said.found == "12 at once: others are answered meanwhile"


def test_a_load_that_shows_it_asks_as_the_doctor_did() -> None:
    seen = healthy()
    seen.growth = points((900, 1.0), (9_000, 1.0), (900, 90.0), cpu=0.1)
    assert only(verdict(seen)).see.endswith(" --seconds 3 --same-page")
    seen.contact = CLOSES
    see = [each.see for each in verdict(seen).findings if each.id == "collapse"]
    assert see[0].endswith(" --seconds 3 --same-page --close")


@pytest.mark.parametrize(
    "name",
    [
        *("pipelined", "half_closed", "expect", "head"),
        *("http10", "length", "body_unread", "closing", "post"),
    ],
)
def test_each_exchange_that_goes_wrong_is_a_finding(name: str) -> None:
    seen = healthy()
    assert seen.protocol
    setattr(seen.protocol, name, "it was wrong")
    assert only(verdict(seen)).id == name.replace("_", "-")


def test_a_command_that_shows_it_can_be_pasted_whatever_the_url_has() -> None:
    seen = healthy()
    seen.url = "http://127.0.0.1:8000/a%20b?c='d'&e=$f"
    seen.held = [STOPPED]
    seen.growth = points((900, 1.0), (9_000, 1.0), (900, 90.0), cpu=0.1)
    assert seen.protocol
    for name in ("pipelined", "half_closed", "head", "closing", "post"):
        setattr(seen.protocol, name, "it was wrong")
    for finding in verdict(seen).findings:
        words = [word.rstrip(";") for word in shlex.split(finding.see)]
        assert seen.url in words or seen.url.partition("8000")[2] in words, finding.see


def test_it_spins() -> None:
    seen = healthy()
    seen.process = Process([1], 1, "epoll", idle_cpu=0.98)
    assert verdict(seen).first.startswith("It spins: while nobody asks for anything")
    seen.process.idle_cpu = 0.0
    seen.held = [replace(STOPPED, cpu=0.9, again=(0, 1))]  # it was at work, once
    assert verdict(seen).first == FINE
    seen.held = [replace(STOPPED, cpu=0.9)]
    assert [each.id for each in verdict(seen).findings] == [
        "spins-while-held",
        "stopped-by-half",
    ]


def test_no_deadline_is_an_open_question_until_it_was_watched_for_long() -> None:
    seen = healthy()
    seen.dawdlers = [Dawdler("half", 20.0), Dawdler("kept", 20.0)]
    said = verdict(seen)
    assert said.findings == []
    assert said.first.startswith(f"{FINE[:-1]}; what stays open is")
    assert "20 s" in said.undecided[0].why
    seen.dawdlers.append(Dawdler("unread", 10.0, 10.0))  # so it does have some
    assert verdict(seen).first == FINE
    seen.dawdlers = [Dawdler("half", 110.0), Dawdler("kept", 110.0)]
    assert only(verdict(seen)).id == "no-deadline"


def test_who_was_watched_for_a_moment_does_not_shorten_what_is_said() -> None:
    seen = healthy()
    seen.dawdlers = [
        Dawdler("half", 20.0),
        Dawdler("unread", 3.0),  # it came late
        Dawdler("body", 5.0, 5.0, 405, answered=True),
        Dawdler("silent", 2.0, status=400, answered=True),
    ]
    said = verdict(seen)
    assert "within 20 s it did not close the connection" in said.first
    assert "watched for 3 to 20 s only" in said.undecided[0].why
    assert "half a head and one that read no answer" in said.undecided[0].what
    seen.dawdlers[1].watched_s = 0.4
    assert "watched for at most 20 s only" in verdict(seen).undecided[0].why
    seen.dawdlers[0].watched_s = 0.2
    assert verdict(seen).undecided[0].why.startswith("no time to watch, and many")
    seen.dawdlers[1].watched_s = 3.0
    seen.dawdlers[0].watched_s = 110.0
    said = verdict(seen)
    assert "did not close the connection of one with half a head" in only(said).sentence
    assert (
        said.undecided[0].what
        == "whether it ever closes the connection of one that read no answer"
    )
    seen.dawdlers = [Dawdler("half", 0.0)]  # it has only just come
    assert verdict(seen).first == FINE  # a moment is not worth a first sentence


def test_what_nobody_had_asked_for_at_its_end_is_undecided() -> None:
    seen = healthy()
    seen.ending = Ending(0, 0, 3, 3, "closed", 0.2)
    said = verdict(seen)
    assert said.first == FINE
    assert [each.what for each in said.undecided] == [
        "what SIGTERM does to requests that are being answered"
    ]


def test_an_end_that_takes_long_may_still_come() -> None:
    seen = healthy()
    seen.ending = Ending(3, 3, 0, 0, "late", None)
    said = verdict(seen)
    assert said.first == "SIGTERM does not end it within 10 s."
    # No connection was idle, and “late” is no word for what became of a client.
    [others] = [each for each in said.tried if "other clients" in each.what]
    assert others.found == "one with half a request had no answer within 2 s"


def test_it_has_gone() -> None:
    seen = healthy()
    seen.died = "1, 10 and 100 clients"
    assert verdict(seen).first.startswith("It died")


def test_it_answers_nobody_any_more() -> None:
    seen = healthy()
    seen.mute = "1, 10 and 100 clients"
    assert verdict(seen).first.startswith("It listens and answers nobody any more")


def test_where_nobody_held_a_connection_too_little_was_seen() -> None:
    seen = healthy()
    seen.held = []  # there was no time for it
    said = verdict(seen)
    assert said.first == "Too little was seen to say what holds the server back."


def test_a_trifle_is_not_all_there_is_where_the_load_was_not_seen() -> None:
    seen = healthy()
    assert seen.contact
    assert seen.protocol
    seen.contact.first_ms = 1_500.0
    seen.protocol.http10 = "it was wrong"
    seen.growth = []
    said = verdict(seen)
    assert said.first.endswith("what holds the server back: one request takes 1.5 s.")
    assert only(said).id == "http10"


def test_who_is_ended_beside_a_crowd_may_have_made_room() -> None:
    seen = healthy()
    seen.dawdlers = [Dawdler("silent", 10.0, 1.0, crowded_out=True)]
    [tried] = [each for each in verdict(seen).tried if "it closes the" in each.what]
    assert "perhaps to make room" in tried.found


def test_a_command_waits_until_they_are_there() -> None:
    seen = healthy()
    seen.crowd = shut(700)
    assert "& sleep 2; python -m lab probe" in only(verdict(seen)).see
    seen = healthy()
    stopped = Held("slow", 1, 1, None, "", 1, (1, 1))
    seen.slow = Slow("/slow", 400.0, one=stopped)
    assert "/slow & sleep 0.1; curl" in only(verdict(seen)).see


def test_what_was_not_seen_is_not_praised() -> None:
    seen = Observations("http://127.0.0.1:8000/", 30.0, contact=KEEPS)
    seen.notes["what would have come after that"] = "it was interrupted"
    said = verdict(seen)
    assert said.first == "Too little was seen to say what holds the server back."
    assert said.undecided[-1].why == "it was interrupted"


def test_a_short_backlog_makes_late_and_loses_nothing() -> None:
    seen = healthy()
    seen.growth = points((9_000, 0.1), (20_000, 0.5), (20_000, 5.0))
    seen.growth[2].errors = {"timeout": 300, "connect timeout": 200}
    assert only(verdict(seen)).id == "errors"
    seen.growth[2].overflows = 400
    seen.process = Process([1], 1, "no epoll", backlog=5, idle_cpu=0.0)
    finding = only(verdict(seen))
    assert finding.id == "backlog"
    assert "no more than 6 connections" in finding.sentence
    assert finding.sure == "likely"  # it may be another server's that overflowed
    seen.growth[2].queue_full = True
    assert only(verdict(seen)).sure == "certain"
    seen.process.backlog = 511  # a hundred do not fill that: it was somebody else's
    assert only(verdict(seen)).id == "errors"


@pytest.mark.parametrize(
    ("cpu", "waited", "decided"), [(0.98, 0.0, True), (0.5, 0.4, True), (0.2, 0, False)]
)
def test_a_queue_is_for_the_processor_where_it_is_used_or_waited_for(
    cpu: float, waited: float, decided: bool
) -> None:
    seen = healthy()
    seen.growth = points((9_000, 0.1), (20_000, 0.5), (20_500, 5.0), cpu=cpu)
    seen.growth[2].waited = waited
    said = verdict(seen)
    assert said.first == FINE
    assert any("for a processor" in each.what for each in said.tried) is decided
    assert any("queue for" in each.what for each in said.undecided) is not decided


def test_a_crowd_after_which_it_is_gone_for_good() -> None:
    seen = healthy()
    seen.crowd = replace(shut(1_014), limit=None, recovered=False)
    assert only(verdict(seen)).id == "never-recovers"


def test_closing_without_a_word_is_worse_and_explains_what_fails() -> None:
    seen = healthy()
    seen.contact = replace(CLOSES, unannounced=5)
    seen.growth = points((9_000, 0.1), (20_000, 0.5), (20_500, 5.0))
    seen.growth[0].errors = {"closed": 900, "reset": 800}
    assert "does not say so" in only(verdict(seen)).sentence
    # And what is tried on a connection of its own is not spoilt by that.
    assert verdict(seen).undecided == []


def test_a_half_closed_connection_is_shown_with_and_without_close() -> None:
    seen = healthy()
    assert seen.protocol
    seen.protocol.half_closed = "it closed without an answer, in 3 of 6 tries"
    see = only(verdict(seen)).see
    assert "for more in '' 'Connection: close" in see
    assert "nc -N 127.0.0.1 8000" in see


def test_few_who_are_answered_and_many_who_wait() -> None:
    seen = healthy()
    seen.growth = points((9_000, 0.1), (20_000, 0.5), (8_900, 0.17), cpu=0.9)
    seen.growth[2].starved, seen.growth[2].max_ms = 98.0, 1_900.0
    seen.growth[2].errors = {"timeout": 112}
    seen.growth[2].rates = [8_900.0, 11_000.0]
    assert only(verdict(seen)).id == "unfair"
    seen.growth[2].starved = 3.0  # the law is kept: those are late, for some reason
    finding = only(verdict(seen))
    assert (finding.id, finding.sure) == ("errors", "likely")
    assert "take more than 5 s" in finding.sentence


def cut_short() -> Observations:
    """A lock that each request holds for 10 ms, looked at for a quarter of a second: of
    a hundred who queue, some two dozen were answered."""
    seen = healthy()
    seen.growth = points((96, 10.6), (97, 86.8), (96, 180.9), cpu=0.05)
    for point in seen.growth:
        point.requests //= 4
    seen.growth[2].starved, seen.growth[2].max_ms = 82.0, 310.0
    return seen


def test_a_queue_is_one_though_its_end_is_not_seen() -> None:
    finding = only(verdict(cut_short()))
    assert finding.id == "queue"
    assert finding.sentence.startswith("It works on about 1 request at a time")
    assert "10.60, 86.80, over 180.90 ms" in finding.figure


def test_who_waits_for_a_processor_that_others_have_is_not_asleep() -> None:
    seen = cut_short()
    seen.growth[2].cpu, seen.growth[2].waited = 0.36, 1.2
    said = verdict(seen)
    assert said.first == FINE
    assert any("requests queue for a processor" in each.what for each in said.tried)


def test_who_waits_in_a_queue_whose_end_is_not_seen_is_not_treated_unfairly() -> None:
    seen = cut_short()
    seen.growth[2].errors = {"timeout": 5}
    found = {each.id: each for each in verdict(seen).findings}
    assert set(found) == {"errors", "queue"}
    # All hundred were under way at the end, not those five alone.
    assert "take more than 5 s: 5 of 124" in found["errors"].sentence
    seen.others_cpu = 1.5  # and perhaps nobody would have been late
    said = verdict(seen)
    assert only(said).id == "queue"
    assert "other programs used 1.5 processors" in said.undecided[0].why


def test_few_who_are_answered_while_the_others_are_never() -> None:
    seen = healthy()
    seen.growth = points((22, 44), (22, 44), (23, 44), cpu=0.02)
    seen.growth[2].starved, seen.growth[2].max_ms = 99.0, 48.0
    seen.growth[2].errors = {"timeout": 12}
    said = verdict(seen)
    assert only(said).id == "unfair"
    assert "others waited for more than 5 s" in only(said).figure
    assert "ms each on average keep one client busy, by Little's law" in (
        only(said).figure
    )
    assert [each.found for each in said.tried if "does not break down" in each.what]
    assert not [each for each in said.tried if "more answers" in each.what]
    seen.contact = CLOSES  # it answers others each time
    found = [each.id for each in verdict(seen).findings]
    assert found == ["errors", "closes", "queue"]


def test_who_waits_outside_does_not_wait_for_a_backlog() -> None:
    seen = healthy()
    seen.growth = points((2_500, 0.1), (3_800, 0.3), (7_850, 0.7), cpu=0.3)
    seen.growth[2].starved, seen.growth[2].errors = 80.0, {"timeout": 80}
    seen.growth[2].overflows, seen.growth[2].queue_full = 2_800, True
    seen.process = Process([1], 1, "epoll", backlog=20, idle_cpu=0.0)
    assert only(verdict(seen)).id == "unfair"
    seen.growth[2].errors["connect timeout"] = 20
    finding, other = verdict(seen).findings
    assert (finding.id, other.id) == ("backlog", "unfair")
    assert "20 requests took more" in finding.figure  # and not 100


def test_a_queue_in_which_most_are_not_answered_while_one_looks() -> None:
    seen = healthy()
    seen.growth = points((32, 31), (64, 152), (64, 182), cpu=0.01)
    seen.growth[2].starved, seen.growth[2].max_ms = 88.0, 260.0
    finding = only(verdict(seen))
    assert finding.id == "queue"
    assert "about 2 requests at a time" in finding.sentence


@pytest.mark.parametrize(
    ("others", "waited", "found"),
    [
        (0.0, 0.0, ["queue"]),
        (1.5, 0.0, ["queue"]),  # it had the processor when it wanted that
        (0.0, 0.6, []),
        (0.0, None, ["queue"]),
        (1.5, None, []),
    ],
)
def test_a_short_wait_is_told_from_work_where_nothing_else_wants_a_processor(
    others: float, waited: float | None, found: list[str]
) -> None:
    seen = healthy()
    seen.growth = points((430, 2.3), (440, 22), (440, 210), cpu=0.1)
    seen.split = Split(0, 20, 1.0, [2.3] * 8, *[times(2.3)] * 4)
    seen.others_cpu = others
    for point in seen.growth:
        point.waited = waited
    assert [each.id for each in verdict(seen).findings] == found


@pytest.mark.parametrize(
    ("limit", "highest", "found"),
    [
        (1_000, 1_006, "connection-limit"),
        (1_000, None, "connection-limit"),
        (1_014, None, "select"),
        (1_014, 1_023, "select"),
        (1_000, 1_023, "select"),
    ],
)
def test_a_limit_that_somebody_chose_is_not_selects(
    limit: int, highest: int | None, found: str
) -> None:
    seen = healthy()
    seen.process = Process([1], 1, "no epoll", idle_cpu=0.0, descriptors=20_000)
    seen.crowd = replace(shut(limit), highest=highest)
    assert only(verdict(seen)).id == found


def test_noise_in_all_of_few_requests_is_no_timeout() -> None:
    """As a server has it that works, beside others who want the processor."""
    seen = healthy()
    heads = [11.0, 6.5, 12.0, 10.0, 11.0, 7.0, 13.0, 11.0, 12.0, 6.0]
    noisy = Times(heads, [0.0] * 10, heads)
    seen.split = Split(0, 20, 1.0, [4.0] * 8, noisy, noisy, noisy, times(4.6))
    assert verdict(seen).first == FINE


def test_many_small_pieces_are_not_two_writes() -> None:
    seen = healthy()
    assert seen.split
    seen.split.segments = 109.0
    assert only(verdict(seen)).id == "many-writes"
    assert verdict(seen).first.startswith(FINE[:-1])  # only that


def test_where_plain_requests_fail_the_others_say_nothing() -> None:
    seen = healthy()
    assert seen.protocol
    seen.growth = points((500, 0.1), (5_000, 0.5), (5_000, 5.0))
    seen.growth[0].errors, seen.protocol.pipelined = {"reset": 100}, "it was reset"
    assert only(verdict(seen)).id == "errors"


def test_a_limit_below_what_stopped_nobody_is_none() -> None:
    seen = healthy()
    seen.held = [Held("silent", 64, 64, 0.4)]
    seen.crowd = replace(shut(2), counted=True)
    said = verdict(seen)
    assert said.first == FINE
    assert "limit of connections" in said.undecided[0].what


def test_only_those_that_were_watched_to_the_end_say_for_how_long() -> None:
    seen = healthy()
    seen.dawdlers = [Dawdler("half", 20.0), Dawdler("body", 5.0, 5.0, 405, True)]
    assert "within 20 s" in verdict(seen).first


def test_who_is_answered_beside_more_of_them_was_not_stopped_by_fewer() -> None:
    seen = healthy()
    seen.held = [Held("half", 8, 8, 300.0), replace(STOPPED, answered_after=8)]
    said = verdict(seen)
    assert said.first == FINE  # by one of eight, though eight at once did not?
    assert "beside 8 of them at once" in said.undecided[0].why


def test_who_is_not_stopped_again_is_not_said_to_spin_meanwhile() -> None:
    seen = healthy()
    seen.held = [replace(STOPPED, again=(0, 1), cpu=0.9)]
    assert verdict(seen).findings == []


def test_a_queue_is_seen_by_its_rates_where_most_are_not_answered_in_time() -> None:
    seen = healthy()
    slow = times(20)
    seen.split = Split(0, 20, 1.0, [20.0] * 8, slow, slow, slow, slow)
    seen.growth = points((50, 20.0), (48, 171.0), (41, 205.0), cpu=0.01)
    assert verdict(seen).first.startswith("It works on about 1 request at a time")
    seen.growth[2].waited = 0.6  # it wanted the processor, and another had it
    assert verdict(seen).first == FINE


def test_a_short_wait_needs_the_processors_word_and_nearly_every_request() -> None:
    seen = healthy()
    short = times(2.1)
    seen.split = Split(0, 20, 1.0, [2.1] * 8, short, short, short, short)
    seen.growth = points((470, 2.1), (455, 21.0), (460, 170.0), cpu=0.04, waited=0.0)
    assert only(verdict(seen)).id == "queue"
    seen.growth[0].waited = 0.9
    assert verdict(seen).first == FINE
    seen.growth[0].waited = 0.0
    seen.split.alone = Times([0.2] * 4 + [2.1] * 4, [0.0] * 8, [0.2] * 4 + [2.1] * 4)
    assert verdict(seen).first == FINE  # a busy machine makes some slow, not nearly all


def test_a_short_wait_is_a_timeout_if_ten_clients_shorten_it() -> None:
    seen = healthy()
    short = times(3.1)
    seen.split = Split(0, 20, 1.0, [3.1] * 8, short, short, short, short)
    seen.growth = points((320, 3.1), (9_000, 0.6), (20_000, 5.0), cpu=0.1, waited=0)
    said = verdict(seen)
    assert only(said).id == "timeout"
    assert not [each for each in said.tried if "timeout" in each.what]
    seen.growth = points((320, 3.1), (3_000, 3.2), (20_000, 5.0), cpu=0.1, waited=0)
    said = verdict(seen)
    assert only(said).id == "fixed-wait"
    assert "with one client or with ten" in said.first


def test_the_longer_of_two_waits_comes_first() -> None:
    seen = healthy()
    seen.split = Split(
        20, 20, 2.0, [0.2] * 8, times(54, 44), times(10), QUICK, times(0.5)
    )
    seen.growth = STALLS
    assert [each.id for each in verdict(seen).findings] == ["stall", "timeout"]


def test_a_page_that_costs_much_of_the_processor() -> None:
    seen = healthy()
    seen.growth = points((190, 5.2), (190, 52.0), (191, 500.0), cpu=0.97)
    said = verdict(seen)
    assert said.first.startswith("Each request costs about 5 ms of processor time")
    assert "no more than 197 of them" in said.first
    seen.growth[0].cpu = 0.1  # one look cost less: so it is not the page
    assert verdict(seen).first == FINE


def test_a_status_of_the_servers_own_is_no_accident_and_is_named() -> None:
    seen = healthy()
    seen.growth = points((900, 0.1), (900, 0.5), (900, 5.0))
    seen.growth[2].errors = {"status 500": 9}  # one in a hundred
    assert verdict(seen).first == (
        "With 100 clients, requests fail with status 500: 9 of 909."
    )
    seen.growth[2].errors = {"timeout": 9}
    assert verdict(seen).first == FINE


def test_a_short_backlog_that_overflows_is_named_though_nobody_is_very_late() -> None:
    seen = healthy()
    seen.process = Process([1], 1, "epoll", backlog=1, idle_cpu=0.0)
    assert verdict(seen).first == FINE
    seen.growth[2].overflows = 40
    assert "no more than 2 connections" in only(verdict(seen)).sentence
    seen.process.backlog = 128  # it was another server's queue
    assert verdict(seen).first == FINE


def test_those_whom_it_has_closed_hold_nothing() -> None:
    assert Held("silent", 64, 50, None, "told 503", 1).limit == 50


def test_who_is_told_that_there_is_no_room_is_not_called_unanswered() -> None:
    seen = healthy()
    seen.held = [Held("silent", 64, 50, None, "told 503", 1, (1, 1))]
    assert "one more client was told 503 until 1" in only(verdict(seen)).figure


def test_it_spins_though_another_program_has_most_of_the_processor() -> None:
    seen = healthy()
    seen.process = Process([1], 1, "epoll", idle_cpu=0.3, idle_waited=0.7)
    assert only(verdict(seen)).id == "spins"


def test_it_spins_beside_clients_that_do_nothing_and_stops_nobody() -> None:
    seen = healthy()
    seen.held = [Held("ended", 8, 8, 0.4, rest_cpu=0.9)]
    assert verdict(seen).first.startswith(
        "It spins: while 8 clients that have ended their side do nothing"
    )
    seen.process = Process([1], 1, "epoll", idle_cpu=0.98)
    assert only(verdict(seen)).id == "spins"  # not because of them
    seen.held[0].rest_cpu, seen.process.idle_cpu = 0.1, 0.0
    assert verdict(seen).first == FINE


def test_descriptors_that_are_not_given_back() -> None:
    seen = healthy()
    seen.process = Process(
        [1], 1, "epoll", idle_cpu=0.0, open_before=5, open_after=1_400
    )
    assert "it had 5 open at rest, and 1,400 when" in verdict(seen).first
    seen.process.open_after = 25
    assert verdict(seen).first == FINE


def test_a_deadline_that_each_byte_puts_off() -> None:
    seen = healthy()
    half, trickle = Dawdler("half", 2.1, 2.1), Dawdler("trickle", 25.0)
    seen.dawdlers = [half, trickle]
    assert only(verdict(seen)).id == "rearmed"
    seen.dawdlers = [half, replace(trickle, ended_s=4.0)]
    assert verdict(seen).findings == []
    seen.dawdlers = [half, replace(trickle, watched_s=5.0)]  # it may yet come
    assert verdict(seen).findings == []


def test_a_server_that_died_is_not_said_to_recover_never() -> None:
    seen = healthy()
    seen.died = "1,100 silent connections"
    seen.crowd = replace(shut(1_014), limit=None, recovered=False)
    assert [each.id for each in verdict(seen).findings] == ["died"]


def test_a_first_request_that_takes_longer_than_those_that_follow() -> None:
    seen = healthy()
    assert seen.split
    seen.split.first_ms = [30.0 + n for n in range(12)]
    assert verdict(seen).first.startswith(
        "The first request on a connection takes about 31 ms"
    )
    assert seen.process
    seen.process.idle_cpu = 0.9
    assert only(verdict(seen)).id == "spins"
    seen.process.idle_cpu = 0.0
    seen.others_cpu = 1.2  # its threads may have waited for a processor
    assert verdict(seen).first == FINE
    seen.others_cpu = 0.0
    seen.split.first_ms[:4] = [0.3] * 4  # some are quick: so it was the machine
    assert verdict(seen).first == FINE


def test_a_few_very_slow_requests_into_which_the_time_goes() -> None:
    seen = healthy()
    seen.growth = points((570, 0.05), (4_700, 0.1), (25_000, 0.8), cpu=0.3)
    for point in seen.growth:
        point.max_ms = 104.0
    finding = only(verdict(seen))
    assert finding.id == "rare"
    assert "up to 104 ms where half of them take 0.05 ms" in finding.sentence
    seen.others_cpu = 1.2  # which makes such requests as well
    said = verdict(seen)
    assert said.first == FINE
    assert "very slow" in said.undecided[0].what
    seen.others_cpu = 0.0
    for point in seen.growth:
        point.p50_ms = 0.9 * 1e3 * point.connections / point.rate  # the law is kept
    assert verdict(seen).first == FINE


def test_few_who_are_answered_at_once_in_a_look_too_short_for_the_others() -> None:
    seen = healthy()
    seen.growth[2] = replace(
        seen.growth[2], requests=140, rate=560, p50_ms=1.8, max_ms=6.0, starved=99.0
    )
    assert only(verdict(seen)).id == "unfair"
    assert "longer than that was looked at" in only(verdict(seen)).figure
    # Where they queue, who is answered has waited as well.
    seen.growth[2].p50_ms, seen.growth[2].max_ms = 190.0, 240.0
    assert verdict(seen).first == FINE


def test_much_memory_for_a_connection() -> None:
    seen = healthy()
    assert seen.process
    seen.process.kept_bytes_each = 1_048_616.0
    assert verdict(seen).first.startswith("Each connection takes about 1.0 MB of mem")
    seen.process.kept_bytes_each = 130_000.0
    assert verdict(seen).first == FINE


def test_an_answer_to_a_post_that_is_held_back() -> None:
    seen = healthy()
    assert seen.split
    seen.split.posted, seen.split.posted_quick = times(44, 43), times(0.2)
    assert only(verdict(seen)).id == "stall-post"
    seen.split.posted_quick = times(44, 43)  # it is late, however it is acknowledged
    assert verdict(seen).first == FINE


def test_a_wait_that_one_client_under_load_does_not_see_is_no_timeout() -> None:
    seen = healthy()
    seen.split = Split(0, 20, 1.0, [0.2] * 8, times(1.4), times(59), QUICK, times(1.5))
    seen.growth = points((20, 59.0), (500, 1.5), (5_000, 3.0))
    assert only(verdict(seen)).id == "timeout"
    seen.growth[0].p50_ms = 1.4
    assert verdict(seen).first == FINE


def test_who_works_far_longer_than_was_asked_for_spins() -> None:
    seen = healthy()  # where a request costs 0.1 ms of processor time at most
    seen.held = [Held("unread", 1, 1, None, busy=True, asked=3_000, worked_s=4.0)]
    assert verdict(seen).first.startswith(
        "It spins: while one client that does not read its answers does nothing"
    )
    assert "4.0 s" in only(verdict(seen)).figure  # as seen, and no figure of our own
    assert "3,000 requests" in only(verdict(seen)).figure
    seen.held[0].asked = 30_000  # which is three seconds of work
    assert verdict(seen).first == FINE


def test_who_is_at_work_when_nobody_asks_is_not_praised_for_its_sleep() -> None:
    seen = healthy()
    assert seen.process
    seen.process.idle_cpu = 0.3
    said = verdict(seen)
    assert said.first == FINE
    assert not [each for each in said.tried if "sleeps" in each.what]
    assert "30% of a core" in said.undecided[0].why


def test_a_short_wait_is_seen_where_a_hundred_are_more_than_the_client_can_ask() -> (
    None
):
    seen = healthy()
    short = times(3.1)
    seen.split = Split(0, 20, 1.0, [3.1] * 8, short, short, short, short)
    seen.growth = points((320, 3.1), (9_000, 0.6), (20_000, 5.0), cpu=0.1, waited=0)
    seen.growth[2].client_bound = True
    assert only(verdict(seen)).id == "timeout"


def test_what_may_be_behind_a_stall_is_not_acquitted() -> None:
    seen = healthy()
    seen.split = Split(
        20, 20, 2.0, [0.2] * 8, times(44, 44), times(0.2), QUICK, times(44, 44)
    )
    seen.growth = STALLS
    assert any("no lock" in each.what for each in verdict(seen).tried)
    seen.growth = points((15, 64.0), (50, 190.0), (50, 1_900.0), cpu=0.05)
    said = verdict(seen)
    assert not any("no lock" in each.what for each in said.tried)
    assert any("behind that wait" in each.what for each in said.undecided)


def test_what_a_crowd_costs_has_to_be_more_on_a_busy_machine() -> None:
    seen = healthy()
    assert seen.crowd
    seen.crowd.beside_ms = [0.4, 0.45]
    seen.crowd.cpu_without_us, seen.crowd.cpu_beside_us = 60, 180
    assert only(verdict(seen)).id == "crowd-cost"
    seen.others_cpu = 1.0
    assert verdict(seen).first == FINE
    assert any("silent clients cost" in each.what for each in verdict(seen).undecided)
    seen.crowd.cpu_beside_us = 300
    assert only(verdict(seen)).id == "crowd-cost"
