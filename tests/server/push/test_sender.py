"""The sender, end to end: a question is asked, and the phones of those it asks say so; and it holds nothing up."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from server.push.sender import Pace, Sender
from server.push.service import Outcome, PushService
from server.push.web_push import CURVE, PushKey
from store.agents import Agent
from store.answers import Chosen
from store.desk import Desk
from store.people import Reviewer
from store.problems import DatabaseProblem, WriteRefused
from store.push.devices import Devices, Subscription
from store.push.work import Addressee, Work
from store.signals import INBOX
from tests.push_station import Phone, Push, Station, station
from tests.stage import FakeClock, answer, answered, approval

pytestmark = pytest.mark.anyio
SERVICE = PushService(PushKey(ec.generate_private_key(CURVE)), None, reachable=lambda _: True)
AT_ONCE = Pace(pause=0.0, retries=(0.0, 0.0), stumble=0.0)


@pytest.fixture
def push(monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    # The one thing that differs from a browser's own push service: its address is one of this machine.
    monkeypatch.setattr("store.push.devices._require_public_https", lambda endpoint: None)
    with station() as found:
        yield found


@asynccontextmanager
async def sending(desk: Desk) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Sender(desk, SERVICE, AT_ONCE).run)
        yield
        tasks.cancel_scope.cancel()


async def next_push(push: Station) -> Push:
    return await anyio.to_thread.run_sync(push.next)


async def heard(push: Station, phone: Phone) -> dict[str, Any]:
    """What that phone shows next."""
    arrived = await next_push(push)
    assert phone.endpoint.endswith(arrived.path)
    return phone.read(arrived.body)


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(20):
        while not await true():
            pass  # each look goes to the database, and lets the others run


async def added(desk: Desk, reviewer: Reviewer, phone: Phone, clock: FakeClock) -> str:
    device = await desk.devices.add(reviewer, phone.subscription, name="Chrome on Android")
    clock.advance(seconds=1)
    return device


async def test_a_question_is_told_once_to_the_phone_of_who_may_answer_and_its_end_too(
    desk: Desk, ana: Reviewer, ben: Reviewer, bot: Agent, push: Station, clock: FakeClock
) -> None:
    phone = push.phone()
    device = await added(desk, ana, phone, clock)
    async with sending(desk):
        ticket = await desk.ask(bot, approval("Deploy 1.4?"))
        told = await heard(push, phone)
        await answered(desk, ben, ticket.request_id, Chosen("approve"))
        over = await heard(push, phone)

        async def forgotten() -> bool:
            return not (await desk.devices.work()).over

        await until(forgotten)

    assert (told["title"], told["body"], told["tag"]) == ("deploy-bot asks", "Deploy 1.4?", ticket.request_id)
    assert (over["kind"], over["tag"], over["body"]) == ("over", ticket.request_id, "It was answered.")
    (kept,) = await desk.devices.of(ana.id)
    assert (kept.id, kept.told_at, kept.trouble) == (device, clock.now, None)
    assert push.arrived.empty()


async def test_a_question_that_came_while_the_server_was_away_is_told_at_its_start_and_not_again_at_the_next(
    desk: Desk, ana: Reviewer, bot: Agent, push: Station, clock: FakeClock
) -> None:
    phone = push.phone()
    await added(desk, ana, phone, clock)
    ticket = await desk.ask(bot, approval())

    async def told() -> bool:
        return not (await desk.devices.work()).asked

    async with sending(desk):
        assert (await heard(push, phone))["tag"] == ticket.request_id
        await until(told)
    async with sending(desk):
        newer = await desk.ask(bot, approval("Another?"))
        assert (await heard(push, phone))["tag"] == newer.request_id
    assert push.arrived.empty()


async def test_many_questions_at_once_are_one_message_and_their_ends_none(
    desk: Desk, ana: Reviewer, ben: Reviewer, bot: Agent, push: Station, clock: FakeClock
) -> None:
    phone = push.phone()
    await added(desk, ana, phone, clock)
    tickets = [await desk.ask(bot, approval(f"Number {number}?")) for number in range(7)]
    async with sending(desk):
        assert (await heard(push, phone))["title"] == "7 requests wait"
        await answered(desk, ben, tickets[0].request_id, Chosen("approve"))
        single = await desk.ask(bot, approval("One more?"))
        assert (await heard(push, phone))["tag"] == single.request_id
    assert push.arrived.empty()


async def test_a_service_that_stumbles_is_tried_again_and_one_that_refuses_is_named_beside_the_device(
    desk: Desk, ana: Reviewer, bot: Agent, push: Station, clock: FakeClock
) -> None:
    phone = push.phone()
    await added(desk, ana, phone, clock)

    async def troubled() -> bool:
        return (await desk.devices.of(ana.id))[0].trouble == "the push service answered 403"

    for status in (503, 429, 201):
        push.answers.put((status, {}))
    async with sending(desk):
        first = await desk.ask(bot, approval())
        assert [(await heard(push, phone))["tag"] for _ in range(3)] == [first.request_id] * 3
        push.answers.put((403, {}))
        second = await desk.ask(bot, approval("Another?"))
        assert (await heard(push, phone))["tag"] == second.request_id
        await until(troubled)
        # What never got there is not taken back.
        await answer(desk, ana, second.request_id, Chosen("reject"))
        third = await desk.ask(bot, approval("A third?"))
        assert (await heard(push, phone))["tag"] == third.request_id


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_the_service_says_is_over_is_forgotten(
    desk: Desk, ana: Reviewer, bot: Agent, push: Station, clock: FakeClock, status: int
) -> None:
    await added(desk, ana, push.phone(), clock)
    push.answers.put((status, {}))

    async def forgotten() -> bool:
        return await desk.devices.of(ana.id) == []

    async with sending(desk):
        await desk.ask(bot, approval())
        await until(forgotten)


async def test_what_was_answered_before_its_turn_came_again_is_not_told(
    desk: Desk, ana: Reviewer, bot: Agent, push: Station, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = push.phone()
    await added(desk, ana, phone, clock)
    push.answers.put((503, {}))
    waits = Devices.waits

    async def answered_meanwhile(devices: Devices, request_id: str) -> bool:
        if not push.arrived.empty():
            await answered(desk, ana, request_id, Chosen("approve"))
        return await waits(devices, request_id)

    monkeypatch.setattr(Devices, "waits", answered_meanwhile)
    async with sending(desk):
        await desk.ask(bot, approval())

        async def closed() -> bool:
            return await desk.inbox() == []

        await until(closed)
        monkeypatch.undo()
        monkeypatch.setattr("store.push.devices._require_public_https", lambda endpoint: None)
        other = await desk.ask(bot, approval("Another?"))
        assert [(await heard(push, phone))["body"] for _ in range(2)] == ["Deploy 1.4 to production?", "Another?"]
    assert push.arrived.empty()
    assert [view.request_id for view in await desk.inbox()] == [other.request_id]


async def test_a_message_on_trial_is_sent_when_its_person_asks_for_it(
    desk: Desk, ana: Reviewer, push: Station, clock: FakeClock
) -> None:
    phone = push.phone()
    device = await added(desk, ana, phone, clock)

    async def tried() -> bool:
        return (await desk.devices.of(ana.id))[0].told_at is not None

    async with sending(desk):
        assert await desk.devices.ask_for_test(ana.id, device)
        assert (await heard(push, phone))["title"] == "Assent reaches you here"
        await until(tried)
    assert (await desk.devices.work()).tests == ()


async def test_while_nothing_can_be_written_down_nothing_is_told_twice(
    desk: Desk, ana: Reviewer, bot: Agent, push: Station, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, tells = push.phone(), Devices.told
    await added(desk, ana, phone, clock)
    failures: list[Exception] = [WriteRefused("the disk is full")] * 3

    async def refused(devices: Devices, *arguments: Any, **named: Any) -> None:
        if failures:
            desk.signals.publish([INBOX])
            raise failures.pop()
        await tells(devices, *arguments, **named)

    async def told() -> bool:
        return not (await desk.devices.work()).asked

    monkeypatch.setattr(Devices, "told", refused)
    async with sending(desk):
        ticket = await desk.ask(bot, approval())
        assert (await heard(push, phone))["tag"] == ticket.request_id
        await until(told)
    assert (failures, push.arrived.empty()) == ([], True)


async def test_a_failure_of_its_own_ends_neither_it_nor_the_server(
    desk: Desk, ana: Reviewer, bot: Agent, push: Station, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = push.phone()
    await added(desk, ana, phone, clock)
    works, failures = Devices.work, [DatabaseProblem("the database is away"), RuntimeError("unforeseen")]

    async def failing(devices: Devices, *arguments: Any) -> Work:
        if failures:
            raise failures.pop()
        return await works(devices, *arguments)

    monkeypatch.setattr(Devices, "work", failing)
    async with sending(desk):
        ticket = await desk.ask(bot, approval())
        assert (await heard(push, phone))["tag"] == ticket.request_id


async def test_a_push_service_that_hangs_holds_no_question_and_no_answer_up(
    desk: Desk, ana: Reviewer, bot: Agent, push: Station, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = anyio.Event()

    async def hanging(*_: object) -> None:
        begun.set()
        await anyio.sleep_forever()

    await added(desk, ana, push.phone(), clock)
    monkeypatch.setattr(PushService, "send", hanging)
    async with sending(desk):
        ticket = await desk.ask(bot, approval())
        await begun.wait()
        await answered(desk, ana, ticket.request_id, Chosen("approve"))


async def test_a_push_service_that_hangs_for_one_browser_keeps_nobody_else_from_being_told(
    desk: Desk,
    ana: Reviewer,
    ben: Reviewer,
    bot: Agent,
    push: Station,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phone, send = push.phone("bens"), PushService.send
    hanging = await added(desk, ana, push.phone("anas"), clock)
    await added(desk, ben, phone, clock)

    async def hangs_for_ana(service: PushService, client: Any, to: Addressee, *rest: Any) -> Outcome:
        if to.device_id == hanging:
            await anyio.sleep_forever()
        return await send(service, client, to, *rest)

    monkeypatch.setattr("server.push.sender.AT_A_TIME", 2)
    monkeypatch.setattr(PushService, "send", hangs_for_ana)
    async with sending(desk):
        for number in range(4):
            ticket = await desk.ask(bot, approval(f"Number {number}?"))
            assert (await heard(push, phone))["tag"] == ticket.request_id


def test_a_subscription_says_nothing_of_its_keys_in_a_log() -> None:
    subscription = Subscription.of(Phone("https://push.example/1").subscription)

    assert repr(subscription) == "Subscription(endpoint='https://push.example/1')"
