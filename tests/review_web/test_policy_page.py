"""The page of the rules: it shows what a file would change, and only a proven admin puts that in force."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text, update

from review_web.compared import Line, compared
from review_web.rule_anchor import rule_anchor
from store import tables
from store.people import Role
from store.policy.active import NEVER, Via, active
from store.policy.reading import read, sha256_of
from store.policy.rules import Policy
from tests.review_web.conftest import HouseWith
from tests.review_web.house import LOCAL, Browser, House

pytestmark = pytest.mark.anyio

RULES = "version: 1\nrules:\n  - {name: ana answers, reviewers: ana, agent: deploy-bot}\n"
OTHERS = "version: 1\nrules:\n  - {name: never, action: deny, tool: ask_form, agent: deploy-bot}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


@pytest.fixture
def house(house_with: HouseWith, file: Path) -> House:
    return house_with(replace(LOCAL, policy_file=file))


@pytest.fixture
async def admin(house: House) -> Browser:
    await house.agent_token()
    return await house.signed_in("ana", Role.ADMIN)


def in_force(house: House) -> Policy | None:
    return house.database.read_now(active)


def form(rules: str, instead_of: int = NEVER) -> dict[str, str]:
    return {"proposal": sha256_of(rules), "instead_of": str(instead_of)}


def fields(page: str) -> dict[str, str]:
    """What the page's own form would send."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


async def test_without_any_rules_the_page_says_so_and_where_to_write_them(admin: Browser, file: Path) -> None:
    page = await admin.open("/policy")
    assert "No rules were ever put in force" in page.text
    assert f"write them into <code>{file}</code>" in page.text


async def test_a_file_is_shown_as_a_proposal_and_changes_nothing(admin: Browser, house: House, file: Path) -> None:
    file.write_text(RULES)
    page = await admin.open("/policy")
    assert "Proposed: not in force" in page.text
    assert "+ comes" in page.text
    assert fields(page.text) == form(RULES)
    assert in_force(house) is None


async def test_an_admin_puts_what_they_were_shown_in_force(admin: Browser, house: House, file: Path) -> None:
    file.write_text(RULES)
    sent = await admin.send_form("/policy/activate", fields((await admin.open("/policy")).text))
    assert (sent.status_code, sent.headers["location"]) == (303, "/policy?done=1")
    assert in_force(house) == read(RULES)
    page = await admin.open("/policy?done=1")
    assert "These rules are in force" in page.text
    assert "activated by <bdi>Ana</bdi>" in page.text
    assert "ana may answer" in page.text
    assert "is what is in force. Change it" in page.text
    assert "/policy/activate" not in page.text


async def test_a_file_that_changed_meanwhile_is_not_put_in_force(admin: Browser, house: House, file: Path) -> None:
    file.write_text(RULES)
    shown = fields((await admin.open("/policy")).text)
    file.write_text(OTHERS)
    sent = await admin.send_form("/policy/activate", shown)
    assert sent.status_code == 409
    assert "The file changed since you looked. Nothing was changed" in sent.text
    assert fields(sent.text) == form(OTHERS)
    file.unlink()
    assert (await admin.send_form("/policy/activate", shown)).status_code == 409
    assert in_force(house) is None


async def test_what_was_compared_with_other_rules_is_not_put_in_force(admin: Browser, house: House, file: Path) -> None:
    file.write_text(RULES)
    shown = fields((await admin.open("/policy")).text)
    await house.desk.policies.activate(OTHERS, reviewer=None, via=Via.COMMAND_LINE)
    sent = await admin.send_form("/policy/activate", shown)
    assert sent.status_code == 409
    assert "Other rules came into force since you looked" in sent.text
    assert "activated on the command line" in sent.text
    assert in_force(house) == read(OTHERS)


@pytest.mark.parametrize("sent", [{}, {"proposal": sha256_of(RULES)}, {**form(RULES), "instead_of": "x"}])
async def test_a_form_that_is_not_the_pages_changes_nothing(
    admin: Browser, house: House, file: Path, sent: dict[str, str]
) -> None:
    file.write_text(RULES)
    assert (await admin.send_form("/policy/activate", sent)).status_code == 409
    assert in_force(house) is None


async def test_who_signed_in_long_ago_confirms_first(admin: Browser, house: House, file: Path) -> None:
    file.write_text(RULES)
    house.clock.advance(minutes=10)
    page = await admin.open("/policy")
    assert "Confirm that it is you" in page.text
    assert "/policy/activate" not in page.text
    assert (await admin.send_form("/policy/activate", form(RULES))).status_code == 403
    assert in_force(house) is None


async def test_who_signed_in_long_ago_and_has_nothing_to_put_in_force_is_asked_for_nothing(
    admin: Browser, house: House
) -> None:
    house.clock.advance(minutes=10)
    page = await admin.open("/policy")
    assert "Confirm that it is you" not in page.text
    assert "How such a file looks" in page.text


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.AUDITOR])
async def test_others_read_what_is_in_force_and_neither_see_nor_activate_proposals(
    admin: Browser, house: House, file: Path, role: Role
) -> None:
    await house.desk.policies.activate(RULES, reviewer=None, via=Via.COMMAND_LINE)
    file.write_text(OTHERS)
    other = await house.signed_in("ben", role)
    page = await other.open("/policy")
    assert "ana answers" in page.text
    assert "never" not in page.text.replace("were never", "")
    assert str(file) not in page.text
    assert (await other.send_form("/policy/activate", form(OTHERS, 0))).status_code == 403
    assert in_force(house) == read(RULES)


