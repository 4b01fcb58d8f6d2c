"""What makes the site an app on a phone: its manifest, and the service worker that shows notifications.

Both are the same for everybody and hold nothing of anybody's: browsers fetch them without a session. The worker stores
no page and answers no fetch, so what a person sees always comes from the server as it is now.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.site_context import Site

_WORKER = Path(__file__).parent / "static" / "service_worker.js"
_NO_CACHE = {"Cache-Control": "no-cache"}

MANIFEST = {
    "id": "/",
    "name": "Assent",
    "short_name": "Assent",
    "description": "Agents ask, you answer.",
    "lang": "en",
    "start_url": "/",
    "scope": "/",
    "display": "standalone",
    "background_color": "#f5f6f7",
    "theme_color": "#2457c5",
    "icons": [
        {"src": "/static/icons/any_192.png", "sizes": "192x192", "type": "image/png", "purpose": "any"},
        {"src": "/static/icons/any_512.png", "sizes": "512x512", "type": "image/png", "purpose": "any"},
        {"src": "/static/icons/maskable_512.png", "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
    ],
    "shortcuts": [
        {"name": "Inbox", "url": "/"},
        {"name": "History", "url": "/history"},
    ],
}


def routes(site: Site) -> list[BaseRoute]:
    """`GET /manifest.webmanifest` and `GET /service_worker.js`."""

    async def manifest(request: Request) -> Response:
        return JSONResponse(MANIFEST, media_type="application/manifest+json", headers=_NO_CACHE)

    async def worker(request: Request) -> Response:
        # At the root, because a worker governs what lies below its own address.
        return Response(_WORKER.read_bytes(), media_type="text/javascript", headers=_NO_CACHE)

    return [
        Route("/manifest.webmanifest", manifest, methods=["GET"]),
        Route("/service_worker.js", worker, methods=["GET"]),
    ]
