"""The feed: calls as they happen, in at most fifty lines, whatever comes in; and the same one by one, page by page.

An open page hears once a second at most, and of the lines that changed only. It holds nothing up and decides nothing;
beside each line stand the buttons that pause or stop its agent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from review_web.errors import Refusal
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from review_web.watch_lines import LET_WORDS, ItemRow, LineRow, item_row, line_row
from store.calls.feed import LINES, Let, Line, Wanted
from store.calls.sightings import Mark
from store.moments import read_text
from store.people import Session

_LONGEST = 200
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Choice:
    """One way to narrow the feed down."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class Filters:
    """The form above the feed."""

    agents: tuple[Choice, ...]
    workflows: tuple[Choice, ...]
    lets: tuple[Choice, ...]
    tool: str
    words: str
    """What is shown only, in words; empty where it is everything."""
    query: str
    """The same for an address; begins with `?`, or is empty."""


@dataclass(frozen=True)
class WatchPage:
    """Context of `watch.html`."""

    rows: tuple[LineRow, ...]
    filters: Filters
    events: str
    """Where the page listens."""
    lines: int
    """How many lines it keeps."""
    may_halt: bool


@dataclass(frozen=True)
class CallsPage:
    """Context of `watch_calls.html`."""

    rows: tuple[ItemRow, ...]
    filters: Filters
    minute: datetime | None
    """Where only one minute is shown: its beginning."""
    is_line: bool
    """Only the calls of one line of the feed are shown."""
    further: str | None
    """The address of the next page; None on the last."""
    gave_up: bool
    """The next page may have some, though this one is not full."""
    is_first: bool
    first: str
    """The address of the first page."""


def routes(site: Site) -> list[BaseRoute]:
    """`GET /watch?agent=…&workflow=…&tool=…&let=…`, and `GET /watch/calls` with the same, `minute`, `line` and
    `before`."""

    async def watch(request: Request) -> Response:
        session = require_reviewer(request)
        wanted = wanted_of(request.query_params)
        feed = await site.desk.watching.look()
        rows = tuple(line_row(line, feed.held_back) for line in feed.page(wanted))
        filters = await _filters(site, wanted)
        terms = {**_terms(wanted), "after": str(feed.version)}
        page = WatchPage(rows, filters, f"/watch/events?{urlencode(terms)}", LINES, may_halt(session))
        return site.templates.respond(request, "watch.html", page)

    async def calls(request: Request) -> Response:
        require_reviewer(request)
        query = request.query_params
        wanted, minute = replace(wanted_of(query), line=_text(query, "line")), _minute(query)
        found = await site.desk.watching.one_by_one(
            wanted,
            since=minute,
            until=None if minute is None else minute + _MINUTE,
            after=_mark(query),
        )
        terms = {**_terms(wanted), **{name: query[name] for name in ("minute", "line") if query.get(name)}}
        further = None if found.further is None else _address({**terms, "before": found.further.text()})
        page = CallsPage(
            rows=tuple(map(item_row, found.items)),
            filters=await _filters(site, wanted),
            minute=minute,
            is_line=wanted.line is not None,
            further=further,
            gave_up=found.gave_up,
            is_first="before" not in query,
            first=_address(terms),
        )
        return site.templates.respond(request, "watch_calls.html", page)

    return [Route("/watch", watch, name="watch"), Route("/watch/calls", calls, name="watched_calls")]


def wanted_of(query: Mapping[str, str]) -> Wanted:
    """Which calls an address asks for. What it names that nobody has shows nothing; what is no choice is left out."""
    let = query.get("let", "")
    return Wanted(
        agent=_text(query, "agent"),
        workflow=_text(query, "workflow"),
        tool=_text(query, "tool"),
        let=Let(let) if let in set(Let) else None,
    )


def may_halt(session: Session) -> bool:
    """Whether whoever looks may pause and stop agents."""
    return session.reviewer.may_decide


def changed(lines: tuple[Line, ...], version: int, *, all_of_them: bool) -> tuple[Line, ...]:
    """The lines that changed since that version of the feed."""
    return lines if all_of_them else tuple(line for line in lines if line.version > version)


async def _filters(site: Site, wanted: Wanted) -> Filters:
    known = await site.desk.watching.agents()
    names = dict.fromkeys([name for name, _ in known] + ([wanted.agent] if wanted.agent else []))
    workflows = {workflow for _, workflow in known if workflow} | ({wanted.workflow} if wanted.workflow else set())
    terms = _terms(wanted)
    return Filters(
        agents=tuple(Choice(name, name, name == wanted.agent) for name in names),
        workflows=tuple(Choice(name, name, name == wanted.workflow) for name in sorted(workflows)),
        lets=tuple(Choice(let.value, word, let is wanted.let) for let, word in LET_WORDS.items()),
        tool=wanted.tool or "",
        words=_in_words(wanted),
        query=f"?{urlencode(terms)}" if terms else "",
    )


def _in_words(wanted: Wanted) -> str:
    parts = [
        f"agent {wanted.agent}" if wanted.agent else "",
        f"workflow {wanted.workflow}" if wanted.workflow else "",
        f"tool {wanted.tool}" if wanted.tool else "",
        LET_WORDS[wanted.let].lower() if wanted.let else "",
    ]
    return ", ".join(part for part in parts if part)


def _terms(wanted: Wanted) -> dict[str, str]:
    found = {
        "agent": wanted.agent,
        "workflow": wanted.workflow,
        "tool": wanted.tool,
        "let": wanted.let.value if wanted.let else None,
    }
    return {name: value for name, value in found.items() if value}


def _text(query: Mapping[str, str], name: str) -> str | None:
    return query.get(name, "").replace("\0", "").strip()[:_LONGEST] or None


def _minute(query: Mapping[str, str]) -> datetime | None:
    text = query.get("minute")
    if not text:
        return None
    try:
        found = read_text(text)
        found + _MINUTE
    except (ValueError, OverflowError):
        raise Refusal(400, "That is no moment in time", "`minute` is not a time as the feed writes it.") from None
    return found


def _mark(query: Mapping[str, str]) -> Mark | None:
    text = query.get("before")
    if not text:
        return None
    try:
        return Mark.read(text)
    except ValueError:
        raise Refusal(400, "That is no place in the list", "`before` is not as a page of calls writes it.") from None


def _address(terms: Mapping[str, str]) -> str:
    return f"/watch/calls?{urlencode(terms)}" if terms else "/watch/calls"
