"""The fields of a rule that look at calls of upstreams, from YAML: args, hours, until, when, budget and
rate. Pure."""

from typing import Any

import re2
from ruamel.yaml.nodes import Node

from store.policy.arguments import COMPARISONS, Check, Matcher, Op, Scalar, expression
from store.policy.budgets import MICROS, MOST_AMOUNT, WINDOWS, Budget, micros
from store.policy.hours import Hours, hours_of
from store.policy.rules import Action, Path, Place
from store.policy.until import Until, until_of
from store.policy.when import LONGEST_EXPRESSION
from store.policy.yaml_nodes import (
    PolicyMistake,
    decimal_of,
    fields_of,
    flag_of,
    is_fields,
    is_list,
    items_of,
    number_of,
    place_of,
    plain_value_of,
    raw_text_of,
    text_of,
)

CALL_KEYS = ("args", "other_args", "hours", "until", "when", "budget", "rate")
MOST_ARGUMENTS = 50
MOST_VALUES = 500
MOST_HOURS = 20
MOST_BUDGETS = 5
MOST_CALLS = 1_000_000
LONGEST_VALUE = 500
LONGEST_LENGTH = 100_000_000
BUDGET_KEYS = ("sum", "per", "max", "each")
_ARGUMENT = "args."
_CALLS = "calls"


def call_fields(given: dict[str, Node], action: Action, path: Path, places: dict[Path, Place]) -> dict[str, Any]:
    """What these fields of the rule at `path` say, by the names of `Rule`; where arguments stand is added to `places`.

    Raises:
        PolicyMistake
    """
    found: dict[str, Any] = {}
    if "args" in given:
        found["arguments"] = _matchers(given["args"], (*path, "args"), places)
    if "other_args" in given:
        found["no_other_arguments"] = _none(given["other_args"])
    if "hours" in given:
        found["hours"] = _hours(given["hours"])
    if "until" in given:
        found["until"] = _until(given["until"])
    if "when" in given:
        # Whether it is an expression is found out when it is activated: an engine that went away later must not take
        # the questions along.
        found["when"] = _expression(given["when"])
    if not action.permits and (needless := next((name for name in ("budget", "rate") if name in given), None)):
        raise PolicyMistake(
            f"{needless} is for rules with action allow or notice",
            place_of(given[needless]),
            "Over it, a call is held.",
        )
    budgets = [*(_budgets(given["budget"]) if "budget" in given else ())]
    if "rate" in given:
        budgets.append(_rate(given["rate"]))
    if budgets:
        found["budgets"] = tuple(budgets)
    return found


def _matchers(node: Node, path: Path, places: dict[Path, Place]) -> tuple[Matcher, ...]:
    fields = fields_of(node, "args", None)
    if not 0 < len(fields) <= MOST_ARGUMENTS:
        raise PolicyMistake(f"args should name 1 to {MOST_ARGUMENTS} arguments", place_of(node))
    for name, (key, _) in fields.items():
        places[(*path, name)] = place_of(key)
        if "" in name.split("."):
            raise PolicyMistake(
                f"{name!r} is no name of an argument", place_of(key), "Write a.b for b of the object a."
            )
    return tuple(Matcher(name, _checks(value, name)) for name, (_, value) in fields.items())


def _checks(node: Node, name: str) -> tuple[Check, ...]:
    if is_list(node):
        return (Check(Op.IN, _values(node, name)),)
    if not is_fields(node):
        return (Check(Op.EQ, _value(node, name)),)
    fields = fields_of(node, f"the test of {name}", tuple(Op))
    if not fields:
        raise PolicyMistake(f"the test of {name} is empty", place_of(node), f"Known here: {', '.join(Op)}.")
    return tuple(_check(Op(op), value, f"{op} of {name}") for op, (_, value) in fields.items())


def _check(op: Op, node: Node, what: str) -> Check:
    if op in COMPARISONS:
        return Check(op, decimal_of(node, what))
    match op:
        case Op.IN | Op.NOT_IN:
            return Check(op, _values(node, what))
        case Op.EXISTS:
            return Check(op, flag_of(node, what))
        case Op.LONGER:
            return Check(op, number_of(node, what, 0, LONGEST_LENGTH))
        case Op.GLOB:
            return Check(op, raw_text_of(node, what, LONGEST_VALUE))
        case Op.MATCHES:
            return Check(op, _pattern(node, what))
        case _:
            return Check(op, _value(node, what))


