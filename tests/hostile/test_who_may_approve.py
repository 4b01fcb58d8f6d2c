"""Where rules say who approves and how many, nobody gets round them: not twice, not for themself, not from outside."""

from contextlib import AsyncExitStack

import anyio
import httpx2
import pytest

from store.agents import Agents
from store.people import People, Reviewer, Role
from tests.hostile.deciding import APPROVE, asked, looked_at, press, send, shown
from tests.hostile.world import World
from tests.stage import PASSWORD, FakeClock
from tests.store.rules import in_force

pytestmark = pytest.mark.anyio


async def outcome(world: World, request_id: str) -> tuple[str, str | None, bool]:
    view = await world.desk.view(request_id)
    assert view is not None
    return view.state, view.outcome, view.may_proceed


async def test_a_reviewer_outside_the_group_reads_and_decides_nothing(
    world: World, token: str, ana: Reviewer, ben: Reviewer
) -> None:
    await in_force(world.desk, "name: ana's, reviewers: [ana]")
    request_id = await asked(world, token)
    async with world.browser("ben") as browser:
        card = await shown(browser, request_id)
        before = await world.rows()
        by_json = await send(browser, request_id, {"card_sha256": card, **APPROVE})
        declined = await send(browser, request_id, {"card_sha256": card, "action": "decline"})
        by_form = await press(browser, request_id, card)
        assert await world.rows() == before
    assert (by_json.status_code, declined.status_code, by_form.status_code) == (403, 403, 403)
    assert "ana" in by_json.text


async def test_who_is_asked_only_later_decides_nothing_before(
    world: World, token: str, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    await in_force(world.desk, "name: ana's, reviewers: [ana], escalate: [ben]")
    request_id = await asked(world, token, timeout_seconds=600)
    async with world.browser("ben") as browser:
        card = await shown(browser, request_id)
        clock.advance(seconds=299)
        before = await world.rows()
        early = await send(browser, request_id, {"card_sha256": card, **APPROVE})
        assert await world.rows() == before
        clock.advance(seconds=1)
        late = await send(browser, request_id, {"card_sha256": card, **APPROVE})
    assert (early.status_code, late.status_code) == (403, 200)


async def test_one_person_is_not_two_however_they_come_back(
    world: World, token: str, ana: Reviewer, ben: Reviewer
) -> None:
    await in_force(world.desk, "name: two, approvals: 2")
    request_id = await asked(world, token)
    async with world.browser("ana") as one, world.browser("ana") as other:
        card = await looked_at(one, request_id)
        await looked_at(other, request_id)
        first = await send(one, request_id, {"card_sha256": card, **APPROVE})
        before = await world.rows()
        again = [
            await send(one, request_id, {"card_sha256": card, **APPROVE}),
            await send(other, request_id, {"card_sha256": card, **APPROVE}),
            await send(other, request_id, {"card_sha256": card, "decision": "reject"}),
            await press(one, request_id, card),
            await press(other, request_id, card),
        ]
        assert await world.rows() == before
    assert first.json() == {"request_id": request_id, "status": "voted", "still_needed": 1}
    assert [answer.status_code for answer in again] == [409] * 5
    assert await outcome(world, request_id) == ("shown", None, False)


async def test_many_clicks_of_one_person_at_once_are_one_vote(
    world: World, token: str, ana: Reviewer, ben: Reviewer
) -> None:
    await in_force(world.desk, "name: two, approvals: 2")
    request_id = await asked(world, token)
    answers: list[httpx2.Response] = []
    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(world.browser("ana")) for _ in range(5)]
        card = await shown(browsers[0], request_id)

        async with anyio.create_task_group() as group:
            for browser in browsers:

                async def click(browser: object = browser) -> None:
                    answers.append(await send(browser, request_id, {"card_sha256": card, **APPROVE}))  # type: ignore[arg-type]

                group.start_soon(click)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert await outcome(world, request_id) == ("shown", None, False)


@pytest.mark.parametrize("owner", ["ana", "ANA", " Ana ", "\uff41\uff4e\uff41"])
async def test_an_owner_approves_no_call_of_their_own_agent_however_the_name_is_written(
    world: World, agents: Agents, ana: Reviewer, ben: Reviewer, owner: str
) -> None:
    await in_force(world.desk, "name: not mine, not_owner: true")
    _, token = await agents.add("own-bot", owner=owner)
    request_id = await asked(world, token)
    async with world.browser("ana") as browser:
        card = await shown(browser, request_id)
        before = await world.rows()
        answers = [
            await send(browser, request_id, {"card_sha256": card, **APPROVE}),
            await press(browser, request_id, card),
        ]
        assert await world.rows() == before
    assert [answer.status_code for answer in answers] == [403, 403]


async def test_an_owner_who_gives_the_agent_away_still_approves_nothing(
    world: World, token: str, ana: Reviewer, ben: Reviewer
) -> None:
    await in_force(world.desk, "name: not mine, not_owner: true")
    request_id = await asked(world, token)
    async with world.browser("ana") as browser:
        given = await browser.send_form("/agents/deploy-bot/owner", {"owner": "ben"})
        card = await shown(browser, request_id)
        before = await world.rows()
        answer = await send(browser, request_id, {"card_sha256": card, **APPROVE})
        assert await world.rows() == before
    assert given.status_code == 303, given.text
    assert answer.status_code == 403


