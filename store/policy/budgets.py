"""How much a rule lets through within some time. Pure.

Amounts are counted in millionths, so that sums are exact. Windows slide: a budget of a day is of the last 24 hours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from store.policy.arguments import MISSING, Erred, kind_of, value_of

MICROS = 1_000_000
MOST_AMOUNT = 10**12
WINDOWS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400}


@dataclass(frozen=True)
class Budget:
    """At most so much within so many seconds."""

    of: str | None
    """The argument whose values are added up; None: calls are counted."""
    window_seconds: int
    most_micros: int
    each_agent: bool = False
    """Each agent has as much of its own; else it is for all together."""

    @property
    def per(self) -> str:
        """The window's name."""
        return next(name for name, seconds in WINDOWS.items() if seconds == self.window_seconds)

    @property
    def most(self) -> str:
        """How much it is, as a person writes it."""
        return amount(self.most_micros)


def cost(budget: Budget, arguments: Mapping[str, Any]) -> int | Erred:
    """What a call with these arguments takes of it, in millionths."""
    if budget.of is None:
        return MICROS
    value = value_of(arguments, budget.of)
    if isinstance(value, Erred):
        return value
    if value is MISSING:
        return Erred(f"{budget.of} is missing")
    if kind_of(value) != "a number":
        return Erred(f"{budget.of} is {kind_of(value)}, not a number")
    if not 0 <= value <= MOST_AMOUNT:
        return Erred(f"{budget.of} is negative or too large for a budget")
    return micros(value)


def micros(number: int | float | Decimal) -> int:
    """Millionths of a number that is not negative; what is finer is rounded up."""
    # A fraction means the decimals that it is written with, which are what is shown and sent.
    exact = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    return int((exact * MICROS).to_integral_value(ROUND_CEILING))


def amount(millionths: int) -> str:
    """1,234.5 of 1234500000."""
    whole, rest = divmod(millionths, MICROS)
    decimals = f"{rest:06d}".rstrip("0")
    return f"{whole:,}.{decimals}" if decimals else f"{whole:,}"