def _pattern(node: Node, what: str) -> str:
    pattern = raw_text_of(node, what, LONGEST_VALUE)
    try:
        expression(pattern)
    except re2.error as problem:
        said = problem.args[0] if problem.args else ""
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise PolicyMistake(f"{what} is no RE2 expression: {said}", place_of(node)) from None
    return pattern


def _values(node: Node, what: str) -> tuple[Scalar, ...]:
    items = items_of(node, what)
    if not 0 < len(items) <= MOST_VALUES:
        raise PolicyMistake(f"{what} should list 1 to {MOST_VALUES} values", place_of(node))
    return tuple(_value(item, what) for item in items)


def _value(node: Node, what: str) -> Scalar:
    return plain_value_of(node, what, LONGEST_VALUE)


def _none(node: Node) -> bool:
    if text_of(node, "other_args") != "none":
        raise PolicyMistake("other_args should be none, or left out", place_of(node))
    return True


def _hours(node: Node) -> tuple[Hours, ...]:
    items = items_of(node, "hours") if is_list(node) else [node]
    if not 0 < len(items) <= MOST_HOURS:
        raise PolicyMistake(f"hours should list 1 to {MOST_HOURS}", place_of(node))
    found = []
    for item in items:
        try:
            found.append(hours_of(text_of(item, "hours")))
        except ValueError as problem:
            raise PolicyMistake(str(problem), place_of(item)) from None
    return tuple(found)


def _until(node: Node) -> Until:
    try:
        return until_of(text_of(node, "until"))
    except ValueError as problem:
        raise PolicyMistake(str(problem), place_of(node)) from None


def _expression(node: Node) -> str:
    return text_of(node, "when", LONGEST_EXPRESSION)


def _budgets(node: Node) -> list[Budget]:
    items = items_of(node, "budget") if is_list(node) else [node]
    if not 0 < len(items) <= MOST_BUDGETS:
        raise PolicyMistake(f"there should be 1 to {MOST_BUDGETS} budgets", place_of(node))
    return [_budget(item) for item in items]


def _budget(node: Node) -> Budget:
    fields = {name: value for name, (_, value) in fields_of(node, "budget", BUDGET_KEYS).items()}
    if missing := [name for name in BUDGET_KEYS[:3] if name not in fields]:
        example = "budget: {sum: args.amount, per: day, max: 1000}"
        raise PolicyMistake(f"the budget has no {missing[0]}", place_of(node), f"Write it like {example}")
    each = text_of(fields["each"], "each") if "each" in fields else None
    if each not in (None, "agent"):
        raise PolicyMistake("each should be agent, or left out", place_of(fields["each"]))
    return Budget(_summed(fields["sum"]), _window(fields["per"]), _most(fields["max"]), each_agent=each is not None)


def _summed(node: Node) -> str | None:
    what = text_of(node, "sum")
    if what == _CALLS:
        return None
    name = what.removeprefix(_ARGUMENT)
    if name == what or "" in name.split("."):
        raise PolicyMistake("sum should be calls, or an argument such as args.amount", place_of(node))
    return name


def _window(node: Node) -> int:
    name = text_of(node, "per")
    if name not in WINDOWS:
        raise PolicyMistake(f"per should be one of {', '.join(WINDOWS)}", place_of(node))
    return WINDOWS[name]


def _most(node: Node) -> int:
    number = decimal_of(node, "max")
    if not 0 < number <= MOST_AMOUNT or micros(number) != number * MICROS:
        raise PolicyMistake("max should be more than 0, at most 10^12, and of at most 6 decimals", place_of(node))
    return micros(number)


def _rate(node: Node) -> Budget:
    count, slash, unit = text_of(node, "rate").partition("/")
    number = int(count) if count.isascii() and count.isdigit() and len(count) <= 7 else 0
    if not slash or unit not in WINDOWS or not 1 <= number <= MOST_CALLS:
        raise PolicyMistake(
            f"rate should look like 10/minute: 1 to {MOST_CALLS:,} calls, and {', '.join(WINDOWS)}",
            place_of(node),
        )
    return Budget(None, WINDOWS[unit], number * MICROS)
