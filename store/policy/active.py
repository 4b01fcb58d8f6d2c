"""The policy in force: the newest activated copy. A changed file changes nothing here."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select

from store import tables
from store.audit import reading
from store.audit.events import Concealed, PolicyActivated
from store.database import Transaction
from store.memory import forget, remembered
from store.people import Reviewer, Role
from store.people.accounts import reviewer_with_id
from store.people.sessions import is_open
from store.policy.findings import findings
from store.policy.overview import known
from store.policy.reading import PolicyMistake, read, sha256_of
from store.policy.rules import Policy
from store.problems import PolicyUnreadable, Problem
from store.signals import GATEWAY, INBOX

NEVER = -1
_QUEUED = "policy_activated"
"""On the writer's connection: what it activated last, by entry and hash."""
_SCANNED = "policy_scan"
_MARK = f'"type":"{PolicyActivated.type}"'.encode()
# Agents read this, too, and must not be told a command that puts other rules in force.
_WHAT_TO_DO = "Nobody was asked. Tell whoever runs Assent: an admin puts rules in force again, on the page Rules."


class Via(StrEnum):
    """Where a policy was activated."""

    PAGE = "page"
    COMMAND_LINE = "command_line"


class PolicyMoved(Problem):
    """Other rules came into force since those were looked at. Nothing was activated."""


class NotAdmin(Problem):
    """Whoever does this on the page is an admin no more, or is signed out. Nothing was changed."""


@dataclass(frozen=True)
class Activation:
    """A copy of the rules, and how it came into force."""

    policy: Policy
    text: str
    activated_at: datetime
    activated_by: str | None
    """The admin's name as it was then; None for the command line."""
    via: Via
    log_index: int


def active(connection: Connection) -> Policy | None:
    """The policy in force, or None while none was ever activated.

    Raises:
        PolicyUnreadable: its row is not what was activated, or is gone. Nothing may be asked then: rules that nobody
            can read must not count as no rules.
    """
    return remembered(connection, "policy in force", _active)


def _active(connection: Connection) -> Policy | None:
    row = _newest(connection)
    if (None if row is None else (row.log_index, row.sha256)) not in _logged(connection):
        raise PolicyUnreadable("the policy in force is not the one that the log says was activated last", _WHAT_TO_DO)
    return None if row is None else _unchanged(row)


def activation(connection: Connection) -> Activation | None:
    """The policy in force and how it came to be, for people.

    Raises:
        PolicyUnreadable
    """
    policy, row = active(connection), _newest(connection)
    if policy is None:
        return None
    return Activation(policy, row.text, row.activated_at, row.activated_by, Via(row.via), row.log_index)


def position(connection: Connection) -> int:
    """The log entry by which rules came into force last, readable or not; NEVER if none did."""
    row = _newest(connection)
    return NEVER if row is None else int(row.log_index)


def activate(
    transaction: Transaction,
    text: str,
    *,
    reviewer: Reviewer | None,
    via: Via,
    instead_of: int | None = None,
    session_id: str | None = None,
) -> Policy:
    """Put these rules in force. `instead_of` is where those stand that they were compared with, as `position` said;
    `session_id` the session that asks, which must not have ended.

    Raises:
        PolicyMistake: the text cannot be read, or something in it refuses. Nothing was changed.
        PolicyMoved: others came into force meanwhile. Nothing was changed.
        NotAdmin: `reviewer` may not do this any more. Nothing was changed.
    """
    connection = transaction.connection
    policy = checked(connection, text)
    require_admin(connection, reviewer, session_id)
    if instead_of is not None and instead_of != position(connection):
        raise PolicyMoved(
            "other rules came into force since you looked", "Nothing was changed: look at the differences again."
        )
    entry = transaction.record(
        PolicyActivated(policy.sha256, Concealed(text), via.value, None if reviewer is None else reviewer.id)
    )
    connection.execute(
        insert(tables.policies).values(
            log_index=entry.index,
            sha256=policy.sha256,
            text=text,
            activated_at=transaction.now,
            activated_by_id=None if reviewer is None else reviewer.id,
            activated_by=None if reviewer is None else reviewer.display_name,
            via=via.value,
        )
    )
    connection.info[_QUEUED] = (entry.index, policy.sha256)
    forget(connection)
    transaction.touch(INBOX, GATEWAY)
    return policy


