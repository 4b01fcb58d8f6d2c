"""What came before a card, in words: what changed, how often the like was asked, earlier rounds. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from review_web.arguments_table import same
from review_web.differences import Difference, difference
from review_web.verdicts import Verdict, verdict_of
from review_web.words import count
from store.card import Card
from store.lifecycle import VOTED_KINDS, Kind
from store.precedents import LIKENESS_DAYS, TRACK_DAYS, Basis, Precedents, Tally
from store.questions import HeldCall
from store.requests import RequestView

# Beyond this the rest of a difference is folded.
LINES_UNFOLDED = 6
REMARK_LENGTH = 120


@dataclass(frozen=True)
class Earlier:
    """An earlier request, and how it ended; `verdict` is None while it is open."""

    view: RequestView
    verdict: Verdict | None
    remark: str | None
    """What was said of it, shortened."""


@dataclass(frozen=True)
class Round:
    """An earlier round of the same question, and what the round after it asked otherwise."""

    number: int
    earlier: Earlier
    then: Difference


@dataclass(frozen=True)
class TrackRecord:
    """What `card_before.html` prints."""

    agent: str
    workflow: str | None
    """Named where the like was found by the workflow, not by the title."""
    like_it: Earlier | None
    """The last one that was approved or answered."""
    changed: Difference | None
    same_call: bool
    """Both are calls with the very same arguments."""
    unfolded: int
    likeness_days: int
    track_days: int
    asked: str
    """How often in those days, in words."""
    ended: str
    """How, in words; empty when it was never asked."""
    refusals: tuple[Earlier, ...]
    rounds: tuple[Round, ...]
    followed_by: str | None


def track_record(card: Card, before: Precedents) -> TrackRecord:
    """What a reviewer reads of the time before `card`."""
    last = before.last_approved
    return TrackRecord(
        agent=card.agent,
        workflow=card.question.workflow if before.basis is Basis.WORKFLOW else None,
        like_it=_earlier(last) if last else None,
        changed=difference(last.card.question, card.question) if last else None,
        same_call=last is not None and _is_same_call(last.card, card),
        unfolded=LINES_UNFOLDED,
        likeness_days=LIKENESS_DAYS,
        track_days=TRACK_DAYS,
        asked=f"{count(before.tally.asked, 'time')} in {TRACK_DAYS} days",
        ended=_ended(before.tally, card.kind),
        refusals=tuple(_earlier(view) for view in before.refusals),
        rounds=_rounds(card, before.rounds),
        followed_by=before.followed_by,
    )


def _is_same_call(before: Card, now: Card) -> bool:
    old, new = before.question, now.question
    return isinstance(old, HeldCall) and isinstance(new, HeldCall) and same(old.arguments, new.arguments)


def _ended(tally: Tally, kind: Kind) -> str:
    said = (
        (tally.approved, "approved" if kind in VOTED_KINDS else "answered"),
        (tally.refused, "refused"),
        (tally.returned, "asked back"),
        (tally.expired, "expired"),
        (tally.withdrawn, "withdrawn"),
    )
    return ", ".join(f"{number:,} {how}" for number, how in said if number)


def _rounds(card: Card, earlier: Iterable[RequestView]) -> tuple[Round, ...]:
    views = list(earlier)
    after = [*(view.card.question for view in views), card.question][1:]
    return tuple(
        Round(number, _earlier(view), difference(view.card.question, then, with_reasons=True))
        for number, (view, then) in enumerate(zip(views, after, strict=True), 1)
    )


def _earlier(view: RequestView) -> Earlier:
    said = " ".join((view.comment or "").split())
    remark = said if len(said) <= REMARK_LENGTH else said[:REMARK_LENGTH].rstrip() + "…"
    return Earlier(view, verdict_of(view), remark or None)
