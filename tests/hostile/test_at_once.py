"""Two who come at the same moment: one of them gets what there is once, whoever was quicker, and on whichever side."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from argon2 import PasswordHasher

from store.audit.checkpoint import LogKey
from store.database import Database
from store.people import People, Reviewer, Role
from store.problems import PeopleProblem
from tests.hostile.deciding import APPROVE, asked, send, shown
from tests.hostile.world import World
from tests.stage import PASSWORD, FakeClock, signed_by
from tests.store.rules import in_force

pytestmark = pytest.mark.anyio


async def together(*calls: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What came of these calls, which ran at the same time."""
    results: list[Any] = [None] * len(calls)

    async def run(place: int, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            results[place] = await call()
        except PeopleProblem as problem:
            results[place] = problem

    async with anyio.create_task_group() as group:
        for place, call in enumerate(calls):
            group.start_soon(run, place, call)
    return results


async def test_of_two_who_use_one_invitation_one_gets_the_account(world: World, ana: Reviewer, people: People) -> None:
    link = await people.administration.invite("eve", role=Role.ADMIN, by=None)
    async with world.browser() as one, world.browser() as other:

        def use(browser: Any, name: str) -> Callable[[], Awaitable[Any]]:
            form = {"token": link.token, "display_name": name, "password": PASSWORD, "password_again": PASSWORD}
            return lambda: browser.send_form("/invitation", form)

        answers = await together(use(one, "One"), use(other, "Other"))
    assert sorted(answer.status_code for answer in answers) == [303, 410]
    assert len(await people.reviewers()) == 2
    eve = await people.find("eve")
    assert eve is not None
    assert len(await people.sessions(eve.id)) == 1


async def test_of_two_who_use_one_link_back_one_gets_in(
    world: World, ana: Reviewer, ben: Reviewer, people: People
) -> None:
    link = await people.administration.reset(ben.id, by=None)
    async with world.browser() as one, world.browser() as other:

        def use(browser: Any, password: str) -> Callable[[], Awaitable[Any]]:
            form = {"token": link.token, "password": password, "password_again": password}
            return lambda: browser.send_form("/invitation", form)

        answers = await together(use(one, "the thief's own password"), use(other, PASSWORD))
    assert sorted(answer.status_code for answer in answers) == [303, 410]
    assert len(await people.sessions(ben.id)) == 1


async def test_two_admins_who_demote_each_other_leave_one(
    world: World, ana: Reviewer, ben: Reviewer, people: People
) -> None:
    await people.administration.change_role(ben.id, Role.ADMIN, by=None)
    async with world.browser("ana") as one, world.browser("ben") as other:
        answers = await together(
            lambda: one.send_form(f"/people/{ben.id}/role", {"role": "reviewer"}),
            lambda: other.send_form(f"/people/{ana.id}/role", {"role": "reviewer"}),
        )
    assert sum(answer.status_code == 303 for answer in answers) == 1
    assert [one.role for one in await people.reviewers()].count(Role.ADMIN) == 1


@pytest.fixture
def beside(home: Path, signer: LogKey, database: Database, clock: FakeClock) -> Iterator[People]:
    """Accounts as another process changes them in the same file: the command line, say."""
    other = Database.open(f"sqlite:///{home / 'assent.db'}", signed_by(signer), clock=clock)
    yield People(other, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    other.close()


async def test_what_the_command_line_does_to_accounts_counts_at_once_in_the_server_that_runs(
    world: World, token: str, ana: Reviewer, ben: Reviewer, beside: People
) -> None:
    await in_force(world.desk, "name: two, approvals: 2")
    request_id = await asked(world, token)
    await beside.add_reviewer("cara", role=Role.ADMIN, password=PASSWORD)
    async with world.browser("ana") as first, world.browser("ben") as second, world.browser("cara") as third:
        card = await shown(first, request_id)
        await shown(second, request_id)
        await shown(third, request_id)
        votes = [await send(first, request_id, {"card_sha256": card, **APPROVE})]
        await beside.administration.disable(ana.id, by=None)
        votes.append(await send(first, request_id, {"card_sha256": card, **APPROVE}))
        votes.append(await send(second, request_id, {"card_sha256": card, **APPROVE}))
        await beside.administration.change_role(ben.id, Role.AUDITOR, by=None)
        votes.append(await send(third, request_id, {"card_sha256": card, **APPROVE}))
    assert [answer.status_code for answer in votes] == [200, 401, 200, 200]
    view = await world.desk.view(request_id)
    assert view is not None
    assert (view.state, view.outcome, view.may_proceed) == ("shown", None, False)
    await anyio.to_thread.run_sync(world.desk.log.verify)


async def test_votes_that_come_while_others_are_disabled_are_never_too_few(
    world: World, token: str, ana: Reviewer, ben: Reviewer, beside: People
) -> None:
    await in_force(world.desk, "name: two, approvals: 2")
    request_id = await asked(world, token)
    async with world.browser("ana") as first, world.browser("ben") as second:
        card = await shown(first, request_id)
        await shown(second, request_id)
        await send(second, request_id, {"card_sha256": card, **APPROVE})
        await together(
            lambda: send(first, request_id, {"card_sha256": card, **APPROVE}),
            lambda: beside.administration.disable(ben.id, by=None),
        )
    # Whichever was first: the log tells a story in which the approval had two people, or there is none.
    await anyio.to_thread.run_sync(world.desk.log.verify)
