"""Whoever is not a reviewer who was shown this very card decides nothing, and leaves nothing behind."""

import re
from typing import Any

import anyio
import httpx2
import pytest

from store.people import People, Reviewer
from tests.hostile.world import DEPLOY, World
from tests.review_web.house import Browser
from tests.stage import FakeClock

pytestmark = pytest.mark.anyio

APPROVE = {"decision": "approve"}


async def asked(world: World, token: str, **more: Any) -> str:
    async with world.caller(token) as caller:
        result = await caller.asked("ask_approval", {**DEPLOY, **more})
    request_id: str = result["request_id"]
    return request_id


async def shown(browser: Browser, request_id: str) -> str:
    """Read the card; its hash."""
    answer = await browser.fetch(f"/api/requests/{request_id}")
    card: str = answer.json()["card_sha256"]
    return card


async def send(browser: Browser, request_id: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
    return await browser.send_json(f"/api/requests/{request_id}/decision", body, **headers)


async def send_form(browser: Browser, request_id: str, **form: str) -> httpx2.Response:
    return await browser.send_form(f"/requests/{request_id}/decision", form)


async def undecided(world: World, before: dict[str, int]) -> bool:
    return await world.rows() == before


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"selected": ["approve"]}, "of another kind"),
        ({"values": {"approve": True}}, "of another kind"),
        ({"text": "approve"}, "of another kind"),
        ({"decision": "ship"}, "is not one of the options: approve, reject"),
        ({"decision": "option:approve"}, "is not one of the options"),
        ({"decision": "approve", "action": "decline"}, "give exactly one"),
        ({}, "give exactly one"),
        ({"action": "approve"}, "Input should be 'decline' or 'return'"),
        ({"action": "return"}, "say what you want to know"),
        ({"decision": "approve", "comment": "x" * 10_001}, "takes at most 10000 characters"),
        ({"decision": "approve", "approved": True}, "is not known here"),
        ({"decision": ["approve"]}, "valid string"),
    ],
)
async def test_an_answer_that_does_not_fit_is_told_why(
    world: World, token: str, ana: Reviewer, body: dict[str, Any], says: str
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ana") as browser:
        card = await shown(browser, request_id)
        before = await world.rows()
        answer = await send(browser, request_id, {"card_sha256": card, **body})
        assert await undecided(world, before)
    assert answer.status_code == 422
    assert says in answer.text


@pytest.mark.parametrize("value", ["9" * 400, "1e999", "nan", "inf", "-inf", "9" * 5000, "\u0661\u0662", "1_0", " "])
async def test_a_number_that_is_none_is_a_fault_of_the_form_and_no_failure(
    world: World, token: str, ana: Reviewer, value: str
) -> None:
    async with world.caller(token) as caller, world.browser("ana") as browser:
        fields = [{"name": "n", "type": "integer", "required": True, "max": 9}]
        result = await caller.asked("ask_form", {"title": "x", "fields": fields, "hold_seconds": 0})
        page = (await browser.open(f"/requests/{result['request_id']}")).text
        card = re.search(r'name="card_sha256" value="(\w+)"', page)
        assert card
        before = await world.rows()
        answer = await send_form(
            browser, result["request_id"], card_sha256=card[1], action="answer", **{"field:n": value}
        )
        assert await undecided(world, before)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "number", ["9" * 99, "1e400", "NaN", "9" * 5000, "[" * 9000 + "]" * 9000, '"\\ud800"', '1, "n": 2', "true", "{}"]
)
async def test_a_number_that_is_none_is_a_fault_over_json_too(
    world: World, token: str, ana: Reviewer, number: str
) -> None:
    async with world.caller(token) as caller, world.browser("ana") as browser:
        fields = [{"name": "n", "type": "integer"}]
        result = await caller.asked("ask_form", {"title": "x", "fields": fields, "hold_seconds": 0})
        card = await shown(browser, result["request_id"])
        before = await world.rows()
        answer = await browser.client.post(
            f"/api/requests/{result['request_id']}/decision",
            content=f'{{"card_sha256": "{card}", "values": {{"n": {number}}}}}',
            headers={"content-type": "application/json", "origin": world.url},
        )
        assert await undecided(world, before)
    assert answer.status_code in (400, 422)


async def test_the_card_of_another_request_decides_nothing(world: World, token: str, ana: Reviewer) -> None:
    one, other = await asked(world, token), await asked(world, token, title="Drop the database?")
    async with world.browser("ana") as browser:
        harmless = await shown(browser, one)
        await shown(browser, other)
        await browser.open(f"/requests/{other}")
        before = await world.rows()
        answer = await send(browser, other, {"card_sha256": harmless, **APPROVE})
        page = await send_form(browser, other, card_sha256=harmless, action="option:approve")
        assert await undecided(world, before)
    assert (answer.status_code, page.status_code) == (409, 409)
    assert "another version of the card" in answer.text


