"""An answer as it is kept and told: what it means, and with its passwords sealed."""

from typing import Any

from store.answers import Answer, AskedBack, Chosen, Declined, Filled, Selected, Written, split_secrets
from store.card import Card
from store.database import Transaction
from store.lifecycle import Outcome
from store.questions import AskForm, AskTextInput
from store.vault.credentials import store_credential
from store.vault.keys import KeyProvider


def meaning_of(card: Card, answer: Answer) -> tuple[Outcome, bool]:
    """How the request ends by this answer, and whether the agent may proceed."""
    match answer:
        case Declined():
            return Outcome.DECLINED, False
        case AskedBack():
            return Outcome.RETURNED, False
        case Chosen(option):
            return Outcome.ANSWERED, any(button.id == option and button.approves for button in card.buttons)
        case _:
            return Outcome.ANSWERED, True


def in_words(card: Card, answer: Answer) -> str:
    """What a person answered to what several can decide, as people read it."""
    match answer:
        case Declined():
            return "declined"
        case AskedBack():
            return "asked back"
        case Chosen(option):
            label = next((button.label for button in card.buttons if button.id == option), option)
            return f"{'approved' if meaning_of(card, answer)[1] else 'did not approve'}: {label}"
        case _:
            return "answered"


def kept(transaction: Transaction, row: Any, card: Card, answer: Answer, keys: KeyProvider) -> dict[str, Any] | None:
    """The answer as it is stored and told: passwords are sealed here, and stand as handles from here on."""
    match answer:
        case Chosen(option):
            return {"decision": option, "approved": meaning_of(card, answer)[1]}
        case Selected(ids):
            return {"selected": list(ids)}
        case Written(text):
            assert isinstance(card.question, AskTextInput)
            return {"text": text, "edited": text != card.question.prefill.replace("\r\n", "\n")}
        case Filled():
            assert isinstance(card.question, AskForm)
            values, secrets = split_secrets(card.question, answer)
            handles = {name: _sealed(transaction, row, keys, name, secret) for name, secret in secrets.items()}
            return {"values": values, "credentials": handles}
        case _:
            return None


def _sealed(transaction: Transaction, row: Any, keys: KeyProvider, field: str, secret: str) -> str:
    return store_credential(
        transaction,
        keys,
        origin=transaction.log.origin,
        agent_id=row.agent_id,
        request_id=row.id,
        field=field,
        secret=secret,
    )
