"""Proposed rules that wait, as the page of the rules prints them."""

from dataclasses import dataclass
from datetime import datetime

from review_web.effect_words import EffectPart, effect_part
from review_web.proposing_page import page_of_cause
from review_web.site_context import Site
from store.policy.proposals import Tried
from store.policy.proposed import Proposal
from store.policy.words import what_it_asks, what_it_matches

MOST_SHOWN = 20
"""Each is tried on calls by every look at the page, so the rest wait until these are done with."""
CALLS_TRIED = 500


@dataclass(frozen=True)
class ProposedRow:
    """One of them."""

    id: str
    name: str
    made_by: str
    made_at: datetime
    because_of: str | None
    """The page of the call that it comes from."""
    held: bool
    """That is the page of a request."""
    sha256: str
    matches: str
    asks: tuple[str, ...]
    text: str | None
    """As it would stand in the file; None where it cannot be read any more."""
    over: bool
    """It is over by now, and would match nothing."""
    effect: EffectPart | None


@dataclass(frozen=True)
class ProposedPart:
    """Those that wait longest, and how many more there are."""

    rows: tuple[ProposedRow, ...] = ()
    more: int = 0


async def proposed_part(site: Site) -> ProposedPart:
    """What waits, with its effect on the newest calls.

    Raises:
        PolicyUnreadable
    """
    waiting = await site.desk.proposals.open()
    shown = waiting[:MOST_SHOWN]
    tried = await site.desk.proposals.try_all(shown, CALLS_TRIED)
    rows = tuple(_row(one, found, site.clock()) for one, found in zip(shown, tried, strict=True))
    return ProposedPart(rows, len(waiting) - len(rows))


def _row(one: Proposal, tried: Tried | None, now: datetime) -> ProposedRow:
    rule = None if tried is None else tried.rule
    has_cause = one.call_id is not None or one.request_id is not None
    return ProposedRow(
        id=one.id,
        name=str(one.rule.get("name", "")),
        made_by=one.made_by,
        made_at=one.made_at,
        because_of=page_of_cause(one.call_id, one.request_id) if has_cause else None,
        held=one.call_id is None,
        sha256=one.sha256,
        matches="" if rule is None else what_it_matches(rule),
        asks=() if rule is None else what_it_asks(rule),
        text=None if tried is None else tried.text,
        over=rule is not None and rule.until is not None and rule.until.is_over(now),
        effect=None if tried is None else effect_part(tried.rule, tried.effect),
    )
