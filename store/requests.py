"""What is known of a request, as people and agents may see it; and the queries that find it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, and_, bindparam, or_, select

from store import tables
from store.audit.events import CallEnd
from store.calls.calls import RUNNING
from store.card import Card, load_card
from store.deciding.eligibility import asked_names
from store.lifecycle import COLLECT_AT_LEAST, OPEN_STATES, Kind, Outcome, State
from store.policy.demands import Condition
from store.problems import DatabaseProblem
from store.questions import Risk
from store.signing.kept import SignedBy, signed_by

HISTORY_PAGE = 50


@dataclass(frozen=True)
class Consequence:
    """What the agent says came of a decision."""

    at: datetime
    result: str
    details: str | None


@dataclass(frozen=True)
class RunView:
    """That a held call was let go, after it was approved, and what came of it. What it returned is the agent's."""

    state: CallEnd | None
    """How it ended; None while it runs."""
    sent: bool
    """False where it is certain that nothing reached the upstream."""
    started_at: datetime
    ended_at: datetime | None
    is_error: bool
    """The upstream says itself that the call failed."""
    why: str | None
    """Of what did not return: a plain sentence."""
    result_bytes: int | None
    milliseconds: int | None


@dataclass(frozen=True)
class Vote:
    """One person's answer among several. `said` is the answer in words."""

    display_name: str
    said: str
    approves: bool
    comment: str | None
    authenticated_by: str
    at: datetime


@dataclass(frozen=True)
class RequestView:
    """A request as reviewers may see it. No secret is ever in it: passwords stand as handles under `credentials`.

    While it is open it says nothing of who has answered it: it is the same for everybody. What is not, `deciding.votes`
    has.
    """

    request_id: str
    kind: Kind
    state: State
    outcome: Outcome | None
    title: str
    agent: str
    owner: str | None
    risk: Risk | None
    workflow: str | None
    follows: str | None
    opened_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    decided_by: str | None
    authenticated_by: str | None
    comment: str | None
    answer: Mapping[str, Any] | None
    may_proceed: bool
    delivered_at: datetime | None
    closed_index: int | None
    """Where the log says how it ended."""
    on_its_way: bool
    """A call has taken the answer; whether it arrived is not known yet."""
    delivery_unknown: bool
    """A call had taken the answer when the server ended; whether it arrived will never be known."""
    agent_waiting: bool
    seen_by: tuple[str, ...]
    consequences: tuple[Consequence, ...]
    card: Card
    card_sha256: str
    escalated_at: datetime | None
    """Since when those whom its rules escalate to may answer as well."""
    votes: tuple[Vote, ...]
    """Everybody's answers, where several were needed; empty while it is open."""
    signed_by: tuple[SignedBy, ...]
    """Who signed their answer with a passkey; empty while it is open."""
    run: RunView | None
    """Of a held call that was approved: that it was let go."""
    edits: int
    """How often a reviewer changed what a held call would run with."""

    @property
    def lapses_at(self) -> datetime | None:
        """When a held call that was approved and has not been sent can run no more; None for everything else."""
        if self.kind is not Kind.CALL or not self.may_proceed or self.run is not None or self.closed_at is None:
            return None
        return _lapse(self.expires_at, self.closed_at)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What the rules ask of the answer."""
        return self.card.conditions

    @property
    def asked(self) -> tuple[str, ...]:
        """Who is asked, as the rules name them; empty: everybody who may decide."""
        return asked_names(self.card.conditions)


# Built once: for what every call does, building the statement takes longer than running it.
_FIND = select(tables.requests).where(tables.requests.c.id == bindparam("request_id"))


def find(connection: Connection, request_id: str) -> Any:
    """The row of a request, or None."""
    return connection.execute(_FIND, {"request_id": request_id}).one_or_none()


def running() -> Any:
    """The run that serves now, as a scalar of a query; null where none does."""
    runs = tables.runs.c
    return select(runs.instance).where(runs.stopped_at.is_(None)).limit(1).scalar_subquery()


def lapses_at(row: Any) -> datetime:
    """Until when what was decided can be collected, and an approved call be begun."""
    return _lapse(row.expires_at, row.closed_at or row.expires_at)


def _lapse(deadline: datetime, decided: datetime) -> datetime:
    return max(deadline, decided + COLLECT_AT_LEAST)


_RUN_OF = select(tables.calls).where(tables.calls.c.request_id == bindparam("request_id"))


def run_of(connection: Connection, row: Any) -> Any:
    """The row of the call that was sent by this request's approval, or None. There is never another."""
    if row.kind != Kind.CALL:
        return None
    return connection.execute(_RUN_OF, {"request_id": row.id}).one_or_none()


def is_open() -> Any:
    """The condition of still being answerable."""
    return tables.requests.c.state.in_([state.value for state in OPEN_STATES])


def checked_card(row: Any) -> Card:
    """The card of a row, after comparing it with its hash: what was shown is what is decided.

    Raises:
        DatabaseProblem: the row was changed outside Assent.
    """
    card = load_card(row.card)
    if card.sha256 != row.card_sha256:
        raise DatabaseProblem(
            f"the card of {row.id} is not the one that was posted: its row was changed",
            "Nothing can be decided on it. Find out who writes to the database; let the agent ask again.",
        )
    return card


def inbox(connection: Connection) -> list[Any]:
    """Open rows, oldest deadline first."""
    requests = tables.requests
    return list(connection.execute(select(requests).where(is_open()).order_by(requests.c.expires_at, requests.c.id)))


