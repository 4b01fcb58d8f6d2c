"""What a browser is told, and how urgently. Pure.

It stands on a lock screen, where anybody reads it: of what is high risk only the agent and the risk are named, and in
no case more than a line of the agent's own words. Nothing can be decided from a notification; it opens the card.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.push.web_push import MOST_BYTES, base64url
from store.lifecycle import Outcome
from store.moments import to_text
from store.push.work import Asked, Over
from store.questions import Risk

_LINE = 120
_LONGEST_LIFE = timedelta(days=1)
_BRIEF_LIFE = timedelta(minutes=10)
_GRAVE = frozenset({Risk.HIGH, Risk.CRITICAL})
_ENDS = {
    Outcome.ANSWERED: "It was answered.",
    Outcome.DECLINED: "It was declined.",
    Outcome.RETURNED: "It was asked back.",
    Outcome.EXPIRED: "Its time is over; nobody answered.",
    Outcome.WITHDRAWN: "The agent took it back.",
}


@dataclass(frozen=True)
class Message:
    """A payload with what the push service needs to know of it."""

    payload: bytes
    lifetime: timedelta
    """For how long it is worth keeping for a phone that is off."""
    urgent: bool
    topic: str
    """A newer message of the same topic replaces one that was not fetched yet."""


def asked(request: Asked, now: datetime) -> Message:
    agent = _line(request.agent)
    grave = request.risk in _GRAVE
    if grave:
        assert request.risk is not None
        title, body = f"A request from {agent} waits", f"{request.risk.value.capitalize()} risk. Open it to read it."
    else:
        title, body = f"{agent} asks", _line(request.title)
    return _message(
        "asked",
        lifetime=min(max(request.expires_at - now, timedelta(0)), _LONGEST_LIFE),
        urgent=grave,
        tag=request.request_id,
        title=title,
        body=body,
        path=f"/requests/{request.request_id}",
        until=to_text(request.expires_at),
        stays=grave,
    )


def several(count: int, grave: int) -> Message:
    """One message in place of many."""
    body = f"{grave} of them high risk." if grave else "Open the inbox to read them."
    return _message(
        "asked",
        lifetime=_LONGEST_LIFE,
        urgent=grave > 0,
        tag="inbox",
        title=f"{count} requests wait",
        body=body,
        path="/",
        until=None,
        stays=grave > 0,
    )


def over(request: Over) -> Message:
    return _message(
        "over",
        lifetime=_LONGEST_LIFE,
        urgent=False,
        tag=request.request_id,
        title="Nothing to do any more",
        body=_ENDS[request.outcome],
        path=f"/requests/{request.request_id}",
        until=None,
        stays=False,
    )


def on_trial() -> Message:
    return _message(
        "asked",
        lifetime=_BRIEF_LIFE,
        urgent=True,
        tag="test",
        title="Assent reaches you here",
        body="This is the test that you asked for. Nothing waits because of it.",
        path="/phone",
        until=None,
        stays=False,
    )


def _message(kind: str, *, lifetime: timedelta, urgent: bool, tag: str, **said: object) -> Message:
    payload = json.dumps({"kind": kind, "tag": tag, **said}, ensure_ascii=False).encode()
    assert len(payload) <= MOST_BYTES  # two lines, cut by `_line`
    # 32 characters of the base64url alphabet are what a topic may have (RFC 8030, section 5.4).
    return Message(payload, lifetime, urgent, base64url(hashlib.sha256(tag.encode()).digest())[:32])


def _line(text: str) -> str:
    # A notification cannot mark what is invisible or turns the reading order around, as pages do; it leaves it out.
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return plain if len(plain) <= _LINE else plain[: _LINE - 1] + "…"
