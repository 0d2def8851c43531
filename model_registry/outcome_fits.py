"""The fit of a book of pairs by their outcomes: models of one moment, and what they say is worth holding.

Training makes it, a version holds it, and backtest and trading process ask it here: one forecast, the same bits.
Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from model_registry.lightgbm_text import TreeArrays
from model_registry.ranker_fits import RANK_FEATURES, rank_columns
from model_registry.tree_scores import sum_leaves
from pairity.books.continuation import PairNames
from pairity.books.outcomes import Outlook, choose_outlook

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Z_HOURS = (72, 168, 336, 720, 1_080)
SPREAD = "spread_volatility_720h"
PAIR_COLUMNS = (*(f"z_{hours}h" for hours in Z_HOURS), SPREAD)
"""Columns of `pair_books` and `pair_spreads` that the models ask of a pair, besides the features of its names."""
PAIR_FEATURES = (
    *(f"{name}_difference" for name in RANK_FEATURES),
    *(f"z_{hours}h" for hours in Z_HOURS),
    "funding_gap",
    "spread_volatility",
    "correlation",
)
_PAID, _VOLATILITY = RANK_FEATURES.index("funding_7d"), RANK_FEATURES.index("volatility")


@dataclass(frozen=True, slots=True)
class OutcomeTrees:
    """Trees that forecast outcomes over their risk: LightGBM's text as it is stored, and what was read of it."""

    mean: float
    """What is added to what the trees say."""
    text: bytes
    trees: TreeArrays = field(compare=False, repr=False)
    averaged: bool
    """Whether the trees are those of a forest, which says their mean."""

    def predict(self, features: Floats) -> Floats:
        """Return the forecast of each row (rows × features); a row's does not depend on the other rows."""
        said = sum_leaves(self.trees, features)
        return self.mean + (said / len(self.trees.roots) if self.averaged else said)


@dataclass(frozen=True, slots=True)
class OutcomeFit:
    """Models by hours of holding, fitted at the close `made_at`, and the margin that folds of their rows paid for."""

    made_at: datetime
    models: Mapping[int, OutcomeTrees]
    margin: float | None
    """In round trips above costs; None: nothing paid in the folds, and nothing is traded."""
    round_trip: float
    """What entering and leaving was taken to cost, as a fraction of the gross."""

    def look(self, names: Sequence[str], table: Floats, pairs: Floats) -> dict[PairNames, Outlook | None]:
        """Return what `choose` returns of a universe; arguments are those of `tabulate_outcomes`."""
        if self.margin is None or len(names) < 2:
            return dict.fromkeys(list_pairs(names))
        return self.choose(names, *tabulate_outcomes(names, table, pairs))

    def choose(self, names: Sequence[str], features: Floats, risks: Floats) -> dict[PairNames, Outlook | None]:
        """Return what is worth holding of each pair of a universe; `features` and `risks`: of `tabulate_outcomes`."""
        listed = list_pairs(names)
        if self.margin is None or not listed:
            return dict.fromkeys(listed)
        needed, half = self.margin * self.round_trip, len(listed)
        edges = forecast_edges(self.models, features, risks)
        outlooks: dict[PairNames, Outlook | None] = {}
        for place, pair in enumerate(listed):
            sides = ((1, place), (-1, half + place))
            forecasts = {(side, hours): float(own[row]) for hours, own in edges.items() for side, row in sides}
            outlooks[pair] = choose_outlook(forecasts, needed)
        return outlooks


def forecast_edges(models: Mapping[int, OutcomeTrees], features: Floats, risks: Floats) -> dict[int, Floats]:
    """Return the forecast net outcome of each row by hours of holding, a fraction of the gross.

    Where a pair has no risk the forecast is NaN, which is above nothing.
    """
    return {hours: model.predict(features) * risks * hours**0.5 for hours, model in models.items()}


def list_pairs(names: Sequence[str]) -> list[PairNames]:
    """Return all pairs of `names` in the order of every table of pairs: that of the names given."""
    return list(combinations(names, 2))


def place_pairs(count: int) -> tuple[Ints, Ints]:
    """Return the places of the long and of the short name of each row: all pairs, then all pairs the other way."""
    first, second = np.triu_indices(count, 1)
    return np.concatenate([first, second]), np.concatenate([second, first])


def read_pair_columns(row: Mapping[str, object], *, turned: bool) -> list[float]:
    """Return the `PAIR_COLUMNS` of a stored row, z the other way where it is of the pair `turned` round.

    NaN where a column is null or missing.
    """
    values = [float("nan") if (value := row.get(name)) is None else float(value) for name in PAIR_COLUMNS]  # type: ignore[arg-type]
    return [-value if turned and name != SPREAD else value for name, value in zip(PAIR_COLUMNS, values, strict=True)]


def tabulate_outcomes(names: Sequence[str], table: Floats, pairs: Floats) -> tuple[Floats, Floats]:
    """Return the features of the pairs of a universe (rows of `place_pairs` × `PAIR_FEATURES`) and each row's risk.

    `table`: `RANK_FEATURES` × names (sorted); `pairs`: pairs of `list_pairs` × `PAIR_COLUMNS`, z of ln(P_first/
    P_second). Differences are of ranks within `names`, long less short, and so is the funding gap, per hour. Risk is
    the hourly deviation of the pair with a gross of 1 and legs ∝ 1/volatility: √2·h·√(1 − ρ), h = σ_a·σ_b/(σ_a + σ_b),
    ρ = (σ_a² + σ_b² − deviation of the spread²)/(2·σ_a·σ_b), which is their correlation. NaN where one is not known.
    """
    long, short = place_pairs(len(names))
    half = len(long) // 2
    ranks, volatility = rank_columns(table, names), table[_VOLATILITY]
    scores, around = pairs[:, : len(Z_HOURS)], pairs[:, len(Z_HOURS)]
    own, other = volatility[long[:half]], volatility[short[:half]]
    with np.errstate(divide="ignore", invalid="ignore"):
        # var(a − b) = var(a) + var(b) − 2·cov(a, b)
        correlation = (own**2 + other**2 - around**2) / (2 * own * other)
        risks = own * other / (own + other) * np.sqrt(2 * (1 - correlation))
    rows: Floats = np.column_stack(
        [
            ranks[long] - ranks[short],
            np.concatenate([scores, -scores]),
            table[_PAID, long] - table[_PAID, short],
            np.tile(around, 2),
            np.tile(correlation, 2),
        ]
    )
    return np.where(np.isfinite(rows), rows, np.nan), np.tile(risks, 2)
