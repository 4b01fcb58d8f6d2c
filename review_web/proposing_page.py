"""Proposing a rule because of a call: a few choices, what they come to, and a button that puts nothing in force.

The choices are sent twice. The first time the page shows the rule and what it would do; what is proposed then is that
very rule, or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.arguments_table import Shown, shown
from review_web.effect_words import EffectPart, effect_part
from review_web.errors import Refusal, sentence
from review_web.sessions import require_deciding_role
from review_web.site_context import Site
from store.people import Session
from store.policy.additions import CannotAdd
from store.policy.drafts import CannotDraft, Cause, Choices, Field, Lasting, Which, fields_of, left_out, until
from store.policy.proposals import Tried
from store.policy.proposed import ProposalProblem, rule_sha256
from store.policy.reading import PolicyMistake
from store.policy.rules import Action
from store.policy.words import what_it_asks, what_it_matches
from store.problems import PolicyUnreadable, Problem

ACTIONS: Mapping[Action, tuple[str, str]] = {
    Action.NOTICE: ("Run, and be watched", "nobody is asked; each stands in the feed as noticed"),
    Action.ALLOW: ("Run", "nobody is asked"),
    Action.HOLD: ("Wait for a person", "each must be approved"),
    Action.DENY: ("Never run", "the agent is told that a rule denies it"),
}
LASTING: Mapping[Lasting, str] = {
    Lasting.HOUR: "for an hour",
    Lasting.TODAY: "until this day ends (UTC)",
    Lasting.WEEK: "for a week",
    Lasting.MONTH: "for 30 days",
    Lasting.ALWAYS: "without end",
}


@dataclass(frozen=True)
class FieldRow:
    """One argument, as a box to tick."""

    name: str
    value: Shown
    chosen: bool
    problem: str | None
    """Why a rule cannot ask for it, in words that go on after its name."""


@dataclass(frozen=True)
class Preview:
    """The rule that the choices make, and what it would do."""

    matches: str
    asks: tuple[str, ...]
    text: str
    """As it would stand in the file."""
    sha256: str
    until: str
    """As the rule has it; empty without an end."""
    left_out: tuple[str, ...]
    """Names of arguments that it should ask for, and cannot."""
    refusals: tuple[str, ...]
    """Why it cannot be put in force as it is."""
    warnings: tuple[str, ...]
    effect: EffectPart


@dataclass(frozen=True)
class ProposingPage:
    """Context of `propose.html`."""

    cause: Cause
    back: str
    """The page that it comes from."""
    held: bool
    """That is the page of a request."""
    key: str
    """`call` or `request`."""
    id: str
    actions: Mapping[Action, tuple[str, str]]
    action: Action
    which: Which
    every_agent: bool
    fields: tuple[FieldRow, ...]
    lastings: Mapping[Lasting, str]
    lasting: Lasting
    preview: Preview | None
    problem: str | None


def routes(site: Site) -> list[BaseRoute]:
    """`GET /policy/propose?call=…` or `?request=…`, with choices or without; and `POST` with those that were shown."""

    async def show(request: Request) -> Response:
        _require_proposer(request)
        return await _page(site, request, request.query_params)

    async def propose(request: Request) -> Response:
        session = _require_proposer(request)
        form = await request.form()
        cause = await _cause(site, form)
        try:
            rule = await site.desk.proposals.draft(cause, _choices(form, cause, str(form.get("until") or "") or None))
            if rule_sha256(rule) != form.get("shown"):
                return await _page(site, request, form, problem="This is not the rule that you were shown. Look again.")
            proposal_id = await site.desk.proposals.propose(cause, rule, session=session)
        except (CannotDraft, CannotAdd, PolicyMistake, PolicyUnreadable, ProposalProblem) as problem:
            return await _page(site, request, form, problem=_said(problem))
        return RedirectResponse(f"/policy?proposed=1#{proposal_id}", 303)

    return [
        Route("/policy/propose", show, methods=["GET"], name="propose"),
        Route("/policy/propose", propose, methods=["POST"]),
    ]


def page_of_cause(call_id: str | None, request_id: str | None) -> str:
    """Where the call is shown that a rule comes from."""
    return f"/watch/{call_id}" if call_id is not None else f"/requests/{request_id}"


def _require_proposer(request: Request) -> Session:
    return require_deciding_role(request, to="propose it")


async def _cause(site: Site, given: QueryParams | FormData) -> Cause:
    call_id, request_id = given.get("call"), given.get("request")
    cause = None
    if isinstance(call_id, str):
        cause = await site.desk.proposals.cause(call_id=call_id)
    elif isinstance(request_id, str):
        cause = await site.desk.proposals.cause(request_id=request_id)
    if cause is None:
        raise Refusal(
            404,
            "There is no such call",
            "A rule is proposed because of a call that was made, or of a held one that was answered.",
            "Open the call, or the card of the held one, and follow the link there.",
            reason="not_found",
        )
    return cause


async def _page(site: Site, request: Request, given: QueryParams | FormData, *, problem: str | None = None) -> Response:
    cause = await _cause(site, given)
    lasting = _one_of(Lasting, given.get("lasting")) or _first_lasting(cause)
    choices = _choices(given, cause, until(lasting, site.clock()))
    preview = None
    refused = problem is not None
    try:
        preview = await _preview(site, cause, choices)
    except (CannotDraft, PolicyMistake, PolicyUnreadable) as why:
        problem = problem or _said(why)
    fields = fields_of(cause.arguments)
    page = ProposingPage(
        cause=cause,
        back=page_of_cause(cause.call_id, cause.request_id),
        held=cause.call_id is None,
        key="call" if cause.call_id is not None else "request",
        id=str(cause.call_id or cause.request_id),
        actions=ACTIONS,
        action=choices.action,
        which=choices.which,
        every_agent=choices.every_agent,
        fields=tuple(_row(one, choices) for one in fields),
        lastings=LASTING,
        lasting=lasting,
        preview=preview,
        problem=problem,
    )
    return site.templates.respond(request, "propose.html", page, status_code=409 if refused else 200)


def _choices(given: QueryParams | FormData, cause: Cause, end: str | None) -> Choices:
    chosen = frozenset(one for one in given.getlist("field") if isinstance(one, str))
    action = _one_of(Action, given.get("action")) or _first_action(cause)
    which = _one_of(Which, given.get("which")) or (Which.ANY if cause.call_id is not None else Which.EXACT)
    return Choices(action, which, chosen, given.get("agent") == "all", end)


def _first_action(cause: Cause) -> Action:
    """What the page begins with: of what ran and was wrong, that people are asked; of what they approved, that it runs
    and is watched, and of what they refused, that it never runs."""
    if cause.was_approved is None:
        return Action.HOLD
    return Action.NOTICE if cause.was_approved else Action.DENY


def _first_lasting(cause: Cause) -> Lasting:
    return Lasting.WEEK if cause.was_approved else Lasting.ALWAYS


def _one_of(kind: Any, value: Any) -> Any:
    return kind(value) if isinstance(value, str) and value in {one.value for one in kind} else None


async def _preview(site: Site, cause: Cause, choices: Choices) -> Preview:
    rule = await site.desk.proposals.draft(cause, choices)
    tried: Tried = await site.desk.proposals.try_(rule, cause)
    return Preview(
        matches=what_it_matches(tried.rule),
        asks=what_it_asks(tried.rule),
        text=tried.text,
        sha256=rule_sha256(rule),
        until=choices.until or "",
        left_out=tuple(one.name for one in left_out(cause, choices)),
        refusals=tuple(one.message for one in tried.found if one.refuses),
        warnings=tuple(one.message for one in tried.found if not one.refuses),
        effect=effect_part(tried.rule, tried.effect),
    )


def _row(field: Field, choices: Choices) -> FieldRow:
    return FieldRow(field.name, shown(field.name, field.value), field.name in choices.chosen, field.problem)


def _said(problem: Problem) -> str:
    hint = "" if problem.hint.startswith("Nothing was changed: the rules in force") else problem.hint
    return f"{sentence(problem.message)} {hint}".strip()
