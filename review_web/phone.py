"""Assent on a phone: a code that holds the page's address, how to keep it at hand, and where a person is told.

The code signs nobody in. A link that did would be worth stealing off a screen; the phone signs in as any browser does,
with a passkey or a password.
"""

import io
from dataclasses import dataclass
from urllib.parse import urlsplit

import segno
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from review_web.sessions import require_reviewer
from review_web.settings import is_loopback
from review_web.site_context import Site
from store.push.devices import MOST, Device

_DONE = {
    "added": "You are told of new requests in this browser.",
    "removed": "You are told nothing there any more.",
    "test": "A message on trial is on its way. If it does not come, the reason stands beside the device in a moment.",
}


@dataclass(frozen=True)
class PhonePage:
    """Context of `phone.html`."""

    address: str
    """Where people open the site."""
    reachable: bool
    """Another device can open that address."""
    push_key: str | None
    """What browsers subscribe with; None where no notifications are sent."""
    may_decide: bool
    """This person is asked, so there is something to tell."""
    devices: tuple[Device, ...]
    most: int
    done: str | None
    problem: str | None


def routes(site: Site) -> list[BaseRoute]:
    """`GET /phone`, and the code as an image."""

    async def show(request: Request) -> Response:
        return await answer_phone_page(site, request)

    async def code(request: Request) -> Response:
        require_reviewer(request)
        # An image of its own: the page's policy lets no style stand inside the markup.
        return Response(_code(site.settings.origin), media_type="image/svg+xml")

    return [
        Route("/phone", show, methods=["GET"]),
        Route("/phone/code.svg", code, methods=["GET"]),
    ]


async def answer_phone_page(
    site: Site, request: Request, *, problem: str | None = None, status_code: int = 200
) -> Response:
    """The page, with what could not be done if something could not."""
    session = require_reviewer(request)
    page = PhonePage(
        address=site.settings.origin,
        reachable=not is_loopback(urlsplit(site.settings.origin).hostname or ""),
        push_key=site.settings.push_key,
        may_decide=session.reviewer.may_decide,
        devices=tuple(await site.desk.devices.of(session.reviewer.id)),
        most=MOST,
        done=_DONE.get(request.query_params.get("done", "")) if problem is None else None,
        problem=problem,
    )
    return site.templates.respond(request, "phone.html", page, status_code=status_code)


def _code(address: str) -> bytes:
    image = io.BytesIO()
    # Black on white in dark mode too: cameras read no other.
    segno.make(address, error="m", micro=False).save(
        image,
        kind="svg",
        scale=6,
        border=4,
        dark="#000000",
        light="#ffffff",
        xmldecl=False,
        svgclass=None,
        lineclass=None,
    )
    return image.getvalue()
