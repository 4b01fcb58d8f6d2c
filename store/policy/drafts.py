"""A rule drafted from one call and a few choices. Pure.

Invariants:

- A draft that permits lets nothing through that the choices do not name: unless any arguments were chosen, only calls
  with the arguments that this one had, and none besides. One that holds or denies is never narrower than it reads.
- What a rule cannot say exactly is not drafted: a draft that permits is refused then, with the reason.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from store.policy.arguments import leads_back
from store.policy.call_fields import LONGEST_VALUE, MOST_ARGUMENTS
from store.policy.globs import is_wild
from store.policy.reading import LONGEST_NAME, LONGEST_TOOL
from store.policy.rules import Action
from store.policy.suggestion import free_name
from store.policy.yaml_nodes import number_written
from store.problems import Problem
from store.strict_json import shortened

_SPECIAL = frozenset(r"\.+*?()|[]{}^$")
"""What means something else than itself in an expression of RE2."""
_WHOLE = 2**53 - 1
"""Whole numbers beyond it are not the same number to every reader of JSON."""


class CannotDraft(Problem):
    """No rule can say this. `message` says why, `hint` what to choose instead."""


class Which(StrEnum):
    """Calls with which arguments it is for."""

    EXACT = "exact"
    CHOSEN = "chosen"
    """Those that were chosen are the same; the others may be anything."""
    ANY = "any"


class Lasting(StrEnum):
    """How long it is for, from now on."""

    HOUR = "hour"
    TODAY = "today"
    WEEK = "week"
    MONTH = "month"
    ALWAYS = "always"


_DAYS = {Lasting.TODAY: 0, Lasting.WEEK: 7, Lasting.MONTH: 30}


@dataclass(frozen=True)
class Cause:
    """The call because of which a rule is proposed, as it ran or would have run."""

    tool: str
    """The name by which rules match it."""
    upstream: str
    agent: str
    workflow: str | None
    """The one that its agent was given."""
    arguments: Mapping[str, Any]
    at: datetime
    is_edited: bool = False
    """A reviewer made the arguments other than what the agent had called it with."""
    call_id: str | None = None
    request_id: str | None = None
    """The request that held it, where it is that answer which becomes a rule."""
    was_approved: bool | None = None
    """What people answered to that request."""


@dataclass(frozen=True)
class Choices:
    """What a person chose."""

    action: Action
    which: Which
    chosen: frozenset[str] = frozenset()
    """Names of arguments, for `Which.CHOSEN`."""
    every_agent: bool = False
    until: str | None = None
    """As the rule has it; None: no end."""


@dataclass(frozen=True)
class Field:
    """One argument of the call, or one value within an object of it, as a rule can name it."""

    name: str
    value: Any
    test: Any
    """What a rule asks of it for the same value; None where it cannot."""
    problem: str | None
    """Why it cannot, in words that go on after its name."""
    within: tuple[str, ...] = ()
    """The objects that it is in, from the outermost."""


def until(lasting: Lasting, now: datetime) -> str | None:
    """The end of a rule that is proposed now, as the rule has it. A day ends when it ends in UTC."""
    utc = now.astimezone(UTC)
    match lasting:
        case Lasting.ALWAYS:
            return None
        case Lasting.HOUR:
            return f"{utc + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        case days:
            return f"{utc + timedelta(days=_DAYS[days]):%Y-%m-%d}"


def fields_of(arguments: Mapping[str, Any]) -> tuple[Field, ...]:
    """Everything that a rule could look at in these arguments, in their order."""
    return tuple(_fields(arguments, ()))


def draft(cause: Cause, choices: Choices, taken_names: Sequence[str] = ()) -> Mapping[str, Any]:
    """The rule as the file has it; `taken_names` are those of rules that there are, or are proposed.

    Raises:
        CannotDraft
    """
    _require_plain(cause.tool)
    rule: dict[str, Any] = {"name": _name(cause, choices, taken_names), "tool": cause.tool}
    if not choices.every_agent:
        rule["agent"] = cause.agent
    if choices.which is not Which.ANY:
        tests = _permitted(cause, choices) if choices.action.permits else _caught(cause, choices)
        if tests:
            rule["args"] = tests
        if choices.action.permits:
            rule["other_args"] = "none"
    if choices.until is not None:
        rule["until"] = choices.until
    rule["action"] = choices.action.value
    return rule


def left_out(cause: Cause, choices: Choices) -> tuple[Field, ...]:
    """What should be the same, and a draft that holds or denies cannot ask for."""
    if choices.action.permits or choices.which is Which.ANY:
        return ()
    fields = fields_of(cause.arguments)
    wanted = [one for one in fields if choices.which is Which.EXACT or one.name in choices.chosen]
    named = [one for one in wanted if one.problem is None]
    return tuple(one for one in wanted if one not in named[:MOST_ARGUMENTS])


def _require_plain(tool: str) -> None:
    if is_wild(tool) or not tool.isprintable() or tool != tool.strip() or not 0 < len(tool) <= LONGEST_TOOL:
        raise CannotDraft(
            f"no rule can name {shortened(tool)} and nothing else",
            "Rules read * and ? as anything, and take names of one line.",
        )


def _permitted(cause: Cause, choices: Choices) -> dict[str, Any]:
    """Tests that let exactly the chosen through, and of the rest nothing that this call did not have."""
    fields = fields_of(cause.arguments)
    _require_chosen(fields, choices)
    tests: dict[str, Any] = {}
    for one in fields:
        fixed = choices.which is Which.EXACT or one.name in choices.chosen
        if one.problem is not None and (fixed or not _can_name(one.name)):
            raise CannotDraft(
                f"no rule can ask for exactly this value of {shortened(one.name)}: it {one.problem}",
                "Choose the fields that must be the same, without this one."
                if _can_name(one.name)
                else "Choose any arguments, or write the rule into the file.",
            )
        for holder in one.within:
            # Without it, an argument that is called `a.b` would do for the field `b` of the object `a`.
            tests[holder] = {"exists": True}
        tests[one.name] = one.test if fixed else {"exists": True}
    if len(tests) > MOST_ARGUMENTS:
        raise CannotDraft(
            f"this call has {len(tests)} arguments, and a rule names at most {MOST_ARGUMENTS}",
            "Choose any arguments, or write the rule into the file.",
        )
    return tests


def _caught(cause: Cause, choices: Choices) -> dict[str, Any]:
    """Tests of what must be the same. What cannot be tested is left out: by that the rule holds or denies more."""
    fields = fields_of(cause.arguments)
    _require_chosen(fields, choices)
    wanted = [one for one in fields if choices.which is Which.EXACT or one.name in choices.chosen]
    tests = {one.name: one.test for one in wanted if one.problem is None}
    if not tests and cause.arguments:
        raise CannotDraft(
            "none of these arguments can be named in a rule", "Choose any arguments, or write the rule into the file."
        )
    return dict(list(tests.items())[:MOST_ARGUMENTS])


def _require_chosen(fields: Sequence[Field], choices: Choices) -> None:
    if choices.which is Which.CHOSEN and not choices.chosen & {one.name for one in fields}:
        raise CannotDraft("no argument is chosen", "Choose at least one that must be the same.")


def _fields(holder: Mapping[str, Any], within: tuple[str, ...]) -> Iterator[Field]:
    before = f"{within[-1]}." if within else ""
    for key, value in holder.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and value and "." not in key and _can_name(name):
            yield from _fields(value, (*within, name))
        else:
            test, problem = _test(value)
            yield Field(name, value, test, _problem_of_name(key, name) or problem, within)


def _problem_of_name(key: str, name: str) -> str | None:
    if not key:
        return "has no name"
    if "." in key:
        return "has a name that a rule reads in another way"
    return None if _can_name(name) else "has a name that no rule can write"


def _can_name(name: str) -> bool:
    return name.isprintable() and name == name.strip() and len(name) <= LONGEST_NAME and "" not in name.split(".")


def _test(value: Any) -> tuple[Any, str | None]:
    """What a rule asks for this value and no other; or why it cannot."""
    match value:
        case bool():
            return value, None
        case None:
            # `null` is a value of its own here, and written out, so that no reader takes it for "not said".
            return {"eq": None}, None
        case int() | float():
            known = number_written(json.dumps(value)) == value and (isinstance(value, float) or abs(value) <= _WHOLE)
            return (value, None) if known else (None, "has more digits than a rule takes")
        case str():
            return _text_test(value)
        case Mapping():
            return None, "is an object with nothing in it"
        case _:
            return None, "is a list"


def _text_test(text: str) -> tuple[Any, str | None]:
    if text.isprintable() and len(text) <= LONGEST_VALUE:
        return text, None
    try:
        text.encode()
    except UnicodeEncodeError:
        return None, "is no Unicode text"
    # Rules are of one line; an expression can say what a text of several is.
    pattern = "".join(map(_escaped, text)) if len(text) <= LONGEST_VALUE else ""
    if not 0 < len(pattern) <= LONGEST_VALUE:
        return None, "is longer than a rule takes"
    if "/" in pattern and leads_back(text):
        return None, "goes back by .."
    return {"matches": pattern}, None


def _escaped(letter: str) -> str:
    if letter == "\n":
        return r"\n"
    if letter in _SPECIAL:
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\x{{{ord(letter):X}}}"


def _name(cause: Cause, choices: Choices, taken_names: Sequence[str]) -> str:
    whom = "every agent" if choices.every_agent else cause.agent
    what = _cut(cause.tool, LONGEST_NAME - len(whom) - 30)
    return free_name(f"{choices.action.value} {what} for {whom}", taken_names)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(1, most - 1)]}…"