async def test_a_card_that_was_not_shown_to_this_person_is_not_decided(
    world: World, token: str, ana: Reviewer, ben: Reviewer
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ana") as seeing, world.browser("ben") as guessing:
        card = await shown(seeing, request_id)
        before = await world.rows()
        answer = await send(guessing, request_id, {"card_sha256": card, **APPROVE})
        assert await undecided(world, before)
    assert (answer.status_code, answer.json()["reason"]) == (409, "not_shown")


async def test_of_two_answers_at_once_one_stands(world: World, token: str, ana: Reviewer, ben: Reviewer) -> None:
    request_id = await asked(world, token)
    statuses: list[int] = []

    async def decide(browser: Browser, card: str, option: str) -> None:
        answer = await send(browser, request_id, {"card_sha256": card, "decision": option})
        statuses.append(answer.status_code)

    async with world.browser("ana") as one, world.browser("ben") as other:
        cards = [await shown(one, request_id), await shown(other, request_id)]
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(decide, one, cards[0], "approve")
                group.start_soon(decide, other, cards[1], "reject")
    assert sorted(statuses) == [200, *[409] * 19]


async def test_an_answer_and_a_withdrawal_at_once_agree_on_one_end(world: World, token: str, ana: Reviewer) -> None:
    async with world.caller(token) as caller, world.browser("ana") as browser:
        for number in range(10):
            asked_ = await caller.asked("ask_approval", {"title": f"Deploy {number}?", "hold_seconds": 0})
            request_id = asked_["request_id"]
            card = await shown(browser, request_id)
            ends: dict[str, Any] = {}

            async def withdraw(request_id: str = request_id, ends: dict[str, Any] = ends) -> None:
                ends["agent"] = (await caller.asked("withdraw_review", {"request_id": request_id}))["status"]

            async with anyio.create_task_group() as group:
                group.start_soon(withdraw)
                answer = await send(browser, request_id, {"card_sha256": card, **APPROVE})
            agreed = {200: "answered", 409: "withdrawn"}[answer.status_code]
            view = await world.desk.view(request_id)
            assert view is not None
            assert (ends["agent"], view.outcome) == (agreed, agreed)


async def test_an_answer_after_the_deadline_is_too_late_even_before_anybody_noticed(
    world: World, token: str, ana: Reviewer, clock: FakeClock
) -> None:
    request_id = await asked(world, token, timeout_seconds=60)
    async with world.browser("ana") as browser:
        card = await shown(browser, request_id)
        clock.advance(seconds=60)
        answer = await send(browser, request_id, {"card_sha256": card, **APPROVE})
    assert answer.status_code == 409
    assert answer.json()["status"] == "expired"


async def test_an_agents_token_opens_nothing_where_people_are(
    world: World, token: str, ana: Reviewer, people: People
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ana") as reader:
        card = await shown(reader, request_id)
    before = await world.rows()
    bearer = {"authorization": f"Bearer {token}"}
    port = world.url.rpartition(":")[2]
    cookie = {"cookie": f"assent-{port}={token}"}
    async with world.browser() as browser:
        for headers in (bearer, cookie, bearer | cookie):
            for path in ("/api/requests", f"/api/requests/{request_id}", "/events?page=inbox", "/", "/account"):
                answer = await browser.client.get(path, headers={**headers, "accept": "application/json"})
                assert answer.status_code == 401, (path, headers)
            body = {"card_sha256": card, **APPROVE}
            assert (await send(browser, request_id, body, **headers)).status_code == 401
            form = await browser.send_form(
                f"/requests/{request_id}/decision", {"card_sha256": card, "action": "option:approve"}, **headers
            )
            assert (form.status_code, form.headers["location"].partition("?")[0]) == (303, "/login")
    assert await undecided(world, before)


async def test_a_reading_token_and_an_auditor_read_and_decide_nothing(
    world: World, token: str, ana: Reviewer, auditor: Reviewer, people: People
) -> None:
    request_id = await asked(world, token)
    reading = await people.add_reviewer_token(ana.id)
    async with world.browser() as script, world.browser("ada") as looking:
        before = await world.rows()
        read = await script.client.get(f"/api/requests/{request_id}", headers={"authorization": f"Bearer {reading}"})
        body = {"card_sha256": read.json()["card_sha256"], **APPROVE}
        by_token = await send(script, request_id, body, authorization=f"Bearer {reading}")
        await shown(looking, request_id)
        by_auditor = await send(looking, request_id, body)
        page = await send_form(looking, request_id, card_sha256=body["card_sha256"], action="option:approve")
        assert await undecided(world, before)
    assert (by_token.status_code, by_token.json()["reason"]) == (403, "token")
    assert (by_auditor.status_code, by_auditor.json()["reason"]) == (403, "role")
    assert page.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "none"},
        {},
    ],
)
async def test_another_site_decides_nothing_with_a_persons_cookie(
    world: World, token: str, ana: Reviewer, headers: dict[str, str]
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ana") as browser:
        card = await shown(browser, request_id)
        before = await world.rows()
        answer = await browser.client.post(
            f"/api/requests/{request_id}/decision", json={"card_sha256": card, **APPROVE}, headers=headers
        )
        page = await browser.client.post(
            f"/requests/{request_id}/decision",
            data={"card_sha256": card, "action": "option:approve"},
            headers=headers,
        )
        assert await undecided(world, before)
    assert (answer.status_code, page.status_code) == (403, 403)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", "assent.localhost"]
)
@pytest.mark.parametrize("path", ["/", "/login", "/api/requests", "/static/site.js", "/mcp", "/nothing"])
async def test_a_foreign_host_is_answered_nowhere(
    world: World, token: str, ana: Reviewer, host: str, path: str
) -> None:
    headers = {"host": host, "authorization": f"Bearer {token}", "x-forwarded-host": world.url.removeprefix("http://")}
    async with world.browser() as browser:
        answer = await browser.client.get(path, headers=headers)
    assert answer.status_code == 421


