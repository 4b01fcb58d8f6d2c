"""Who has an account, and the one-time links by which admins let people in.

Everybody signed in reads the list: it says whom to ask for what. Links are made by an admin who proved within ten
minutes who they are; a link is shown once, in the answer to the form that made it, and stands in no address of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.errors import Refusal, sentence
from review_web.proof import Proof, proof_of, require_proven_admin
from review_web.roles import ROLE_WORDS
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from store.people import Invitation, Link, NotAnAdmin, Reviewer, Role
from store.problems import PeopleProblem

_DONE = {"withdrawn": "The link is void. It lets nobody in any more."}


@dataclass(frozen=True)
class PersonRow:
    """One account."""

    reviewer: Reviewer
    does: str
    """What its role does, in words."""
    barred: bool
    """It was reset within a day: its answer does not count where several people are needed."""


@dataclass(frozen=True)
class InvitationRow:
    """A link that waits to be used."""

    invitation: Invitation
    made_by: str | None
    """Who made it; None: the command line."""


@dataclass(frozen=True)
class PeoplePage:
    """Context of `people.html`."""

    people: tuple[PersonRow, ...]
    """Who can sign in, by name."""
    disabled: tuple[PersonRow, ...]
    invitations: tuple[InvitationRow, ...]
    """Links that can be used, for admins and auditors."""
    roles: Mapping[Role, str]
    rules: bool
    """Whoever reads this is an admin."""
    details: bool
    """Whoever reads this may open a person's page."""
    proof: Proof
    username: str
    """What was typed before, kept."""
    done: str | None
    problem: str | None


@dataclass(frozen=True)
class LinkPage:
    """Context of `link_made.html`."""

    username: str
    link: str
    """The whole address. Whoever has it gets the account."""
    expires_at: datetime
    back: str
    """A path on this site to go on from."""
    reset: bool
    """It leads back into an account that was reset just now."""


def routes(site: Site) -> list[BaseRoute]:
    """The list of people, and their invitations."""

    async def show(request: Request) -> Response:
        return await _page(site, request)

    async def invite(request: Request) -> Response:
        session = require_proven_admin(site, request)
        form = await request.form()
        username, role = text_of(form, "username"), role_of(text_of(form, "role"))
        try:
            link = await site.people.administration.invite(username, role=role, by=session)
        except NotAnAdmin as problem:
            raise not_allowed(problem) from None
        except PeopleProblem as problem:
            said = f"{sentence(problem.message)} {problem.hint}"
            return await _page(site, request, username=username, problem=said, status_code=422)
        return link_page(site, request, link, back="/people")

    async def withdraw(request: Request) -> Response:
        session = require_proven_admin(site, request)
        try:
            gone = await site.people.administration.withdraw(request.path_params["invitation_id"], by=session)
        except PeopleProblem as problem:
            raise not_allowed(problem) from None
        if not gone:
            return await _page(site, request, problem="That link was used or void already.", status_code=404)
        return RedirectResponse("/people?done=withdrawn", 303)

    return [
        Route("/people", show, methods=["GET"]),
        Route("/people/invitations", invite, methods=["POST"]),
        Route("/people/invitations/{invitation_id}/withdraw", withdraw, methods=["POST"]),
    ]


def link_page(site: Site, request: Request, link: Link, *, back: str) -> Response:
    """The one showing of a link that was just made."""
    page = LinkPage(
        username=link.invitation.username,
        link=f"{site.settings.origin}/invitation?{urlencode({'token': link.token})}",
        expires_at=link.invitation.expires_at,
        back=back,
        reset=link.invitation.reviewer_id is not None,
    )
    return site.templates.respond(request, "link_made.html", page)


def row_of(site: Site, reviewer: Reviewer) -> PersonRow:
    """A person as the pages show them."""
    return PersonRow(reviewer, ROLE_WORDS[reviewer.role], not reviewer.counts_among_several(site.clock()))


def role_of(word: str) -> Role:
    """The role of that name.

    Raises:
        Refusal: there is none.
    """
    try:
        return Role(word)
    except ValueError:
        raise Refusal(422, "No such role", "Nothing was changed.", "Choose admin, reviewer or auditor.") from None


def not_allowed(problem: PeopleProblem) -> Refusal:
    """The error for authority that was taken back while the form was on its way."""
    return Refusal(403, "Nothing was changed", sentence(problem.message), problem.hint, reason="role")


def text_of(form: FormData, name: str) -> str:
    """A field of a form, trimmed; empty where it is missing."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


async def _page(
    site: Site, request: Request, *, username: str = "", problem: str | None = None, status_code: int = 200
) -> Response:
    me = require_reviewer(request).reviewer
    everybody = await site.people.reviewers()
    details = me.role is not Role.REVIEWER
    names = {reviewer.id: reviewer.display_name for reviewer in everybody}
    waiting = await site.people.administration.open_invitations() if details else []
    page = PeoplePage(
        people=tuple(row_of(site, one) for one in everybody if one.disabled_at is None),
        disabled=tuple(row_of(site, one) for one in everybody if one.disabled_at is not None),
        invitations=tuple(InvitationRow(one, names[one.made_by] if one.made_by else None) for one in waiting),
        roles=ROLE_WORDS,
        rules=me.role is Role.ADMIN,
        details=details,
        proof=await proof_of(site, request),
        username=username,
        done=_DONE.get(request.query_params.get("done", "")) if problem is None else None,
        problem=problem,
    )
    return site.templates.respond(request, "people.html", page, status_code=status_code)
