"""Templates: one environment, always escaping, and one documented context dataclass per template.

A template sees the fields of its context and of `Layout`, and nothing else; a name that is missing is an error, not an
empty string. Text from agents goes through `visible` or `markdown` on its way out.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from review_web import markdown, words
from review_web.halt_news import halts_mark
from review_web.rule_anchor import rule_anchor
from review_web.visible import marked
from store.held_back import Halt
from store.moments import utc_now
from store.people import Notice, Session

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Layout:
    """What every page has besides its own context."""

    session: Session | None
    """Who is signed in; None on the sign-in, setup and error pages of strangers."""
    nonce: str
    """The nonce of this response's Content-Security-Policy; every htmx attribute carries it as `hx-nonce`."""
    version: str
    path: str
    """The page's own path, so that the navigation can mark it."""
    now: datetime
    notices: tuple[Notice, ...]
    """What happened to accounts within a day; shown to who is signed in."""
    halts: tuple[Halt, ...]
    """What people hold back now; shown to who is signed in."""
    halts_mark: str
    """The mark of that, for the page's event stream."""
    proposed: int
    """How many rules that people proposed wait to be put in force or aside; told to admins."""
    unaccepted: int
    """How many definitions of upstreams wait to be accepted; told to admins."""
    failing: str | None
    """Why nothing can be decided at the moment; None while all is well."""


class Templates:
    """Renders the site's templates. `version` names the static files, so no update is served from a cache."""

    def __init__(
        self,
        version: str = "",
        clock: Callable[[], datetime] = utc_now,
        failing: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._version = version
        self._clock = clock
        self._failing = failing
        self._environment = _environment(version)

    def respond(
        self, request: Request, name: str, context: "DataclassInstance", status_code: int = 200
    ) -> HTMLResponse:
        """The page `name` for this request, as a response."""
        halts = getattr(request.state, "halts", ())
        layout = Layout(
            session=getattr(request.state, "session", None),
            nonce=getattr(request.state, "nonce", ""),
            version=self._version,
            path=request.url.path,
            now=self._clock(),
            notices=getattr(request.state, "notices", ()),
            halts=halts,
            halts_mark=halts_mark(halts),
            proposed=getattr(request.state, "proposed", 0),
            unaccepted=getattr(request.state, "unaccepted", 0),
            failing=self._failing(),
        )
        return HTMLResponse(self._render(name, layout, context), status_code=status_code)

    def fragment(self, name: str, context: "DataclassInstance") -> str:
        """A piece of a page, for the event stream. Without a layout it has no nonce, so htmx acts on nothing in it."""
        return self._render(name, _Moment(self._clock()), context)

    def _render(self, name: str, *contexts: "DataclassInstance") -> str:
        variables = {f.name: getattr(context, f.name) for context in contexts for f in fields(context)}
        return self._environment.get_template(name).render(variables)


@dataclass(frozen=True)
class _Moment:
    now: datetime


def _environment(version: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": marked,
        "markdown": markdown.to_html,
        "host": markdown.host_of,
        "ago": words.ago,
        "left": words.left,
        "time_left": words.time_left,
        "at": words.at,
        "moment": words.moment,
        "clock": words.clock,
        "took": words.milliseconds,
        "short_id": words.short_id,
    }

    def static(path: str) -> str:
        return f"/static/{path}?v={version}" if version else f"/static/{path}"

    functions: dict[str, Any] = {"static": static, "rule_anchor": rule_anchor}
    environment.globals |= functions
    return environment
