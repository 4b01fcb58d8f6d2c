"""Browsers that a person wants to be told in, by web push: kept, tried, forgotten. For what, see `push_work`.

An endpoint is an address that a browser names and we call, so what it may be is narrow: https, a host name, the usual
port. Where that name leads is looked at each time it is called (`server/push/service.py`).
"""

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, delete, insert, select, update

from store import tables
from store.audit.events import PushDeviceAdded
from store.database import Database, Transaction
from store.identifiers import new_id
from store.people.accounts import Reviewer
from store.people.sessions import Session, require_open
from store.problems import PeopleProblem
from store.push.ends import Ended, forget
from store.push.work import Pair, Work, waits, work

DEVICES = "devices"
"""Topic: a browser is to be told from now on, or tried now."""

MOST = 10
NAME_LIMIT = 60
_ENDPOINT_LIMIT = 2048
_AUTH_BYTES = 16


class BadSubscription(PeopleProblem):
    """Not what a browser hands out when it subscribes to web push."""


class TooManyDevices(PeopleProblem):
    """This person is told in enough places."""


@dataclass(frozen=True)
class Subscription:
    """Where a push service takes messages for one browser, and the keys that only that browser reads with."""

    endpoint: str
    p256dh: bytes = field(repr=False)
    auth: bytes = field(repr=False)

    @classmethod
    def of(cls, given: object) -> "Subscription":
        """What `PushSubscription.toJSON()` gives, checked.

        Raises:
            BadSubscription
        """
        endpoint = given.get("endpoint") if isinstance(given, Mapping) else None
        keys = given.get("keys") if isinstance(given, Mapping) else None
        if not isinstance(endpoint, str) or not isinstance(keys, Mapping):
            raise BadSubscription("the browser's answer is not a push subscription", "Try again in another browser.")
        _require_public_https(endpoint)
        p256dh, auth = _bytes_of(keys.get("p256dh")), _bytes_of(keys.get("auth"))
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), p256dh)
        except ValueError:
            raise BadSubscription("the subscription's key is not a point on P-256", "Try again.") from None
        if len(auth) != _AUTH_BYTES:
            raise BadSubscription("the subscription's secret has not 16 bytes", "Try again.")
        return cls(endpoint, p256dh, auth)

    @property
    def digest(self) -> str:
        """How the endpoint is known: it is a secret address, and one browser has one."""
        return hashlib.sha256(self.endpoint.encode()).hexdigest()


@dataclass(frozen=True)
class Device:
    """A browser that is told of new requests."""

    id: str
    name: str
    created_at: datetime
    told_at: datetime | None
    trouble: str | None
    """Why the newest message did not get there; None when it did."""
    digest: str


class Devices:
    """The browsers that people are told in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        reviewer: Reviewer,
        given: object,
        *,
        name: str,
        replaces: str | None = None,
        at: Session | None = None,
    ) -> str:
        """Tell this person in this browser, too; the device's id. One that is known already is theirs from now on.

        `replaces` is the endpoint that the browser says it had before; `at` the session that asks.

        Raises:
            BadSubscription, TooManyDevices
            AccountClosed: the session ended meanwhile.
        """
        subscription = Subscription.of(given)

        def change(transaction: Transaction) -> str:
            if at is not None:
                require_open(transaction.connection, at.id)
            return _add(transaction, reviewer, subscription, name, replaces)

        return await self._database.write(change)

    async def of(self, reviewer_id: str) -> list[Device]:
        """Where a person is told, oldest first."""
        return await self._database.read(lambda connection: _devices(connection, reviewer_id))

    async def remove(self, reviewer_id: str, device_id: str) -> bool:
        """Tell nothing there any more; whether it was this person's."""
        return await self._database.write(lambda change: forget(change, device_id, Ended.PERSON, of=reviewer_id))

    async def ask_for_test(self, reviewer_id: str, device_id: str) -> bool:
        """Have a message on trial sent there; whether it is this person's."""
        return await self._database.write(lambda change: _ask_for_test(change, reviewer_id, device_id))

    # For the sender

    async def work(self, passed: frozenset[Pair] = frozenset()) -> Work:
        """Everything that is to be sent now; `passed` is what the look before found is asked of others."""
        now = self._database.clock()
        return await self._database.read(lambda connection: work(connection, now, passed))

    async def waits(self, request_id: str) -> bool:
        """Whether that request can still be answered."""
        return await self._database.read(lambda connection: waits(connection, request_id))

    async def told(self, device_id: str, request_ids: Collection[str], *, alone: bool, trouble: str | None) -> None:
        """A message about these requests got there, or with `trouble` it never will: they are not sent again."""
        await self._database.write(lambda change: _told(change, device_id, request_ids, alone, trouble))

    async def taken_back(self, device_id: str, request_ids: Collection[str]) -> None:
        """These requests ended, and the browser knows or need not know."""
        await self._database.write(lambda change: _taken_back(change, device_id, request_ids))

    async def tried(self, device_id: str, trouble: str | None) -> None:
        """The message on trial got there, or did not."""
        await self._database.write(lambda change: _mark(change, device_id, trouble, test_wanted=False))

    async def gone(self, device_id: str) -> None:
        """The push service says that this subscription is over."""
        await self._database.write(lambda change: forget(change, device_id, Ended.PUSH_SERVICE))


