from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from store.audit.canonical import decode
from store.audit.inspection import Inspection
from store.database import Database
from store.people import (
    AccountClosed,
    LastAdmin,
    NameTaken,
    NotAnAdmin,
    People,
    Reviewer,
    Role,
    Session,
    SignIn,
    UnknownAccount,
)
from store.problems import PeopleProblem
from tests.stage import PASSWORD, FakeClock

pytestmark = pytest.mark.anyio


async def session_of(people: People, reviewer: Reviewer) -> Session:
    _, session = await people.open_session(reviewer, SignIn.PASSWORD)
    return session


async def entries(database: Database, *kinds: str) -> list[dict[str, Any]]:
    """The log's entries of these types, without what every entry has."""
    written = [decode(data) for _, data in await Inspection(database).entries(0, 1000)]
    common = {"assurance", "at", "format"}
    return [{k: v for k, v in entry.items() if k not in common} for entry in written if entry["type"] in kinds]


# Roles


async def test_a_role_is_given_by_an_admin_and_counts_at_once(
    people: People, ana: Reviewer, ben: Reviewer, database: Database
) -> None:
    secret, _ = await people.open_session(ben, SignIn.PASSWORD)
    changed = await people.administration.change_role(ben.id, Role.AUDITOR, by=await session_of(people, ana))
    session = await people.session(secret)
    assert session is not None
    assert session.reviewer == changed
    assert (changed.role, changed.may_decide) == (Role.AUDITOR, False)
    assert await entries(database, "role_changed") == [
        {"type": "role_changed", "reviewer": ben.id, "role": "auditor", "by": ana.id}
    ]


async def test_the_role_that_somebody_has_is_not_given_again(people: People, ben: Reviewer, database: Database) -> None:
    assert await people.administration.change_role(ben.id, Role.REVIEWER, by=None) == ben
    assert await entries(database, "role_changed") == []


Act = Callable[[People, Reviewer, Session | None], Awaitable[object]]