async def test_a_cookie_of_a_session_that_ended_opens_nothing(world: World, token: str, ana: Reviewer) -> None:
    request_id = await asked(world, token)
    async with world.browser("ana") as browser:
        card = await shown(browser, request_id)
        stolen = dict(browser.client.cookies)
        await browser.send_form("/logout", {})
        before = await world.rows()
        browser.client.cookies.update(stolen)
        answer = await send(browser, request_id, {"card_sha256": card, **APPROVE})
        assert await undecided(world, before)
    assert answer.status_code == 401


async def test_a_session_id_planted_before_the_sign_in_is_worth_nothing_after_it(world: World, ana: Reviewer) -> None:
    planted = "ses_planted"
    async with world.browser() as browser:
        name = f"assent-{world.url.rpartition(':')[2]}"
        browser.client.cookies.set(name, planted)
        signed_in = await browser.sign_in("ana")
        assert planted not in signed_in.headers["set-cookie"]
        answer = await browser.client.get("/api/requests", headers={"cookie": f"{name}={planted}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "where",
    [
        "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "\\\\evil.example",
        "javascript:alert(1)", "/%0d%0aSet-Cookie:x", "/..//evil.example", "/\u2215evil.example", " //evil.example",
    ],
)  # fmt: skip
async def test_a_sign_in_never_leads_to_another_site(world: World, ana: Reviewer, where: str) -> None:
    async with world.browser() as browser:
        answer = await browser.send_form(
            "/login", {"username": "ana", "password": "correct horse battery staple", "next": where}
        )
        landing = httpx2.URL(world.url).join(answer.headers["location"])
    assert answer.status_code == 303
    assert landing.host == "127.0.0.1"
    assert answer.headers.get_list("set-cookie")[0].startswith("assent-")
    assert len(answer.headers.get_list("set-cookie")) == 1


@pytest.mark.parametrize("search", ["%", "_eploy", "%%%", "\\", "'; DROP TABLE requests; --", '"', "[a]", "zz9 " * 50])
async def test_a_search_means_its_letters_and_nothing_else(
    world: World, token: str, ana: Reviewer, search: str
) -> None:
    async with world.caller(token) as caller, world.browser("ana") as browser:
        result = await caller.asked("ask_approval", DEPLOY)
        await caller.asked("withdraw_review", {"request_id": result["request_id"]})
        answer = await browser.client.get("/history", params={"q": search})
    assert answer.status_code == 200
    assert result["request_id"] not in answer.text


@pytest.mark.parametrize("path", ["/", "/history", "/account", "/login", "/api/requests", "/nothing"])
async def test_no_page_is_kept_by_a_cache(world: World, ana: Reviewer, path: str) -> None:
    async with world.browser("ana") as browser:
        answer = await browser.open(path)
    assert answer.headers["cache-control"] == "no-store"
