"""The first account: a link that only whoever can reach the machine gets, once.

The link lives for minutes and is void after use, so it never becomes a second way in. These pages never print one.
"""

from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.errors import Refusal, sentence
from review_web.sessions import start_session
from review_web.sign_in import require_safe_password
from review_web.site_context import Site
from store.people import SetupLinkVoid, SignIn
from store.people.accounts import PASSWORD_LIMITS
from store.problems import PeopleProblem

MAKE_A_LINK = "Run `assent open --print` where Assent runs; it prints a new link that lives for 15 minutes."


@dataclass(frozen=True)
class SetupPage:
    """Context of `setup.html`."""

    token: str
    """The setup link's own token, sent back with the form."""
    username: str
    display_name: str
    problem: str | None
    least: int = PASSWORD_LIMITS[0]
    """The fewest characters of a password."""


@dataclass(frozen=True)
class _Typed:
    token: str
    username: str
    display_name: str
    password: str
    password_again: str

    @classmethod
    def read(cls, form: FormData) -> "_Typed":
        def text(name: str) -> str:
            value = form.get(name)
            return value if isinstance(value, str) else ""

        return cls(
            token=text("token"),
            username=text("username").strip(),
            display_name=text("display_name").strip(),
            password=text("password"),
            password_again=text("password_again"),
        )


def routes(site: Site) -> list[BaseRoute]:
    """The page behind the setup link, and the account that it makes."""

    async def show(request: Request) -> Response:
        require_safe_password(request, site)
        token = request.query_params.get("token", "")
        if not await site.people.setup_link_valid(token):
            raise await _void(site)
        return site.templates.respond(request, "setup.html", SetupPage(token, "", "", None))

    async def use(request: Request) -> Response:
        require_safe_password(request, site)
        typed = _Typed.read(await request.form())
        # Before the password is hashed: that costs much, and a stranger must not be able to ask for it.
        if not await site.people.setup_link_valid(typed.token):
            raise await _void(site)
        if typed.password != typed.password_again:
            return _again(site, request, typed, "The two passwords differ. Type the same one twice.")
        try:
            reviewer = await site.people.use_setup_link(
                typed.token, typed.username, typed.password, typed.display_name or None
            )
        except SetupLinkVoid:
            raise await _void(site) from None
        except PeopleProblem as problem:
            return _again(site, request, typed, f"{sentence(problem.message)} {problem.hint}".strip())
        offer = site.settings.relying_party is not None
        response = RedirectResponse("/account?welcome=1" if offer else "/", 303)
        await start_session(site, request, response, reviewer, SignIn.SETUP)
        return response

    return [Route("/setup", show, methods=["GET"]), Route("/setup", use, methods=["POST"])]


def _again(site: Site, request: Request, typed: _Typed, problem: str) -> Response:
    page = SetupPage(typed.token, typed.username, typed.display_name, problem)
    return site.templates.respond(request, "setup.html", page, status_code=422)


async def _void(site: Site) -> Refusal:
    if await site.people.count() > 0:
        return Refusal(
            410,
            "Assent is already set up",
            "Setup links make the first account only, and there is one. This link does nothing any more.",
            "Sign in at /login. An admin invites more people on the page People, or with `assent user invite NAME`.",
        )
    return Refusal(
        410,
        "This setup link is void",
        "A setup link lives for 15 minutes, works once, and ends when Assent starts again. No account was made.",
        MAKE_A_LINK,
    )
