"""The same requests made by any of the official clients to any server, and their answers in one form to be compared."""

import base64
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from tests.clients.conftest import NodeSide
from tests.server.talking import PATIENCE, environment

Json = dict[str, Any]
ANSWERS = {"name": "Ana"}
"""What each client answers when it is asked a form."""

ABSENT = "(absent)"

_NAMED = ("tools", "prompts")
_OF_THE_ENVELOPE = {"resultType", "ttlMs", "cacheScope", "nextCursor"}
_RESERVED = "io.modelcontextprotocol/"
# A moment, as programs on Node print it: for people, for machines, and as the time of a day.
_MOMENT = re.compile(
    r"\w{3} \w{3} \d\d \d{4} [\d:]{8} GMT[^\n\"]*|\d{4}-\d\d-\d\dT[\d:.]+Z|\d{1,2}:\d\d:\d\d(?:\s?[AP]M)?"
)


@dataclass(frozen=True)
class Target:
    """A server: a command to run, or an address and the token for it."""

    command: Sequence[str] | None = None
    url: str | None = None
    token: str = "none"


@dataclass(frozen=True)
class OfficialClient:
    """An SDK (python, 1.x or 2.x; the last two are TypeScript's) and the era that it asks for."""

    sdk: str
    era: str

    async def answers(self, side: NodeSide | None, target: Target, requests: Sequence[Json]) -> list[Json]:
        """What each request came to: `result` or `error`, and the `progress` until then."""
        with anyio.fail_after(PATIENCE):
            if self.sdk == "python":
                return await self._python(target, requests)
            assert side is not None
            return await self._node(side, target, requests)

    async def _node(self, side: NodeSide, target: Target, requests: Sequence[Json]) -> list[Json]:
        spec = {
            "sdk": self.sdk,
            "era": self.era,
            "name": "a-program",
            "url": target.url,
            "token": target.token,
            "command": target.command,
            "answers": ANSWERS,
            "requests": list(requests),
        }
        command = [str(side.node), str(side.folder / "calls.mjs"), json.dumps(spec)]
        done = await anyio.run_process(command, cwd=side.folder, env=environment(), stderr=None)
        return [json.loads(line) for line in done.stdout.splitlines()]

    async def _python(self, target: Target, requests: Sequence[Json]) -> list[Json]:
        async with connected(target, self.era) as client:
            return [await _answer(client, request) for request in requests]


@asynccontextmanager
async def connected(target: Target, era: str, **more: Any) -> AsyncIterator[Client]:
    """The official Python client."""
    more = {"elicitation_callback": _elicited, **more}
    if target.command is not None:
        program, *arguments = target.command
        server = StdioServerParameters(command=program, args=arguments, env=dict(os.environ))
        async with Client(server, mode=era, cache=None, **more) as client:
            yield client
        return
    assert target.url is not None
    async with AsyncExitStack() as stack:
        headers = {"Authorization": f"Bearer {target.token}"}
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=None, trust_env=False))
        transport = streamable_http_client(f"{target.url}/mcp", http_client=http)
        yield await stack.enter_async_context(Client(transport, mode=era, cache=None, **more))


