"""What the page of the rules says of upstreams and their calls."""

from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from store.people import Role
from tests.review_web import held_calls
from tests.review_web.cards import text_of
from tests.review_web.conftest import HouseWith
from tests.review_web.house import LOCAL, Browser, House
from tests.store.calls.held import HOLD, policy

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


@pytest.fixture
def house(house_with: HouseWith, file: Path) -> House:
    return house_with(replace(LOCAL, policy_file=file))


@pytest.fixture
async def admin(house: House) -> Browser:
    await held_calls.rules(house)
    return await house.signed_in("ana", Role.ADMIN)


async def words(browser: Browser) -> str:
    return unescape(text_of((await browser.open("/policy")).text))


async def test_rules_for_calls_say_what_they_matched_and_what_becomes_of_the_rest(house: House, admin: Browser) -> None:
    said = await words(admin)
    assert (
        "They govern the calls of 1 server behind Assent. A call that no rule matches is held: a person decides."
        in said
    )
    assert "Matched nothing until now." in said
    await held_calls.hold(house)
    house.clock.advance(minutes=3)
    assert "Matched once until now, the last 3 minutes ago." in await words(admin)


async def test_commands_of_a_proposal_are_marked_as_what_will_run(admin: Browser, file: Path) -> None:
    file.write_text(policy(HOLD).replace("{command: pay}", "{command: pay, args: ['<b>x</b>']}"))
    said = await words(admin)
    assert (
        "These commands will run Putting this in force lets Assent start them, with the rights of its own user" in said
    )
    assert "payments changed Runs, with the rights of this server's user pay '<b>x</b>'" in said
    assert "Until now: pay" in said
    assert "<b>x" not in (await admin.open("/policy")).text


async def test_a_proposal_that_leaves_them_alone_marks_nothing(admin: Browser, file: Path) -> None:
    file.write_text(policy(f"{HOLD}, timeout: 1h"))
    said = await words(admin)
    assert "These commands will run" not in said
    assert "payments as it is" in said


async def test_an_upstream_that_goes_is_named(admin: Browser, file: Path) -> None:
    file.write_text("version: 1\nrules: []\n")
    assert "payments goes: its tools can be called no more" in await words(admin)


async def test_a_proposal_is_tried_on_the_calls_that_were_made(house: House, admin: Browser, file: Path) -> None:
    allow = policy("name: small, tool: payments__send, action: allow, args: {amount: {gt: 0, le: 1000}}")
    file.write_text(allow)
    assert "What it would have done" not in await words(admin)
    await held_calls.hold(house)
    said = await words(admin)
    assert "Of the newest call, since just now: 1 call held then would run at once" in said
    assert "payments__send of billing-bot, just now: would run at once looser" in said
    file.write_text(policy(f"{HOLD}, timeout: 1h"))
    assert "The same as was done, with the one call that was made, since just now." in await words(admin)
