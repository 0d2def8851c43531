"""Many instants in little room: runs of equal steps, as coarse as it must be to stay within a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Instants = npt.NDArray[np.int64]
"""Microseconds since 1970, ascending, each once."""
_UNITS = (1, 60_000_000, 3_600_000_000, 86_400_000_000)
MOST_RUNS = 2_000


@dataclass(frozen=True, slots=True)
class InstantRuns:
    """Instants, rounded down to `unit` (µs), as runs: first instant, step, number."""

    unit: int = 1
    runs: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def of(cls, instants: Instants, unit: int = 1) -> InstantRuns:
        """Return the runs of `instants` in the finest unit, not below `unit`, that needs `MOST_RUNS` at most."""
        candidates = [size for size in _UNITS if size >= unit]
        for size in candidates:
            runs = _pack(round_down(instants, size))
            if len(runs) <= MOST_RUNS:
                break
        return cls(size, runs)

    @classmethod
    def parse(cls, unit: object, runs: Sequence[Sequence[object]]) -> InstantRuns:
        """Return what was written down; ValueError for what is not of this form."""
        parts = tuple((_whole(first), _whole(step), _whole(count)) for first, step, count in runs)
        if unit not in _UNITS or any(step < 1 or not 1 <= count <= 1 << 32 for _, step, count in parts):
            raise ValueError("no runs of instants")
        return cls(_whole(unit), parts)

    def list_instants(self) -> Instants:
        """Return the instants that the runs stand for."""
        parts = [first + step * np.arange(count, dtype=np.int64) for first, step, count in self.runs]
        return np.unique(np.concatenate([np.empty(0, np.int64), *parts]))


def round_down(instants: Instants, unit: int) -> Instants:
    """Return instants rounded down to `unit` (µs), each once.

    >>> round_down(np.array([1, 61, 119]), 60).tolist()
    [0, 60]
    """
    return np.unique(instants // unit * unit)


def _pack(instants: Instants) -> tuple[tuple[int, int, int], ...]:
    """Return ascending instants as runs of their most frequent step.

    >>> _pack(np.array([0, 60, 120, 300, 360]))
    ((0, 60, 3), (300, 60, 2))
    """
    if instants.size == 0:
        return ()
    steps = np.diff(instants)
    values, counts = np.unique(steps, return_counts=True)
    step = int(values[counts.argmax()]) if steps.size else 1
    begins = np.concatenate([[0], np.flatnonzero(steps != step) + 1])
    lengths = np.diff(np.concatenate([begins, [instants.size]]))
    return tuple((int(instants[at]), step, int(count)) for at, count in zip(begins, lengths, strict=True))


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value
