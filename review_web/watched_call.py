"""The page of one governed call: what ran with which arguments, what let it, what came of it; and the way to a rule
where that was wrong."""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from review_web.call_card import CallPart, call_part
from review_web.errors import Refusal
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from review_web.watch_lines import Told, told_of
from review_web.watch_page import may_halt
from review_web.words import size
from store.audit.events import CallEnd
from store.calls.calls import DENIED, RUNNING
from store.calls.definitions import SEPARATOR, Method
from store.calls.feed import Let
from store.calls.watched import WatchedCall
from store.held_back import Halt
from store.policy.clients import is_client
from store.questions import HeldCall

_BANDS = {
    Let.ALLOWED: "ALLOWED: a rule let it run, and nobody was asked",
    Let.NOTICED: "NOTICED: a rule let it run for people to watch, and nobody was asked",
    Let.APPROVED: "APPROVED: it was held, and people let it run",
    Let.DENIED: "DENIED: nothing ran, and nobody was asked",
}
_CAME = {
    RUNNING: "It runs now.",
    DENIED: "It was turned away.",
    CallEnd.FAILED.value: "It failed. Whether any of it took effect, only the upstream knows.",
    CallEnd.CANCELLED.value: "It was cancelled. Whether any of it took effect, only the upstream knows.",
    CallEnd.UNKNOWN.value: "The server ended before the answer came. Nobody here knows whether it took effect.",
    CallEnd.RELEASED.value: "Its client was told that it may run. What came of it only the client knows.",
}


@dataclass(frozen=True)
class WatchedCallPage:
    """Context of `watch_call.html`, and of `card_call.html` in it."""

    watched: WatchedCall
    title: str
    band: str
    told: Told
    came: str
    """What came of it, in a sentence."""
    returned: str | None
    """How much it returned, in words."""
    call: CallPart
    halt: Halt | None
    """What holds its agent back now."""
    may_halt: bool
    propose: str | None
    """Where a rule because of it is proposed; None for who only reads."""
    receipt: bool = True
    """For the template of the arguments: the call is over, and nothing is answered here."""
    read_first: bool = False
    form: None = None
    standing: None = None


def routes(site: Site) -> list[BaseRoute]:
    """`GET /watch/{call_id}`."""

    async def show(request: Request) -> Response:
        session = require_reviewer(request)
        call_id = request.path_params["call_id"]
        found = await site.desk.watching.call(call_id)
        if found is None:
            raise Refusal(
                404,
                "There is no such call",
                "No call of that id was let through or denied here. One that is held is found in the inbox.",
                "Look for it among all calls, under Watch.",
                reason="not_found",
            )
        if session.reviewer.may_decide:
            found = placed_before(found, await site.desk.first_hidden_entry())
        item, allowed = found.item, may_halt(session)
        page = WatchedCallPage(
            watched=found,
            title=title_of(found),
            band=_BANDS[item.let],
            told=told_of(item),
            came=came_of(found),
            returned=None if not item.result_bytes else size(item.result_bytes),
            call=call_part("", question_of(found), None),
            halt=(await site.desk.watching.look()).held_back.of(item.agent_id),
            may_halt=allowed,
            propose=f"/policy/propose?call={item.id}" if allowed else None,
        )
        return site.templates.respond(request, "watch_call.html", page)

    return [Route("/watch/{call_id}", show, name="watched_call")]


def placed_before(found: WatchedCall, hidden: int | None) -> WatchedCall:
    """The call without the places of its entries from `hidden` on: the gaps between them would tell voters who has
    answered."""
    if hidden is None:
        return found
    places = (found.log_index, found.ended_index)
    first, last = (None if place is None or place >= hidden else place for place in places)
    return replace(found, log_index=first, ended_index=last)


def title_of(found: WatchedCall) -> str:
    """What was called, as its card would have it."""
    return question_of(found).headline if found.upstream else found.item.tool


def came_of(found: WatchedCall) -> str:
    """What came of it, in a sentence."""
    state = found.item.became.value
    if state == CallEnd.RETURNED:
        return "It ran, and the upstream answered with an error." if found.item.is_error else "It ran, and returned."
    if not found.sent and state not in (DENIED, RUNNING):
        return "Nothing ran: it was never sent."
    return _CAME[state]


def question_of(found: WatchedCall) -> HeldCall:
    """The call as a card would show it. Nothing is checked: it was let through or denied as it stands."""
    upstream, tool, stated = found.upstream, found.item.tool, found.stated
    own = is_client(upstream)
    return HeldCall.model_construct(
        upstream=upstream,
        method=Method.OWN.value if own else Method.TOOL.value,
        # For display only: a prompt's name stands behind a colon, too.
        name=tool.removeprefix(f"{upstream}{SEPARATOR}").removeprefix(f"{upstream}:"),
        tool=tool,
        arguments=dict(found.arguments),
        definition_sha256=None,
        description=None,
        held_because=(),
        facts=dict(stated.facts) if stated is not None and stated.facts else None,
    )
