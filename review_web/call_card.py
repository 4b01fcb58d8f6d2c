"""The part of a card that a held call has and a question has not. Pure."""

from dataclasses import dataclass

from review_web.arguments_table import ArgumentRow, Shown, argument_rows, shown
from review_web.json_text import json_text
from review_web.words import count
from store.calls.definitions import Method, Pinned
from store.questions import HeldCall

_WHAT = {Method.TOOL: "this tool", Method.PROMPT: "this prompt", Method.RESOURCE: "its resources"}


@dataclass(frozen=True)
class CallPart:
    """What `card_call.html` prints, and `card_upstream_says.html`."""

    rows: tuple[ArgumentRow, ...]
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
    return CallPart(
        rows=rows,
        edited_by=question.edited_by,
        edited_words=count(edited, "argument") if edited else "nothing, in the end",
        edit_path=edit_path(request_id),
        held_because=question.held_because,
        what=_WHAT[Method(question.method)],
        says=shown("", question.description) if question.description else None,
        definition_changed=pinned is not None and not pinned.is_accepted,
        anchor=anchor(question.upstream, question.method, question.name),
    )


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
