"""What is to be sent to people's browsers now: worked out from the rows, so a restart forgets and repeats nothing.

Whoever is asked is told of each request once, unless it was there before their browser was; and told when it ended.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from store import tables
from store.card import load_card
from store.deciding import votes
from store.deciding.eligibility import why_not_answer
from store.lifecycle import OPEN_STATES, Outcome, State
from store.people.accounts import DECIDING_ROLES
from store.questions import Risk
from store.requests import find, is_open

AT_ONCE = 200
"""How many pairs of browser and request are looked at in one go; the next look takes up the rest."""


@dataclass(frozen=True)
class Addressee:
    """A browser to send to. The keys are what only it reads with."""

    device_id: str
    endpoint: str
    p256dh: bytes
    auth: bytes


@dataclass(frozen=True)
class Asked:
    """A request that waits, and a browser of somebody it asks."""

    to: Addressee
    request_id: str
    agent: str
    title: str
    risk: Risk | None
    expires_at: datetime


@dataclass(frozen=True)
class Over:
    """A request that a browser was told of, and that ended. `alone` in a message of its own."""

    to: Addressee
    request_id: str
    outcome: Outcome
    alone: bool


Pair = tuple[str, str, bool]
"""A browser, a request, and whether that had escalated: what says whether the one is told of the other."""


@dataclass(frozen=True)
class Work:
    asked: tuple[Asked, ...]
    over: tuple[Over, ...]
    tests: tuple[Addressee, ...]
    passed: frozenset[Pair] = frozenset()
    """What was looked at and is not asked of that person: to be handed to the next look, which spares itself that."""
    is_all: bool = True
    """Nothing was left for the next look."""


def work(connection: Connection, now: datetime, passed: frozenset[Pair] = frozenset()) -> Work:
    """Everything that is to be sent now."""
    if connection.execute(select(tables.push_subscriptions.c.id).limit(1)).scalar() is None:
        return Work((), (), ())
    asked, passed, left = _asked(connection, now, passed)
    over = _over(connection)
    return Work(asked, over, _tests(connection), passed, is_all=not left and len(over) < AT_ONCE)


def waits(connection: Connection, request_id: str) -> bool:
    """Whether a request can still be answered: a message that was delayed must not call for what is over."""
    state = connection.execute(select(tables.requests.c.state).where(tables.requests.c.id == request_id)).scalar()
    return state in {each.value for each in OPEN_STATES}


def _asked(
    connection: Connection, now: datetime, passed: frozenset[Pair]
) -> tuple[tuple[Asked, ...], frozenset[Pair], bool]:
    candidates = _candidates(connection)
    not_asked = passed.intersection(candidates)
    new = [pair for pair in candidates if pair not in not_asked]
    # The newest are looked at first: in a flood of what is asked of others, what is asked now is not told late.
    looked_at = {pair: _of_pair(connection, pair, now) for pair in reversed(new[-AT_ONCE:])}
    found = [one for one in looked_at.values() if one is not None]
    more = {pair for pair, one in looked_at.items() if one is None}
    return tuple(reversed(found)), not_asked | more, len(new) > AT_ONCE


def _candidates(connection: Connection) -> list[Pair]:
    """Browsers of people who decide, and open requests, oldest first, that came later and they were not told of."""
    devices, requests, notices = tables.push_subscriptions, tables.requests, tables.push_notices
    query = (
        select(devices.c.id, requests.c.id.label("request_id"), requests.c.escalated_at)
        .join(tables.reviewers, tables.reviewers.c.id == devices.c.reviewer_id)
        .join(requests, requests.c.opened_at > devices.c.created_at)
        .outerjoin(notices, and_(notices.c.subscription_id == devices.c.id, notices.c.request_id == requests.c.id))
        .where(notices.c.request_id.is_(None), is_open(), *_may_be_told())
        .order_by(requests.c.opened_at, requests.c.id)
    )
    return [(row.id, row.request_id, row.escalated_at is not None) for row in connection.execute(query)]


def _of_pair(connection: Connection, pair: Pair, now: datetime) -> Asked | None:
    """The request for that browser, if its person may answer it and has not done so."""
    device_id, request_id, _ = pair
    device = connection.execute(
        select(tables.push_subscriptions).where(tables.push_subscriptions.c.id == device_id)
    ).one()
    row = find(connection, request_id)
    looks = votes.person(connection, device.reviewer_id)
    card = load_card(row.card)
    if looks is None or votes.has_voted(connection, request_id, looks.id):
        return None
    if why_not_answer(card, looks, votes.circumstances(connection, row, card, now)) is not None:
        return None
    risk = None if row.risk is None else Risk(row.risk)
    return Asked(_addressee(device), request_id, row.agent_name, row.title, risk, row.expires_at)


def _may_be_told() -> tuple[Any, ...]:
    # Who had their ways in revoked lost that phone, perhaps: it is told nothing until they add it anew.
    people, devices = tables.reviewers.c, tables.push_subscriptions.c
    return (
        people.role.in_([role.value for role in DECIDING_ROLES]),
        people.disabled_at.is_(None),
        or_(people.reset_at.is_(None), devices.created_at > people.reset_at),
    )


def _over(connection: Connection) -> tuple[Over, ...]:
    devices, requests, notices = tables.push_subscriptions, tables.requests, tables.push_notices
    query = (
        select(devices, requests.c.id.label("request_id"), requests.c.outcome, notices.c.alone)
        .join(notices, notices.c.subscription_id == devices.c.id)
        .join(requests, requests.c.id == notices.c.request_id)
        .where(requests.c.state == State.CLOSED.value)
        .order_by(requests.c.closed_at)
        .limit(AT_ONCE)
    )
    return tuple(
        Over(_addressee(row), row.request_id, Outcome(row.outcome), row.alone) for row in connection.execute(query)
    )


def _tests(connection: Connection) -> tuple[Addressee, ...]:
    devices = tables.push_subscriptions
    return tuple(_addressee(row) for row in connection.execute(select(devices).where(devices.c.test_wanted.is_(True))))


def _addressee(row: Any) -> Addressee:
    return Addressee(row.id, row.endpoint, row.p256dh, row.auth)
