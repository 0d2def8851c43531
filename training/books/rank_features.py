"""Columns that the ranker ranks names by, and the target that it learns. Source: docs/formulas.md, Books."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_repo.catalog.books import FUNDING_DAYS, RETURN_DAYS, VWAP_HOURS
from training.books.panel import BookPanel

Floats = NDArray[np.float64]
HORIZON_DAYS = (3, 5)
FEATURES = (
    *(f"return_{days}d" for days in RETURN_DAYS),
    *(f"funding_{days}d" for days in FUNDING_DAYS),
    *(f"funding_share_{days}d" for days in FUNDING_DAYS),
    *(f"vwap_distance_{hours}h" for hours in VWAP_HOURS),
    "volatility",
    "volatility_shock",
    "notional",
    "volume_shock_1d",
    "volume_shock_7d",
    "drawdown_30d",
    "daily_range_30d",
    "daily_skew_30d",
)
"""Columns of `asset_books`; their order is part of what a ranker learns."""
_CLIP = 4.0


def compute_targets(panel: BookPanel, hour: int, columns: list[int], days: int, volatility: Floats) -> Floats:
    """Return what the ranker learns of the names of a universe (columns of the panel): known `days` later only.

    The log return from the next open to the open `days` later, less the mean over the universe, over σ·√(24·days);
    clipped to ±4. `volatility`: σ of these names at row `hour`. NaN where an open or σ is missing, and where the panel
    ends before.
    """
    begin, end = hour + 1, hour + 1 + 24 * days
    if end >= panel.hours or not columns:
        return np.full(len(columns), np.nan)
    moved = np.log(panel.opens[end, columns] / panel.opens[begin, columns])
    known = ~np.isnan(moved)
    if not known.any():
        return moved
    risk = volatility * math.sqrt(24 * days)
    excess = (moved - moved[known].mean()) / np.where(risk > 0, risk, np.nan)
    return np.clip(excess, -_CLIP, _CLIP)
