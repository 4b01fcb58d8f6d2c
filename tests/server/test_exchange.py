from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.types import Message

from server.exchange import Exchange
from store.agents import Agent

pytestmark = pytest.mark.anyio

BOT = Agent("agt_1", "deploy-bot", None, None, datetime(2026, 11, 22, tzinfo=UTC))
START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PART: Message = {"type": "http.response.body", "body": b"a", "more_body": True}
LAST: Message = {"type": "http.response.body", "body": b"b"}


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(BOT)


async def gone() -> Message:
    return {"type": "http.disconnect"}


async def swallow(_: Message) -> None:
    return None


async def fail(_: Message) -> None:
    raise OSError("the transport is closed")


def noting(told: list[bool]) -> Callable[[bool], Any]:
    async def callback(sent: bool) -> None:
        told.append(sent)

    return callback


async def settled(exchange: Exchange) -> bool:
    told: list[bool] = []
    await exchange.when_settled(noting(told))
    await exchange.finish()
    (sent,) = told
    return sent


async def test_an_answer_whose_last_frame_left_counts_as_sent(exchange: Exchange) -> None:
    send = exchange.sending(swallow)
    for message in (START, PART, LAST):
        await send(message)
    assert await settled(exchange)


async def test_an_answer_that_was_cut_short_does_not(exchange: Exchange) -> None:
    send = exchange.sending(swallow)
    for message in (START, PART):
        await send(message)
    assert not await settled(exchange)


async def test_an_answer_to_a_caller_who_had_gone_before_does_not(exchange: Exchange) -> None:
    await exchange.receiving(gone)()
    await exchange.sending(swallow)(LAST)
    assert not await settled(exchange)


async def test_an_answer_that_the_transport_refused_does_not(exchange: Exchange) -> None:
    with pytest.raises(OSError, match="closed"):
        await exchange.sending(fail)(LAST)
    assert not await settled(exchange)


async def test_a_caller_who_leaves_after_the_answer_was_served(exchange: Exchange) -> None:
    await exchange.sending(swallow)(LAST)
    await exchange.receiving(gone)()
    assert not exchange.gone
    assert await settled(exchange)


async def test_who_asks_after_the_end_is_told_at_once(exchange: Exchange) -> None:
    await exchange.finish()
    told: list[bool] = []
    await exchange.when_settled(noting(told))
    assert told == [False]


async def test_who_waits_for_the_caller_to_leave_is_told_once_then_or_at_once(exchange: Exchange) -> None:
    told: list[str] = []
    exchange.when_lost(lambda: told.append("then"))
    assert told == []
    await exchange.receiving(gone)()
    await exchange.finish()
    exchange.when_lost(lambda: told.append("at once"))
    assert told == ["then", "at once"]


async def test_an_exchange_that_ends_without_an_answer_means_the_caller_is_gone(exchange: Exchange) -> None:
    await exchange.finish()
    assert exchange.gone
