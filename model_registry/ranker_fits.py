"""The fit of a ranker: models of one moment, and the scores that they give the names of a universe.

Training makes it, a version holds it, and backtest and trading process ask it here: one prediction, the same bits.
Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from feature_repo.catalog.books import FUNDING_DAYS, RETURN_DAYS, VWAP_HOURS
from model_registry.lightgbm_text import TreeArrays
from model_registry.tree_scores import sum_leaves
from pairity.books.ranks import rank_names

Floats = NDArray[np.float64]
Smoothed = Mapping[tuple[int, str], float]
"""Days of a horizon and name → smoothed forecast."""
HORIZON_DAYS = (3, 5)
RANK_FEATURES = (
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


@dataclass(frozen=True, slots=True)
class RidgeModel:
    """A mean and one slope per feature; an unknown rank is the middle one."""

    mean: float
    slopes: tuple[float, ...]

    def predict(self, ranks: Floats) -> Floats:
        """Return the forecast of each row of ranks (rows × features); a row's does not depend on the other rows."""
        total = np.full(len(ranks), self.mean)
        for column, slope in enumerate(self.slopes):  # in one order, whatever the number of rows
            total += slope * np.nan_to_num(ranks[:, column])
        return total


@dataclass(frozen=True, slots=True)
class TreesModel:
    """Boosted trees: LightGBM's text as it is stored, and what was read of it."""

    text: bytes
    trees: TreeArrays = field(compare=False, repr=False)

    def predict(self, ranks: Floats) -> Floats:
        """Return the forecast of each row of ranks (rows × features); a row's does not depend on the other rows."""
        return sum_leaves(self.trees, ranks)


RankModel = RidgeModel | TreesModel


@dataclass(frozen=True, slots=True)
class RankerFit:
    """Models of a ranker by days of horizon, fitted at the close `made_at`."""

    made_at: datetime
    models: Mapping[int, RankModel]

    def score(
        self, names: Sequence[str], table: Floats, before: Smoothed
    ) -> tuple[dict[str, float], dict[tuple[int, str], float]]:
        """Return what `score_ranks` returns of the features × names of a universe (`RANK_FEATURES`, names sorted)."""
        return score_ranks(self.models, names, rank_columns(table, names), before)


def score_ranks(
    models: Mapping[int, RankModel], names: Sequence[str], ranks: Floats, before: Smoothed
) -> tuple[dict[str, float], dict[tuple[int, str], float]]:
    """Return the scores of the names of a universe, and the smoothed forecasts that the next decision needs.

    Each horizon's forecast is smoothed by s += (f − s)/days on `before`, what the decision before left; anew for a name
    that was not in its universe. A score is the mean over the horizons. Empty for an empty universe.
    """
    if not names:
        return {}, {}
    smooth: dict[tuple[int, str], float] = {}
    for days, model in models.items():
        for name, forecast in zip(names, model.predict(ranks).tolist(), strict=True):
            known = before.get((days, name))
            smooth[days, name] = forecast if known is None else known + (forecast - known) / days
    return {name: sum(smooth[days, name] for days in models) / len(models) for name in names}, smooth


def rank_columns(table: Floats, names: Sequence[str]) -> Floats:
    """Return features × names as ranks within the universe, names × features; NaN where a name has no value."""
    ranks = np.full((len(names), len(table)), np.nan)
    for place, row in enumerate(table):
        known = {name: float(value) for name, value in zip(names, row, strict=True) if not np.isnan(value)}
        found = rank_names(known)
        ranks[:, place] = [found.get(name, np.nan) for name in names]
    return ranks
