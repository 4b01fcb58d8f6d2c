"""What an upstream says that it has, and under which name agents and rules know it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from store.canonical_json import canonical_sha256, canonical_text, settled

SEPARATOR = "__"
LONGEST_NAME = 64
NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{LONGEST_NAME}}}")
"""What a name that agents are told may be made of."""


class Method(StrEnum):
    """What can be asked of an upstream."""

    TOOL = "tool"
    PROMPT = "prompt"
    RESOURCE = "resource"
    OWN = "own"
    """Not of an upstream: a tool that the agent's client brings itself, and asks here whether it may run."""


@dataclass(frozen=True)
class Definition:
    """One tool or prompt of an upstream. `content` is its whole entry, as the upstream lists it."""

    upstream: str
    method: Method
    name: str
    content: Mapping[str, Any]

    @property
    def exposed(self) -> str:
        """What agents call it."""
        return f"{self.upstream}{SEPARATOR}{self.name}"

    @property
    def governed_as(self) -> str:
        """The name that rules match; see `store.policy.verdicts.Called`."""
        return self.exposed if self.method is Method.TOOL else f"{self.upstream}:prompts/{self.name}"

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of its canonical form, with everything in it."""
        return canonical_sha256(settled(self.content))

    @cached_property
    def canonical(self) -> str:
        return canonical_text(settled(self.content))


def resources_of(upstream: str) -> str:
    """The name by which rules match the reading of this upstream's resources."""
    return f"{upstream}:resources"


@dataclass(frozen=True)
class Pinned:
    """A definition as it is now, beside the one that was accepted."""

    definition: Definition
    accepted: Definition | None
    seen_at: datetime
    accepted_at: datetime | None
    accepted_by: str | None
    gone_at: datetime | None

    @property
    def is_accepted(self) -> bool:
        """Whether what it is now is what was accepted; calls of any other are held."""
        return self.accepted is not None and self.accepted.sha256 == self.definition.sha256
