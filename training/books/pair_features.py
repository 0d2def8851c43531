"""Features of pairs at a close, seen from both sides: the first name long and the second short, and the other way.

Every value is computed from rows that were known at the close. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.book_kernels import pair_scores
from feature_repo.transforms.outcome_kernels import weigh_legs
from model_registry.ranker_fits import RANK_FEATURES, rank_columns
from training.books.history_features import FeatureHistory, read_known
from training.books.panel import BookPanel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Z_HOURS = (72, 168, 336, 720, 1_080)
PAIR_FEATURES = (
    *(f"{name}_difference" for name in RANK_FEATURES),
    *(f"z_{hours}h" for hours in Z_HOURS),
    "funding_gap",
    "spread_volatility",
    "correlation",
)
_MONTH = 720
_LEAST_SHARE = 0.9
"""Share of a window's hours that must have a bar."""
_PAID = RANK_FEATURES.index("funding_7d")


def list_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return all pairs of `names` in the order of every table of pairs: that of the names given."""
    return list(combinations(names, 2))


def place_pairs(count: int) -> tuple[Ints, Ints]:
    """Return the places of the long and of the short name of each row: all pairs, then all pairs the other way."""
    first, second = np.triu_indices(count, 1)
    return np.concatenate([first, second]), np.concatenate([second, first])


def compute_pair_features(history: FeatureHistory, hour: int, names: Sequence[str]) -> Floats:
    """Return the features of the pairs of `names` at row `hour`: rows of `place_pairs` × `PAIR_FEATURES`.

    Differences are of ranks within `names`, long less short; z-scores are of ln(P_long/P_short) (ddof 1), the funding
    gap is per hour, long less short. `spread_volatility` is the deviation of hourly changes of that logarithm over 720
    hours, `correlation` that of the hourly log returns; both are the same either way. NaN where one is not known.
    """
    panel = history.panel
    columns = [panel.names.index(name) for name in names]
    long, short = place_pairs(len(names))
    table = history.read_columns(hour, RANK_FEATURES)[:, columns]
    ranks = rank_columns(table, names)
    half = len(long) // 2
    pairs = np.column_stack([long[:half], short[:half]])
    closes = np.ascontiguousarray(read_known(panel, panel.closes, hour, max(*Z_HOURS, _MONTH + 1))[:, columns])
    z_scores = np.array([pair_scores(closes[-hours:], pairs) for hours in Z_HOURS]).T
    logs = np.log(closes[-_MONTH - 1 :])
    around = _measure_deviations(np.diff(logs[:, long[:half]] - logs[:, short[:half]], axis=0))
    alone = _measure_deviations(np.diff(logs, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # var(a − b) = var(a) + var(b) − 2·cov(a, b)
        shared = alone[long[:half]] ** 2 + alone[short[:half]] ** 2 - around**2
        correlation = shared / (2 * alone[long[:half]] * alone[short[:half]])
    rows: Floats = np.column_stack(
        [
            ranks[long] - ranks[short],
            np.concatenate([z_scores, -z_scores]),
            table[_PAID, long] - table[_PAID, short],
            np.tile(around, 2),
            np.tile(correlation, 2),
        ]
    )
    return np.where(np.isfinite(rows), rows, np.nan)


def measure_pair_risks(panel: BookPanel, hour: int, names: Sequence[str], volatilities: Floats) -> Floats:
    """Return the deviation of the hourly return of each pair of `list_pairs`, gross 1 and legs ∝ 1/volatility.

    Over 720 hours; NaN where fewer than 90% of them are known.
    """
    columns = [panel.names.index(name) for name in names]
    moves = np.diff(np.log(read_known(panel, panel.closes, hour, _MONTH + 1)[:, columns]), axis=0)
    long, short = (places[: len(places) // 2] for places in place_pairs(len(names)))
    weights = weigh_legs(volatilities[long], volatilities[short])
    return _measure_deviations(weights[0] * moves[:, long] - weights[1] * moves[:, short])


def _measure_deviations(values: Floats) -> Floats:
    """Return the standard deviation (ddof 1) of each column; NaN where fewer than 90% of its rows are known."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    means = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = (np.where(known, values - means, 0.0) ** 2).sum(axis=0)
    deviations = np.sqrt(squares / np.maximum(count - 1, 1))
    return np.where(count >= max(2.0, _LEAST_SHARE * len(values)), deviations, np.nan)
