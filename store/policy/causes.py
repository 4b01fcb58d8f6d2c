"""The call because of which a rule is proposed: of one that was made, or of a request that held one. Queries only."""

import json

from sqlalchemy import Connection, select

from store import tables
from store.card import load_card
from store.lifecycle import Kind, State
from store.policy.drafts import Cause
from store.questions import HeldCall
from store.requests import find


def cause_of_call(connection: Connection, call_id: str) -> Cause | None:
    """The call of that id, with what it ran with; None where there is none."""
    calls, requests = tables.calls, tables.requests
    query = (
        select(calls, requests.c.card)
        .outerjoin(requests, requests.c.id == calls.c.request_id)
        .where(calls.c.id == call_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    question = None if row.card is None else load_card(row.card).question
    return Cause(
        tool=row.tool,
        upstream=row.upstream,
        agent=row.agent_name,
        workflow=row.workflow,
        arguments=json.loads(row.arguments),
        at=row.started_at,
        is_edited=isinstance(question, HeldCall) and question.asked_arguments is not None,
        call_id=row.id,
    )


def cause_of_request(connection: Connection, request_id: str) -> Cause | None:
    """The call that this request held, with the arguments of its last card; None where there is none, or while people
    are still asked."""
    row = find(connection, request_id)
    if row is None or row.kind != Kind.CALL or row.state != State.CLOSED:
        return None
    question = load_card(row.card).question
    assert isinstance(question, HeldCall), "a request of this kind holds a call"
    return Cause(
        tool=question.tool,
        upstream=question.upstream,
        agent=row.agent_name,
        workflow=row.workflow,
        arguments=question.arguments,
        at=row.closed_at or row.opened_at,
        is_edited=question.asked_arguments is not None,
        request_id=row.id,
        was_approved=bool(row.may_proceed),
    )