async def test_who_takes_an_account_over_by_a_reset_is_not_two_people_for_a_day_and_is_seen(
    world: World, token: str, ana: Reviewer, ben: Reviewer, people: People
) -> None:
    reset = await people.administration.reset(ben.id, by=None)
    await people.use_invitation(reset.invitation, reset.token, PASSWORD)
    await in_force(world.desk, "name: two, approvals: 2")
    request_id = await asked(world, token)
    async with world.browser("ana") as first, world.browser("ben") as taken_over:
        card = await shown(first, request_id)
        await send(first, request_id, {"card_sha256": card, **APPROVE})
        await shown(taken_over, request_id)
        before = await world.rows()
        answer = await send(taken_over, request_id, {"card_sha256": card, **APPROVE})
        page = await first.open("/")
        assert await world.rows() == before
    assert answer.status_code == 403
    assert "24 hours" in answer.text
    assert "ben" in page.text
    assert "reset" in page.text


async def test_a_vote_of_somebody_who_lost_the_role_since_counts_no_more(
    world: World, token: str, ana: Reviewer, ben: Reviewer, people: People
) -> None:
    await people.add_reviewer("cara", role=Role.REVIEWER, password=PASSWORD)
    await in_force(world.desk, "name: two, approvals: 2")
    request_id = await asked(world, token)
    async with world.browser("ben") as leaving, world.browser("ana") as second, world.browser("cara") as third:
        card = await shown(leaving, request_id)
        await shown(second, request_id)
        await shown(third, request_id)
        await send(leaving, request_id, {"card_sha256": card, **APPROVE})
        await people.administration.disable(ben.id, by=None)
        answer = await send(second, request_id, {"card_sha256": card, **APPROVE})
        last = await send(third, request_id, {"card_sha256": card, **APPROVE})
    assert answer.json()["status"] == "voted"
    assert last.json()["status"] == "answered"


async def test_the_second_voter_is_told_nothing_of_the_first(
    world: World, token: str, ana: Reviewer, ben: Reviewer
) -> None:
    await in_force(world.desk, "name: two, approvals: 2")
    request_id = await asked(world, token)
    async with world.browser("ana") as first, world.browser("ben") as second:
        card = await shown(first, request_id)
        await shown(second, request_id)
        paths = (
            "/api/requests?state=all",
            f"/api/requests/{request_id}",
            "/api/audit/entries",
            "/api/audit/checkpoint",
        )
        before = [(await second.fetch(path)).text for path in paths[:2]]
        await send(first, request_id, {"card_sha256": card, **APPROVE, "comment": "the first voter's own words"})
        after = [(await second.fetch(path)).text for path in paths]
        pages = [(await second.open(path)).text for path in ("/", f"/requests/{request_id}", "/history?q=own")]
    assert after[:2] == before
    for text in (*after, *pages):
        assert "the first voter's own words" not in text
        assert "request_voted" not in text


async def test_what_a_rule_denies_is_never_asked(world: World, token: str, ana: Reviewer) -> None:
    await in_force(world.desk, "name: frozen, action: deny, reason: nothing ships today")
    before = await world.rows()
    async with world.caller(token) as caller:
        said = await caller.refusal("ask_approval", {"title": "Deploy?", "hold_seconds": 0})
    after = await world.rows()
    assert "frozen" in said
    assert "nothing ships today" in said
    assert {name: count for name, count in after.items() if name == "requests" or "/" in name} == {
        name: count for name, count in before.items() if name == "requests" or "/" in name
    }


async def test_a_claim_of_low_risk_opens_no_rule_that_a_higher_one_closes(
    world: World, token: str, ana: Reviewer, ben: Reviewer
) -> None:
    await in_force(world.desk, "name: always, reviewers: [ana]", "name: high, risk: high, approvals: 2")
    request_id = await asked(world, token, risk="low")
    async with world.browser("ben") as browser:
        card = await shown(browser, request_id)
        answer = await send(browser, request_id, {"card_sha256": card, **APPROVE})
    assert answer.status_code == 403


async def test_an_approval_that_must_be_signed_is_none_without_a_signature(
    world: World, token: str, ana: Reviewer
) -> None:
    await in_force(world.desk, "name: signed, require: passkey")
    request_id = await asked(world, token)
    forged = {"statement": "e30", "credential": {"id": "x", "rawId": "x", "type": "public-key", "response": {}}}
    async with world.browser("ana") as browser:
        card = await looked_at(browser, request_id)
        before = await world.rows()
        answers = [
            await send(browser, request_id, {"card_sha256": card, **APPROVE}),
            await send(browser, request_id, {"card_sha256": card, **APPROVE, "assertion": forged}),
            await send(browser, request_id, {"card_sha256": card, **APPROVE, "assertion": {}}),
            await press(browser, request_id, card),
        ]
        assert await world.rows() == before
    assert [answer.status_code for answer in answers[:1]] == [403]
    assert all(400 <= answer.status_code < 500 for answer in answers), [answer.status_code for answer in answers]
