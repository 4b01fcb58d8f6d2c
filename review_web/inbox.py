"""The inbox: what waits for an answer, one's own first, and of that the next to expire; a window at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.sessions import require_reviewer
from review_web.site_context import Site
from review_web.verdicts import KIND_WORDS, RISK_WORDS
from store.deciding.eligibility import asked_names
from store.inbox import Mark, Place, Window
from store.moments import to_text
from store.people import Reviewer, Role
from store.questions import Risk
from store.requests import RequestView


@dataclass(frozen=True)
class InboxRow:
    """One request in the inbox."""

    view: RequestView
    kind_word: str
    risk_word: str | None
    asked_of: str | None
    """Whom it asks; None where it asks everybody."""


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

    total: int
    yours: int
    """How many wait for an answer of this person."""
    first: int
    """The place of the first row shown, counted from 1."""
    last: int
    critical: tuple[InboxRow, ...]
    """Shown first, above a line, whatever its deadline or workflow."""
    groups: tuple[InboxGroup, ...]
    answered: tuple[InboxRow, ...]
    """This person's answer is in, and others' are missing."""
    others: tuple[InboxRow, ...]
    """Others are asked."""
    more: str | None
    """The address of the next window; None where this is the last."""
    last_answer_at: datetime | None
    """When the last request was closed, for the empty page."""
    events: str
    """Where the page listens for what changes after it was made."""
    may_decide: bool


def routes(site: Site) -> list[BaseRoute]:
    """`GET /?after=…&of=…`."""

    async def inbox(request: Request) -> Response:
        session = require_reviewer(request)
        # History first: what closes between the two reads is then told by the event stream, not lost.
        closed = await site.desk.history(limit=1)
        shown = await site.desk.inbox_of(session.reviewer, after=_mark(request))
        if not shown.rows and shown.total:
            # What stood behind the mark is answered by now.
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        return site.templates.respond(request, "inbox.html", inbox_page(shown, closed, session.reviewer))

    return [Route("/", inbox, name="inbox")]


def inbox_page(shown: Window, closed: Sequence[RequestView], reviewer: Reviewer) -> InboxPage:
    """The page of one window."""
    yours = _at(shown, Place.FOR_YOU)
    closed_at = closed[0].closed_at if closed else None
    end = shown.end
    return InboxPage(
        total=shown.total,
        yours=shown.counts[Place.FOR_YOU],
        first=shown.before + 1,
        last=shown.before + len(shown.rows),
        critical=tuple(row_of(view) for view in yours if view.risk is Risk.CRITICAL),
        groups=groups_of([view for view in yours if view.risk is not Risk.CRITICAL]),
        answered=tuple(map(row_of, _at(shown, Place.ANSWERED))),
        others=tuple(map(row_of, _at(shown, Place.OTHERS))),
        more=f"/?{urlencode({'after': end.request_id, 'of': int(end.place)})}" if end else None,
        last_answer_at=closed_at,
        events=_events(shown.newest, closed_at),
        may_decide=reviewer.role is not Role.AUDITOR,
    )


def _mark(request: Request) -> Mark | None:
    after, of = request.query_params.get("after"), request.query_params.get("of", "")
    places = {str(int(place)): place for place in Place}
    return Mark(places[of], after) if after and of in places else None


def _at(shown: Window, place: Place) -> list[RequestView]:
    return [row.view for row in shown.rows if row.place is place]


def row_of(view: RequestView) -> InboxRow:
    """A request as a row."""
    names = asked_names(view.card.conditions)
    return InboxRow(view, KIND_WORDS[view.kind], RISK_WORDS[view.risk] if view.risk else None, ", ".join(names) or None)


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


def _events(newest: datetime | None, closed_at: datetime | None) -> str:
    marks = {"page": "inbox"}
    if newest is not None:
        marks["opened"] = to_text(newest)
    if closed_at is not None:
        marks["closed"] = to_text(closed_at)
    return f"/events?{urlencode(marks)}"
