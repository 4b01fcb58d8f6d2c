"""The inbox: what waits for an answer, the next to expire first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from review_web.sessions import require_reviewer
from review_web.site_context import Site
from review_web.verdicts import KIND_WORDS, RISK_WORDS
from store.moments import to_text
from store.people import Role
from store.questions import Risk
from store.requests import RequestView


@dataclass(frozen=True)
class InboxRow:
    """One request in the inbox."""

    view: RequestView
    kind_word: str
    risk_word: str | None


@dataclass(frozen=True)
class InboxGroup:
    """Rows under one heading; None is no heading at all."""

    heading: str | None
    rows: tuple[InboxRow, ...]
    named: bool = False
    """The heading is a workflow's name: the agent's words, and shown as such."""


@dataclass(frozen=True)
class InboxPage:
    """Context of `inbox.html`."""

    count: int
    critical: tuple[InboxRow, ...]
    """Shown first, above a line, whatever its deadline or workflow."""
    groups: tuple[InboxGroup, ...]
    last_answer_at: datetime | None
    """When the last request was closed, for the empty page."""
    events: str
    """Where the page listens for what changes after it was made."""
    may_decide: bool


def routes(site: Site) -> list[BaseRoute]:
    """`GET /`."""

    async def inbox(request: Request) -> Response:
        session = require_reviewer(request)
        # History first: what closes between the two reads is then told by the event stream, not lost.
        closed = await site.desk.history(limit=1)
        waiting = await site.desk.inbox()
        page = InboxPage(
            count=len(waiting),
            critical=tuple(row_of(view) for view in waiting if view.risk is Risk.CRITICAL),
            groups=groups_of([view for view in waiting if view.risk is not Risk.CRITICAL]),
            last_answer_at=closed[0].closed_at if closed else None,
            events=_events(waiting, closed),
            may_decide=session.reviewer.role is not Role.AUDITOR,
        )
        return site.templates.respond(request, "inbox.html", page)

    return [Route("/", inbox, name="inbox")]


def row_of(view: RequestView) -> InboxRow:
    """A request as a row."""
    return InboxRow(view, KIND_WORDS[view.kind], RISK_WORDS[view.risk] if view.risk else None)


def groups_of(views: Sequence[RequestView]) -> tuple[InboxGroup, ...]:
    """Rows by workflow, in the order of each group's first deadline. One workflow alone needs no heading."""
    by_workflow: dict[str | None, list[InboxRow]] = {}
    for view in views:
        by_workflow.setdefault(view.workflow, []).append(row_of(view))
    if len(by_workflow) < 2:
        return tuple(InboxGroup(None, tuple(rows)) for rows in by_workflow.values())
    return tuple(
        InboxGroup(name or "Without a workflow", tuple(rows), named=name is not None)
        for name, rows in by_workflow.items()
    )


def _events(waiting: Sequence[RequestView], closed: Sequence[RequestView]) -> str:
    marks = {"page": "inbox"}
    if waiting:
        marks["opened"] = to_text(max(view.opened_at for view in waiting))
    if closed and closed[0].closed_at is not None:
        marks["closed"] = to_text(closed[0].closed_at)
    return f"/events?{urlencode(marks)}"