def _add(
    transaction: Transaction, reviewer: Reviewer, subscription: Subscription, name: str, replaces: str | None
) -> str:
    connection, known = transaction.connection, tables.push_subscriptions.c
    if replaces is not None:
        former = connection.execute(
            select(known.id).where(
                known.endpoint_sha256 == hashlib.sha256(replaces.encode("utf-8", "replace")).hexdigest()
            )
        ).scalar()
        if former is not None:
            forget(transaction, former, Ended.PERSON, of=reviewer.id)
    row = connection.execute(
        select(known.id, known.reviewer_id).where(known.endpoint_sha256 == subscription.digest)
    ).one_or_none()
    if row is not None and row.reviewer_id == reviewer.id:
        connection.execute(
            update(tables.push_subscriptions)
            .where(known.id == row.id)
            .values(p256dh=subscription.p256dh, auth=subscription.auth, trouble=None)
        )
        return str(row.id)
    if row is not None:
        # Another person signed in to that browser: it is told what it is asked of them, and nothing else.
        forget(transaction, row.id, Ended.ANOTHER_PERSON)
    if len(_devices(connection, reviewer.id)) >= MOST:
        raise TooManyDevices(f"you are told in {MOST} places already", "Remove one of them first.")
    device_id = new_id("dev")
    connection.execute(
        insert(tables.push_subscriptions).values(
            id=device_id,
            reviewer_id=reviewer.id,
            endpoint_sha256=subscription.digest,
            endpoint=subscription.endpoint,
            p256dh=subscription.p256dh,
            auth=subscription.auth,
            name=" ".join(name.split())[:NAME_LIMIT] or "A browser",
            created_at=transaction.now,
            test_wanted=False,
        )
    )
    transaction.record(PushDeviceAdded(reviewer.id, device_id))
    transaction.touch(DEVICES)
    return device_id


def _ask_for_test(transaction: Transaction, reviewer_id: str, device_id: str) -> bool:
    known = tables.push_subscriptions.c
    asked = transaction.connection.execute(
        update(tables.push_subscriptions)
        .where(known.id == device_id, known.reviewer_id == reviewer_id)
        .values(test_wanted=True)
    )
    transaction.touch(DEVICES)
    return asked.rowcount == 1


def _told(
    transaction: Transaction, device_id: str, request_ids: Collection[str], alone: bool, trouble: str | None
) -> None:
    if not _mark(transaction, device_id, trouble):
        return  # removed meanwhile: there is nothing to remember about it
    notices = tables.push_notices
    known = set(
        transaction.connection.execute(
            select(notices.c.request_id).where(notices.c.subscription_id == device_id)
        ).scalars()
    )
    rows = [
        {"subscription_id": device_id, "request_id": each, "alone": alone, "at": transaction.now}
        for each in request_ids
        if each not in known
    ]
    if rows:
        transaction.connection.execute(insert(notices), rows)


def _taken_back(transaction: Transaction, device_id: str, request_ids: Collection[str]) -> None:
    notices = tables.push_notices
    transaction.connection.execute(
        delete(notices).where(notices.c.subscription_id == device_id, notices.c.request_id.in_(list(request_ids)))
    )


def _mark(transaction: Transaction, device_id: str, trouble: str | None, **more: Any) -> bool:
    values = {"trouble": trouble, **more} if trouble else {"trouble": None, "told_at": transaction.now, **more}
    known = tables.push_subscriptions
    return transaction.connection.execute(update(known).where(known.c.id == device_id).values(**values)).rowcount == 1


def _devices(connection: Connection, reviewer_id: str) -> list[Device]:
    known = tables.push_subscriptions
    rows = connection.execute(
        select(known).where(known.c.reviewer_id == reviewer_id).order_by(known.c.created_at, known.c.id)
    )
    return [Device(row.id, row.name, row.created_at, row.told_at, row.trouble, row.endpoint_sha256) for row in rows]


def _bytes_of(text: object) -> bytes:
    if not isinstance(text, str):
        raise BadSubscription("the subscription has no keys", "Try again.")
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadSubscription("the subscription's keys are not base64url", "Try again.") from None


def _require_public_https(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    usual = parts.scheme == "https" and port in (None, 443) and parts.username is None and parts.password is None
    if not usual or len(endpoint) > _ENDPOINT_LIMIT or not endpoint.isascii() or not endpoint.isprintable():
        raise BadSubscription("the push service's address is not an https address", "Try again in another browser.")
    if "." not in host or host.endswith((".localhost", ".local", ".internal")) or _is_address(host):
        raise BadSubscription(
            "the push service's address is not a public name", "Browsers name their maker's own push service here."
        )


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
