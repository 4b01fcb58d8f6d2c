"""Answers of which a request needs several: kept as they come, counted anew with each, told when it is closed.

Who has not answered yet learns nothing of the answers before: neither that there are any nor what they were. What a
`RequestView` holds of an open request is therefore the same for everybody; a person's own answer is in `Standing`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select

from store import tables
from store.card import Card
from store.database import Transaction
from store.deciding.eligibility import (
    Circumstances,
    Person,
    is_asked,
    needs_passkey,
    owners_of,
    still_needed,
    why_not_answer,
    why_not_approve,
)
from store.lifecycle import State
from store.people.accounts import DECIDING_ROLES, Role
from store.requests import RequestView, is_open


@dataclass(frozen=True)
class MyVote:
    """What this person answered to a request that is still open, and how many more must say the same, at least."""

    said: str
    at: datetime
    still_needed: int


@dataclass(frozen=True)
class Standing:
    """What one person can do about one open request."""

    may_answer: bool
    may_approve: bool
    why_not: str | None
    """Why they may not answer, or may answer and not approve, in one plain line."""
    asked: bool
    """They are asked by name or as one of a group, and not just because everybody is."""
    my_vote: MyVote | None
    needs_passkey: bool
    """Approving takes a signature with a passkey."""
    reason_required: bool
    """Approving takes a comment."""


def person(connection: Connection, reviewer_id: str) -> Person | None:
    """The account as it stands; None when there is none."""
    return next(iter(_persons(connection, [reviewer_id]).values()), None)


def circumstances(connection: Connection, row: Any, card: Card, now: datetime) -> Circumstances:
    """What matters besides the card of a request's row."""
    owner = None
    if any(one.not_owner for one in card.conditions):
        owner = connection.execute(select(tables.agents.c.owner).where(tables.agents.c.id == row.agent_id)).scalar()
    return _circumstances(card, row.escalated_at, owner, now)


def has_voted(connection: Connection, request_id: str, reviewer_id: str) -> bool:
    votes = tables.votes.c
    query = select(votes.at).where(votes.request_id == request_id, votes.reviewer_id == reviewer_id)
    return connection.execute(query).first() is not None


def approving(
    connection: Connection, card: Card, option: str, circumstances: Circumstances, *, beside: Person | None = None
) -> list[Person]:
    """Who pressed this button and may still approve, the first voter first, and `beside` after them.

    Accounts are looked at as they are now: whose role was taken, whose account was disabled or reset, counts no more.
    """
    votes = tables.votes.c
    rows = connection.execute(
        select(votes.reviewer_id)
        .where(votes.request_id == card.request_id, votes.option == option, votes.approves)
        .order_by(votes.log_position)
    ).scalars()
    ids = list(rows)
    found = _persons(connection, ids)
    voters = [*(found[one] for one in ids if one in found), *([] if beside is None else [beside])]
    return [voter for voter in voters if why_not_approve(card, voter, circumstances) is None]


def signers(connection: Connection, request_id: str) -> frozenset[str]:
    """Who signed their answer to this request, by id."""
    signatures = tables.signatures.c
    query = select(signatures.reviewer_id).where(signatures.request_id == request_id)
    return frozenset(connection.execute(query).scalars())


def words_of(connection: Connection, request_id: str, voters: Iterable[Person]) -> str | None:
    """What these voters commented, each with their name; None if none of them did. One line of one of them stays bare.

    The lines of a comment after its first are set in: no comment looks like another person's.
    """
    votes = tables.votes.c
    query = select(votes.reviewer_id, votes.comment).where(votes.request_id == request_id, votes.comment.is_not(None))
    said = {row.reviewer_id: "\n  ".join(row.comment.splitlines()) for row in connection.execute(query)}
    spoke = [one for one in voters if one.id in said]
    if len(spoke) == 1 and "\n" not in said[spoke[0].id]:
        return said[spoke[0].id]
    return "\n\n".join(f"{one.display_name}: {said[one.id]}" for one in spoke) or None


