"""Agents that are held back, for pictures and for tests: each scene answers with the path to open."""

from collections.abc import Sequence
from typing import Any

from store.audit.events import Halting
from store.people import Role, SignIn
from tests.browser import samples, staff
from tests.browser.running_site import RunningSite


def hold_back(site: RunningSite, agent: str | None, how: Halting, why: str | None = None, *, by: str = "mei") -> None:
    """That person pauses or stops the agent of that name; None: everything."""
    reviewer = site.reviewer(by)

    async def held() -> None:
        _, session = await site.people.open_session(reviewer, SignIn.PASSWORD)
        await site.desk.halts.hold_back(agent, how, by=session, why=why)

    site.call(held)


def one_paused(site: RunningSite) -> str:
    """The inbox, while one agent is paused."""
    site.ask(samples.APPROVAL)
    hold_back(site, "deploy-bot", Halting.PAUSED, "It restarts hosts that nobody named.")
    return "/"


def one_stopped(site: RunningSite) -> str:
    """The card of an agent that is stopped."""
    request_id = site.ask(samples.APPROVAL)
    hold_back(site, "deploy-bot", Halting.STOPPED)
    return f"/requests/{request_id}"


def everything_stopped(site: RunningSite) -> str:
    """The history, while everything is stopped and one agent by name as well."""
    site.reviewer("ana", Role.ADMIN)
    site.ask(samples.APPROVAL)
    hold_back(site, "deploy-bot", Halting.PAUSED)
    hold_back(site, None, Halting.STOPPED, "Invoices are paid twice; find out why first.")
    return "/history"


def agents(site: RunningSite) -> str:
    """The page of agents, as an admin sees it: one paused, one stopped, and everything."""
    staff.team(site)
    hold_back(site, "deploy-bot", Halting.PAUSED, "It restarts hosts that nobody named.")
    hold_back(site, "mail-bot", Halting.STOPPED)
    return "/agents"


def many(site: RunningSite) -> str:
    """Six agents at once."""
    for number in range(6):
        site.ask(samples.APPROVAL, agent=f"worker-{number}")
        hold_back(site, f"worker-{number}", Halting.PAUSED if number % 2 else Halting.STOPPED)
    return "/"


def scenes() -> Sequence[tuple[str, Any]]:
    """Everything here, by name."""
    return (
        ("halt-one-paused", one_paused),
        ("halt-one-stopped", one_stopped),
        ("halt-everything", everything_stopped),
        ("halt-agents", agents),
        ("halt-many", many),
    )
