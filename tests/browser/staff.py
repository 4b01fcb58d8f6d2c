"""A team with all that can be said of people: roles, invitations, a reset, somebody who left, and their agents."""

from datetime import timedelta

from sqlalchemy import update

from store import tables
from store.database import Transaction
from store.people import Origin, Reviewer, Role, SignIn
from tests.browser.running_site import RunningSite


def team(site: RunningSite) -> Reviewer:
    """The team, and of it Ana, an admin."""
    ana = site.reviewer("ana", Role.ADMIN)
    for username in ("mei", "otto"):
        site.reviewer(username)
    site.reviewer("lucia.de-la-fuente@consent.example.org", Role.AUDITOR)
    left = site.reviewer("piotr")
    administration = site.people.administration

    async def happened() -> None:
        _, session = await site.people.open_session(ana, SignIn.PASSWORD)
        await administration.disable(left.id, by=session)
        await administration.invite("yuki", role=Role.REVIEWER, by=session)
        otto = await site.people.find("otto")
        assert otto is not None
        await administration.reset(otto.id, by=session)
        await site.people.add_reviewer("mallory", role=Role.REVIEWER, origin=Origin.COMMAND)
        await site.agents.add("deploy-bot", owner="mei", workflow="release")
        await site.agents.add("billing-bot", owner="Finance department")
        await site.agents.add("mail-bot")
        await site.agents.add("old-bot", owner="piotr")
        await site.agents.revoke("old-bot", by=session)
        await site.people.end_session(ana.id, session.id)

    site.call(happened)
    return ana


def people_page(site: RunningSite) -> str:
    team(site)
    return "/people"


def person_page(site: RunningSite) -> str:
    team(site)
    mei = site.reviewer("mei")
    site.cookie(mei)
    return f"/people/{mei.id}"


def agents_page(site: RunningSite) -> str:
    team(site)
    return "/agents"


def invitation_page(site: RunningSite) -> str:
    site.reviewer("ana", Role.ADMIN)
    link = site.call(lambda: site.people.administration.invite("yuki", role=Role.REVIEWER, by=None))
    return f"/invitation?token={link.token}"


def age_sessions(transaction: Transaction) -> None:
    """Let every session have begun eleven minutes ago: longer than proof lasts."""
    began = transaction.now - timedelta(minutes=11)
    transaction.connection.execute(update(tables.sessions).values(created_at=began))
