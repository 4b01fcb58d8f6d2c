"""The servers behind this one: how each is doing, how it is started, what it defines, and what waits to be accepted.

An upstream that says something else than what was accepted could make an agent do something else: calls of that are
held until an admin, who proved within ten minutes who they are, accepts the very definition that the page showed them.

`GET /upstreams`; `POST /upstreams/accept` with one or more `definition`; `POST /upstreams/restart` with `name`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.call_card import anchor
from review_web.compared import Line, compared_lines
from review_web.definition_lines import definition_lines, description_of
from review_web.errors import sentence
from review_web.launch_lines import LaunchRow, launch_row
from review_web.proof import Proof, proof_of, require_admin, require_proven_admin
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from store.calls.definitions import Method, Pinned
from store.calls.health import UpstreamHealth
from store.people import Role
from store.policy.upstreams import Upstream
from store.problems import PolicyUnreadable, Problem

WAITING_SHOWN = 20
"""Definitions that wait, on one page: each is read before it is accepted."""
_DEFINITION = re.compile(r"([a-z0-9_-]{1,64}) (tool|prompt) ([0-9a-f]{64}) (.+)", re.DOTALL | re.ASCII)
_DONE = {
    "accepted": "Accepted. Agents are listed this from now on, and the rules alone decide about calls of it.",
    "restart": "It is started anew within a second; calls that run in it fail.",
}
_STATES = {
    "idle": ("not started yet", "quiet"),
    "asleep": ("asleep", "quiet"),
    "starting": ("starting", "held"),
    "up": ("up", "done"),
    "down": ("down", "refused"),
}


@dataclass(frozen=True)
class DefinitionRow:
    """A tool or prompt that an upstream has."""

    kind: str
    name: str
    """The upstream's own."""
    exposed: str
    """What agents call it."""
    says: str | None
    """What it says of itself."""
    standing: str
    """`accepted`, `changed`, `new` or `gone`."""
    seen_at: datetime
    accepted_at: datetime | None
    accepted_by: str | None
    anchor: str
    token: str
    """What names this very definition in the form that accepts it."""
    lines: tuple[Line, ...] = ()
    """What differs from what was accepted; of a new one, all of it."""


@dataclass(frozen=True)
class UpstreamRow:
    """One upstream."""

    launch: LaunchRow
    state: str
    tone: str
    detail: str
    """Its health line."""
    since: datetime | None
    restarting: bool
    waiting: tuple[DefinitionRow, ...]
    """New or changed, with what differs; of many, the first."""
    more_waiting: int
    """How many wait besides."""
    accepted: tuple[DefinitionRow, ...]
    gone: tuple[DefinitionRow, ...]


@dataclass(frozen=True)
class UpstreamsPage:
    """Context of `upstreams.html`."""

    rows: tuple[UpstreamRow, ...]
    waiting: int
    """Definitions that wait, of all upstreams."""
    unreadable: str | None
    is_admin: bool
    proof: Proof
    done: str | None
    problem: str | None


def routes(site: Site) -> list[BaseRoute]:
    """The page, and what an admin does on it."""

    async def show(request: Request) -> Response:
        return await _page(site, request)

    async def accept(request: Request) -> Response:
        session = require_proven_admin(site, request)
        form = await request.form(max_fields=WAITING_SHOWN + 1)
        named = [_DEFINITION.fullmatch(one) for one in form.getlist("definition") if isinstance(one, str)]
        if not named or None in named:
            return await _page(site, request, problem="That was no page of ours. Nothing was accepted.")
        for accepted, one in enumerate(named):
            assert one is not None  # what was just looked at
            upstream, method, sha256, name = one.groups()
            try:
                await site.desk.calls.accept(
                    upstream, Method(method), name, sha256, reviewer=session.reviewer, session_id=session.id
                )
            except Problem as problem:
                return await _page(site, request, problem=_not_accepted(problem, accepted))
        return RedirectResponse("/upstreams?done=accepted", 303)

    async def restart(request: Request) -> Response:
        session = require_admin(request)
        name = (await request.form()).get("name")
        try:
            await site.desk.calls.ask_restart(
                name if isinstance(name, str) else "", reviewer=session.reviewer, session_id=session.id
            )
        except Problem as problem:
            return await _page(site, request, problem=f"{sentence(problem.message)} Nothing was started anew.")
        return RedirectResponse("/upstreams?done=restart", 303)

    return [
        Route("/upstreams", show, methods=["GET"], name="upstreams"),
        Route("/upstreams/accept", accept, methods=["POST"]),
        Route("/upstreams/restart", restart, methods=["POST"]),
    ]


