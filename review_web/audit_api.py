"""The signed log over HTTP: its newest checkpoint, its entries and proofs, for whoever keeps or checks a copy.

The session cookie and reviewer tokens read; nothing here writes. Entries hold no text that people or agents wrote, only
references to it. Errors are those of `review_web.api`.

Where several people must approve, nobody is to know of the others' answers before giving theirs. An entry of such an
answer says by its type alone that somebody approved. So those who may decide get the entries before the oldest such
request that is open, answered by somebody or not, and the rest when it is closed. Auditors, who decide nothing, always
get all; and everybody the checkpoint, which says no more than how many entries there are.
"""

import base64
import re

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.errors import Refusal
from review_web.readers import require_reader
from review_web.site_context import Site

ENTRIES_AT_ONCE = 1000
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)  # whatever fits into the database's integers


def routes(site: Site) -> list[BaseRoute]:
    """`/api/audit/checkpoint`, `/api/audit/entries` and `/api/audit/proof/{index}`."""

    async def checkpoint(request: Request) -> Response:
        await require_reader(site, request)
        note = await site.desk.log.checkpoint()
        if note is None:
            raise Refusal(404, "No checkpoint yet", "The log has no entries.", None)
        return PlainTextResponse(note)

    async def entries(request: Request) -> Response:
        reviewer, _ = await require_reader(site, request)
        start = _number(request, "start", 0)
        limit = min(_number(request, "limit", ENTRIES_AT_ONCE), ENTRIES_AT_ONCE)
        hidden = await site.desk.first_hidden_entry() if reviewer.may_decide else None
        if hidden is not None:
            limit = max(min(limit, hidden - start), 0)
        found = await site.desk.log.entries(start, limit)
        return JSONResponse(
            {"entries": [{"index": index, "entry": base64.b64encode(data).decode()} for index, data in found]}
        )

    async def proof(request: Request) -> Response:
        await require_reader(site, request)
        index = request.path_params["index"]
        found = await site.desk.log.proof(int(index)) if _NUMBER.fullmatch(index) else None
        if found is None:
            raise Refusal(404, "No such entry", "The log has no entry of this index.", "Indexes count up from 0.")
        return PlainTextResponse(found)

    return [
        Route("/api/audit/checkpoint", checkpoint, methods=["GET"]),
        Route("/api/audit/entries", entries, methods=["GET"]),
        Route("/api/audit/proof/{index}", proof, methods=["GET"]),
    ]


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        raise Refusal(422, f"No such {name}", f"`{name}` is a number from 0 on, not {text!r}.")
    return int(text)
