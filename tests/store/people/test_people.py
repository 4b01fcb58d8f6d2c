import pytest

from store.database import Database
from store.people import (
    AlreadySetUp,
    BadName,
    NameTaken,
    People,
    Reviewer,
    Role,
    SetupLinkVoid,
    SignIn,
    WeakPassword,
)
from store.problems import PeopleProblem
from tests.stage import PASSWORD, FakeClock

pytestmark = pytest.mark.anyio


async def test_an_account_is_found_by_its_name_however_it_is_written(people: People, ana: Reviewer) -> None:
    assert await people.find(" ANA ") == ana
    assert await people.find("anna") is None


async def test_two_accounts_cannot_have_names_that_look_alike(people: People, ana: Reviewer) -> None:
    with pytest.raises(NameTaken):
        await people.add_reviewer("Ana", role=Role.ADMIN)
    assert await people.reviewers() == [ana]


@pytest.mark.parametrize(
    "name", ["", "  ", "two words", "a" * 65, "<b>", "-dash", "ana\u3164", "ana\uffa0", "\u037aana"]
)
async def test_a_name_that_is_none_is_refused(people: People, name: str) -> None:
    with pytest.raises(BadName):
        await people.add_reviewer(name, role=Role.ADMIN)


@pytest.mark.parametrize("password", ["", "short", "x" * 1001, "ANA.RUIZ.OF.SEVILLA"])
async def test_a_weak_password_is_refused(people: People, password: str) -> None:
    with pytest.raises(WeakPassword):
        await people.add_reviewer("ana.ruiz.of.sevilla", role=Role.ADMIN, password=password)
    assert await people.count() == 0


async def test_the_right_password_opens_and_a_wrong_one_does_not(people: People, ana: Reviewer) -> None:
    assert await people.check_password("Ana", PASSWORD) == ana
    assert await people.check_password("ana", PASSWORD + "!") is None
    assert await people.check_password("nobody", PASSWORD) is None


async def test_an_account_without_a_password_takes_none(people: People) -> None:
    await people.add_reviewer("robin", role=Role.REVIEWER)
    assert await people.check_password("robin", "") is None
    assert await people.check_password("robin", PASSWORD) is None


async def test_a_replaced_password_no_longer_opens(people: People, ana: Reviewer) -> None:
    await people.set_password(ana.id, "another good password")
    assert await people.check_password("ana", PASSWORD) is None
    assert await people.check_password("ana", "another good password") == ana


async def test_a_session_is_found_by_its_secret_until_it_is_ended(people: People, ana: Reviewer) -> None:
    secret, session = await people.open_session(ana, SignIn.PASSWORD, client="Firefox")
    assert await people.session(secret) == session
    assert await people.session(session.id) is None
    await people.end_session_by_secret(secret)
    assert await people.session(secret) is None


async def test_a_session_ends_when_idle_for_twelve_hours_and_asking_keeps_it_awake(
    people: People, ana: Reviewer, clock: FakeClock
) -> None:
    secret, _ = await people.open_session(ana, SignIn.PASSKEY)
    for _ in range(3):
        clock.advance(hours=11)
        assert await people.session(secret) is not None
    clock.advance(hours=12)
    assert await people.session(secret) is None
    assert await people.sessions(ana.id) == []


async def test_a_session_ends_after_seven_days_however_busy(people: People, ana: Reviewer, clock: FakeClock) -> None:
    secret, _ = await people.open_session(ana, SignIn.PASSWORD)
    for _ in range(14):
        assert await people.session(secret) is not None
        clock.advance(hours=11, minutes=59)
    clock.advance(hours=2)
    assert await people.session(secret) is None


async def test_nobody_can_end_another_persons_session(people: People, ana: Reviewer, ben: Reviewer) -> None:
    secret, session = await people.open_session(ana, SignIn.PASSWORD)
    assert not await people.end_session(ben.id, session.id)
    assert await people.session(secret) == session
    assert await people.end_session(ana.id, session.id)
    assert await people.session(secret) is None


async def test_secrets_are_not_in_the_database(people: People, ana: Reviewer, database: Database) -> None:
    secret, _ = await people.open_session(ana, SignIn.PASSWORD)
    token = await people.add_reviewer_token(ana.id)
    dump = await database.read(
        lambda c: "\n".join(c.connection.dbapi_connection.iterdump())  # type: ignore[union-attr]
    )
    assert "sessions" in dump
    assert not [value for value in (secret, token, PASSWORD) if value in dump]


async def test_a_setup_link_makes_the_first_account_once(people: People) -> None:
    token = await people.create_setup_link()
    assert await people.setup_link_valid(token)
    admin = await people.use_setup_link(token, "ana", PASSWORD, "Ana Ruiz")
    assert (admin.role, admin.display_name) == (Role.ADMIN, "Ana Ruiz")
    assert not await people.setup_link_valid(token)
    with pytest.raises(SetupLinkVoid):
        await people.use_setup_link(token, "eve", PASSWORD)


async def test_a_refused_name_or_password_leaves_the_setup_link_usable(people: People) -> None:
    token = await people.create_setup_link()
    with pytest.raises(WeakPassword):
        await people.use_setup_link(token, "ana", "short")
    with pytest.raises(BadName):
        await people.use_setup_link(token, "", PASSWORD)
    assert await people.setup_link_valid(token)


@pytest.mark.parametrize("fate", ["fifteen minutes", "a newer link", "a new start", "a wrong token"])
async def test_a_setup_link_is_void_after(people: People, clock: FakeClock, fate: str) -> None:
    token = await people.create_setup_link()
    match fate:
        case "fifteen minutes":
            clock.advance(minutes=15)
        case "a newer link":
            await people.create_setup_link()
        case "a new start":
            await people.void_setup_links()
        case _:
            token += "x"
    assert not await people.setup_link_valid(token)
    with pytest.raises(SetupLinkVoid):
        await people.use_setup_link(token, "eve", PASSWORD)
    assert await people.count() == 0


async def test_there_is_no_setup_link_once_there_is_an_account(people: People, ana: Reviewer) -> None:
    with pytest.raises(AlreadySetUp):
        await people.create_setup_link()


async def test_a_passkey_is_found_by_its_credential_and_belongs_to_one_person(
    people: People, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    async def register(reviewer: Reviewer) -> object:
        return await people.add_passkey(
            reviewer.id,
            credential_id=b"\x01\x02",
            public_key=b"key",
            sign_count=0,
            name=" phone ",
            transports=("internal",),
        )

    await register(ana)
    with pytest.raises(PeopleProblem, match="registered already"):
        await register(ben)
    await people.passkey_used(b"\x01\x02", 7)
    found = await people.passkey(b"\x01\x02")
    assert found is not None
    passkey, owner = found
    assert (passkey.name, passkey.sign_count, passkey.last_used_at, passkey.transports, owner) == (
        "phone",
        7,
        clock.now,
        ("internal",),
        ana,
    )
    assert not await people.remove_passkey(ben.id, passkey.id)
    assert await people.remove_passkey(ana.id, passkey.id)
    assert await people.passkey(b"\x01\x02") is None


async def test_a_reading_token_says_whose_it_is(people: People, ana: Reviewer) -> None:
    token = await people.add_reviewer_token(ana.id)
    assert await people.token_reviewer(token) == ana
    assert await people.token_reviewer(token + "x") is None
