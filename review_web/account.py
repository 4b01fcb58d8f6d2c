"""A person's own account: passkeys, open sessions, password.

What would let somebody else in later (a passkey, a password) needs proof, within the last ten minutes, that it is still
the same person (`review_web.proof`): a session left open is not enough.
"""

from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.attempts import TooMany
from review_web.browser_names import browser_name
from review_web.ceremonies import Purpose
from review_web.ceremony_cookie import drop_ticket, keep_ticket, take_ceremony
from review_web.errors import Refusal, sentence
from review_web.json_body import read_json_object
from review_web.passkeys import PasskeyRefused, check_registration, registration_options, relying_party
from review_web.proof import Proof, identities_of, proof_of, require_proof
from review_web.security import passwords_are_safe
from review_web.sessions import end_session, local_path, require_reviewer, start_session
from review_web.sign_in import count_attempt, require_safe_password, too_many
from review_web.site_context import Site
from store.people import Passkey, Reviewer, Session, SignIn
from store.people.accounts import PASSWORD_LIMITS
from store.people.identities import LinkedIdentity
from store.problems import PeopleProblem

_NAME_LIMIT = 60

_DONE = {
    "confirmed": "It is you. For ten minutes you can change how you sign in.",
    "password": "The password is changed. Every other session of yours has ended.",
    "passkey": "The passkey is added. You can sign in with it from now on.",
    "renamed": "The passkey has its new name.",
    "removed": "The passkey is removed. It signs nobody in any more.",
    "ended": "That session has ended.",
    "linked": "Your account there is linked. You can sign in with it from now on.",
    "unlinked": "It is unlinked. It signs nobody in any more.",
}


@dataclass(frozen=True)
class SessionRow:
    """One place where this person is signed in."""

    session: Session
    name: str
    """The browser, in words."""
    here: bool
    """It is the browser that asks."""


@dataclass(frozen=True)
class AccountPage:
    """Context of `account.html`."""

    reviewer: Reviewer
    sessions: tuple[SessionRow, ...]
    """Open sessions of this person, the one seen last first."""
    passkeys: tuple[Passkey, ...]
    identities: tuple[LinkedIdentity, ...]
    """Their accounts of another provider."""
    provider: str | None
    """What people call the provider that signs people in; None without one."""
    proof: Proof
    """Once given, how they sign in can be changed."""
    passkeys_possible: bool
    """Browsers offer passkeys under this address."""
    passwords: bool
    """A password typed here stays between the browser and Assent."""
    least: int
    """The fewest characters of a password."""
    welcome: bool
    """They come from setup: the page offers a passkey first."""
    done: str | None
    """What was just done, in a sentence."""
    problem: str | None
    """What could not be done, and why."""


def routes(site: Site) -> list[BaseRoute]:
    """The account page, and each change on it."""

    async def show(request: Request) -> Response:
        return await _page(site, request)

    async def end(request: Request) -> Response:
        session = require_reviewer(request)
        session_id = request.path_params["session_id"]
        if not await site.people.end_session(session.reviewer.id, session_id):
            return await _page(site, request, problem="That session had ended already.", status_code=404)
        if session_id == session.id:
            response = RedirectResponse("/login", 303)
            await end_session(site, request, response)
            return response
        return _done("ended")

    return [
        Route("/account", show, methods=["GET"]),
        Route("/account/sessions/{session_id}/end", end, methods=["POST"]),
        *_password_routes(site),
        *_passkey_routes(site),
    ]


def _password_routes(site: Site) -> list[BaseRoute]:
    async def confirm(request: Request) -> Response:
        session = require_reviewer(request)
        form = await request.form()
        if not await _knows_password(site, request, session, _text(form, "password")):
            return await _page(site, request, problem="That is not your password.", status_code=422)
        # Back to the page that asked for it; only this one has words for it.
        back = local_path(_text(form, "next"))
        response = RedirectResponse(back, 303) if back not in ("/", "/account") else _done("confirmed")
        await start_session(site, request, response, session.reviewer, SignIn.PASSWORD)
        return response

    async def change(request: Request) -> Response:
        session = require_reviewer(request)
        form = await request.form()
        if problem := await _cannot_change(site, request, session, form):
            return await _page(site, request, problem=problem, status_code=422)
        try:
            await site.people.set_password(session.reviewer.id, _text(form, "new_password"), at=session)
        except PeopleProblem as problem_with_it:
            problem = f"{sentence(problem_with_it.message)} {problem_with_it.hint}".strip()
            return await _page(site, request, problem=problem, status_code=422)
        # Whoever had the old password may have used it; a new one is worth little while their session lives.
        for other in await site.people.sessions(session.reviewer.id):
            if other.id != session.id:
                await site.people.end_session(session.reviewer.id, other.id)
        return _done("password")

    return [
        Route("/account/confirm", confirm, methods=["POST"]),
        Route("/account/password", change, methods=["POST"]),
    ]