ACTS: dict[str, Act] = {
    "role": lambda people, who, by: people.administration.change_role(who.id, Role.ADMIN, by=by),
    "disable": lambda people, who, by: people.administration.disable(who.id, by=by),
    "enable": lambda people, who, by: people.administration.enable(who.id, by=by),
    "reset": lambda people, who, by: people.administration.reset(who.id, by=by),
    "invite": lambda people, who, by: people.administration.invite("eve", role=Role.ADMIN, by=by),
    "end": lambda people, who, by: people.administration.end_session(who.id, "ses_1", by=by),
    "withdraw": lambda people, who, by: people.administration.withdraw("inv_1", by=by),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("role", [Role.REVIEWER, Role.AUDITOR])
async def test_nobody_but_an_admin_rules(people: People, ana: Reviewer, ben: Reviewer, act: Act, role: Role) -> None:
    other = await people.add_reviewer("eve.m", role=role, password=PASSWORD)
    with pytest.raises(NotAnAdmin):
        await act(people, ben, await session_of(people, other))
    assert [await people.reviewer(one.id) for one in (ana, ben)] == [ana, ben]
    assert await people.administration.open_invitations() == []


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_authority_that_ended_while_the_change_waited_changes_nothing(
    people: People, ana: Reviewer, ben: Reviewer, act: Act
) -> None:
    session = await session_of(people, ana)
    await people.end_session(ana.id, session.id)
    with pytest.raises(AccountClosed):
        await act(people, ben, session)
    assert await people.reviewer(ben.id) == ben


async def test_the_last_admin_stays_one(people: People, ana: Reviewer, ben: Reviewer) -> None:
    by = await session_of(people, ana)
    with pytest.raises(LastAdmin):
        await people.administration.change_role(ana.id, Role.REVIEWER, by=by)
    for asking in (by, None):
        with pytest.raises(LastAdmin):
            await people.administration.disable(ana.id, by=asking)
    assert await people.reviewer(ana.id) == ana


async def test_a_disabled_admin_is_not_another_one(people: People, ana: Reviewer, ben: Reviewer) -> None:
    await people.administration.change_role(ben.id, Role.ADMIN, by=None)
    await people.administration.disable(ben.id, by=None)
    with pytest.raises(LastAdmin):
        await people.administration.disable(ana.id, by=None)
    await people.administration.enable(ben.id, by=None)
    assert (await people.administration.disable(ana.id, by=None)).disabled_at is not None


async def test_who_is_not_there_cannot_be_changed(people: People, ana: Reviewer) -> None:
    for act in ("role", "disable", "enable", "reset"):
        nobody = Reviewer("usr_0", "nobody", "Nobody", Role.REVIEWER, False, ana.created_at)
        with pytest.raises(UnknownAccount):
            await ACTS[act](people, nobody, None)


# Accounts that end


async def test_a_disabled_account_signs_nobody_in_by_anything_it_had(
    people: People, ana: Reviewer, ben: Reviewer, clock: FakeClock, database: Database
) -> None:
    secret, session = await people.open_session(ben, SignIn.PASSWORD)
    token = await people.add_reviewer_token(ben.id)
    disabled = await people.administration.disable(ben.id, by=await session_of(people, ana))
    assert (disabled.disabled_at, disabled.may_decide) == (clock.now, False)
    assert await people.session(secret) is None
    assert await people.token_reviewer(token) is None
    assert await people.check_password("ben", PASSWORD) is None
    with pytest.raises(AccountClosed):
        await people.open_session(ben, SignIn.PASSKEY)
    with pytest.raises(AccountClosed):
        await people.add_reviewer_token(ben.id)
    assert await entries(database, "session_ended", "account_disabled") == [
        {"type": "session_ended", "reviewer": ben.id, "session": session.id, "by": ana.id},
        {"type": "account_disabled", "reviewer": ben.id, "by": ana.id},
    ]


async def test_a_disabled_accounts_name_stays_taken(people: People, ana: Reviewer, ben: Reviewer) -> None:
    await people.administration.disable(ben.id, by=None)
    with pytest.raises(NameTaken):
        await people.add_reviewer("Ben", role=Role.ADMIN)
    with pytest.raises(NameTaken):
        await people.administration.invite("BEN", role=Role.ADMIN, by=None)


async def test_an_enabled_account_is_as_it_was(people: People, ana: Reviewer, ben: Reviewer) -> None:
    await people.administration.disable(ben.id, by=None)
    assert await people.administration.enable(ben.id, by=None) == ben
    assert await people.check_password("ben", PASSWORD) == ben


async def test_ending_an_account_twice_is_written_once(
    people: People, ana: Reviewer, ben: Reviewer, database: Database
) -> None:
    for act in ("disable", "disable", "enable", "enable"):
        await ACTS[act](people, ben, None)
    assert [entry["type"] for entry in await entries(database, "account_disabled", "account_enabled")] == [
        "account_disabled",
        "account_enabled",
    ]


# Resets


async def test_a_reset_revokes_every_way_in_and_leads_back(
    people: People, ana: Reviewer, ben: Reviewer, clock: FakeClock, database: Database
) -> None:
    secret, _ = await people.open_session(ben, SignIn.PASSWORD)
    reading = await people.add_reviewer_token(ben.id)
    await people.add_passkey(ben.id, credential_id=b"\x01", public_key=b"k", sign_count=0, name="phone", transports=())
    link = await people.administration.reset(ben.id, by=await session_of(people, ana))
    after = await people.reviewer(ben.id)
    assert after is not None
    assert (after.has_password, after.reset_at) == (False, clock.now)
    assert await people.session(secret) is None
    assert await people.token_reviewer(reading) is None
    assert await people.passkeys(ben.id) == []
    assert await people.check_password("ben", PASSWORD) is None
    assert [entry["type"] for entry in await entries(database, "account_reset", "passkey_removed")] == [
        "passkey_removed",
        "account_reset",
    ]
    back = await people.use_invitation(link.invitation, link.token, "another good password")
    assert await people.check_password("ben", "another good password") == back
    assert (back.id, back.role) == (ben.id, ben.role)


async def test_what_was_proved_before_a_reset_opens_no_session_after_it(
    people: People, ana: Reviewer, ben: Reviewer
) -> None:
    proved = await people.check_password("ben", PASSWORD)
    assert proved is not None
    await people.administration.reset(ben.id, by=None)
    with pytest.raises(AccountClosed):
        await people.open_session(proved, SignIn.PASSWORD)


async def test_a_change_that_waited_while_its_session_ended_is_not_made(
    people: People, ana: Reviewer, ben: Reviewer
) -> None:
    _, session = await people.open_session(ben, SignIn.PASSWORD)
    link = await people.administration.reset(ben.id, by=None)
    with pytest.raises(AccountClosed):
        await people.set_password(ben.id, "a thief's own password", at=session)
    with pytest.raises(AccountClosed):
        await people.add_passkey(
            ben.id, credential_id=b"\x01", public_key=b"k", sign_count=0, name="", transports=(), at=session
        )
    assert await people.passkeys(ben.id) == []
    assert await people.invitation(link.token) == link.invitation


async def test_a_reset_accounts_answer_counts_among_several_after_a_day(
    people: People, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    assert ben.counts_among_several(clock.now)
    await people.administration.reset(ben.id, by=None)
    after = await people.reviewer(ben.id)
    assert after is not None
    clock.advance(hours=23, minutes=59)
    assert not after.counts_among_several(clock.now)
    clock.advance(minutes=1)
    assert after.counts_among_several(clock.now)


async def test_a_disabled_account_is_enabled_before_it_is_reset(people: People, ana: Reviewer, ben: Reviewer) -> None:
    await people.administration.disable(ben.id, by=None)
    with pytest.raises(PeopleProblem, match="is disabled"):
        await people.administration.reset(ben.id, by=None)


# Sessions of others


async def test_an_admin_ends_somebodys_session(
    people: People, ana: Reviewer, ben: Reviewer, database: Database
) -> None:
    secret, session = await people.open_session(ben, SignIn.PASSWORD)
    by = await session_of(people, ana)
    assert await people.administration.end_session(ben.id, session.id, by=by)
    assert await people.session(secret) is None
    assert not await people.administration.end_session(ben.id, session.id, by=by)
    assert await entries(database, "session_ended") == [
        {"type": "session_ended", "reviewer": ben.id, "session": session.id, "by": ana.id}
    ]
