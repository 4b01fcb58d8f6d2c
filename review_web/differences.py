"""What differs between two questions, or two texts, line by line, so that nobody need compare them by eye. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from review_web.json_text import entry_lines
from store.fields import Choice, FormField
from store.questions import (
    APPROVE,
    REJECT,
    AnyQuestion,
    AskApproval,
    AskForm,
    AskSelection,
    AskTextInput,
    Evidence,
    HeldCall,
)

# What an agent sends decides how long comparing takes, so there is an end to it: some ten milliseconds.
LINES_COMPARED = 400
LINE_SHOWN = 600
_WORDS = re.compile(r"\s+|[\w.,:/-]+|[^\w\s]")


class Side(StrEnum):
    BEFORE = "before"
    NOW = "now"


@dataclass(frozen=True)
class Line:
    """One line that only one of the two has."""

    side: Side
    head: str
    """What it begins with, the same as the line that it stands against."""
    changed: str
    tail: str
    more: int = 0
    """Characters of it that are left out here; the whole of it stands on the card."""

    @property
    def text(self) -> str:
        return self.head + self.changed + self.tail


@dataclass(frozen=True)
class Difference:
    """The lines that differ, in the order of the text; none when the two read the same."""

    lines: tuple[Line, ...]
    too_long: bool = False
    """They differ in more than is compared here."""


def difference(before: AnyQuestion, now: AnyQuestion, *, with_reasons: bool = False) -> Difference:
    """What `now` asks otherwise than `before`; `with_reasons` compares what the agent gives as reasons, too."""
    return difference_of_lines(lines_of(before, with_reasons=with_reasons), lines_of(now, with_reasons=with_reasons))


def difference_of_lines(old: Sequence[str], new: Sequence[str]) -> Difference:
    """The lines that only one of the two texts has."""
    start = _common(old, new)
    old, new = old[start:], new[start:]
    end = _common(old[::-1], new[::-1])
    old, new = old[: len(old) - end], new[: len(new) - end]
    if max(len(old), len(new)) > LINES_COMPARED:
        return Difference((), too_long=True)
    lines: list[Line] = []
    for change, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new).get_opcodes():
        if change != "equal":
            lines += _change(old[old_from:old_to], new[new_from:new_to])
    return Difference(tuple(lines))


def lines_of(question: AnyQuestion, *, with_reasons: bool = False) -> list[str]:
    """A question as lines of text: what it asks, and, `with_reasons`, what the agent says besides."""
    lines = [question.headline, *_particulars(question)]
    if question.risk is not None:
        lines.append(f"Risk: {question.risk}")
    if with_reasons:
        lines += [*_text(question.context), *_text(question.reasoning), *map(_evidence, question.evidence)]
    return [line for line in lines if line.strip()]


def _particulars(question: AnyQuestion) -> list[str]:
    match question:
        case AskApproval():
            custom = question.options if question.options != (APPROVE, REJECT) else ()
            effects = [f"Button: {o.label} ({'approves' if o.approves else 'does not approve'})" for o in custom]
            return [*_text(question.description), *effects]
        case AskSelection():
            return [_option(option) for option in question.options]
        case AskForm():
            return [*_text(question.description), *map(_field, question.fields)]
        case AskTextInput():
            return [*_text(question.description), *_text(question.prefill)]
        case HeldCall():
            return [line for name in sorted(question.arguments) for line in entry_lines(name, question.arguments[name])]


def _option(option: Choice) -> str:
    return f"Option: {option.label} ({option.id})" + (f": {option.description}" if option.description else "")


def _field(field: FormField) -> str:
    said = f"Field: {field.label} ({field.type}{', required' if field.required else ''})"
    return said if field.default is None else f"{said}, {field.default}"


def _evidence(item: Evidence) -> str:
    return f"Evidence: {item.label}: {item.url or item.text}"


def _text(text: str | None) -> list[str]:
    return (text or "").replace("\r\n", "\n").split("\n")


def _change(old: Sequence[str], new: Sequence[str]) -> list[Line]:
    """Lines in place of others; as many as there were stand each beneath its own, with what differs in it marked."""
    if len(old) != len(new):
        return [*(_line(Side.BEFORE, text, 0, 0) for text in old), *(_line(Side.NOW, text, 0, 0) for text in new)]
    lines: list[Line] = []
    for before, now in zip(old, new, strict=True):
        words, others = _WORDS.findall(before), _WORDS.findall(now)
        head = _common(words, others)
        tail = _common(words[head:][::-1], others[head:][::-1])
        for side, text, parts in ((Side.BEFORE, before, words), (Side.NOW, now, others)):
            kept = len("".join(parts[len(parts) - tail :]))
            lines.append(_line(side, text, len("".join(parts[:head])), kept))
    return lines


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines, or words, the two begin with alike."""
    alike = 0
    for before, now in zip(old, new, strict=False):
        if before != now:
            break
        alike += 1
    return alike


def _line(side: Side, text: str, head: int, tail: int) -> Line:
    end = len(text) - tail
    # All of it is marked where nothing of it is the same; then the mark says nothing, and is left out.
    if head == tail == 0:
        head = end = min(len(text), LINE_SHOWN)
    cut = LINE_SHOWN
    return Line(side, text[:head][:cut], text[head:end][: max(0, cut - head)], text[end:cut], max(0, len(text) - cut))
