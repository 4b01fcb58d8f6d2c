"""The event stream that keeps an open page true: what arrived, what was answered elsewhere, and by whom.

Each message is a piece of HTML for the page's live region, made by the same templates as the pages. A page that hears
nothing (no script, a proxy that buffers) is right again after a reload.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from review_web.errors import Refusal
from review_web.halt_news import HaltNews, halts_mark
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from review_web.verdicts import Verdict, verdict_of
from store.moments import read_text
from store.people import Session
from store.questions import HeldCall
from store.requests import RequestView
from store.signals import HALTS, INBOX, PEOPLE

# Shorter than what proxies commonly take for a dead connection.
HEARTBEAT_SECONDS = 20
# A burst of changes is told in one message: each look reads the whole inbox.
PAUSE_SECONDS = 0.2
HEARTBEAT = ": still here\n\n"
SIGNED_OUT = "event: signed-out\ndata: \n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_CLOSED_TOLD = 50


@dataclass(frozen=True)
class ClosedElsewhere:
    """A request that ended while its row or card was on the page."""

    view: RequestView
    verdict: Verdict


@dataclass(frozen=True)
class InboxNews:
    """Context of `inbox_news.html`."""

    arrived: int
    closed: tuple[ClosedElsewhere, ...]


@dataclass(frozen=True)
class CardNews:
    """Context of `card_news.html`."""

    closed: ClosedElsewhere


@dataclass(frozen=True)
class CardEdited:
    """Context of `card_edited_news.html`."""

    request_id: str
    edited_by: str


Compose = Callable[[], Awaitable[str]]


def routes(site: Site) -> list[BaseRoute]:
    """`GET /events?page=inbox&opened=…&closed=…` and `GET /events?page=card&request=…&card=…`, of which `card` is the
    hash of the card that the page shows; either with `halts`, the mark of what the page shows as held back."""

    async def events(request: Request) -> Response:
        session = require_reviewer(request)
        request_id = request.query_params.get("request")
        if request.query_params.get("page") == "card" and request_id:
            compose, topic = _card_news(site, request_id, request.query_params.get("card")), request_id
        else:
            compose, topic = _inbox_news(site, _mark(request, "opened"), _mark(request, "closed")), INBOX
        stream = _stream(site, session, _with_halts(site, compose, request.query_params.get("halts")), topic)
        return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)

    return [Route("/events", events, name="events")]


async def _stream(site: Site, session: Session, compose: Compose, topic: str) -> AsyncIterator[str]:
    """Messages until the session ends. One is sent only when it says something that the last one did not.

    The heartbeat keeps its own time: one on each wake-up would tell that somebody answered to who must not know it.
    """
    said, spoke = "", float("-inf")
    with site.desk.signals.listen(topic, PEOPLE, HALTS) as listener:
        while True:
            if not await still_signed_in(site, session):
                yield SIGNED_OUT
                return
            news = await compose()
            if news != said:
                said, spoke = news, anyio.current_time()
                yield message(news)
            elif anyio.current_time() >= spoke + HEARTBEAT_SECONDS:
                spoke = anyio.current_time()
                yield HEARTBEAT
            await anyio.sleep(PAUSE_SECONDS)
            with anyio.move_on_at(spoke + HEARTBEAT_SECONDS):
                await listener.changed()


def _with_halts(site: Site, compose: Compose, shown: str | None) -> Compose:
    """The news of a page; and before them what is held back by now, where the page, by its mark, shows otherwise."""

    async def composed() -> str:
        news = await compose()
        halts = await site.desk.halts.all() if shown is not None else ()
        if shown is None or halts_mark(halts) == shown:
            return news
        return site.templates.fragment("halt_news.html", HaltNews(halts)) + news

    return composed


def _inbox_news(site: Site, opened: datetime | None, closed: datetime | None) -> Compose:
    async def compose() -> str:
        arrived = await site.desk.arrived_since(opened)
        ended = await site.desk.history(limit=_CLOSED_TOLD)
        news = InboxNews(
            arrived=arrived,
            closed=tuple(
                ClosedElsewhere(view, verdict)
                for view in ended
                if (verdict := verdict_of(view)) and view.closed_at and (closed is None or view.closed_at > closed)
            ),
        )
        return site.templates.fragment("inbox_news.html", news) if news.arrived or news.closed else ""

    return compose


def _card_news(site: Site, request_id: str, card_sha256: str | None) -> Compose:
    async def compose() -> str:
        view = await site.desk.view(request_id)
        verdict = verdict_of(view) if view else None
        if view is None:
            return ""
        if verdict is None:
            question = view.card.question
            if card_sha256 in (None, view.card_sha256) or not isinstance(question, HeldCall):
                return ""
            edited = CardEdited(request_id, question.edited_by or "Somebody")
            return site.templates.fragment("card_edited_news.html", edited)
        return site.templates.fragment("card_news.html", CardNews(ClosedElsewhere(view, verdict)))

    return compose


async def still_signed_in(site: Site, session: Session) -> bool:
    """Whether the session that opened a stream is still open."""
    # Asking for the list, not for the session by its secret: a page that is merely open must not keep itself signed in.
    open_sessions = await site.people.sessions(session.reviewer.id)
    return any(one.id == session.id for one in open_sessions)


def _mark(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return read_text(text)
    except ValueError:
        raise Refusal(400, "That is no moment in time", f"`{name}` is not a time as the inbox writes it.") from None


def message(html: str) -> str:
    """A piece of HTML as a message of the stream."""
    lines = html.splitlines() or [""]
    return "".join(f"data: {line}\n" for line in lines) + "\n"
