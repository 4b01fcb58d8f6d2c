"""Notifications: a browser's subscription comes in, is tried, and goes.

Whoever can subscribe a browser as somebody learns what is asked of them. That takes their session and a page of ours,
as every change does; and what a notification says is no more than anybody may read on a lock screen.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.browser_names import browser_name
from review_web.errors import Refusal, sentence
from review_web.json_body import read_json_object
from review_web.phone import answer_phone_page
from review_web.sessions import require_deciding_role, require_reviewer
from review_web.site_context import Site
from store.problems import PeopleProblem
from store.push.devices import TooManyDevices


def routes(site: Site) -> list[BaseRoute]:
    """`POST /phone/devices` (JSON, from the script and the service worker), and each device's test and removal."""

    async def add(request: Request) -> Response:
        session = require_deciding_role(request)
        if site.settings.push_key is None:
            raise Refusal(
                409, "Notifications are off", "This server sends none. Nothing was changed.", reason="push_off"
            )
        body = await read_json_object(request)
        replaces = body.get("replaces")
        try:
            device = await site.desk.devices.add(
                session.reviewer,
                body.get("subscription"),
                name=browser_name(request.headers.get("user-agent", "")),
                replaces=replaces if isinstance(replaces, str) else None,
                at=session,
            )
        except PeopleProblem as problem:
            status = 409 if isinstance(problem, TooManyDevices) else 422
            raise Refusal(status, "Nothing was changed", sentence(problem.message), problem.hint) from None
        return JSONResponse({"device": device, "next": "/phone?done=added"}, 201)

    async def remove(request: Request) -> Response:
        session = require_reviewer(request)
        if not await site.desk.devices.remove(session.reviewer.id, request.path_params["device_id"]):
            return await answer_phone_page(site, request, problem="That one was removed already.", status_code=404)
        return RedirectResponse("/phone?done=removed", 303)

    async def test(request: Request) -> Response:
        session = require_reviewer(request)
        if not await site.desk.devices.ask_for_test(session.reviewer.id, request.path_params["device_id"]):
            return await answer_phone_page(site, request, problem="That one was removed already.", status_code=404)
        return RedirectResponse("/phone?done=test", 303)

    return [
        Route("/phone/devices", add, methods=["POST"]),
        Route("/phone/devices/{device_id}/remove", remove, methods=["POST"]),
        Route("/phone/devices/{device_id}/test", test, methods=["POST"]),
    ]
