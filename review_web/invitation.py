"""The page behind an admin's one-time link: to a new account, or back into one that was reset.

Whoever holds the link gets the account. A void one says that it is void, and nothing of why or whose it was.
"""

from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.errors import Refusal, sentence
from review_web.roles import ROLE_WORDS
from review_web.sessions import start_session
from review_web.sign_in import require_safe_password
from review_web.site_context import Site
from store.people import Invitation, InvitationVoid, Role, SignIn
from store.people.accounts import PASSWORD_LIMITS
from store.problems import PeopleProblem


@dataclass(frozen=True)
class InvitationPage:
    """Context of `invitation.html`."""

    token: str
    """The link's own token, sent back with the form."""
    username: str
    """The name to sign in with: the admin chose it."""
    role: Role
    does: str
    """What an account of that role does, in words."""
    back: bool
    """It leads back into an account that was reset."""
    display_name: str
    problem: str | None
    provider: str | None
    """What people call the other provider that signs people in; None without one."""
    least: int = PASSWORD_LIMITS[0]
    """The fewest characters of a password."""


def routes(site: Site) -> list[BaseRoute]:
    """The page of a link, and the account that it gives."""

    async def show(request: Request) -> Response:
        token = request.query_params.get("token", "")
        invitation = await _invitation(site, request, token)
        return _page(site, request, token, invitation, display_name="")

    async def use(request: Request) -> Response:
        form = await request.form()
        token = _text(form, "token")
        # Before the password is hashed: that costs much, and a stranger must not be able to ask for it.
        invitation = await _invitation(site, request, token)
        name, password = _text(form, "display_name").strip(), _text(form, "password")
        if password != _text(form, "password_again"):
            problem = "The two passwords differ. Type the same one twice."
            return _page(site, request, token, invitation, display_name=name, problem=problem)
        try:
            reviewer = await site.people.use_invitation(invitation, token, password, name or None)
        except InvitationVoid:
            raise _void() from None
        except PeopleProblem as refused:
            problem = f"{sentence(refused.message)} {refused.hint}".strip()
            return _page(site, request, token, invitation, display_name=name, problem=problem)
        offer = site.settings.relying_party is not None
        response = RedirectResponse("/account?welcome=1" if offer else "/", 303)
        await start_session(site, request, response, reviewer, SignIn.INVITATION)
        return response

    return [Route("/invitation", show, methods=["GET"]), Route("/invitation", use, methods=["POST"])]


async def _invitation(site: Site, request: Request, token: str) -> Invitation:
    require_safe_password(request, site)
    invitation = await site.people.invitation(token)
    if invitation is None:
        raise _void()
    return invitation


def _page(
    site: Site, request: Request, token: str, invitation: Invitation, *, display_name: str, problem: str | None = None
) -> Response:
    page = InvitationPage(
        token=token,
        username=invitation.username,
        role=invitation.role,
        does=ROLE_WORDS[invitation.role],
        back=invitation.reviewer_id is not None,
        display_name=display_name,
        problem=problem,
        provider=site.provider,
    )
    return site.templates.respond(request, "invitation.html", page, status_code=422 if problem else 200)


def _void() -> Refusal:
    return Refusal(
        410,
        "This link is void",
        "A link lives for a day, works once, and ends when another is made for the same name. Nothing was changed.",
        "Ask an admin for a new one.",
    )


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
