"""The target that a ranker learns. Source: docs/formulas.md, Books."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from training.books.panel import BookPanel

Floats = NDArray[np.float64]
_CLIP = 4.0


def compute_targets(
    panel: BookPanel, hour: int, columns: list[int], days: int, volatility: Floats, known_at: int | None = None
) -> Floats:
    """Return what the ranker learns of the names of a universe (columns of the panel): known `days` later only.

    The log return from the next open to the open `days` later, less the mean over the universe, over σ·√(24·days);
    clipped to ±4. `volatility`: σ of these names at row `hour`. NaN where an open or σ is missing, and where the panel
    ends before. `known_at`: a row at whose decision a bar that had not come yet is missing, of the mean too; None: all
    bars that came at all are taken.
    """
    begin, end = hour + 1, hour + 1 + 24 * days
    if end >= panel.hours or not columns:
        return np.full(len(columns), np.nan)
    moved = np.log(panel.opens[end, columns] / panel.opens[begin, columns])
    if known_at is not None:
        moved = np.where(_find_known_since(panel, begin, end, columns) <= known_at, moved, np.nan)
    known = ~np.isnan(moved)
    if not known.any():
        return moved
    risk = volatility * math.sqrt(24 * days)
    excess = (moved - moved[known].mean()) / np.where(risk > 0, risk, np.nan)
    return np.clip(excess, -_CLIP, _CLIP)


def find_settled(panel: BookPanel, hour: int, columns: list[int], days: int) -> int:
    """Return the row from whose decision on the targets of `compute_targets` change no more: all their bars came."""
    begin, end = hour + 1, hour + 1 + 24 * days
    if end >= panel.hours or not columns:
        return hour
    since = _find_known_since(panel, begin, end, columns)
    return int(np.max(since, initial=end, where=~np.isnan(since)))


def _find_known_since(panel: BookPanel, begin: int, end: int, columns: list[int]) -> Floats:
    """Return per name the row at whose decision the bars of rows `begin` and `end` were known; NaN without one."""
    return np.maximum(begin + panel.late[begin, columns], end + panel.late[end, columns])
