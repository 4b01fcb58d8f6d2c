"""Signing in and out.

A stranger learns nothing here: an unknown name and a wrong password get one answer, and cost the same work. Attempts
are counted by account and by address before anything is looked at (`review_web.attempts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.attempts import Attempt, TooMany
from review_web.ceremonies import Ceremony, Purpose
from review_web.ceremony_cookie import drop_ticket, keep_ticket, take_ceremony
from review_web.errors import Refusal
from review_web.json_body import read_json_object
from review_web.passkeys import PasskeyRefused, check_sign_in, claimed_credential, relying_party, sign_in_options
from review_web.security import passwords_are_safe
from review_web.sessions import end_session, local_path, session_of, start_session
from review_web.site_context import Site
from store.people import Reviewer, SignIn

_WRONG = "That name and password do not belong together. Check both, and try again."


@dataclass(frozen=True)
class LoginPage:
    """Context of `login.html`."""

    next: str
    """Where to go once signed in: always a path on this site."""
    username: str
    """What was typed before, kept; the password never is."""
    problem: str | None
    nobody_yet: bool
    """No reviewer exists: the page says how to get the setup link, and never what it is."""
    passkeys: bool
    """Browsers offer passkeys under this address."""
    passwords: bool
    """A password typed here stays between the browser and Assent."""
    provider: str | None
    """What people call the other provider that signs people in; None without one."""


def routes(site: Site) -> list[BaseRoute]:
    """Sign-in by password and by passkey, and sign-out."""

    async def show(request: Request) -> Response:
        where = local_path(request.query_params.get("next"))
        if session_of(request) is not None:
            return RedirectResponse(where, 303)
        return await _page(site, request, where)

    async def with_password(request: Request) -> Response:
        form = await request.form()
        where = local_path(_text(form, "next"))
        username = _text(form, "username").strip()
        require_safe_password(request, site)
        attempt = count_attempt(request, site, account=username)
        if isinstance(attempt, TooMany):
            return await _slow_down(site, request, where, username, attempt)
        reviewer = await site.people.check_password(username, _text(form, "password"))
        if reviewer is None:
            return await _page(site, request, where, username=username, problem=_WRONG, status_code=401)
        site.limiter.succeeded(attempt)
        response = RedirectResponse(where, 303)
        await start_session(site, request, response, reviewer, SignIn.PASSWORD)
        return response

    async def sign_out(request: Request) -> Response:
        response = RedirectResponse("/login", 303)
        await end_session(site, request, response)
        return response

    return [
        Route("/login", show, methods=["GET"]),
        Route("/login", with_password, methods=["POST"]),
        Route("/logout", sign_out, methods=["POST"]),
        *_passkey_routes(site),
    ]


def _passkey_routes(site: Site) -> list[BaseRoute]:
    async def options(request: Request) -> Response:
        relying_party(site.settings)
        ticket, ceremony = site.ceremonies.begin(Purpose.SIGN_IN, now=site.clock())
        response = JSONResponse({"publicKey": sign_in_options(ceremony, site.settings)})
        keep_ticket(response, site, ticket)
        return response

    async def verify(request: Request) -> Response:
        body = await read_json_object(request)
        attempt = _count_or_refuse(request, site)
        ceremony = take_ceremony(request, site, Purpose.SIGN_IN)
        reviewer = await _verified_reviewer(site, body.get("credential"), ceremony)
        site.limiter.succeeded(attempt)
        where = body.get("next")
        response = JSONResponse({"next": local_path(where if isinstance(where, str) else None)})
        await start_session(site, request, response, reviewer, SignIn.PASSKEY)
        drop_ticket(response, site)
        return response

    return [
        Route("/login/passkey/options", options, methods=["POST"]),
        Route("/login/passkey/verify", verify, methods=["POST"]),
    ]


async def _verified_reviewer(site: Site, credential: Any, ceremony: Ceremony) -> Reviewer:
    refused = Refusal(
        401,
        "The passkey was not accepted",
        "The passkey was not accepted. It may have been removed here, or belong to another site.",
        "Try again, or sign in with your password.",
        reason="passkey",
    )
    try:
        if not isinstance(credential, dict):
            raise refused
        found = await site.people.passkey(claimed_credential(credential))
        if found is None:
            raise refused
        passkey, reviewer = found
        sign_count = check_sign_in(credential, ceremony, site.settings, passkey, reviewer)
    except PasskeyRefused:
        raise refused from None
    await site.people.passkey_used(passkey.credential_id, sign_count)
    return reviewer


def require_safe_password(request: Request, site: Site) -> None:
    """Ends a call that would carry a password over a line that others can read.

    Raises:
        Refusal: plain HTTP beyond this machine, and the settings do not allow it.
    """
    if not passwords_are_safe(request, site.settings):
        raise Refusal(
            403,
            "Not over this connection",
            "Passwords are not taken over plain HTTP from another machine: anybody between could read them.",
            "Serve Assent over HTTPS (public_url and a certificate), and change a password that you typed just now.",
            reason="plain_http",
        )


def count_attempt(request: Request, site: Site, *, account: str | None) -> Attempt | TooMany:
    """Counts an attempt to prove who one is, for the address that it comes from."""
    return site.limiter.attempt(address=request.client.host if request.client else "", account=account)


def too_many(refused: TooMany) -> Refusal:
    """The error for an attempt that came too soon."""
    return Refusal(
        429,
        "Too many attempts",
        _when(refused),
        "Other people, and sessions that are already open, are not affected.",
        reason="too_many",
        headers={"Retry-After": str(refused.retry_after_seconds)},
    )


def _count_or_refuse(request: Request, site: Site) -> Attempt:
    attempt = count_attempt(request, site, account=None)
    if isinstance(attempt, TooMany):
        raise too_many(attempt)
    return attempt


async def _slow_down(site: Site, request: Request, where: str, username: str, refused: TooMany) -> Response:
    response = await _page(site, request, where, username=username, problem=_when(refused), status_code=429)
    response.headers["Retry-After"] = str(refused.retry_after_seconds)
    return response


def _when(refused: TooMany) -> str:
    minutes = -(-refused.retry_after_seconds // 60)
    return f"There were too many attempts. Try again in {minutes} {'minute' if minutes == 1 else 'minutes'}."


async def _page(
    site: Site,
    request: Request,
    where: str,
    *,
    username: str = "",
    problem: str | None = None,
    status_code: int = 200,
) -> Response:
    page = LoginPage(
        next=where,
        username=username,
        problem=problem,
        nobody_yet=await site.people.count() == 0,
        passkeys=site.settings.relying_party is not None,
        passwords=passwords_are_safe(request, site.settings),
        provider=site.provider,
    )
    return site.templates.respond(request, "login.html", page, status_code=status_code)


def _text(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
