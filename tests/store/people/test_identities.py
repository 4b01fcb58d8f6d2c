"""An account of another provider signs in whom it was linked to, by issuer and subject alone."""

import pytest

from store.database import Database
from store.people import (
    AccountClosed,
    BadName,
    InvitationVoid,
    NameTaken,
    People,
    Reviewer,
    Role,
    Session,
    SignIn,
)
from store.people.identities import ForeignIdentity, Identities, IdentityTaken, OnlyWayIn
from tests.stage import FakeClock

pytestmark = pytest.mark.anyio
ISSUER = "https://login.example.org"
ANA = ForeignIdentity(ISSUER, "1", "ana@example.org", True, "Ana R.")


@pytest.fixture
def identities(database: Database) -> Identities:
    return Identities(database)


async def session_of(people: People, reviewer: Reviewer) -> Session:
    _, session = await people.open_session(reviewer, SignIn.PASSWORD)
    return session


async def test_a_linked_identity_signs_its_person_in(people: People, identities: Identities, ana: Reviewer) -> None:
    await identities.link(ANA, at=await session_of(people, ana))

    assert await identities.reviewer(ANA) == ana
    (linked,) = await identities.of(ana.id)
    assert (linked.issuer, linked.label) == (ISSUER, "ana@example.org")
    assert linked.last_used_at is not None


@pytest.mark.parametrize(
    "other",
    [
        ForeignIdentity(ISSUER, "2", "ana@example.org", True, "Ana R."),
        ForeignIdentity(ISSUER + "/", "1", "ana@example.org", True),
        ForeignIdentity(ISSUER + "1", "", "ana@example.org", True),
        ForeignIdentity("https://evil.example", "1", "ana@example.org", True),
        ForeignIdentity(ISSUER, "ana", "ana", True, "ana"),
    ],
)
async def test_nothing_but_issuer_and_subject_finds_an_account(
    people: People, identities: Identities, ana: Reviewer, other: ForeignIdentity
) -> None:
    await identities.link(ANA, at=await session_of(people, ana))

    assert await identities.reviewer(other) is None


async def test_another_address_of_the_same_subject_is_the_same_person(
    people: People, identities: Identities, ana: Reviewer
) -> None:
    await identities.link(ANA, at=await session_of(people, ana))
    renamed = ForeignIdentity(ISSUER, "1", "ana.ruiz@example.org", False)

    assert await identities.reviewer(renamed) == ana
    (linked,) = await identities.of(ana.id)
    assert linked.label == "ana.ruiz@example.org"


async def test_an_identity_belongs_to_one_person_until_it_is_unlinked(
    people: People, identities: Identities, ana: Reviewer, ben: Reviewer
) -> None:
    ana_here, ben_here = await session_of(people, ana), await session_of(people, ben)
    await identities.link(ANA, at=ana_here)
    await identities.link(ANA, at=ana_here)
    with pytest.raises(IdentityTaken):
        await identities.link(ANA, at=ben_here)
    (linked,) = await identities.of(ana.id)

    assert not await identities.unlink(linked.id, at=ben_here)
    assert await identities.unlink(linked.id, at=ana_here)
    assert not await identities.unlink(linked.id, at=ana_here)
    await identities.link(ANA, at=ben_here)
    assert await identities.reviewer(ANA) == ben


async def test_a_session_that_ended_links_and_unlinks_nothing(
    people: People, identities: Identities, ana: Reviewer
) -> None:
    ended = await session_of(people, ana)
    await identities.link(ANA, at=ended)
    (linked,) = await identities.of(ana.id)
    await people.end_session(ana.id, ended.id)

    with pytest.raises(AccountClosed):
        await identities.link(ForeignIdentity(ISSUER, "2"), at=ended)
    with pytest.raises(AccountClosed):
        await identities.unlink(linked.id, at=ended)

    assert [one.id for one in await identities.of(ana.id)] == [linked.id]


async def test_a_new_account_is_a_reviewers_whatever_the_provider_says(
    people: People, identities: Identities, ana: Reviewer
) -> None:
    made = await identities.make_reviewer(ANA)

    assert (made.username, made.display_name, made.role) == ("ana@example.org", "Ana R.", Role.REVIEWER)
    assert made.has_password is False
    assert await identities.reviewer(ANA) == made


