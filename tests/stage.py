"""What tests stand on: a clock they move, questions worth asking, and short ways to be shown a card and answer it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from store.answers import Answer
from store.audit.checkpoint import LogKey
from store.database import OpenSigner
from store.deciding.decisions import Decided, Decision
from store.desk import Desk
from store.lifecycle import Surface
from store.people import Reviewer
from store.questions import AskApproval, AskForm, AskSelection, AskTextInput
from store.signals import INBOX

PASSWORD = "correct horse battery staple"


@dataclass
class FakeClock:
    """Stands still until a test moves it."""

    now: datetime = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def signed_by(key: LogKey) -> OpenSigner:
    """The log's signer, whether or not its log has begun."""
    return lambda _: key


def approval(title: str = "Deploy 1.4 to production?", **more: Any) -> AskApproval:
    return AskApproval.model_validate({"title": title, **more})


def selection(**more: Any) -> AskSelection:
    return AskSelection.model_validate(
        {"prompt": "Which region?", "options": [{"id": "eu", "label": "Europe"}, {"id": "us"}, {"id": "ap"}], **more}
    )


def form(*fields: dict[str, Any], **more: Any) -> AskForm:
    return AskForm.model_validate({"title": "Access", "fields": list(fields) or [{"name": "host"}], **more})


def text_input(**more: Any) -> AskTextInput:
    return AskTextInput.model_validate({"title": "Reply to the customer", "prefill": "Dear Ana,", **more})


async def see(desk: Desk, reviewer: Reviewer, request_id: str) -> str:
    """Be shown the card; its hash."""
    view = await desk.show(reviewer, request_id, Surface.RENDERED_PAGE)
    assert view is not None
    return view.card_sha256


async def answer(
    desk: Desk,
    reviewer: Reviewer,
    request_id: str,
    given: Answer,
    *,
    card: str | None = None,
    comment: str | None = None,
) -> Decision:
    """Answer a request as this reviewer; without `card`, after being shown it."""
    return await desk.decide(
        reviewer,
        request_id,
        card_sha256=await see(desk, reviewer, request_id) if card is None else card,
        answer=given,
        comment=comment,
        surface=Surface.RENDERED_PAGE,
        authenticated_by="password",
    )


async def answered(
    desk: Desk, reviewer: Reviewer, request_id: str, given: Answer, *, comment: str | None = None
) -> Decided:
    """`answer`, where the decision must stand."""
    decision = await answer(desk, reviewer, request_id, given, comment=comment)
    assert isinstance(decision, Decided), decision
    return decision


def stir(desk: Desk) -> None:
    """Make whoever waits look again, as they do after the clock moved."""
    desk.signals.publish([INBOX])
