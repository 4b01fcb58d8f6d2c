"""Conditions in CEL, the Common Expression Language, behind one adapter: the only importer of the engine. Pure.

The engine is the extra `cel`. It bounds recursion and iterations itself. An expression that iterates multiplies what it
costs by what an agent sends, so for those the arguments are bounded, and one iteration within another is refused.
Mistakes in types come back as values of a type of their own, the engine's own limits as exceptions; both are `Erred`.
"""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from store.policy.arguments import Erred

LONGEST_EXPRESSION = 1000
MOST_ITERATIONS = 1
"""How many may stand within each other."""
MOST_ITEMS = 1000
MOST_WEIGHT = 64 * 1024
"""Values and characters of the arguments that an expression which iterates is tried on."""
VARIABLES = ("tool", "upstream", "args", "agent", "workflow", "now")
INSTALL = "pip install 'assent[cel]'"
_STRING = re.compile(r"\"\"\".*?\"\"\"|\'\'\'.*?\'\'\'|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_ITERATION = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|filter|map)\s*\(")
_NOT_THERE, _OTHER_TYPES = "NOT_FOUND", "UNKNOWN: No matching overload"


@dataclass(frozen=True)
class Facts:
    """What expressions are about. `workflow` is empty where the agent was given none."""

    tool: str
    upstream: str
    args: Mapping[str, Any]
    agent: str
    workflow: str
    now: datetime

    def satisfy(self, expression: str) -> bool | Erred:
        """Whether this expression is true of them."""
        try:
            compiled, iterations = _compiled(expression), _iterations(expression)
            if iterations > MOST_ITERATIONS or (iterations and not self._is_small):
                return Erred("its expression would iterate too much for these arguments")
            found = compiled.eval(self._activation)
            kind, answer = str(found.type()), found.plain_value()
        except Exception:  # noqa: BLE001 - denies: whatever it is makes the rule match, and hold
            return Erred("its expression could not be evaluated")
        return answer if kind == "BOOL" and isinstance(answer, bool) else Erred(_why(kind, answer))

    @cached_property
    def _activation(self) -> Any:
        # Made once for all expressions of all rules.
        return _environment().Activation({name: getattr(self, name) for name in VARIABLES})

    @cached_property
    def _is_small(self) -> bool:
        return _weight(self.args) <= MOST_WEIGHT


def _why(kind: str, answer: object) -> str:
    if kind != "ERROR":
        return "its expression is neither true nor false"
    # What the engine says can hold what the agent sent.
    if str(answer).startswith(_NOT_THERE):
        return "its expression looks at something that is not there"
    if str(answer).startswith(_OTHER_TYPES):
        return "its expression is for values of other types"
    return "its expression could not be evaluated"


def _weight(value: Any, most: int = MOST_WEIGHT) -> int:
    """How many values and characters there are, or more than `most`; a long list or object is too much."""
    if isinstance(value, str):
        return len(value) + 1
    if isinstance(value, Mapping):
        parts: Any = (one for pair in value.items() for one in pair)
    elif isinstance(value, list | tuple):
        parts = value
    else:
        return 1
    if len(value) > MOST_ITEMS:
        return most + 1
    weight = 1
    for part in parts:
        weight += _weight(part, most - weight)
        if weight > most:
            break
    return weight


@lru_cache(maxsize=4096)
def _iterations(expression: str) -> int:
    """How many iterations stand within each other."""
    code = _STRING.sub("''", expression)
    openings = {match.end() - 1 for match in _ITERATION.finditer(code)}
    deepest, stack = 0, []
    for at, letter in enumerate(code):
        if letter == "(":
            stack.append(at in openings)
        elif letter == ")" and stack:
            stack.pop()
        deepest = max(deepest, sum(stack))
    return deepest


def is_installed() -> bool:
    """Whether there is an engine. Without one every expression errs."""
    try:
        _engine()
    except ImportError:
        return False
    return True


def mistake_in(expression: str) -> str | None:
    """Why this is no expression that a rule can have: a phrase, or None if it can."""
    try:
        compiled = _compiled(expression)
    except ImportError:
        return f"needs the extra cel, which is not installed: {INSTALL}"
    except Exception as problem:  # noqa: BLE001 - refuses: any kind of it is a mistake of the file
        return f"is not an expression: {_said(problem)}"
    if _iterations(expression) > MOST_ITERATIONS:
        return "iterates within an iteration, which is not taken"
    kind = str(compiled.return_type())
    return None if kind in ("BOOL", "DYN") else f"should be true or false, and is {kind.lower()}"


def _said(problem: Exception) -> str:
    line = next((line for line in str(problem).splitlines() if "ERROR:" in line), str(problem))
    said = " ".join(line.partition("<input>:")[2].split() or line.split())
    said = said.partition(" [")[0].partition(" (in container")[0][:200]
    return f"{said}; there are {', '.join(VARIABLES)}" if "undeclared reference" in said else said


def _engine() -> Any:
    # An extra: imported when the first policy needs it, and only here.
    return importlib.import_module("cel_expr_python.cel")


@lru_cache(maxsize=1)
def _environment() -> Any:
    cel = _engine()
    kinds = cel.Type
    return cel.NewEnv(
        variables={
            "tool": kinds.STRING,
            "upstream": kinds.STRING,
            "args": kinds.Map(kinds.STRING, kinds.DYN),
            "agent": kinds.STRING,
            "workflow": kinds.STRING,
            "now": kinds.TIMESTAMP,
        }
    )


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    return _environment().compile(expression)
