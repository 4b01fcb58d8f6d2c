"""The agents: who answers for each, when it last called; and for admins, to change that or to end one.

Tokens are made on the command line only: a page that shows one would put it into a browser, where it has no business.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.errors import sentence
from review_web.people_page import not_allowed, text_of
from review_web.proof import Proof, proof_of, require_proven_admin
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from store.agents import Agent
from store.held_back import Halt
from store.names import fold
from store.people import Role
from store.problems import AgentProblem, PeopleProblem

_DONE = {
    "owner": "The owner is changed.",
    "resumed": "It goes on. What it had asked is as it was; calls that were cancelled are not sent again.",
    "revoked": "The agent is revoked. Its tokens open nothing any more; what it asked stays in the history.",
    "unheld": "That was not held back any more. Nothing was changed.",
}


@dataclass(frozen=True)
class AgentLine:
    """One agent."""

    agent: Agent
    stranger: bool
    """Its owner has no account here."""
    halt: Halt | None
    """What holds it back by its name."""


@dataclass(frozen=True)
class AgentsPage:
    """Context of `agents.html`."""

    agents: tuple[AgentLine, ...]
    revoked: tuple[AgentLine, ...]
    people: tuple[str, ...]
    """User names of who could own one."""
    rules: bool
    """Whoever reads this is an admin."""
    may_halt: bool
    """Whoever reads this may pause and stop."""
    proof: Proof
    done: str | None
    problem: str | None


def routes(site: Site) -> list[BaseRoute]:
    """The list of agents, and each change on it."""

    async def show(request: Request) -> Response:
        return await _page(site, request)

    async def change_owner(request: Request) -> Response:
        session = require_proven_admin(site, request)
        owner = text_of(await request.form(), "owner")
        try:
            await site.agents.change_owner(request.path_params["name"], owner, by=session)
        except PeopleProblem as problem:
            raise not_allowed(problem) from None
        except AgentProblem as problem:
            return await _page(site, request, problem=sentence(problem.message), status_code=409)
        return RedirectResponse("/agents?done=owner", 303)

    async def revoke(request: Request) -> Response:
        session = require_proven_admin(site, request)
        try:
            known = await site.agents.revoke(request.path_params["name"], by=session)
        except PeopleProblem as problem:
            raise not_allowed(problem) from None
        if not known:
            return await _page(site, request, problem="There is no such agent to revoke.", status_code=404)
        return RedirectResponse("/agents?done=revoked", 303)

    return [
        Route("/agents", show, methods=["GET"]),
        Route("/agents/{name}/owner", change_owner, methods=["POST"]),
        Route("/agents/{name}/revoke", revoke, methods=["POST"]),
    ]


async def _page(site: Site, request: Request, *, problem: str | None = None, status_code: int = 200) -> Response:
    session = require_reviewer(request)
    people = await site.people.reviewers()
    names = {fold(person.username) for person in people}
    held_back = {halt.agent_id: halt for halt in await site.desk.halts.all()}
    lines = [
        AgentLine(agent, agent.owner is not None and fold(agent.owner) not in names, held_back.get(agent.id))
        for agent in await site.agents.list()
    ]
    page = AgentsPage(
        agents=tuple(line for line in lines if line.agent.revoked_at is None),
        revoked=tuple(line for line in lines if line.agent.revoked_at is not None),
        people=tuple(person.username for person in people if person.disabled_at is None),
        may_halt=session.reviewer.may_decide,
        rules=session.reviewer.role is Role.ADMIN,
        proof=await proof_of(site, request),
        done=_DONE.get(request.query_params.get("done", "")) if problem is None else None,
        problem=problem,
    )
    return site.templates.respond(request, "agents.html", page, status_code=status_code)