async def _elicited(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult | types.ErrorData:
    return types.ElicitResult(action="accept", content=dict(ANSWERS))


async def _answer(client: Client, request: Json) -> Json:
    progress: list[Json] = []

    async def beat(done: float, total: float | None, message: str | None) -> None:
        told = {"progress": done, "total": total, "message": message}
        progress.append({name: value for name, value in told.items() if value is not None})

    try:
        result = await _result(client, request["method"], request.get("params", {}), beat)
    except MCPError as problem:
        return {"error": {"code": problem.code, "message": problem.message}, "progress": progress}
    return {"result": result, "progress": progress}


async def _result(client: Client, method: str, params: Json, beat: Any) -> Json:
    match method:
        case "tools/call":
            called = await client.call_tool(params["name"], params.get("arguments"), progress_callback=beat)
            return _json(called)
        case "prompts/get":
            return _json(await client.get_prompt(params["name"], params.get("arguments")))
        case "resources/read":
            return _json(await client.read_resource(params["uri"]))
        case _:
            return await _list(client, method)


async def _list(client: Client, method: str) -> Json:
    """The whole list, whatever pages it comes in."""
    lists: dict[str, tuple[str, Any]] = {
        "tools/list": ("tools", client.list_tools),
        "prompts/list": ("prompts", client.list_prompts),
        "resources/list": ("resources", client.list_resources),
        "resources/templates/list": ("resourceTemplates", client.list_resource_templates),
    }
    name, read = lists[method]
    found: list[Json] = []
    cursor: str | None = None
    while True:
        page = _json(await read(cursor=cursor))
        found += page[name]
        if (cursor := page.get("nextCursor")) is None:
            return {name: found}


def _json(value: BaseModel) -> Json:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


def plain(value: Any) -> Any:
    """An answer without what belongs to one exchange: the protocol's own envelope, and moments of the day."""
    match value:
        case dict():
            kept = {name: plain(found) for name, found in value.items() if name not in _OF_THE_ENVELOPE}
            if isinstance(blob := kept.get("blob"), str):
                kept["blob"] = _MOMENT.sub("a moment", base64.b64decode(blob).decode("latin-1"))
            if isinstance(beats := kept.get("progress"), list):
                kept["progress"] = [beat for beat in beats if _counts(beat)]
            if isinstance(meta := kept.get("_meta"), dict):
                kept["_meta"] = {name: found for name, found in meta.items() if not name.startswith(_RESERVED)}
            return {name: found for name, found in kept.items() if name != "_meta" or found}
        case list():
            return [plain(found) for found in value]
        case str():
            return _MOMENT.sub("a moment", value)
        case _:
            return value


def _counts(beat: Json) -> bool:
    # The last one may come with the result, and then some clients no longer listen; others report their own rounds.
    own = beat.get("message", "").startswith("Fulfilling input required")
    return not own and beat["progress"] != beat.get("total")


def through(upstream: str, request: Json) -> Json:
    """The request as it is made of Assent, which serves this upstream."""
    params = request.get("params", {})
    if "name" not in params:
        return request
    return {**request, "params": {**params, "name": f"{upstream}__{params['name']}"}}


def of_upstream(upstream: str, answer: Json) -> Json:
    """What came through Assent as the upstream alone would have said it: its own entries, by their own names."""
    prefix = f"{upstream}__"
    lists = {
        name: [
            {**entry, "name": entry["name"].removeprefix(prefix)}
            for entry in entries
            if entry["name"].startswith(prefix)
        ]
        for name, entries in answer.get("result", {}).items()
        if name in _NAMED
    }
    return {**answer, "result": {**answer["result"], **lists}} if lists else answer


def differences(requests: Sequence[Json], direct: Sequence[Json], passed: Sequence[Json]) -> list[str]:
    """Where the answers to the same requests differ, a line each; lists of tools and prompts may be in any order."""
    assert len(direct) == len(passed) == len(requests)
    return [
        f"{request['method']} {request.get('params', {}).get('name', '')}: {line}"
        for request, one, other in zip(requests, direct, passed, strict=True)
        for line in _differing(_in_order(plain(one)), _in_order(plain(other)), "")
    ]


def _in_order(answer: Json) -> Json:
    result = answer.get("result", {})
    # How a tool can be run as a task of the older protocol's draft, which Assent does not pass on.
    plain_entries = {
        name: [{key: value for key, value in entry.items() if key != "execution"} for entry in result[name]]
        for name in _NAMED
        if name in result
    }
    lists = {name: sorted(found, key=lambda entry: str(entry["name"])) for name, found in plain_entries.items()}
    return {**answer, "result": {**result, **lists}} if lists else answer


def _differing(one: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            yield from _differing(one.get(name, ABSENT), other.get(name, ABSENT), f"{path}/{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differing(left, right, f"{path}/{index}")
    elif one != other or type(one) is not type(other):
        yield f"{path}: directly {str(one)[:200]!r}, through Assent {str(other)[:200]!r}"
