"""From an event to the bytes of its entry, and the texts that it leaves in the side table. Pure but for the salts."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any

from store.audit.canonical import encode
from store.audit.events import EVENTS, FORMAT, Assurance, Concealed, Event, Reference
from store.moments import to_text

SALT_BYTES = 32
_COMMITMENT_LABEL = b"assent/audit/text/v1\0"
_FIELD_NAMES = {name: tuple(field.name for field in fields(event)) for name, event in EVENTS.items()}


@dataclass(frozen=True)
class Disclosure:
    """What stands behind a reference: whoever has it can check that this text was meant."""

    key: str
    commitment: str
    salt: bytes
    text: str


@dataclass(frozen=True)
class Entry:
    """An entry ready to append, its disclosures, and the references it holds by field name."""

    data: bytes
    disclosures: tuple[Disclosure, ...]
    references: Mapping[str, Reference]


def commitment(salt: bytes, text: str) -> str:
    """The salted hash of a text, as hex."""
    return hashlib.sha256(_COMMITMENT_LABEL + salt + text.encode()).hexdigest()


def entry_of(event: Event, at: datetime, assurance: Assurance) -> Entry:
    """The entry of something that happened at `at`.

    Raises:
        EntryProblem: it does not fit the profile; then it must not happen either.
    """
    members: dict[str, Any] = {
        "format": FORMAT,
        "type": event.type,
        "at": to_text(at),
        "assurance": assurance.value,
    }
    disclosures: list[Disclosure] = []
    references: dict[str, Reference] = {}
    for name in _FIELD_NAMES[event.type]:
        value = getattr(event, name)
        if isinstance(value, Concealed):
            disclosures.append(_concealed(f"{name}_ref", value.text))
            value = Reference(disclosures[-1].commitment)
        if isinstance(value, Reference):
            references[name] = value
            members[f"{name}_ref"] = value.commitment
        elif value is not None:
            members[name] = _plain(value)
    return Entry(encode(members), tuple(disclosures), references)


def _concealed(key: str, text: str) -> Disclosure:
    salt = secrets.token_bytes(SALT_BYTES)
    return Disclosure(key, commitment(salt, text), salt, text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_text(value)
    return value.value if isinstance(value, Enum) else value