def history(
    connection: Connection, search: str, *, before: str | None, limit: int, agent: str | None = None
) -> Sequence[Any]:
    """Closed rows, newest first, where every word of `search` is found; from after the row `before` on."""
    columns = tables.requests.c
    query = select(tables.requests).where(columns.state == State.CLOSED.value)
    if agent is not None:
        query = query.where(columns.agent_name == agent)
    for word in search.split():
        searched = (
            columns.title,
            columns.agent_name,
            columns.comment,
            columns.decided_by,
            columns.workflow,
            columns.tool,
            columns.id,
        )
        query = query.where(or_(*(column.icontains(word, autoescape=True) for column in searched)))
    last = find(connection, before) if before else None
    if last is not None and last.closed_at is not None:
        query = query.where(
            or_(columns.closed_at < last.closed_at, and_(columns.closed_at == last.closed_at, columns.id < last.id))
        )
    return connection.execute(query.order_by(columns.closed_at.desc(), columns.id.desc()).limit(limit)).all()


_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_SHOWS = (
    select(tables.shows.c.request_id, tables.shows.c.display_name)
    # Who was shown the card as it is: of a held call that was edited, there was another before.
    .join(
        tables.requests,
        and_(
            tables.requests.c.id == tables.shows.c.request_id,
            tables.requests.c.card_sha256 == tables.shows.c.card_sha256,
        ),
    )
    .where(tables.shows.c.request_id.in_(_IDS))
    .order_by(tables.shows.c.at, tables.shows.c.display_name)
)
_CONSEQUENCES = (
    select(tables.consequences).where(tables.consequences.c.request_id.in_(_IDS)).order_by(tables.consequences.c.at)
)
_RUNS = select(tables.calls).where(tables.calls.c.request_id.in_(_IDS))
_RUNNING = select(running())


def views(connection: Connection, rows: Iterable[Any], waiting: frozenset[str]) -> list[RequestView]:
    """Rows with what belongs to them; `waiting` are the requests whose agent is on the line."""
    rows = list(rows)
    ids = [row.id for row in rows]
    seen: dict[str, list[str]] = {}
    for show in connection.execute(_SHOWS, {"ids": ids}):
        names = seen.setdefault(show.request_id, [])
        if show.display_name not in names:
            names.append(show.display_name)
    told: dict[str, list[Consequence]] = {}
    for row in connection.execute(_CONSEQUENCES, {"ids": ids}):
        told.setdefault(row.request_id, []).append(Consequence(row.at, row.result, row.details))
    closed = [row.id for row in rows if row.state == State.CLOSED.value]
    # Only what rules govern can have had several answers.
    governed = [row.id for row in rows if row.state == State.CLOSED.value and row.card.get("conditions")]
    votes = votes_of(connection, governed)
    signed = signed_by(connection, closed)
    # Only a held call that was approved can have been sent.
    approved = [row.id for row in rows if row.kind == Kind.CALL and row.may_proceed]
    runs = {run.request_id: _run(run) for run in connection.execute(_RUNS, {"ids": approved})} if approved else {}
    serving = connection.execute(_RUNNING).scalar()
    return [
        _view(
            row,
            tuple(seen.get(row.id, ())),
            tuple(told.get(row.id, ())),
            tuple(votes.get(row.id, ())),
            tuple(signed.get(row.id, ())),
            runs.get(row.id),
            waiting=row.id in waiting,
            serving=serving,
        )
        for row in rows
    ]


def votes_of(connection: Connection, request_ids: Sequence[str]) -> dict[str, list[Vote]]:
    """Everybody's answers to these requests, in their order. Of what is open they are nobody's to see."""
    if not request_ids:
        return {}
    votes = tables.votes
    found: dict[str, list[Vote]] = {}
    query = select(votes).where(votes.c.request_id.in_(request_ids)).order_by(votes.c.log_position)
    for row in connection.execute(query):
        vote = Vote(row.display_name, row.said, row.approves, row.comment, row.authenticated_by, row.at)
        found.setdefault(row.request_id, []).append(vote)
    return found


def _view(
    row: Any,
    seen_by: tuple[str, ...],
    consequences: tuple[Consequence, ...],
    votes: tuple[Vote, ...],
    signed: tuple[SignedBy, ...],
    run: RunView | None,
    *,
    waiting: bool,
    serving: str | None,
) -> RequestView:
    unsettled = row.claimed_by is not None and row.delivered_at is None
    return RequestView(
        request_id=row.id,
        kind=Kind(row.kind),
        state=State(row.state),
        outcome=None if row.outcome is None else Outcome(row.outcome),
        title=row.title,
        agent=row.agent_name,
        owner=row.owner,
        risk=None if row.risk is None else Risk(row.risk),
        workflow=row.workflow,
        follows=row.follows,
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        closed_at=row.closed_at,
        decided_by=row.decided_by,
        authenticated_by=row.authenticated_by,
        comment=row.comment,
        answer=row.answer,
        may_proceed=row.may_proceed,
        delivered_at=row.delivered_at,
        closed_index=row.closed_index,
        on_its_way=unsettled and row.claimed_run == serving,
        delivery_unknown=unsettled and row.claimed_run != serving,
        agent_waiting=waiting,
        seen_by=seen_by,
        consequences=consequences,
        card=load_card(row.card),
        card_sha256=row.card_sha256,
        escalated_at=row.escalated_at,
        votes=votes,
        signed_by=signed,
        run=run,
        edits=row.edits,
    )


def _run(row: Any) -> RunView:
    return RunView(
        state=None if row.state == RUNNING else CallEnd(row.state),
        sent=row.sent,
        started_at=row.started_at,
        ended_at=row.ended_at,
        is_error=row.is_error,
        why=row.why,
        result_bytes=row.result_bytes,
        milliseconds=row.milliseconds,
    )
