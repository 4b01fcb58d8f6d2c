"""The history: what was answered, declined, withdrawn or let lapse, the newest first."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from review_web.sessions import require_reviewer
from review_web.site_context import Site
from review_web.verdicts import KIND_WORDS, Verdict, verdict_of
from store.requests import RequestView

PAGE = 50
_SEARCH_LIMIT = 200


@dataclass(frozen=True)
class HistoryRow:
    """One closed request."""

    view: RequestView
    kind_word: str
    verdict: Verdict


@dataclass(frozen=True)
class HistoryPage:
    """Context of `history.html`."""

    search: str
    rows: tuple[HistoryRow, ...]
    is_first: bool
    older: str | None
    """The address of the next page; None on the last."""


def routes(site: Site) -> list[BaseRoute]:
    """`GET /history?q=…&before=…`."""

    async def history(request: Request) -> Response:
        require_reviewer(request)
        search = request.query_params.get("q", "").replace("\0", "").strip()[:_SEARCH_LIMIT]
        before = request.query_params.get("before") or None
        # One more than is shown tells whether there is a next page.
        found = await site.desk.history(search, before=before, limit=PAGE + 1)
        rows = tuple(row for row in map(row_of, found[:PAGE]) if row is not None)
        page = HistoryPage(
            search=search,
            rows=rows,
            is_first=before is None,
            older=_older(search, found[PAGE - 1].request_id) if len(found) > PAGE else None,
        )
        return site.templates.respond(request, "history.html", page)

    return [Route("/history", history, name="history")]


def row_of(view: RequestView) -> HistoryRow | None:
    """A closed request as a row; None for one that is open."""
    verdict = verdict_of(view)
    return HistoryRow(view, KIND_WORDS[view.kind], verdict) if verdict else None


def _older(search: str, before: str) -> str:
    terms = {"q": search, "before": before} if search else {"before": before}
    return f"/history?{urlencode(terms)}"
