"""A session is one person's, in one browser, for as long as it lasts, and what was planted or kept is worth nothing."""

import pytest

from store.people import People, Reviewer, Role
from tests.hostile.deciding import APPROVE, asked, looked_at, press, send, shown
from tests.hostile.world import World
from tests.stage import PASSWORD, FakeClock

pytestmark = pytest.mark.anyio


def cookie_of(world: World) -> str:
    return f"assent-{world.url.rpartition(':')[2]}"


@pytest.mark.parametrize("hours", [12, 24 * 7])
async def test_a_session_that_was_left_alone_too_long_decides_nothing(
    world: World, token: str, ana: Reviewer, clock: FakeClock, hours: int
) -> None:
    async with world.browser("ana") as browser:
        clock.advance(hours=hours)
        request_id = await asked(world, token)
        async with world.browser("ana") as fresh:
            card = await shown(fresh, request_id)
        before = await world.rows()
        by_json = await send(browser, request_id, {"card_sha256": card, **APPROVE})
        by_form = await press(browser, request_id, card)
        assert await world.rows() == before
    assert (by_json.status_code, by_form.status_code) == (401, 303)


@pytest.mark.parametrize("what", ["disable", "reset", "auditor"])
async def test_a_session_of_somebody_whose_authority_was_taken_decides_nothing(
    world: World, token: str, ana: Reviewer, ben: Reviewer, people: People, what: str
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ben") as browser:
        card = await shown(browser, request_id)
        if what == "auditor":
            await people.administration.change_role(ben.id, Role.AUDITOR, by=None)
        else:
            await getattr(people.administration, what)(ben.id, by=None)
        before = await world.rows()
        by_json = await send(browser, request_id, {"card_sha256": card, **APPROVE})
        by_form = await press(browser, request_id, card)
        assert await world.rows() == before
    assert (by_json.status_code, by_form.status_code) == ((403, 403) if what == "auditor" else (401, 303))


async def test_a_session_that_an_admin_ended_decides_nothing(
    world: World, token: str, ana: Reviewer, ben: Reviewer, people: People
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ben") as browser, world.browser("ana") as admin:
        card = await shown(browser, request_id)
        (session,) = await people.sessions(ben.id)
        ended = await admin.send_form(f"/people/{ben.id}/sessions/{session.id}/end", {})
        before = await world.rows()
        answer = await send(browser, request_id, {"card_sha256": card, **APPROVE})
        assert await world.rows() == before
    assert (ended.status_code, answer.status_code) == (303, 401)


async def test_nobody_ends_or_changes_what_is_somebody_elses(
    world: World, ana: Reviewer, ben: Reviewer, people: People
) -> None:
    async with world.browser("ana"), world.browser("ben") as eve:
        (session,) = await people.sessions(ana.id)
        before = await world.rows()
        ended = await eve.send_form(f"/account/sessions/{session.id}/end", {})
        ruled = [
            await eve.send_form(f"/people/{ana.id}/{what}", {"role": "auditor"})
            for what in ("role", "disable", "enable", "reset", f"sessions/{session.id}/end")
        ]
        mine = await eve.send_form(f"/people/{ben.id}/role", {"role": "admin"})
        invited = await eve.send_form("/people/invitations", {"username": "eve2", "role": "admin"})
        owner = await eve.send_form("/agents/deploy-bot/owner", {"owner": "ben"})
        rules = await eve.send_form("/policy/activate", {})
        assert await world.rows() == before
    assert ended.status_code == 404
    assert {answer.status_code for answer in (*ruled, mine, invited, owner, rules)} == {403}


async def test_an_old_session_of_an_admin_changes_nobodys_authority(
    world: World, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    async with world.browser("ana") as stolen:
        clock.advance(minutes=10)
        before = await world.rows()
        answers = [
            await stolen.send_form(path, form)
            for path, form in (
                (f"/people/{ben.id}/role", {"role": "admin"}),
                (f"/people/{ben.id}/disable", {}),
                (f"/people/{ben.id}/reset", {}),
                ("/people/invitations", {"username": "eve", "role": "admin"}),
                ("/agents/deploy-bot/owner", {"owner": "ben"}),
                ("/policy/activate", {"sha256": "0" * 64}),
            )
        ]
        enrolling = await stolen.send_json("/account/passkeys/options", {})
        assert await world.rows() == before
    assert {answer.status_code for answer in answers} == {403}
    assert enrolling.status_code == 403


async def test_a_guess_at_the_password_behind_an_open_session_is_slowed_down(
    world: World, ana: Reviewer, clock: FakeClock
) -> None:
    async with world.browser("ana") as stolen:
        clock.advance(minutes=10)
        guesses = [
            (await stolen.send_form("/account/confirm", {"password": f"guess {n}"})).status_code for n in range(11)
        ]
        right = await stolen.send_form("/account/confirm", {"password": PASSWORD})
    assert guesses[-1] == 429
    assert right.status_code == 429


async def test_a_cookie_of_another_server_opens_nothing(world: World, ana: Reviewer) -> None:
    async with world.browser("ana") as browser:
        secret = browser.client.cookies[cookie_of(world)]
    async with world.browser() as stranger:
        for name, value in (
            (cookie_of(world), secret[:-1]),
            (cookie_of(world), secret + "A"),
            (cookie_of(world), secret.swapcase()),
            (cookie_of(world), f'"{secret} "'),
            ("assent", secret),
            ("assent-7420", secret),
            ("__Host-assent", secret),
            (cookie_of(world).upper(), secret),
        ):
            answer = await stranger.client.get("/api/requests", headers={"cookie": f"{name}={value}"})
            assert answer.status_code == 401, name


async def test_a_stolen_reading_token_reads_and_ends_with_the_account(
    world: World, token: str, ana: Reviewer, ben: Reviewer, people: People
) -> None:
    request_id = await asked(world, token)
    stolen = {"authorization": f"Bearer {await people.add_reviewer_token(ben.id)}"}
    async with world.browser() as thief:
        reads = await thief.client.get(f"/api/requests/{request_id}", headers=stolen)
        card = reads.json()["card_sha256"]
        before = await world.rows()
        decided = await send(thief, request_id, {"card_sha256": card, **APPROVE}, **stolen)
        signature = await thief.send_json(
            f"/requests/{request_id}/signature", {"card_sha256": card, **APPROVE}, **stolen
        )
        page = await thief.client.get("/", headers={**stolen, "accept": "text/html"})
        account = await thief.client.get("/account", headers={**stolen, "accept": "text/html"})
        assert await world.rows() == before
        await people.administration.reset(ben.id, by=None)
        after = await thief.client.get(f"/api/requests/{request_id}", headers=stolen)
    assert (reads.status_code, decided.status_code, after.status_code) == (200, 403, 401)
    assert signature.status_code in (401, 403)
    assert (page.status_code, account.status_code) == (303, 303)


async def test_a_form_that_is_sent_again_changes_nothing(
    world: World, token: str, ana: Reviewer, ben: Reviewer
) -> None:
    request_id = await asked(world, token)
    async with world.browser("ana") as browser, world.browser("ben") as other:
        card = await shown(browser, request_id)
        await shown(other, request_id)
        first = await press(browser, request_id, card)
        before = await world.rows()
        again = [
            await press(browser, request_id, card),
            await press(other, request_id, card),
            await press(browser, request_id, card, "option:reject"),
            await send(browser, request_id, {"card_sha256": card, **APPROVE}),
        ]
        assert await world.rows() == before
    assert first.status_code == 303
    assert [answer.status_code for answer in again] == [409] * 4


async def test_the_form_of_an_older_round_decides_nothing_in_the_newer_one(
    world: World, token: str, ana: Reviewer
) -> None:
    first = await asked(world, token)
    async with world.browser("ana") as browser:
        older = await shown(browser, first)
        returned = await send(browser, first, {"card_sha256": older, "action": "return", "comment": "Which version?"})
        assert returned.status_code == 200, returned.text
        second = await asked(world, token, follows=first, description="1.4.1")
        await looked_at(browser, second)
        before = await world.rows()
        by_json = await send(browser, second, {"card_sha256": older, **APPROVE})
        by_form = await press(browser, second, older)
        assert await world.rows() == before
    assert (by_json.status_code, by_form.status_code) == (409, 409)
