"""The link that makes the first account: one at a time, 15 minutes, void after use. `store.people` calls these."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from store import tables
from store.audit.events import SetupLinkMade, SetupLinkUsed
from store.database import Transaction
from store.identifiers import secret_sha256
from store.people.accounts import NewAccount, Reviewer, count, insert_account
from store.problems import PeopleProblem

LIFE = timedelta(minutes=15)


class AlreadySetUp(PeopleProblem):
    """There is an account: a setup link makes the first one only."""


class SetupLinkVoid(PeopleProblem):
    """The link is unknown, used, too old, or was replaced."""


def create(transaction: Transaction, token: str) -> None:
    """Make `token` the one link there is.

    Raises:
        AlreadySetUp
    """
    if count(transaction.connection):
        raise AlreadySetUp("there is an account already", "Sign in with it, or use `assent user invite NAME`.")
    void(transaction)
    transaction.connection.execute(
        insert(tables.setup_links).values(
            token_sha256=secret_sha256(token), created_at=transaction.now, expires_at=transaction.now + LIFE
        )
    )
    transaction.record(SetupLinkMade())


def is_valid(connection: Connection, token: str, now: datetime) -> bool:
    """Whether `use` would take this token."""
    links = tables.setup_links.c
    alive = select(links.token_sha256).where(links.token_sha256 == secret_sha256(token), links.expires_at > now)
    return count(connection) == 0 and connection.execute(alive).first() is not None


def use(transaction: Transaction, token: str, account: NewAccount) -> Reviewer:
    """Make the first account; every link becomes void with it.

    Raises:
        SetupLinkVoid
    """
    if not is_valid(transaction.connection, token, transaction.now):
        raise SetupLinkVoid("this setup link is no longer valid", "Run `assent open` for a new one.")
    void(transaction)
    admin = insert_account(transaction, account)
    transaction.record(SetupLinkUsed(admin.id))
    return admin


def void(transaction: Transaction) -> None:
    """Take back every link."""
    transaction.connection.execute(delete(tables.setup_links))