async def test_a_stranger_is_sent_to_sign_in(house: House, file: Path) -> None:
    file.write_text(RULES)
    stranger = house.browser()
    assert (await stranger.open("/policy")).status_code == 303
    sent = await stranger.send_form("/policy/activate", form(RULES))
    assert (sent.status_code, in_force(house)) == (303, None)


async def test_neither_an_agents_token_nor_a_reading_one_activates_anything(
    admin: Browser, house: House, file: Path
) -> None:
    file.write_text(RULES)
    ana = await house.people.find("ana")
    assert ana is not None
    _, agents = await house.agent_token()
    for token in (agents, await house.people.add_reviewer_token(ana.id)):
        sent = await house.browser().send_form("/policy/activate", form(RULES), authorization=f"Bearer {token}")
        assert sent.status_code in (303, 401, 403)
        assert sent.headers.get("location", "/login").startswith("/login")
    assert in_force(house) is None


async def test_another_site_activates_nothing(admin: Browser, house: House, file: Path) -> None:
    file.write_text(RULES)
    headers = {"origin": "http://localhost:9999", "sec-fetch-site": "cross-site"}
    assert (await admin.send_form("/policy/activate", form(RULES), **headers)).status_code == 403
    assert in_force(house) is None


async def test_a_file_with_a_mistake_is_shown_with_its_place_and_cannot_be_activated(
    admin: Browser, house: House, file: Path
) -> None:
    file.write_text("version: 1\nrulez: []\n")
    page = await admin.open("/policy")
    assert "Line 2, column 1: the file has no field &#39;rulez&#39;. Did you mean rules?" in page.text
    assert "/policy/activate" not in page.text
    assert (await admin.send_form("/policy/activate", form(file.read_text()))).status_code == 409
    assert in_force(house) is None


async def test_rules_that_nobody_could_satisfy_are_explained_and_cannot_be_activated(
    admin: Browser, house: House, file: Path
) -> None:
    file.write_text(RULES.replace("ana,", "zoe,"))
    page = await admin.open("/policy")
    assert "Line 3: the rule &#39;ana answers&#39; names &#39;zoe&#39;, and there is no such person." in page.text
    assert "/policy/activate" not in page.text
    assert (await admin.send_form("/policy/activate", form(file.read_text()))).status_code == 409
    assert in_force(house) is None


async def test_rules_in_force_are_looked_at_again_as_people_change(admin: Browser, house: House) -> None:
    await house.desk.policies.activate(RULES, reviewer=None, via=Via.COMMAND_LINE)
    assert "Is this still meant?" not in (await admin.open("/policy")).text
    await house.add("ben", Role.ADMIN)
    ben = house.browser()
    await ben.sign_in("ben")
    disable = update(tables.reviewers).where(tables.reviewers.c.username == "ana")
    house.database.write_now(lambda change: change.connection.execute(disable.values(disabled_at=change.now)))
    assert "Is this still meant?" in (await ben.open("/policy")).text


async def test_each_rule_says_what_it_matched(admin: Browser, house: House) -> None:
    await house.desk.policies.activate(RULES, reviewer=None, via=Via.COMMAND_LINE)
    assert "Matched nothing until now." in (await admin.open("/policy")).text
    await house.ask()
    house.clock.advance(minutes=3)
    page = (await admin.open("/policy")).text
    assert re.search(r"Matched once until now, the last <time[^>]*>3 minutes ago</time>\.", page)


async def test_rules_that_cannot_be_read_are_said_and_can_be_replaced(admin: Browser, house: House, file: Path) -> None:
    await house.desk.policies.activate(OTHERS, reviewer=None, via=Via.COMMAND_LINE)
    house.database.write_now(lambda change: change.connection.execute(text("UPDATE policies SET text = 'x'")))
    file.write_text(RULES)
    page = await admin.open("/policy")
    assert "No agent can ask anything:" in page.text
    assert (await admin.send_form("/policy/activate", fields(page.text))).status_code == 303
    assert in_force(house) == read(RULES)


async def test_what_a_file_says_is_shown_and_never_obeyed(admin: Browser, file: Path) -> None:
    file.write_text(RULES.replace("ana answers", "<script>alert(1)</script>") + "# <b>\N{RIGHT-TO-LEFT OVERRIDE}\n")
    page = await admin.open("/policy")
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page.text


def test_a_comparison_shows_each_change_with_three_lines_around_it() -> None:
    before = "\n".join("abcdefghijklmn")
    now = before.replace("b", "B") + "\no"
    assert compared(before, now) == (
        Line("same", "a"),
        Line("before", "b"),
        Line("now", "B"),
        Line("same", "c"),
        Line("same", "d"),
        Line("same", "e"),
        Line("same", "l", gap=True),
        Line("same", "m"),
        Line("same", "n"),
        Line("now", "o"),
    )


def test_texts_too_long_to_compare_are_shown_whole() -> None:
    long = "\n".join(["#"] * 2_001)
    assert compared("a", long) == (Line("before", "a"), *[Line("now", "#")] * 2_001)


def test_texts_with_the_same_lines_differ_in_none() -> None:
    assert compared("a\nb", "a\r\nb\n") == ()


async def test_a_rule_in_force_has_a_place_that_links_lead_to(admin: Browser, house: House) -> None:
    await house.desk.policies.activate(RULES, reviewer=None, via=Via.COMMAND_LINE)
    assert f'id="{rule_anchor("ana answers")}"' in (await admin.open("/policy")).text