def _passkey_routes(site: Site) -> list[BaseRoute]:
    async def options(request: Request) -> Response:
        session = require_proof(site, request)
        relying_party(site.settings)
        ticket, ceremony = site.ceremonies.begin(Purpose.ADD_PASSKEY, now=site.clock(), reviewer_id=session.reviewer.id)
        passkeys = await site.people.passkeys(session.reviewer.id)
        public_key = registration_options(ceremony, site.settings, session.reviewer, passkeys)
        response = JSONResponse({"publicKey": public_key})
        keep_ticket(response, site, ticket)
        return response

    async def add(request: Request) -> Response:
        session = require_proof(site, request)
        body = await read_json_object(request)
        ceremony = take_ceremony(request, site, Purpose.ADD_PASSKEY, reviewer_id=session.reviewer.id)
        credential, name = body.get("credential"), body.get("name")
        try:
            new = check_registration(credential if isinstance(credential, dict) else {}, ceremony, site.settings)
        except PasskeyRefused:
            raise Refusal(
                422, "The passkey was not accepted", "The browser's answer could not be checked. Nothing was added."
            ) from None
        try:
            await site.people.add_passkey(
                session.reviewer.id,
                credential_id=new.credential_id,
                public_key=new.public_key,
                sign_count=new.sign_count,
                name=_passkey_name(name),
                transports=new.transports,
                at=session,
            )
        except PeopleProblem as problem:
            raise Refusal(409, "Nothing was added", sentence(problem.message), problem.hint) from None
        response = JSONResponse({"next": "/account?done=passkey"}, 201)
        drop_ticket(response, site)
        return response

    async def rename(request: Request) -> Response:
        session = require_proof(site, request)
        name = _text(await request.form(), "name").strip()
        if not name:
            problem = "A passkey needs a name; it keeps the one that it had."
            return await _page(site, request, problem=problem, status_code=422)
        if not await site.people.rename_passkey(session.reviewer.id, request.path_params["passkey_id"], name):
            return await _page(site, request, problem="That passkey was removed already.", status_code=404)
        return _done("renamed")

    async def remove(request: Request) -> Response:
        session = require_proof(site, request)
        passkey_id = request.path_params["passkey_id"]
        passkeys = await site.people.passkeys(session.reviewer.id)
        others = session.reviewer.has_password or await identities_of(site, session.reviewer.id)
        if [passkey.id for passkey in passkeys] == [passkey_id] and not others:
            problem = "That passkey is your only way in. Set a password first, or add another passkey."
            return await _page(site, request, problem=problem, status_code=409)
        if not await site.people.remove_passkey(session.reviewer.id, passkey_id):
            return await _page(site, request, problem="That passkey was removed already.", status_code=404)
        return _done("removed")

    return [
        Route("/account/passkeys/options", options, methods=["POST"]),
        Route("/account/passkeys", add, methods=["POST"]),
        Route("/account/passkeys/{passkey_id}/rename", rename, methods=["POST"]),
        Route("/account/passkeys/{passkey_id}/remove", remove, methods=["POST"]),
    ]


async def _knows_password(site: Site, request: Request, session: Session, password: str) -> bool:
    # Counted as sign-ins are: whoever finds an open session must not be able to guess the password behind it.
    require_safe_password(request, site)
    attempt = count_attempt(request, site, account=session.reviewer.username)
    if isinstance(attempt, TooMany):
        raise too_many(attempt)
    if await site.people.check_password(session.reviewer.username, password) is None:
        return False
    site.limiter.succeeded(attempt)
    return True


async def _cannot_change(site: Site, request: Request, session: Session, form: FormData) -> str | None:
    require_safe_password(request, site)
    if not session.reviewer.has_password:
        require_proof(site, request)
    if _text(form, "new_password") != _text(form, "new_password_again"):
        return "The two new passwords differ. Type the same one twice."
    if session.reviewer.has_password and not await _knows_password(site, request, session, _text(form, "password")):
        return "The current password is not right. The password is as it was."
    return None


def _passkey_name(name: object) -> str:
    given = " ".join(name.split())[:_NAME_LIMIT] if isinstance(name, str) else ""
    return given or "Passkey"


def _done(what: str) -> RedirectResponse:
    return RedirectResponse(f"/account?done={what}", 303)


async def _page(site: Site, request: Request, *, problem: str | None = None, status_code: int = 200) -> Response:
    session = require_reviewer(request)
    sessions = sorted(await site.people.sessions(session.reviewer.id), key=lambda one: one.last_seen_at, reverse=True)
    page = AccountPage(
        reviewer=session.reviewer,
        sessions=tuple(SessionRow(one, browser_name(one.client), one.id == session.id) for one in sessions),
        passkeys=tuple(await site.people.passkeys(session.reviewer.id)),
        identities=await identities_of(site, session.reviewer.id),
        provider=site.provider,
        proof=await proof_of(site, request),
        passkeys_possible=site.settings.relying_party is not None,
        passwords=passwords_are_safe(request, site.settings),
        least=PASSWORD_LIMITS[0],
        welcome=request.query_params.get("welcome") == "1",
        done=_DONE.get(request.query_params.get("done", "")) if problem is None else None,
        problem=problem,
    )
    return site.templates.respond(request, "account.html", page, status_code=status_code)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
