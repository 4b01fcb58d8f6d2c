"""One governed call, with all that is known of it, for people who look at it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from store import tables
from store.calls.calls import Stated, stated_of
from store.calls.feed import Item
from store.calls.sightings import of_call


@dataclass(frozen=True)
class WatchedCall:
    """A call that was let through, or the newest of its kind that was denied."""

    item: Item
    upstream: str
    arguments: Mapping[str, Any]
    """All of them: what was sent, or would have been. Of denied calls very long ones are not kept."""
    request_id: str | None
    """Where it was held."""
    policy_sha256: str | None
    sent: bool
    """False where it is certain that nothing reached the upstream."""
    excerpt: str | None
    """How the text of what it returned begins; None of held ones, and while it runs."""
    ended_at: datetime | None
    stated: Stated | None
    """What the agent's side said of it by itself."""
    log_index: int | None
    """The newest log entry that lets it through or denies it; None of calls before there was this column."""
    ended_index: int | None
    """The log entry of how it ended."""


def watched(connection: Connection, call_id: str) -> WatchedCall | None:
    """The call of that id; None where there is none."""
    row = connection.execute(select(tables.calls).where(tables.calls.c.id == call_id)).one_or_none()
    if row is None:
        return None
    return WatchedCall(
        item=of_call(row),
        upstream=row.upstream,
        arguments=json.loads(row.arguments),
        request_id=row.request_id,
        policy_sha256=row.policy_sha256,
        sent=row.sent,
        excerpt=row.excerpt,
        ended_at=row.ended_at,
        stated=stated_of(row.stated),
        log_index=row.log_index,
        ended_index=row.ended_index,
    )
