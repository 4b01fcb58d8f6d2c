"""One hook that is a command: what the client wrote on stdin goes to the server, and its answer comes back.

For clients whose hooks are commands. Many of them let the tool run when a hook fails: so whatever goes wrong becomes a
refusal in the way that this client takes for one.
"""

import json
import sys
from dataclasses import dataclass

import anyio
import httpx2

from server.destination import Destination, Reached
from server.hooks.refusals import ANSWER_HEADER, EXIT_REFUSED, spoken
from server.link import SILENCE_SECONDS
from store.problems import Problem

TIMEOUT = httpx2.Timeout(30.0, connect=5.0, read=SILENCE_SECONDS)
BODY_LIMIT = ANSWER_LIMIT = 4 << 20
"""The server takes less, and says so; this is only what is read into memory."""


@dataclass(frozen=True)
class Hook:
    """`client` is the name in the address; `within` is after how many seconds the answer is a refusal."""

    client: str
    within: float


async def answered(hook: Hook, destination: Destination, body: bytes) -> str:
    """The answer as the client reads it, one JSON object.

    Raises:
        Problem: the server could not be asked, or did not answer in time.
    """
    with anyio.move_on_after(hook.within):
        return await _asked(await destination.reach(), hook, body)
    raise Problem(
        f"nobody decided within {hook.within:.0f} s, so it did not run",
        "call it again with exactly the same input to wait on",
    )


async def _asked(reached: Reached, hook: Hook, body: bytes) -> str:
    url = f"{reached.url.removesuffix('/mcp')}/hooks/{hook.client}"
    headers = {**reached.headers, "content-type": "application/json"}
    remote = url.startswith("https:")
    heard = bytearray()
    try:
        async with (
            httpx2.AsyncClient(verify=reached.verify, trust_env=remote, timeout=TIMEOUT) as client,
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            async for part in answer.aiter_bytes():
                heard += part.lstrip() if not heard else part
                if len(heard) > ANSWER_LIMIT:
                    raise Problem("the server's answer is too long", "is this address an Assent server?")
    except httpx2.HTTPError as error:
        raise Problem(
            f"the Assent server could not be asked ({type(error).__name__}), so it did not run",
            "see: assent status, and assent doctor",
        ) from None
    return _object(bytes(heard), answer.status_code, is_ours=ANSWER_HEADER in answer.headers)


def _object(heard: bytes, status: int, *, is_ours: bool) -> str:
    try:
        said = json.loads(heard)
    except ValueError:
        said = None
    if status != 200 or not is_ours or not isinstance(said, dict):
        why = said.get("error_description") if isinstance(said, dict) else None
        said_why = f": {why}" if isinstance(why, str) else ""
        raise Problem(
            f"the answer ({status}) is none of an Assent server's{said_why}, so it did not run",
            "is this address an Assent server of this version?",
        )
    return json.dumps(said)


def refused(client: str, why: str) -> int:
    """Refuse as this client takes it; the exit code."""
    answer = spoken(client, why)
    if answer is None:
        print(why, file=sys.stderr, flush=True)
        return EXIT_REFUSED
    print(json.dumps(answer), flush=True)
    return 0
