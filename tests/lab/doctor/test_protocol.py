"""Exchanges that servers get wrong; each here by one that does it wrong on purpose."""

import asyncio
from collections.abc import Callable

import pytest

from lab.doctor import protocol
from lab.doctor.growth import contact
from lab.doctor.observations import Contact, Protocol
from lab.doctor.plan import Plan
from lab.doctor.raw import Target
from tests.lab.doctor.servers import HEAD, target_of
from tests.lab.scripted_server import Behaviour, Exchange, answer, response, serving

PLAN = Plan(5.0)
Check = Callable[[Target, Contact, float, Protocol], str]


def check(attempt: Check, behaviour: Behaviour) -> str:
    with serving(behaviour) as server:
        target = target_of(server)
        known = Contact(200, "1.1", "", len(HEAD), 70, "length", 0, 5, 0, 0, 0.1, 0.2)
        return attempt(target, known, PLAN.patience_s, Protocol())


async def answer_one_less(exchange: Exchange) -> None:
    if exchange.nth == 3:
        return  # it is lost
    await answer(exchange)


async def answer_late(exchange: Exchange) -> None:
    """The fourth on a connection is answered with the seventh."""
    if exchange.nth != 6:
        await answer(exchange)
    if exchange.nth == 7:
        await answer(exchange)


async def close_after_two(exchange: Exchange) -> None:
    await answer(exchange)
    if exchange.nth == 3:
        exchange.close()


async def answer_head_with_a_head(exchange: Exchange) -> None:
    await exchange.answer(HEAD if exchange.request.startswith(b"HEAD") else response())


async def say_more(exchange: Exchange) -> None:
    await exchange.answer(response() + b"more")


async def say_less(exchange: Exchange) -> None:
    await exchange.answer(response()[:-1])
    exchange.close()


async def close_for_http10(exchange: Exchange) -> None:
    await answer(exchange)
    if b"HTTP/1.0" in exchange.request and b"keep-alive" not in exchange.request:
        exchange.close()


async def chunks(exchange: Exchange) -> None:
    await exchange.answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    )
    exchange.close()


async def wait_for_the_body(exchange: Exchange) -> None:
    if b"100-continue" not in exchange.request:
        await answer(exchange)


async def close_for_a_post(exchange: Exchange) -> None:
    if exchange.request.startswith(b"POST"):
        exchange.close()
    else:
        await answer(exchange)


async def go_when_the_client_has_said_all(exchange: Exchange) -> None:
    await asyncio.sleep(0.05)
    if exchange.writer.transport.is_closing() or b"close" not in exchange.request:
        exchange.close()
    else:
        await answer(exchange)


async def reset_after_the_head(exchange: Exchange) -> None:
    await exchange.answer(HEAD)
    exchange.reset()


async def answer_by_path(exchange: Exchange) -> None:
    there = b"GET / " in exchange.request
    await exchange.answer(response() if there else response(b"", "404 Not Found"))


async def answer_in_another_order(exchange: Exchange) -> None:
    """Beside each other, the third request is answered before the second."""
    if exchange.number == 4 + 3:  # four are asked alone, to know their answers
        return
    await answer_by_path(exchange)
    if exchange.number == 4 + 4:
        await exchange.answer(response(b"", "404 Not Found"))


async def close_without_reading(exchange: Exchange) -> None:
    """It answers, and the rest of what it was sent makes of its end a reset."""
    if b"Content-Length" in exchange.request:
        await exchange.answer(response(fields="Connection: close\r\n"))
        exchange.reset()
    else:
        await answer(exchange)


@pytest.mark.parametrize(
    ("attempt", "right", "wrong", "words"),
    [
        (protocol.pipelined, answer, answer_one_less, "did not come"),
        (protocol.pipelined, answer, answer_late, "only when one more request did"),
        (protocol.pipelined, answer_by_path, answer_in_another_order, "is another"),
        (protocol.pipelined, answer, close_after_two, "it closed after 2 of 5"),
        (protocol.head, answer_head_with_a_head, answer, "a body came"),
        (protocol.length, answer, say_more, "more came"),
        (protocol.length, answer, say_less, "less came"),
        (protocol.http10, close_for_http10, answer, "it kept the connection"),
        (protocol.http10, close_for_http10, chunks, "chunked"),
        (protocol.expect, answer, wait_for_the_body, "nothing came"),
        (
            protocol.half_closed,
            answer,
            go_when_the_client_has_said_all,
            "it closed without an answer, in 3 of 6 tries",
        ),
        (protocol.post, answer, close_for_a_post, "it closed without an answer"),
        (protocol.closing, answer, answer_head_with_a_head, "asks to close"),
        (protocol.closing, answer, reset_after_the_head, "lost to a reset"),
    ],
)
def test_it_is_told_from_the_right_one(
    attempt: Check, right: Behaviour, wrong: Behaviour, words: str
) -> None:
    assert check(attempt, right) == ""
    assert words in check(attempt, wrong)


def test_an_answer_that_a_reset_overtakes() -> None:
    async def refuse(exchange: Exchange) -> None:
        if b"Content-Length" in exchange.request:
            exchange.reset()
        else:
            await answer(exchange)

    assert "lost to a reset" in check(protocol.body_unread, refuse)


def test_where_no_post_has_an_answer_none_is_lost_to_a_reset() -> None:
    with serving(close_for_a_post) as server:
        target = target_of(server)
        seen = protocol.protocol(target, contact(target, PLAN), PLAN)
    assert seen.post == "it closed without an answer"
    assert seen.expect is None
    assert seen.body_unread is None


def test_an_answer_that_a_reset_follows_may_be_lost_elsewhere() -> None:
    with serving(close_without_reading) as server:
        target = target_of(server)
        seen = protocol.protocol(target, contact(target, PLAN), PLAN)
    assert seen.body_unread == ""
    assert "a POST whose body it did not read" in (seen.closing or "")


def test_what_goes_well_the_second_time_was_an_accident() -> None:
    async def fail_once(exchange: Exchange) -> None:
        if exchange.request.startswith(b"HEAD") and not failed:
            failed.append(1)
            await answer(exchange)  # with a body
        else:
            await answer_head_with_a_head(exchange)

    failed: list[int] = []
    with serving(fail_once) as server:
        target = target_of(server)
        seen = protocol.protocol(target, contact(target, PLAN), PLAN)
    assert failed
    assert seen.head == ""
    assert seen.http10 == "it kept the connection, though it was not asked to"
