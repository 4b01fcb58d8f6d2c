"""A held call as a request: its two buttons, several people, signatures; and that the log of it holds."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from store.agents import Agent
from store.answers import AskedBack, Chosen, Declined, Fault, Written
from store.card import REFUSE, RUN
from store.deciding.decide import HELD_CALLS_ARE_SIGNED
from store.deciding.decisions import (
    BadAnswer,
    Conflict,
    Decided,
    Decision,
    NeedsSignature,
    NotAllowed,
    NotSeen,
    Statement,
    Voted,
)
from store.desk import Desk
from store.lifecycle import Kind, Outcome, State, Surface
from store.people import People, Reviewer, Role, SignIn
from store.signing.nonces import Signer
from store.signing.signed import SignedDecision
from store.signing.statement import executed_args_commitment, load_statement
from tests.stage import answer, answered, see
from tests.store.calls.held import ARGUMENTS, HOLD, TWO, edited, hold, in_force
from tests.store.signing.key_in_software import ORIGIN, Es256Key, signed_with

pytestmark = pytest.mark.anyio

YES, NO = Chosen("run"), Chosen("refuse")


@pytest.fixture
async def cara(people: People) -> Reviewer:
    return await people.add_reviewer("cara", role=Role.REVIEWER, display_name="Cara Lind")


@pytest.fixture(autouse=True)
async def everything_is_in_the_log(desk: Desk, ana: Reviewer, ben: Reviewer, cara: Reviewer) -> AsyncIterator[None]:
    """There are three people; and whatever a test does here, its log must verify."""
    yield
    await anyio.to_thread.run_sync(desk.log.verify)


async def test_a_held_call_waits_with_exactly_its_arguments_and_why(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    [view] = await desk.inbox()
    assert (view.request_id, view.kind, view.title) == (ticket.request_id, Kind.CALL, "payments · send")
    assert view.card.buttons == (RUN, REFUSE)
    question = view.card.question.model_dump()
    assert (question["tool"], question["arguments"]) == ("payments__send", ARGUMENTS)
    assert question["held_because"] == ("the rule 'payments' holds it",)


async def test_an_approval_lets_the_call_run(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    decided = await answered(desk, ben, ticket.request_id, YES)
    assert (decided.view.outcome, decided.view.may_proceed) == (Outcome.ANSWERED, True)
    assert decided.view.answer == {"decision": "run", "approved": True}
    report = await desk.claim(ticket)
    assert (report.may_proceed, report.tool) == (True, "payments__send")  # type: ignore[union-attr]


async def test_a_refusal_lets_nothing_run(desk: Desk, bot: Agent, ben: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    decided = await answered(desk, ben, ticket.request_id, NO, comment="Not to them.")
    assert (decided.view.outcome, decided.view.may_proceed) == (Outcome.ANSWERED, False)
    assert decided.view.answer == {"decision": "refuse", "approved": False}
    assert decided.view.lapses_at is None


@pytest.mark.parametrize(("given", "outcome"), [(Declined(), Outcome.DECLINED), (AskedBack(), Outcome.RETURNED)])
async def test_declining_and_asking_back_let_nothing_run(
    desk: Desk, bot: Agent, ben: Reviewer, given: Declined | AskedBack, outcome: Outcome
) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    decided = await answered(desk, ben, ticket.request_id, given, comment="What is it for?")
    assert (decided.view.outcome, decided.view.may_proceed) == (outcome, False)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (Chosen("approve"), Fault("decision", "is not one of the options: run, refuse")),
        (Chosen("decline"), Fault("decision", "is not one of the options: run, refuse")),
        (
            Written("run"),
            Fault(
                "answer",
                "this is a held call: answer with `decision`, which is `run` or `refuse`; the answer was of another "
                "kind",
            ),
        ),
    ],
)
async def test_no_other_answer_counts(
    desk: Desk, bot: Agent, ben: Reviewer, given: Chosen | Written, fault: Fault
) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    assert await answer(desk, ben, ticket.request_id, given) == BadAnswer((fault,))


async def test_nobody_runs_what_they_were_not_shown(desk: Desk, bot: Agent, ben: Reviewer, ana: Reviewer) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    card = await see(desk, ana, ticket.request_id)
    assert await answer(desk, ben, ticket.request_id, YES, card=card) == NotSeen()


async def test_several_must_approve_where_the_rules_say_so(
    desk: Desk, bot: Agent, ben: Reviewer, cara: Reviewer
) -> None:
    await in_force(desk, TWO)
    ticket = await hold(desk, bot)
    first = await answer(desk, ben, ticket.request_id, YES)
    assert isinstance(first, Voted)
    assert (first.still_needed, first.view.state) == (1, State.SHOWN)
    last = await answered(desk, cara, ticket.request_id, YES)
    assert last.view.decided_by == "Ben Okoro and Cara Lind"
    assert [vote.said for vote in last.view.votes] == ["approved: Approve and run", "approved: Approve and run"]


async def test_one_refusal_of_several_is_enough(desk: Desk, bot: Agent, ben: Reviewer, cara: Reviewer) -> None:
    await in_force(desk, TWO)
    ticket = await hold(desk, bot)
    await answer(desk, ben, ticket.request_id, YES)
    last = await answered(desk, cara, ticket.request_id, NO)
    assert (last.view.may_proceed, last.view.decided_by) == (False, "Cara Lind")


async def test_only_whom_a_rule_asks_may_answer(desk: Desk, bot: Agent, ben: Reviewer, cara: Reviewer) -> None:
    await in_force(desk, f"{HOLD}, reviewers: [finance]", groups="{finance: [cara]}")
    ticket = await hold(desk, bot)
    assert await answer(desk, ben, ticket.request_id, YES) == NotAllowed(
        "this asks finance, and you are not among them"
    )
    assert isinstance(await answer(desk, cara, ticket.request_id, YES), Decided)


async def test_different_people_of_two_rules_approve_one_call_together(
    desk: Desk, bot: Agent, ben: Reviewer, cara: Reviewer
) -> None:
    finance, legal = (f"name: {n}, tool: payments__send, action: hold, reviewers: [{n}]" for n in ("finance", "legal"))
    await in_force(desk, finance, legal, groups="{finance: [ben], legal: [cara]}")
    ticket = await hold(desk, bot)
    assert isinstance(await answer(desk, ben, ticket.request_id, YES), Voted)
    assert isinstance(await answer(desk, cara, ticket.request_id, YES), Decided)


# Who has a passkey signs


class Signing:
    """A reviewer with a passkey, in a session of theirs."""

    def __init__(self, desk: Desk, reviewer: Reviewer, session_id: str, signer: Signer, key: Es256Key) -> None:
        self.desk, self.reviewer, self.session_id, self.signer, self.key = desk, reviewer, session_id, signer, key
        self.signed_before = 0

    async def signed(self, request_id: str, given: Chosen, **changed: Any) -> tuple[SignedDecision, str]:
        """What they sign of this answer, and the card; `changed` are members of the statement that are forged."""
        card = await see(self.desk, self.reviewer, request_id)
        said = Statement(self.reviewer, card, given, None, Surface.RENDERED_PAGE, "passkey")
        statement = await self.desk.hand_out_statement(request_id, said, self.signer)
        assert isinstance(statement, str), statement
        if changed:
            statement = replace(load_statement(statement), **changed).text
        self.signed_before += 1
        parts = signed_with(self.key, statement, count=self.signed_before).parts
        return SignedDecision(self.signer.passkey.id, statement, **parts, session_id=self.session_id), card

    async def decide(self, request_id: str, given: Chosen) -> Decision:
        signed, card = await self.signed(request_id, given)
        return await self.hand_in(request_id, given, signed, card)

    async def hand_in(self, request_id: str, given: Chosen, signed: SignedDecision, card: str) -> Decision:
        return await self.desk.decide(
            self.reviewer,
            request_id,
            card_sha256=card,
            answer=given,
            comment=None,
            surface=Surface.RENDERED_PAGE,
            authenticated_by="passkey",
            signed=signed,
        )


@pytest.fixture
async def signing(desk: Desk, people: People, cara: Reviewer) -> Signing:
    key = Es256Key()
    passkey = await people.add_passkey(
        cara.id, credential_id=b"c" * 16, public_key=key.cose, sign_count=0, name="Laptop", transports=()
    )
    _, session = await people.open_session(cara, SignIn.PASSKEY)
    return Signing(desk, cara, session.id, Signer(session.id, passkey, ORIGIN, "consent.example.org"), key)


async def test_who_has_a_passkey_approves_a_held_call_with_its_signature_only(
    desk: Desk, bot: Agent, signing: Signing
) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    unsigned = await answer(desk, signing.reviewer, ticket.request_id, YES)
    assert unsigned == NeedsSignature(HELD_CALLS_ARE_SIGNED)
    decided = await signing.decide(ticket.request_id, YES)
    assert isinstance(decided, Decided)
    assert [one.passkey_name for one in decided.view.signed_by] == ["Laptop"]


async def test_refusing_a_held_call_takes_no_signature(desk: Desk, bot: Agent, signing: Signing) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    assert isinstance(await answer(desk, signing.reviewer, ticket.request_id, NO), Decided)


async def test_who_has_no_passkey_approves_without_one_unless_a_rule_wants_it(
    desk: Desk, bot: Agent, ben: Reviewer, signing: Signing
) -> None:
    await in_force(desk)
    assert isinstance(await answer(desk, ben, (await hold(desk, bot)).request_id, YES), Decided)
    await in_force(desk, f"{HOLD}, require: passkey")
    ticket = await hold(desk, bot, {"amount": 1, "to": "ACME"})
    assert await answer(desk, ben, ticket.request_id, YES) == NeedsSignature()


async def test_what_is_signed_names_exactly_what_runs(desk: Desk, bot: Agent, signing: Signing) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    signed, card = await signing.signed(ticket.request_id, YES)
    statement = load_statement(signed.statement)
    content = {"tool": "payments__send", "arguments": ARGUMENTS}
    assert statement.executed_args_commitment == executed_args_commitment(statement.nonce, content)
    assert (statement.option, statement.approves, statement.card_sha256) == ("run", True, card)
    refusal, _ = await signing.signed(ticket.request_id, NO)
    assert load_statement(refusal.statement).executed_args_commitment is None


async def test_a_signature_of_another_call_does_not_count(desk: Desk, bot: Agent, signing: Signing) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    signed, card = await signing.signed(ticket.request_id, YES, executed_args_commitment="ab" * 32)
    assert isinstance(await signing.hand_in(ticket.request_id, YES, signed, card), BadAnswer)


async def test_a_signature_of_the_card_before_an_edit_counts_for_nothing(
    desk: Desk, bot: Agent, ben: Reviewer, signing: Signing
) -> None:
    await in_force(desk)
    ticket = await hold(desk, bot)
    signed, card = await signing.signed(ticket.request_id, YES)
    await edited(desk, ben, ticket.request_id, {"amount": 601, "to": "ACME"})
    assert isinstance(await signing.hand_in(ticket.request_id, YES, signed, card), Conflict)
    now = await see(desk, signing.reviewer, ticket.request_id)
    assert isinstance(await signing.hand_in(ticket.request_id, YES, signed, now), BadAnswer)
    assert isinstance(await signing.decide(ticket.request_id, YES), Decided)


async def test_a_signed_vote_is_taken_again_after_an_edit(
    desk: Desk, bot: Agent, ben: Reviewer, signing: Signing
) -> None:
    await in_force(desk, TWO)
    ticket = await hold(desk, bot)
    assert isinstance(await signing.decide(ticket.request_id, YES), Voted)
    await edited(desk, ben, ticket.request_id, {"amount": 601, "to": "ACME"})
    assert isinstance(await signing.decide(ticket.request_id, YES), Voted)
    assert isinstance(await answer(desk, ben, ticket.request_id, YES), Decided)
