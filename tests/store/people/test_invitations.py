import pytest

from store.database import Database
from store.people import InvitationVoid, NameTaken, People, Reviewer, Role, SignIn, WeakPassword
from tests.stage import PASSWORD, FakeClock

pytestmark = pytest.mark.anyio


async def test_a_link_makes_the_account_that_it_names_once(people: People, ana: Reviewer) -> None:
    link = await people.administration.invite(" eve ", role=Role.AUDITOR, by=None)
    assert await people.invitation(link.token) == link.invitation
    assert await people.administration.open_invitations() == [link.invitation]
    eve = await people.use_invitation(link.invitation, link.token, PASSWORD, "Eve Moss")
    assert (eve.username, eve.display_name, eve.role) == ("eve", "Eve Moss", Role.AUDITOR)
    assert await people.check_password("eve", PASSWORD) == eve
    assert await people.invitation(link.token) is None
    with pytest.raises(InvitationVoid):
        await people.use_invitation(link.invitation, link.token, PASSWORD)
    assert await people.count() == 2


@pytest.mark.parametrize("fate", ["a day", "a newer link", "withdrawn", "its maker is no admin", "a wrong token"])
async def test_a_link_is_void_after(people: People, ana: Reviewer, clock: FakeClock, fate: str) -> None:
    await people.add_reviewer("root", role=Role.ADMIN)
    _, session = await people.open_session(ana, SignIn.PASSWORD)
    link = await people.administration.invite("eve", role=Role.REVIEWER, by=session)
    token = link.token
    match fate:
        case "a day":
            clock.advance(hours=24)
        case "a newer link":
            await people.administration.invite("Eve", role=Role.REVIEWER, by=None)
        case "withdrawn":
            assert await people.administration.withdraw(link.invitation.id, by=session)
            assert not await people.administration.withdraw(link.invitation.id, by=session)
        case "its maker is no admin":
            await people.administration.change_role(ana.id, Role.REVIEWER, by=session)
        case _:
            token += "x"
    assert await people.invitation(token) is None
    with pytest.raises(InvitationVoid):
        await people.use_invitation(link.invitation, token, PASSWORD)
    assert await people.find("eve") is None


@pytest.mark.parametrize("fate", ["disable", "reset"])
async def test_the_links_of_an_account_that_ends_end_with_it(people: People, ana: Reviewer, fate: str) -> None:
    root = await people.add_reviewer("root", role=Role.ADMIN)
    _, session = await people.open_session(root, SignIn.PASSWORD)
    link = await people.administration.invite("eve", role=Role.ADMIN, by=session)
    if fate == "disable":
        await people.administration.disable(root.id, by=None)
    else:
        await people.administration.reset(root.id, by=None)
    assert await people.invitation(link.token) is None


async def test_a_link_back_is_void_once_the_account_is_disabled(people: People, ana: Reviewer, ben: Reviewer) -> None:
    link = await people.administration.reset(ben.id, by=None)
    await people.administration.disable(ben.id, by=None)
    assert await people.invitation(link.token) is None


async def test_a_second_reset_makes_the_first_link_void(people: People, ana: Reviewer, ben: Reviewer) -> None:
    first = await people.administration.reset(ben.id, by=None)
    second = await people.administration.reset(ben.id, by=None)
    assert await people.invitation(first.token) is None
    assert await people.invitation(second.token) == second.invitation


async def test_a_name_that_is_taken_is_not_invited(people: People, ana: Reviewer) -> None:
    with pytest.raises(NameTaken):
        await people.administration.invite("ANA", role=Role.ADMIN, by=None)
    assert await people.administration.open_invitations() == []


async def test_a_name_that_was_taken_meanwhile_leaves_the_link_unused(people: People, ana: Reviewer) -> None:
    link = await people.administration.invite("eve", role=Role.REVIEWER, by=None)
    await people.add_reviewer("Eve", role=Role.REVIEWER)
    with pytest.raises(NameTaken):
        await people.use_invitation(link.invitation, link.token, PASSWORD)
    assert await people.invitation(link.token) == link.invitation


async def test_a_weak_password_leaves_the_link_usable(people: People, ana: Reviewer) -> None:
    link = await people.administration.invite("eve", role=Role.REVIEWER, by=None)
    with pytest.raises(WeakPassword):
        await people.use_invitation(link.invitation, link.token, "short")
    assert await people.invitation(link.token) == link.invitation


async def test_a_link_is_not_in_the_database(people: People, ana: Reviewer, database: Database) -> None:
    link = await people.administration.invite("eve", role=Role.REVIEWER, by=None)
    dump = await database.read(
        lambda c: "\n".join(c.connection.dbapi_connection.iterdump())  # type: ignore[union-attr]
    )
    assert "invitations" in dump
    assert link.token not in dump
