"""What a supervisor asks for: whether this server answers, which one it is, and how much waits."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from server.version import assent_version
from store.desk import Desk

METRICS = """\
# HELP assent_open_requests Questions that nobody has answered yet.
# TYPE assent_open_requests gauge
assent_open_requests {open}
# HELP assent_waiting_requests Those of them whose agent is on the line right now.
# TYPE assent_waiting_requests gauge
assent_waiting_requests {waiting}
"""


def routes(desk: Desk, instance: str) -> list[Route]:
    """`/healthz` and `/metrics`: numbers only, so they need no credential."""

    async def health(request: Request) -> Response:
        # The instance tells a caller whether this is the very server that a home's run file names.
        return JSONResponse({"status": "ok", "version": assent_version(), "instance": instance})

    async def metrics(request: Request) -> Response:
        text = METRICS.format(open=len(await desk.inbox()), waiting=len(desk.waiting))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    return [Route("/healthz", health), Route("/metrics", metrics)]
