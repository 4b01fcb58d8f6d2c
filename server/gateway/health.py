"""How an upstream is doing, in words for people. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.gateway.connection import Connection
from store.calls.definitions import Method

_MENTIONED = 5


class State(StrEnum):
    ASLEEP = "asleep"
    STARTING = "starting"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Health:
    """One health line."""

    state: State
    detail: str


@dataclass(frozen=True)
class Outage:
    """Why it is down, as a phrase that goes on from its name."""

    why: str
    since: datetime

    @property
    def text(self) -> str:
        return f"{self.why} (since {time_text(self.since)})"


def summary(connection: Connection, revived: str) -> str:
    """What one that is up has, and what is wrong with it all the same; `revived` says why it was started anew."""
    have = connection.inventory
    tools = sum(each.method is Method.TOOL for each in have.definitions)
    prompts, resources = len(have.definitions) - tools, len(have.resources.resources)
    counted = ((tools, "tool"), (prompts, "prompt"), (resources, "resource"))
    parts = [", ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in counted)]
    parts += [f"protocol {connection.client.protocol_version}", *connection.wire.notes.values()]
    parts += have.left_out[:_MENTIONED]
    if len(have.left_out) > _MENTIONED:
        parts.append(f"and {len(have.left_out) - _MENTIONED} more")
    return "; ".join([*parts, *([revived] if revived else [])]) + "."


def time_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
