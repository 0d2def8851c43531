"""Sample weights: a label that shares its hours with many others adds little information."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.settings import LabelSettings
from pairity.timeline import HOUR

_HOUR_US = HOUR // timedelta(microseconds=1)


def weigh_rows(rows: pl.DataFrame, settings: LabelSettings) -> NDArray[np.float64] | None:
    """Return the weights of labelled rows that `label.weights` asks for; None where all rows count the same."""
    return compute_average_uniqueness(rows) if settings.weights == "uniqueness" else None


def compute_average_uniqueness(rows: pl.DataFrame, entity: str = "pair_id") -> NDArray[np.float64]:
    """Return the average uniqueness of each label: the mean over its hours of 1/(concurrent labels of the entity).

    Source: López de Prado 2018, ch. 4.3-4.4; docs/formulas.md, Weights and rows. `rows`: `entity`, t0, t1 (whole hours,
    no nulls; the interval is closed). Returns n weights in (0, 1] in the order of the rows: 1 for a label that shares
    no hour, about 1/102 where every hour begins a label of 102 hours. O(n + hours) per entity.
    """
    weights = np.empty(rows.height, dtype=np.float64)
    hours = rows.select(pl.col("t0", "t1").dt.epoch("us") // _HOUR_US).to_numpy()
    for _, index in rows.with_row_index("__row").group_by(entity, maintain_order=True).agg("__row").iter_rows():
        own = np.asarray(index)
        weights[own] = _compute_uniqueness(hours[own, 0], hours[own, 1])
    return weights


def _compute_uniqueness(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
    origin = first.min()
    steps = np.zeros(int(last.max() - origin) + 2, dtype=np.int64)
    np.add.at(steps, first - origin, 1)
    np.add.at(steps, last - origin + 1, -1)
    concurrent = np.cumsum(steps[:-1])
    # Prefix sums of 1/concurrent: the sum over any interval is then one difference.
    shares = np.concatenate([[0.0], np.cumsum(1.0 / np.maximum(concurrent, 1))])
    unique: NDArray[np.float64] = (shares[last - origin + 1] - shares[first - origin]) / (last - first + 1)
    return unique