def keep(
    transaction: Transaction,
    card: Card,
    voter: Person,
    *,
    option: str | None,
    approves: bool,
    said: str,
    comment: str | None,
    authenticated_by: str,
    log_position: int,
) -> None:
    """Write one person's answer down. There is one row a person: a second one is refused by the database, too."""
    transaction.connection.execute(
        insert(tables.votes).values(
            request_id=card.request_id,
            reviewer_id=voter.id,
            display_name=voter.display_name,
            option=option,
            approves=approves,
            said=said,
            comment=comment,
            authenticated_by=authenticated_by,
            log_position=log_position,
            at=transaction.now,
        )
    )


def standings(
    connection: Connection, *, reviewer_id: str, views: Iterable[RequestView], now: datetime
) -> dict[str, Standing]:
    """What this person can do about those of these requests that are open, by id."""
    looks = person(connection, reviewer_id)
    if looks is None:
        return {}
    agents, votes, requests = tables.agents.c, tables.votes, tables.requests
    owned = connection.execute(select(agents.name, agents.owner).where(agents.owner.is_not(None)))
    owners: dict[str, str | None] = {row.name: row.owner for row in owned}
    mine = {
        vote.request_id: vote
        for vote in connection.execute(
            select(votes)
            .join(requests, requests.c.id == votes.c.request_id)
            .where(votes.c.reviewer_id == reviewer_id, is_open())
        )
    }
    return {
        view.request_id: _standing(
            connection,
            view.card,
            looks,
            _circumstances(view.card, view.escalated_at, owners.get(view.agent), now),
            mine.get(view.request_id),
        )
        for view in views
        if view.state is not State.CLOSED
    }


def _standing(connection: Connection, card: Card, looks: Person, around: Circumstances, mine: Any) -> Standing:
    vote = None
    if mine is not None:
        signed = signers(connection, card.request_id)
        needed = still_needed(card, approving(connection, card, mine.option, around), around, signed=signed)
        vote = MyVote(mine.said, mine.at, needed)
    why_not = why_not_answer(card, looks, around)
    cannot_approve = why_not_approve(card, looks, around)
    return Standing(
        may_answer=why_not is None and vote is None,
        may_approve=cannot_approve is None and vote is None,
        why_not=cannot_approve if vote is None else None,
        asked=is_asked(card, looks, around),
        my_vote=vote,
        needs_passkey=needs_passkey(card, looks, around),
        reason_required=card.reason_required,
    )


def first_hidden_position(connection: Connection) -> int | None:
    """The log entry from which on whoever decides must not read now; None where there is no such.

    It is the opening of the oldest open request that several must approve: whether anybody has answered it or not, so
    that where reading ends tells nothing either.
    """
    return connection.execute(select(func.min(tables.requests.c.hidden_from)).where(is_open())).scalar()


def _circumstances(card: Card, escalated_at: datetime | None, owner: str | None, now: datetime) -> Circumstances:
    # The loop that escalates may be a moment late; the time itself is not.
    escalated = escalated_at is not None or (card.escalates_at is not None and card.escalates_at <= now)
    return Circumstances(now, escalated, owners_of(card.owner, owner))


def _persons(connection: Connection, ids: list[str]) -> dict[str, Person]:
    reviewers, passkeys = tables.reviewers, tables.passkeys.c
    has_passkey = exists().where(passkeys.reviewer_id == reviewers.c.id).label("has_passkey")
    return {
        row.id: Person(
            row.id,
            row.username_key,
            row.display_name,
            may_decide=Role(row.role) in DECIDING_ROLES and row.disabled_at is None,
            reset_at=row.reset_at,
            has_passkey=bool(row.has_passkey),
        )
        for row in connection.execute(select(reviewers, has_passkey).where(reviewers.c.id.in_(ids)))
    }
