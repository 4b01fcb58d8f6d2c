"""A request as JSON, for the person who reads it: as a row of the list, whole, and how it ended. Pure."""

from typing import Any

from store.deciding.votes import Standing
from store.lifecycle import DECISIONS, State
from store.moments import to_text
from store.requests import Consequence, RequestView, RunView, Vote


def summary(view: RequestView, standing: Standing | None) -> dict[str, Any]:
    """A request as a row of the list, for the person who reads it; no `standing` where it is closed."""
    return {
        "request_id": view.request_id,
        "kind": view.kind.value,
        "title": view.title,
        "agent": view.agent,
        "owner": view.owner,
        "risk": view.risk.value if view.risk else None,
        "workflow": view.workflow,
        "follows": view.follows,
        "state": view.state.value,
        "outcome": view.outcome.value if view.outcome else None,
        "opened_at": to_text(view.opened_at),
        "expires_at": to_text(view.expires_at),
        "closed_at": to_text(view.closed_at) if view.closed_at else None,
        "agent_waiting": view.agent_waiting,
        "asked": list(view.asked),
        "answers_needed": view.card.answers_needed,
        "escalated_at": to_text(view.escalated_at) if view.escalated_at else None,
        "may_answer": standing is not None and standing.may_answer,
    }


def detail(view: RequestView, standing: Standing | None) -> dict[str, Any]:
    """Everything that the card page shows of a request; `card` is what `card_sha256` is the hash of."""
    return {
        **summary(view, standing),
        "you": _you(standing) if standing else None,
        "card_sha256": view.card_sha256,
        "card": view.card.content(),
        "seen_by": list(view.seen_by),
        "delivered_at": to_text(view.delivered_at) if view.delivered_at else None,
        "consequences": [_consequence(consequence) for consequence in view.consequences],
        "decided": outcome(view) if view.state is State.CLOSED else None,
        "votes": [_vote(vote) for vote in view.votes],
        "signed_by": [{"by": one.display_name, "passkey": one.passkey_name} for one in view.signed_by],
        "edits": view.edits,
        "lapses_at": to_text(view.lapses_at) if view.lapses_at else None,
        "run": _run(view.run) if view.run else None,
    }


def _run(run: RunView) -> dict[str, Any]:
    """What became of a held call; what it returned is the agent's alone."""
    return {
        "state": run.state.value if run.state else "running",
        "sent": run.sent,
        "started_at": to_text(run.started_at),
        "ended_at": to_text(run.ended_at) if run.ended_at else None,
        "is_error": run.is_error,
        "why": run.why,
        "result_bytes": run.result_bytes,
        "milliseconds": run.milliseconds,
    }


def _you(standing: Standing) -> dict[str, Any]:
    """What the person who reads it can do, and what they answered, if that is not all that is needed."""
    mine = standing.my_vote
    return {
        "may_answer": standing.may_answer,
        "may_approve": standing.may_approve,
        "why_not": standing.why_not,
        "needs_passkey": standing.needs_passkey,
        "reason_required": standing.reason_required,
        "answered": mine and {"said": mine.said, "at": to_text(mine.at), "still_needed": mine.still_needed},
    }


def _vote(vote: Vote) -> dict[str, Any]:
    return {
        "by": vote.display_name,
        "said": vote.said,
        "approves": vote.approves,
        "comment": vote.comment,
        "authenticated_by": vote.authenticated_by,
        "at": to_text(vote.at),
    }


def outcome(view: RequestView) -> dict[str, Any]:
    """How a request stands, in the fields that the agent gets. Passwords are handles in it, never values."""
    decided = view.outcome in DECISIONS
    return {
        "request_id": view.request_id,
        "status": status(view),
        "may_proceed": view.may_proceed,
        **(view.answer or {}),
        "comment": view.comment,
        "decided_by": view.decided_by,
        "decided_at": to_text(view.closed_at) if decided and view.closed_at else None,
    }


def status(view: RequestView) -> str:
    """The outcome, or `pending` while there is none."""
    return view.outcome.value if view.outcome else "pending"


def _consequence(consequence: Consequence) -> dict[str, Any]:
    return {"at": to_text(consequence.at), "result": consequence.result, "details": consequence.details}
