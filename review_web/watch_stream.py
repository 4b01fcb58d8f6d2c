"""The event stream of an open feed: the lines that changed, once a second at most, as the page prints them.

All open pages share one look at the rows, and one rendering of each line; what a page costs does not grow with the
calls.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from review_web.halt_news import HaltNews, halts_mark
from review_web.live import HEADERS, HEARTBEAT, HEARTBEAT_SECONDS, SIGNED_OUT, message, still_signed_in
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from review_web.watch_lines import LineRow, line_row
from review_web.watch_page import changed, may_halt, wanted_of
from store.calls.feed import Feed, Wanted
from store.people import Session
from store.signals import CALLS, HALTS, INBOX, PEOPLE

EVERY_SECONDS = 1.0
RENDERED = 1_000
"""Lines whose rendering is kept for the other pages."""


@dataclass(frozen=True)
class WatchNews:
    """Context of `watch_news.html`."""

    row: LineRow
    may_halt: bool


def routes(site: Site) -> list[BaseRoute]:
    """`GET /watch/events?after=…&halts=…`, with the filters of the page; `after` is the version of the feed that it
    shows, and `halts` the mark of what it shows as held back."""
    rendering = _Rendering(site)

    async def events(request: Request) -> Response:
        session = require_reviewer(request)
        # A stream that broke goes on behind the last message that the browser had.
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        version = int(after) if after.isascii() and after.isdigit() and len(after) < 20 else 0
        banner = _Banner(site, request.query_params.get("halts"))
        stream = _stream(site, session, rendering, wanted_of(request.query_params), version, banner)
        return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)

    return [Route("/watch/events", events, name="watch_events")]


async def _stream(
    site: Site, session: Session, rendering: "_Rendering", wanted: Wanted, version: int, banner: "_Banner"
) -> AsyncIterator[str]:
    spoke = float("-inf")
    with site.desk.signals.listen(CALLS, INBOX, HALTS, PEOPLE) as listener:
        while True:
            if not await still_signed_in(site, session):
                yield SIGNED_OUT
                return
            feed = await site.desk.watching.look(every=EVERY_SECONDS)
            news = rendering.news(feed, wanted, version, may_halt=may_halt(session))
            version = max(version, feed.version)
            if await banner.changes(feed) or news:
                # The banner with each message, as the next one takes the place of the last.
                news = banner.html + news
                spoke = anyio.current_time()
                yield f"id: {version}\n{message(news)}"
            elif anyio.current_time() >= spoke + HEARTBEAT_SECONDS:
                spoke = anyio.current_time()
                yield HEARTBEAT
            with anyio.move_on_at(spoke + HEARTBEAT_SECONDS):
                await listener.changed()


class _Banner:
    """What is held back by now, where an open page shows otherwise."""

    def __init__(self, site: Site, shown: str | None) -> None:
        self._site = site
        self._shown = shown
        self._since = -1
        self.html = ""

    async def changes(self, feed: Feed) -> bool:
        """Whether it is another one by that feed."""
        if self._shown is None or feed.held_back_since == self._since:
            return False
        self._since, before = feed.held_back_since, self.html
        halts = await self._site.desk.halts.all()
        is_shown = halts_mark(halts) == self._shown
        self.html = "" if is_shown else self._site.templates.fragment("halt_news.html", HaltNews(halts))
        return self.html != before


class _Rendering:
    """Lines as HTML, each made once however many pages are open."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._made: dict[tuple[object, ...], str] = {}

    def news(self, feed: Feed, wanted: Wanted, version: int, *, may_halt: bool) -> str:
        """The lines of this page that changed since `version`; empty where none did."""
        # Who is paused or stopped is told beside every line of theirs.
        lines = changed(feed.page(wanted), version, all_of_them=feed.held_back_since > version)
        return "".join(self._one(line_row(line, feed.held_back), may_halt) for line in lines)

    def _one(self, row: LineRow, may_halt: bool) -> str:
        key = (row.line.id, row.line.version, row.halt, may_halt)
        if key not in self._made:
            if len(self._made) >= RENDERED:
                self._made.clear()
            self._made[key] = self._site.templates.fragment("watch_news.html", WatchNews(row, may_halt))
        return self._made[key]