def checked(connection: Connection, text: str) -> Policy:
    """The policy that this text is, if it could be activated now.

    Raises:
        PolicyMistake
    """
    policy = parsed(text)
    refusing = next((one for one in findings(policy, known(connection)) if one.refuses), None)
    if refusing is not None:
        raise PolicyMistake(refusing.message, refusing.place)
    return policy


def require_admin(connection: Connection, reviewer: Reviewer | None, session_id: str | None) -> None:
    """That whoever does this is an admin at this moment, in a session that has not ended; None is the command line.

    Raises:
        NotAdmin
    """
    # Read again here: a role can be taken away between the click and this change.
    now = None if reviewer is None else reviewer_with_id(connection, reviewer.id)
    if now is not None and (now.role is not Role.ADMIN or not now.may_decide):
        raise NotAdmin(f"{now.username} is no admin", "Nothing was changed. Ask an admin to do it.")
    if session_id is not None and not is_open(connection, session_id):
        raise NotAdmin("your session has ended", "Nothing was changed. Sign in again.")


# Built once: every governed call asks for the rules in force, and building a statement takes longer than running it.
_NEWEST = select(tables.policies).order_by(tables.policies.c.log_index.desc()).limit(1)
_ENTRIES = tables.log_entries.c
_ACTIVATED = (
    select(_ENTRIES.position, _ENTRIES.data)
    # Texts of people never stand in entries, so these bytes are found nowhere but in the type.
    .where(_ENTRIES.position >= bindparam("start"), func.instr(_ENTRIES.data, _MARK) > 0)
    .order_by(_ENTRIES.position.desc())
    .limit(1)
)


def _newest(connection: Connection) -> Any:
    return connection.execute(_NEWEST).one_or_none()


def _unchanged(row: Any) -> Policy:
    if type(row.text) is not str or _hash(row.text) != row.sha256:
        raise PolicyUnreadable("the policy in force is not the text that was activated", _WHAT_TO_DO)
    try:
        return parsed(row.text)
    except PolicyMistake as mistake:
        raise PolicyUnreadable(f"the policy in force cannot be read: {mistake.message}", _WHAT_TO_DO) from mistake


@dataclass(frozen=True)
class _Scan:
    """How much of the log was looked through, and the newest activation found in it: entry and hash."""

    size: int = 0
    found: tuple[int, str] | None = None


def _logged(connection: Connection) -> list[tuple[int, str] | None]:
    """The activation that the log holds last, and one that it is about to hold, by entry and hash; None for none.

    Each connection looks once through the log, and from then on at what is new.
    """
    head = reading.head(connection)
    size = 0 if head is None else head.size
    scan: _Scan = connection.info.get(_SCANNED, _Scan())
    if scan.size > size:
        scan = _Scan()
    if scan.size < size:
        newest = connection.execute(_ACTIVATED, {"start": scan.size}).one_or_none()
        found = scan.found if newest is None else (newest.position, json.loads(newest.data)["policy_sha256"])
        scan = connection.info[_SCANNED] = _Scan(size, found)
    queued: tuple[int, str] | None = connection.info.get(_QUEUED)
    # Within the commit that activates, the entry is not in the log yet; it stands or falls with the row.
    return [scan.found, queued] if queued is not None and queued[0] >= size else [scan.found]


@lru_cache(maxsize=4)
def _hash(text: str) -> str:
    """`sha256_of`, remembered by the text itself."""
    return sha256_of(text)


@lru_cache(maxsize=4)
def parsed(text: str) -> Policy:
    """`read`, remembered: every question asks for the policy in force, and reading YAML takes its time.

    The text itself is the key: no hash of it, right or wrong, can name another's rules.
    """
    return read(text)
