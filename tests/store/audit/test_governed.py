"""A card that asks less than the rules that it names is refused, by the entry that opens its request."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from store.audit.events import AgentAdded, Concealed, PolicyActivated, RequestOpened
from store.audit.verify import LogFault
from store.lifecycle import Kind
from store.policy.demands import Asked, demands_of
from store.policy.reading import read, sha256_of
from store.questions import Risk
from tests.store.audit.examples import Log, Writer, written

RULES = """version: 1
groups: {finance: [ana, ben]}
rules:
  - {name: two, tool: ask_approval, workflow: payments, reviewers: [finance], approvals: 2}
  - {name: risky, tool: ask_approval, risk: high, require: passkey, timeout: 30s}
  - {name: never, tool: ask_form, agent: builder, action: deny}
"""


def asks(*, workflow: str | None = None, risk: str | None = None, given: str | None = None) -> list[dict[str, Any]]:
    """What RULES ask of an approval."""
    asked = Asked("ask_approval", "builder", workflow, None if risk is None else Risk(risk))
    return [asdict(one) for one in demands_of(read(RULES), asked, given=given).conditions]


def opened(
    conditions: list[dict[str, Any]],
    *,
    question: dict[str, Any] | None = None,
    kind: Kind = Kind.APPROVAL,
    given: str | None = None,
    rules: str = RULES,
    seconds: int = 30,
) -> Log:
    """A log in which an agent, given this workflow, asks under RULES, and the card has these conditions."""

    def part(writer: Writer) -> None:
        workflow = None if given is None else Concealed(given)
        writer.write(AgentAdded("agt_2", Concealed("builder"), None, workflow))
        writer.write(PolicyActivated(sha256_of(rules), Concealed(rules), "command_line", None))
        expires_at = writer.now + timedelta(seconds=seconds)
        card = {
            "request_id": "req_1",
            "kind": kind.value,
            "expires_at": expires_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "question": question or {},
            "buttons": [{"id": "approve", "approves": True}],
            "conditions": conditions,
            "policy_sha256": sha256_of(rules),
        }
        writer.write(
            RequestOpened("req_1", kind, "agt_2", Concealed(json.dumps(card)), Concealed("print"), expires_at, None)
        )

    return written(part)


PAYMENT = {"workflow": "payments"}
RISKY = {"risk": "high"}


@pytest.mark.parametrize(
    "log",
    [
        lambda: opened([]),
        lambda: opened(asks(workflow="payments"), question=PAYMENT),
        lambda: opened(asks(workflow="payments"), given="payments"),
        lambda: opened(asks(given="payments"), question={"workflow": "other"}, given="payments"),
        lambda: opened(asks(risk="high"), question=RISKY),
        lambda: opened(asks(workflow="payments")),
        lambda: opened([], seconds=3_600),
        lambda: opened([], kind=Kind.TEXT_INPUT),
    ],
)
def test_a_card_that_asks_what_its_rules_ask_or_more_follows_from_them(log: Callable[[], Log]) -> None:
    log().verified()


@pytest.mark.parametrize(
    ("log", "what"),
    [
        (lambda: opened([], question=PAYMENT), "does not ask what the rule 'two' asks"),
        (lambda: opened([], given="payments"), "does not ask what the rule 'two' asks"),
        (lambda: opened([], given="payments", question={"workflow": "other"}), "does not ask what the rule 'two' asks"),
        (
            lambda: opened([{**asks(workflow="payments")[0], "approvals": 1}], question=PAYMENT),
            "does not ask what the rule 'two' asks",
        ),
        (
            lambda: opened([{**asks(workflow="payments")[0], "reviewers": ["ana", "ben", "eve"]}], question=PAYMENT),
            "does not ask what the rule 'two' asks",
        ),
        (
            lambda: opened(asks(risk="high")[:1], question=RISKY),
            "does not ask what the rule 'high risk needs a reason'",
        ),
        (lambda: opened(asks(risk="high"), question=RISKY, seconds=31), "is open for longer than its rules allow"),
        (lambda: opened([], kind=Kind.FORM), "is asked, which its rules deny"),
        (lambda: opened([], rules="version: 2"), "under rules that nobody can read"),
        (lambda: opened([], question={"risk": "none of these"}), "makes no sense"),
    ],
)
def test_a_card_that_asks_less_than_its_rules_is_refused(log: Callable[[], Log], what: str) -> None:
    forged = log()
    with pytest.raises(LogFault, match=what) as fault:
        forged.verified()
    assert fault.value.index == len(forged.entries) - 1


def test_where_the_rules_the_card_or_the_agent_were_erased_nothing_is_compared() -> None:
    opened([], question=PAYMENT).verified(disclosures=None)
