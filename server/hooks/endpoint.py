"""`POST /hooks/CLIENT`: where clients ask before they run a tool of their own. Pure ASGI, behind the agent gate.

Held open for as long as people take; bytes of whitespace go out before the answer meanwhile, because the libraries of
clients take a silent connection for a dead one. Clients read what they are told from an answer that is a success, and
some let the tool run when the answer is none: so whatever goes wrong is a refusal in the client's own form, with 200.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import anyio
import structlog
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.envelope import AGENT_STOPPED
from server.exchange import Exchange
from server.hooks.asked import Afterwards, Asked, Form, NotAsked
from server.hooks.forms import FORMS, HOOKS_PATH
from server.hooks.own_tools import OwnTools, Permitted, Refused, Undecided, Verdict
from server.hooks.refusals import ANSWER_HEADER
from server.strict_body import BodyRefused, StrictBody
from store.asking import Report
from store.strict_json import read_strict_json, shortened

LONGEST_DEFER = 86_400
_FAILED = "Assent could not ask whether this may run: an error of its own. It did not run."
_HEADERS = {"content-type": "application/json", "cache-control": "no-store", ANSWER_HEADER: "1"}

log = structlog.get_logger()


def hooks_side(own_tools: OwnTools) -> ASGIApp:
    """What answers on `/hooks/…`, to be put behind the gate."""
    return StrictBody(HookEndpoint(own_tools), refusal=_refused)


class AgentPaths:
    """What is behind the gate: the protocol's endpoint, and the hooks."""

    def __init__(self, protocol: ASGIApp, hooks: ASGIApp) -> None:
        self._protocol = protocol
        self._hooks = hooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._hooks if is_hook(scope) else self._protocol)(scope, receive, send)


def is_hook(scope: Scope) -> bool:
    """Whether a request is for the hooks' addresses."""
    return scope["type"] == "http" and str(scope["path"]).startswith(f"{HOOKS_PATH}/")


class HookEndpoint:
    def __init__(self, own_tools: OwnTools) -> None:
        self._own_tools = own_tools

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = form_of(scope)
        if form is None:
            known = ", ".join(f"{HOOKS_PATH}/{name}" for name in FORMS)
            await _problem(404, "unknown_client", f"no client's hooks are answered here; there are {known}")(
                scope, receive, send
            )
        elif scope["method"] != "POST":
            await _problem(405, "method_not_allowed", "hooks are posted", allow="POST")(scope, receive, send)
        else:
            await self._answer(form, scope, receive, send)

    async def _answer(self, form: Form, scope: Scope, receive: Receive, send: Send) -> None:
        exchange, out = Exchange.of(scope), _Out(send)
        body = read_strict_json((await receive())["body"])
        async with anyio.create_task_group() as group:
            group.start_soon(_until_gone, receive)
            try:
                answer = await self._decided(form, exchange, body, scope, out)
            except NotAsked as problem:
                answer = form.denied(f"{problem}. Nothing runs because of it")
            except Exception as problem:
                log.exception("hook_failed", client=form.client, reason=type(problem).__name__)
                answer = form.denied(_FAILED)
            group.cancel_scope.cancel()
        await out.finish(answer)

    async def _decided(
        self, form: Form, exchange: Exchange, body: Mapping[str, Any], scope: Scope, out: "_Out"
    ) -> dict[str, Any]:
        asked = form.asked(body)
        if isinstance(asked, Afterwards):
            return {}
        defer = _defer(form, scope) if asked.is_resumable else None
        verdict = await self._own_tools.ask(
            exchange, asked.call, asked.call_id, seconds=defer, beat=out.beat, unfit=form.unfit
        )
        return _in_form(form, asked, verdict, defers=defer is not None)


