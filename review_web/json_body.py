"""Reading a JSON body that a stranger wrote: one type, one size, one meaning.

Duplicate keys and NaN are refused, because two readers would understand them differently, and what a person decided
must not depend on the reader.
"""

import json
from typing import Any, NoReturn

from starlette.requests import Request

from review_web.errors import Refusal

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
        value = json.loads(await _body(request), object_pairs_hook=_unique, parse_constant=_not_json)
        # A lone surrogate passes as a JSON escape and is no text: nothing could store, hash or show it.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except UnicodeError:
        raise _malformed("it is not Unicode text") from None
    except ValueError as problem:
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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _malformed(why: str) -> Refusal:
    return Refusal(400, "Malformed JSON", f"The body could not be read: {why}. Nothing was changed.")
