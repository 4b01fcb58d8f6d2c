"""How a browser comes to be told nothing any more: its rows go, and the log says why. Accounts call it too."""

from enum import StrEnum

from sqlalchemy import delete, select

from store import tables
from store.audit.events import PushDeviceRemoved
from store.database import Transaction


class Ended(StrEnum):
    """What ended it."""

    PERSON = "person"
    ANOTHER_PERSON = "another_person"
    PUSH_SERVICE = "push_service"
    RESET = "reset"
    DISABLED = "disabled"


def forget(transaction: Transaction, device_id: str, by: Ended, *, of: str | None = None) -> bool:
    """Forget this browser, with `of` only if it is that person's; whether there was one."""
    connection, known = transaction.connection, tables.push_subscriptions.c
    owner = connection.execute(select(known.reviewer_id).where(known.id == device_id)).scalar()
    if owner is None or of not in (None, owner):
        return False
    connection.execute(delete(tables.push_notices).where(tables.push_notices.c.subscription_id == device_id))
    connection.execute(delete(tables.push_subscriptions).where(known.id == device_id))
    transaction.record(PushDeviceRemoved(owner, device_id, by.value))
    return True


def forget_all(transaction: Transaction, reviewer_id: str, by: Ended) -> None:
    """Forget every browser of a person: whoever holds that phone may not be them any more."""
    known = tables.push_subscriptions.c
    theirs = transaction.connection.execute(select(known.id).where(known.reviewer_id == reviewer_id)).scalars().all()
    for device_id in theirs:
        forget(transaction, device_id, by)
