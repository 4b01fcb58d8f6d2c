"""The cookie that ties a passkey ceremony to the browser that began it."""

from starlette.requests import Request
from starlette.responses import Response

from review_web.ceremonies import LIFETIME, Ceremony, Purpose
from review_web.errors import Refusal
from review_web.sessions import cookie_name
from review_web.site_context import Site


def keep_ticket(response: Response, site: Site, ticket: str) -> None:
    """Ties a passkey ceremony to this browser: its answer counts only together with this cookie."""
    response.set_cookie(
        _ticket_name(site),
        ticket,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=site.settings.secure_cookies,
        httponly=True,
        samesite="strict",
    )


def take_ceremony(request: Request, site: Site, purpose: Purpose, *, reviewer_id: str | None = None) -> Ceremony:
    """The ceremony that this browser began, once.

    Raises:
        Refusal: it began none, or too long ago, or for something else.
    """
    ticket = request.cookies.get(_ticket_name(site), "")
    ceremony = site.ceremonies.take(ticket, purpose, now=site.clock(), reviewer_id=reviewer_id)
    if ceremony is None:
        raise Refusal(
            409, "That took too long", "The passkey came after its five minutes were over. Press the button again."
        )
    return ceremony


def drop_ticket(response: Response, site: Site) -> None:
    """Forgets the ceremony's cookie."""
    response.delete_cookie(
        _ticket_name(site), path="/", secure=site.settings.secure_cookies, httponly=True, samesite="strict"
    )


def _ticket_name(site: Site) -> str:
    return f"{cookie_name(site.settings)}-ceremony"