class _Out:
    """The answer on its way: begun with whitespace, where it takes long."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_begun = False

    async def beat(self, _: float, report: Report) -> None:
        """Say that somebody is still there."""
        if not self._is_begun:
            self._is_begun = True
            await self._start()
        await self._send({"type": "http.response.body", "body": b" ", "more_body": True})

    async def finish(self, answer: Mapping[str, Any]) -> None:
        body = json.dumps(answer, ensure_ascii=False).encode()
        if not self._is_begun:
            await self._start((b"content-length", str(len(body)).encode()))
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _start(self, *more: tuple[bytes, bytes]) -> None:
        headers = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": [*headers, *more]})


class InTheirForm:
    """Around the gate: what it refuses on the path of a client's hooks is told as that client reads it.

    Most clients read nothing of an answer that is no success, and the model would not learn that a person stopped it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = form_of(scope) if is_hook(scope) and scope["method"] == "POST" else None
        if form is None:
            await self._app(scope, receive, send)
            return
        refusal = bytearray()
        refusing = begun = False

        async def translated(message: Message) -> None:
            nonlocal refusing, begun
            if message["type"] == "http.response.start" and message["status"] >= 400:
                refusing = True
            if not refusing:
                begun = True
                await send(message)
            elif message["type"] == "http.response.body":
                refusal.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    await _Out(send).finish(_translated(form, bytes(refusal)))

        try:
            await self._app(scope, receive, translated)
        except Exception as problem:
            if begun:
                # What breaks off is no answer: clients take it for a hook that failed.
                raise
            log.exception("hook_failed", client=form.client, reason=type(problem).__name__)
            await _Out(send).finish(form.denied(_FAILED))


def form_of(scope: Scope) -> Form | None:
    """The client whose hooks this address is for."""
    return FORMS.get(scope["path"].removeprefix(f"{HOOKS_PATH}/")) if is_hook(scope) else None


def _in_form(form: Form, asked: Asked, verdict: Verdict, *, defers: bool) -> dict[str, Any]:
    match verdict:
        case Permitted(edited=edited, said=said):
            return form.allowed(edited, said)
        case Refused(why=why, stopped=stopped):
            return form.denied(why, stopped=stopped)
        case Undecided(why=why) if defers:
            return form.deferred(why)
        case Undecided(why=why):
            return form.denied(why)


def _defer(form: Form, scope: Scope) -> float | None:
    """After how many seconds the client is told to ask again later; None for never.

    Raises:
        NotAsked: the address asks for what there is not.
    """
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    for name, _ in query:
        if name != "defer":
            raise NotAsked(
                f"{shortened(name)} is nothing that the address of a hook can ask for; there is defer=SECONDS"
            )
    if not query:
        return None
    if not form.defers:
        raise NotAsked("defer: this client cannot be told to ask again later; leave it out of the hook's address")
    seconds = query[0][1]
    if len(query) != 1 or not (seconds.isascii() and seconds.isdigit()) or int(seconds[:9]) > LONGEST_DEFER:
        raise NotAsked(f"defer: give one whole number of seconds, up to {LONGEST_DEFER}, such as defer=60")
    return float(seconds)


async def _until_gone(receive: Receive) -> None:
    """Hear of a caller that leaves: the exchange watches what is received."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _refused(scope: Scope, refused: BodyRefused) -> Response:
    form = form_of(scope)
    if form is None:
        return _problem(refused.status, "bad_body", str(refused))
    return JSONResponse(form.denied(str(refused)), headers={**refused.headers, **_HEADERS})


def _problem(status: int, error: str, why: str, **headers: str) -> Response:
    return JSONResponse({"error": error, "error_description": why}, status_code=status, headers=headers)


def _translated(form: Form, refusal: bytes) -> dict[str, Any]:
    try:
        said = json.loads(refusal)
        why, stopped = str(said["error_description"]), said.get("error") == AGENT_STOPPED
    except (ValueError, KeyError, TypeError, AttributeError):
        why, stopped = "the Assent server could not be asked", False
    return form.denied(why, stopped=stopped)
