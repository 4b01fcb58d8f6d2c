"""That a person was shown a card: without it, nobody decides. Changes for the writer; `store.desk` calls them."""

from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from store import tables
from store.audit.events import Assurance, Reference, RequestShown
from store.database import Transaction
from store.lifecycle import OPEN_STATES, Event, Surface
from store.moves import move
from store.people.accounts import Reviewer, known_reviewer
from store.requests import checked_card, find


def show(transaction: Transaction, reviewer: Reviewer, request_id: str, surface: Surface) -> bool:
    """Record that this reviewer was shown the card as it stands; whether there is such a request.

    A closed card, or a person who may not decide, leaves no record: it would stand for nothing.
    """
    row = find(transaction.connection, request_id)
    if row is None:
        return False
    # As it is now: a role taken away while this waited must leave no record of a showing after it.
    standing = known_reviewer(transaction.connection, reviewer.id)
    if row.state not in OPEN_STATES or standing is None or not standing.may_decide:
        return True
    checked_card(row)
    seen_here = was_shown(transaction.connection, reviewer.id, row, surface)
    if not seen_here and move(transaction, request_id, Event.SHOW):
        transaction.connection.execute(
            insert(tables.shows).values(
                request_id=request_id,
                reviewer_id=reviewer.id,
                card_sha256=row.card_sha256,
                surface=surface.value,
                display_name=reviewer.display_name,
                at=transaction.now,
            )
        )
        transaction.record(
            RequestShown(request_id, reviewer.id, Reference(row.card_ref), surface), Assurance(row.assurance)
        )
    return True


_SHOW = tables.shows.c
_SHOWN = select(_SHOW.at).where(
    _SHOW.request_id == bindparam("request"),
    _SHOW.reviewer_id == bindparam("reviewer"),
    _SHOW.card_sha256 == bindparam("card"),
)
_SHOWN_HERE = _SHOWN.where(_SHOW.surface == bindparam("surface"))


def was_shown(connection: Connection, reviewer_id: str, row: Any, surface: Surface | None = None) -> bool:
    """Whether this reviewer was shown this very card, on that surface or on any."""
    known = {"request": row.id, "reviewer": reviewer_id, "card": row.card_sha256}
    if surface is None:
        return connection.execute(_SHOWN, known).first() is not None
    return connection.execute(_SHOWN_HERE, known | {"surface": surface.value}).first() is not None
