"""What one run of the trading process was measured to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of the trading process; measures are as `serving_run.measure` gives them, warm-up left out."""

    title: str
    assets: int
    decisions: Sequence[Mapping[str, Any]]
    first_cpu_s: float
    peer: Sequence[Sequence[float]]
    peak_mb: float
    missing: Sequence[str]
    results: Mapping[str, str]
    looks: Sequence[Sequence[float]]
    prepared_s: float
    traded_s: float
    partitions: int = 0

    @property
    def pairs(self) -> int:
        """Number of pairs of the universe."""
        return self.assets * (self.assets - 1) // 2

    def list_seconds(self, step: str, clock: int) -> list[float]:
        """Return seconds of one step per decision; `clock` 0 is the processor's, 1 the wall's."""
        return [decision["steps"].get(step, (0.0, 0.0))[clock] for decision in self.decisions]

    def list_counts(self, name: str) -> list[int]:
        """Return how often something was done, per decision."""
        return [decision["counts"].get(name, 0) for decision in self.decisions]
