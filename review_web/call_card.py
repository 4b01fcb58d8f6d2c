"""The part of a card that a held call has and a question has not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from review_web.arguments_table import ArgumentRow, Shown, argument_rows, shown
from review_web.json_text import json_text
from review_web.own_tools import CLAIM, OwnView, View, own_view
from review_web.words import count
from store.calls.definitions import Method, Pinned
from store.questions import HeldCall

_WHAT = {
    Method.TOOL: "this tool",
    Method.PROMPT: "this prompt",
    Method.RESOURCE: "its resources",
    Method.OWN: "this tool",
}
_FACTS: Mapping[str, str] = {
    "agent_type": "Kind of agent",
    "cwd": "Folder",
    "hook_event_name": "Asked by the hook",
    "model": "Model",
    "permission_mode": "Mode",
    "session_id": "Session",
    "tool_use_id": "Its id of the call",
    "transcript_path": "Transcript",
}
"""What the documented facts of clients are called here; any other stands under its own name."""


@dataclass(frozen=True)
class Fact:
    """Something that the agent's client adds by itself."""

    name: str
    value: str


@dataclass(frozen=True)
class OwnPart:
    """Of a call of a tool that the agent's client brings itself."""

    client: str
    """What people call the client."""
    view: View | None
    """None where all of it stands in the table of arguments."""
    rewritten: tuple[ArgumentRow, ...]
    """What the view shows and a reviewer changed: as the agent called it."""
    claim: str | None
    """What the agent says that the call does."""


@dataclass(frozen=True)
class CallPart:
    """What `card_call.html` prints, and `card_upstream_says.html`."""

    rows: tuple[ArgumentRow, ...]
    """All arguments, but for those that a view of the client's tool shows whole."""
    own: OwnPart | None
    """None of a call that an upstream runs."""
    facts: tuple[Fact, ...]
    edited_by: str | None
    """The reviewer who changed the arguments last."""
    edited_words: str
    """How many they are, in words; empty where nobody did."""
    edit_path: str
    """Where a reviewer changes them."""
    held_because: tuple[str, ...]
    what: str
    """This tool, this prompt."""
    says: Shown | None
    """What the upstream says of it."""
    definition_changed: bool
    """The upstream says otherwise by now than what was accepted."""
    anchor: str
    """Where the page of upstreams shows that."""


def call_part(request_id: str, question: HeldCall, pinned: Pinned | None) -> CallPart:
    """What is printed of `question`; `pinned` is its definition as it is now, where it has one."""
    rows = argument_rows(question)
    edited = sum(row.edited for row in rows)
    view = _own_view(question, rows)
    covered = frozenset[str]() if view is None else view.covers
    return CallPart(
        rows=tuple(row for row in rows if row.name not in covered),
        own=_own(question, view, rows),
        facts=tuple(Fact(_FACTS.get(name, name), value) for name, value in (question.facts or {}).items()),
        edited_by=question.edited_by,
        edited_words=count(edited, "argument") if edited else "nothing, in the end",
        edit_path=edit_path(request_id),
        held_because=question.held_because,
        what=_WHAT[Method(question.method)],
        says=shown("", question.description) if question.description else None,
        definition_changed=pinned is not None and not pinned.is_accepted,
        anchor=anchor(question.upstream, question.method, question.name),
    )


def _own_view(question: HeldCall, rows: tuple[ArgumentRow, ...]) -> OwnView | None:
    view = own_view(question.name, question.arguments) if question.is_own else None
    if view is not None and view.claim and any(row.name == CLAIM and row.edited for row in rows):
        # What a reviewer wrote is no word of the agent's.
        return replace(view, covers=view.covers - {CLAIM}, claim=None)
    return view


def _own(question: HeldCall, view: OwnView | None, rows: tuple[ArgumentRow, ...]) -> OwnPart | None:
    client = question.client
    if client is None:
        return None
    if view is None:
        return OwnPart(client, None, (), None)
    rewritten = tuple(row for row in rows if row.name in view.covers and row.edited)
    return OwnPart(client, view.view, rewritten, view.claim)


def edit_path(request_id: str) -> str:
    """The page on which a held call's arguments are changed."""
    return f"/requests/{request_id}/arguments"


def anchor(upstream: str, method: str, name: str) -> str:
    """Where on the page of upstreams a definition stands: a word of ASCII, different for each."""
    return "definition-" + f"{upstream}.{method}.{name}".encode().hex()


def lines_of_arguments(question: HeldCall) -> int:
    """How many lines its arguments are, at least, when all of them are printed."""
    lines = 0
    for value in question.arguments.values():
        lines += (value if isinstance(value, str) else json_text(value)).count("\n") + 1
    return lines
