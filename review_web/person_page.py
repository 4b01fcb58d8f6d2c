"""One account, for admins and auditors: where it is signed in, and what an admin does about it.

Every change needs an admin who proved within ten minutes who they are; the store looks at that admin once more inside
the change, and refuses to take away the last one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.account import SessionRow
from review_web.browser_names import browser_name
from review_web.errors import Refusal, sentence
from review_web.people_page import PersonRow, link_page, not_allowed, role_of, row_of, text_of
from review_web.proof import Proof, identities_of, proof_of, require_proven_admin
from review_web.roles import ROLE_WORDS
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from store.names import fold
from store.people import AccountClosed, NotAnAdmin, Role, Session, UnknownAccount
from store.problems import PeopleProblem

_DONE = {
    "role": "The role is changed. It counts from the next thing that the person does.",
    "ended": "That session has ended.",
    "disabled": "The account is disabled. Its sessions and tokens ended, and nobody signs in to it.",
    "enabled": "The account is enabled. Its password and passkeys work again.",
}


@dataclass(frozen=True)
class PersonPage:
    """Context of `person.html`."""

    person: PersonRow
    myself: bool
    """It is the account of whoever reads this."""
    ways: tuple[str, ...]
    """How the person can sign in, in words."""
    sessions: tuple[SessionRow, ...]
    """Open sessions, the one seen last first."""
    agents: tuple[str, ...]
    """Names of the agents that the person answers for."""
    roles: Mapping[Role, str]
    rules: bool
    """Whoever reads this is an admin."""
    proof: Proof
    done: str | None
    problem: str | None


def routes(site: Site) -> list[BaseRoute]:
    """The page of one person, and each change on it."""

    async def show(request: Request) -> Response:
        return await _page(site, request)

    async def change_role(request: Request, session: Session) -> Response:
        role = role_of(text_of(await request.form(), "role"))
        await site.people.administration.change_role(_id(request), role, by=session)
        return _done(request, "role")

    async def disable(request: Request, session: Session) -> Response:
        await site.people.administration.disable(_id(request), by=session)
        return RedirectResponse("/login", 303) if _id(request) == session.reviewer.id else _done(request, "disabled")

    async def enable(request: Request, session: Session) -> Response:
        await site.people.administration.enable(_id(request), by=session)
        return _done(request, "enabled")

    async def reset(request: Request, session: Session) -> Response:
        if _id(request) == session.reviewer.id:
            # It would end this very session, and show the way back in to whoever sits at it.
            raise PeopleProblem(
                "an admin does not reset their own account", "Ask another admin, or use `assent user reset NAME`."
            )
        link = await site.people.administration.reset(_id(request), by=session)
        return link_page(site, request, link, back=f"/people/{_id(request)}")

    async def end(request: Request, session: Session) -> Response:
        session_id = request.path_params["session_id"]
        if not await site.people.administration.end_session(_id(request), session_id, by=session):
            return await _page(site, request, problem="That session had ended already.", status_code=404)
        return _done(request, "ended")

    return [
        Route("/people/{person_id}", show, methods=["GET"]),
        Route("/people/{person_id}/role", _ruled(site, change_role), methods=["POST"]),
        Route("/people/{person_id}/disable", _ruled(site, disable), methods=["POST"]),
        Route("/people/{person_id}/enable", _ruled(site, enable), methods=["POST"]),
        Route("/people/{person_id}/reset", _ruled(site, reset), methods=["POST"]),
        Route("/people/{person_id}/sessions/{session_id}/end", _ruled(site, end), methods=["POST"]),
    ]


def _ruled(
    site: Site, change: Callable[[Request, Session], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """The change, by an admin who proved who they are; what the store refuses is said on the page."""

    async def endpoint(request: Request) -> Response:
        session = require_proven_admin(site, request)
        try:
            return await change(request, session)
        except (NotAnAdmin, AccountClosed) as problem:
            raise not_allowed(problem) from None
        except UnknownAccount:
            raise _nobody() from None
        except PeopleProblem as problem:
            said = f"{sentence(problem.message)} {problem.hint}"
            return await _page(site, request, problem=said, status_code=409)

    return endpoint


def _id(request: Request) -> str:
    person_id: str = request.path_params["person_id"]
    return person_id


def _done(request: Request, what: str) -> RedirectResponse:
    return RedirectResponse(f"/people/{_id(request)}?done={what}", 303)


def _nobody() -> Refusal:
    return Refusal(404, "Nobody is here", "There is no such account.", "The page People names every account.")


async def _page(site: Site, request: Request, *, problem: str | None = None, status_code: int = 200) -> Response:
    session = require_reviewer(request)
    if session.reviewer.role is Role.REVIEWER:
        raise Refusal(403, "Admins and auditors only", "A person's page shows where they are signed in.", reason="role")
    person = await site.people.reviewer(_id(request))
    if person is None:
        raise _nobody()
    sessions = sorted(await site.people.sessions(person.id), key=lambda one: one.last_seen_at, reverse=True)
    known = [agent for agent in await site.agents.list() if agent.revoked_at is None]
    page = PersonPage(
        person=row_of(site, person),
        myself=person.id == session.reviewer.id,
        ways=await _ways(site, person.id, has_password=person.has_password),
        sessions=tuple(SessionRow(one, browser_name(one.client), one.id == session.id) for one in sessions),
        agents=tuple(agent.name for agent in known if fold(agent.owner or "") == fold(person.username)),
        roles=ROLE_WORDS,
        rules=session.reviewer.role is Role.ADMIN,
        proof=await proof_of(site, request),
        done=_DONE.get(request.query_params.get("done", "")) if problem is None else None,
        problem=problem,
    )
    return site.templates.respond(request, "person.html", page, status_code=status_code)


async def _ways(site: Site, reviewer_id: str, *, has_password: bool) -> tuple[str, ...]:
    passkeys = len(await site.people.passkeys(reviewer_id))
    named = "" if not passkeys else "a passkey" if passkeys == 1 else f"{passkeys} passkeys"
    linked = f"an account at {site.provider}" if await identities_of(site, reviewer_id) else ""
    return tuple(way for way in ("a password" if has_password else "", named, linked) if way)
