"""A series of measurements."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """Values of one quantity, in one unit."""

    values: tuple[float, ...]

    @property
    def p50(self) -> float:
        return statistics.median(self.values)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.values, n=100)[98]
