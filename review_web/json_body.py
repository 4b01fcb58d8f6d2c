"""Reading a JSON body that a stranger wrote: one type, one size, one meaning.

What two readers would understand differently is refused (`store.strict_json`): what a person decided must not depend on
the reader.
"""

from typing import Any

from starlette.requests import Request

from review_web.errors import Refusal
from store.strict_json import NotStrictJson, read_strict_json

LIMIT = 1024 * 1024


async def read_json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        Refusal: 415 for another type than application/json, 413 above 1 MiB, 400 for anything but one JSON object.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(
            415, "Not JSON", "This call takes JSON. Nothing was changed.", "Send `Content-Type: application/json`."
        )
    try:
        value = read_strict_json(await _body(request))
    except NotStrictJson as problem:
        raise _malformed(str(problem)) from None
    if not isinstance(value, dict):
        raise _malformed("it is not an object")
    return value


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT:
            raise Refusal(
                413, "That is too large", "The body is larger than 1 MiB. Nothing was changed.", "Send less text."
            )
    return bytes(body)


def _malformed(why: str) -> Refusal:
    return Refusal(400, "Malformed JSON", f"The body could not be read: {why}. Nothing was changed.")