def _not_accepted(problem: Problem, accepted: int) -> str:
    said = f"{sentence(problem.message)} {problem.hint}".strip()
    if not accepted:
        return said
    return f"{sentence(problem.message)} {accepted} of these {'was' if accepted == 1 else 'were'} accepted before that."


async def _page(site: Site, request: Request, *, problem: str | None = None) -> Response:
    session = require_reviewer(request)
    unreadable = None
    rows: tuple[UpstreamRow, ...] = ()
    try:
        rows = await _rows(site)
    except PolicyUnreadable as unread:
        unreadable = sentence(unread.message)
    page = UpstreamsPage(
        rows=rows,
        waiting=sum(len(row.waiting) + row.more_waiting for row in rows),
        unreadable=unreadable,
        is_admin=session.reviewer.role is Role.ADMIN,
        proof=await proof_of(site, request),
        done=_DONE.get(request.query_params.get("done", "")) if problem is None else None,
        problem=problem,
    )
    return site.templates.respond(request, "upstreams.html", page, status_code=200 if problem is None else 409)


async def _rows(site: Site) -> tuple[UpstreamRow, ...]:
    in_force = await site.desk.policies.in_force()
    if in_force is None:
        return ()
    upstreams = (await site.desk.policies.look(in_force.text)).policy.upstreams
    health = {one.name: one for one in await site.desk.calls.upstreams()}
    defined = await site.desk.calls.definitions()
    # Comparing definitions of strangers takes its time, and the loop serves everybody.
    return await anyio.to_thread.run_sync(lambda: upstream_rows(upstreams, health, defined))


def upstream_rows(
    upstreams: Sequence[Upstream], health: dict[str, UpstreamHealth], defined: Sequence[Pinned]
) -> tuple[UpstreamRow, ...]:
    """The upstreams in the file's order. Pure."""
    return tuple(
        _row(one, health.get(one.name), [pinned for pinned in defined if pinned.definition.upstream == one.name])
        for one in upstreams
    )


def _row(upstream: Upstream, health: UpstreamHealth | None, defined: Sequence[Pinned]) -> UpstreamRow:
    waiting = [one for one in defined if one.gone_at is None and not one.is_accepted]
    state, tone = _STATES.get(health.state, (health.state, "held")) if health else _STATES["idle"]
    return UpstreamRow(
        launch=launch_row(upstream),
        state=state,
        tone=tone,
        detail=health.detail if health and health.changed_at else "",
        since=health.changed_at if health else None,
        restarting=health is not None and health.restart_wanted,
        waiting=tuple(_definition(one, compare=True) for one in waiting[:WAITING_SHOWN]),
        more_waiting=max(0, len(waiting) - WAITING_SHOWN),
        accepted=tuple(_definition(one) for one in defined if one.gone_at is None and one.is_accepted),
        gone=tuple(_definition(one) for one in defined if one.gone_at is not None),
    )


def _definition(pinned: Pinned, *, compare: bool = False) -> DefinitionRow:
    one, before = pinned.definition, pinned.accepted
    lines: tuple[Line, ...] = ()
    if compare:
        lines = compared_lines(
            [] if before is None else definition_lines(before.content), definition_lines(one.content)
        )
    standing = "accepted" if pinned.is_accepted else "new" if before is None else "changed"
    return DefinitionRow(
        kind=one.method.value,
        name=one.name,
        exposed=one.exposed,
        says=description_of(one.content),
        standing="gone" if pinned.gone_at is not None else standing,
        seen_at=pinned.seen_at,
        accepted_at=pinned.accepted_at,
        accepted_by=pinned.accepted_by,
        anchor=anchor(one.upstream, one.method, one.name),
        token=f"{one.upstream} {one.method} {one.sha256} {one.name}",
        lines=lines,
    )