async def test_a_name_that_is_taken_is_not_taken_over(people: People, identities: Identities, ana: Reviewer) -> None:
    await people.add_reviewer("ANA@example.org", role=Role.ADMIN)

    with pytest.raises(NameTaken):
        await identities.make_reviewer(ANA)

    assert await identities.reviewer(ANA) is None


@pytest.mark.parametrize("email", [None, "", "ana ruiz@example.org", "a" * 60 + "@example.org"])
async def test_an_address_that_is_no_name_makes_no_account(
    people: People, identities: Identities, ana: Reviewer, email: str | None
) -> None:
    with pytest.raises(BadName):
        await identities.make_reviewer(ForeignIdentity(ISSUER, "1", email, True))

    assert await people.reviewers() == [ana]


async def test_the_only_way_in_is_not_unlinked(people: People, identities: Identities, ana: Reviewer) -> None:
    made = await identities.make_reviewer(ANA)
    here = await session_of(people, made)
    (only,) = await identities.of(made.id)
    with pytest.raises(OnlyWayIn):
        await identities.unlink(only.id, at=here)
    await identities.link(ForeignIdentity(ISSUER, "2"), at=here)

    assert await identities.unlink(only.id, at=here)


async def test_a_disabled_account_is_signed_in_by_nothing(
    people: People, identities: Identities, ana: Reviewer
) -> None:
    made = await identities.make_reviewer(ANA)
    await people.administration.disable(made.id, by=None)
    assert await identities.reviewer(ANA) is None
    await people.administration.enable(made.id, by=None)

    back = await identities.reviewer(ANA)
    assert back is not None
    assert back.id == made.id


async def test_a_reset_unlinks_all(people: People, identities: Identities, ana: Reviewer) -> None:
    made = await identities.make_reviewer(ANA)
    await people.administration.reset(made.id, by=None)

    assert await identities.reviewer(ANA) is None
    assert await identities.of(made.id) == []


async def test_an_invitation_links_the_identity_of_whoever_follows_it_once(
    people: People, identities: Identities, ana: Reviewer
) -> None:
    link = await people.administration.invite("carla", role=Role.AUDITOR, by=None)

    made = await identities.use_invitation(link.token, ANA)

    assert (made.username, made.display_name, made.role) == ("carla", "Ana R.", Role.AUDITOR)
    assert await identities.reviewer(ANA) == made
    with pytest.raises(InvitationVoid):
        await identities.use_invitation(link.token, ForeignIdentity(ISSUER, "2"))


async def test_an_invitation_is_not_used_up_by_an_identity_that_is_taken(
    people: People, identities: Identities, ana: Reviewer
) -> None:
    await identities.link(ANA, at=await session_of(people, ana))
    link = await people.administration.invite("carla", role=Role.REVIEWER, by=None)

    with pytest.raises(IdentityTaken):
        await identities.use_invitation(link.token, ANA)

    assert await people.find("carla") is None
    assert await people.invitation(link.token) is not None


async def test_a_void_invitation_links_nothing(
    people: People, identities: Identities, ana: Reviewer, clock: FakeClock
) -> None:
    link = await people.administration.invite("carla", role=Role.REVIEWER, by=None)
    clock.advance(hours=24)

    with pytest.raises(InvitationVoid):
        await identities.use_invitation(link.token, ANA)

    assert await identities.reviewer(ANA) is None


@pytest.mark.parametrize(
    ("email", "verified", "domain"),
    [
        ("ana@Example.org", True, "example.org"),
        ("ana@example.org", False, None),
        ("ana@evil.example@example.org", True, "example.org"),
        ("@example.org", True, None),
        ("example.org", True, None),
        ("ana@", True, None),
        (None, True, None),
    ],
)
def test_only_a_verified_address_has_a_domain(email: str | None, verified: bool, domain: str | None) -> None:
    assert ForeignIdentity(ISSUER, "1", email, verified).email_domain == domain
