"""Sample weights: a label that shares its hours with many others adds little information.

Labels of one pair share hours, and so do labels of pairs that move together: forty-five pairs of ten assets are worth
about five that would move on their own. How alike two pairs are is the squared correlation of their z-scores; summed,
it is how many times over a pair's information is there (participation ratio, n²/Σρ², of the eigenvalues of a
correlation matrix).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.settings import LabelSettings
from pairity.timeline import HOUR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HOUR_US = HOUR // timedelta(microseconds=1)
_LEAST_COMMON = 24
"""Hours that two pairs must have in common for their correlation to count."""


def weigh_rows(rows: pl.DataFrame, settings: LabelSettings) -> Floats | None:
    """Return the weights of labelled rows that `label.weights` asks for; None where all rows count the same.

    `rows`: pair_id, event_timestamp, z_score, t0, t1. Weights have mean 1, so that penalties and least numbers of rows,
    which are set for rows that count one each, mean the same with and without them.
    """
    if settings.weights == "none":
        return None
    weights = compute_average_uniqueness(rows, measure_likeness(rows))
    scaled: Floats = weights / weights.mean()
    return scaled


def measure_likeness(rows: pl.DataFrame) -> pl.DataFrame:
    """Return how alike pairs are: a column per pair, in ascending order, with the squared correlations of its z-score.

    `rows`: pair_id, event_timestamp, z_score (null where unknown). Correlations are over the hours that both pairs
    have; 0 where these are fewer than 24, or where one does not vary. Line k belongs to the k-th pair.
    """
    wide = rows.select("event_timestamp", "pair_id", pl.col("z_score").cast(pl.Float64)).pivot(
        on="pair_id", index="event_timestamp", values="z_score"
    )
    names = sorted(name for name in wide.columns if name != "event_timestamp")
    table = wide.sort("event_timestamp").select(names).fill_null(np.nan).to_numpy()
    known = np.isfinite(table)
    there, values = known.astype(np.float64), np.where(known, table, 0.0)
    # Sums of einsum have one order; those of a matrix product depend on the number of threads
    count, x, xx, xy = (
        np.einsum("hp,hq->pq", one, other)
        for one, other in ((there, there), (values, there), (values**2, there), (values, values))
    )
    count = np.maximum(count, 1.0)
    spread = (xx - x**2 / count) * (xx.T - x.T**2 / count)
    defined = (count >= _LEAST_COMMON) & (spread > 0.0)
    square = np.where(defined, (xy - x * x.T / count) ** 2 / np.where(defined, spread, 1.0), 0.0)
    np.fill_diagonal(square, 1.0)
    return pl.DataFrame(np.minimum(square, 1.0), schema=names)


def count_effective_pairs(likeness: pl.DataFrame) -> float:
    """Return how many pairs that move on their own the pairs of `measure_likeness` are worth: n²/Σρ²."""
    return likeness.width**2 / float(likeness.to_numpy().sum())


def compute_average_uniqueness(rows: pl.DataFrame, likeness: pl.DataFrame) -> Floats:
    """Return the average uniqueness of each label: the mean over its hours of 1/(concurrent labels).

    Sources: López de Prado 2018, ch. 4.3-4.4; docs/formulas.md, Weights and rows. `rows`: pair_id, t0, t1 (whole hours,
    no nulls; the interval is closed). Concurrent are the labels of the pair that hold the hour, and those of each other
    pair times its likeness (`measure_likeness`). Returns n weights in (0, 1] in the order of the rows: 1 for a label
    that shares no hour, about 1/102 where every hour begins a label of 102 hours and no other pair is alike.
    """
    hours = rows.select(pl.col("t0", "t1").dt.epoch("us") // _HOUR_US).to_numpy()
    origin, last = int(hours[:, 0].min()), int(hours[:, 1].max())
    own = _list_rows(rows, likeness.columns)
    counts = np.array([_count_concurrent(hours[place] - origin, last - origin + 1) for place in own.values()])
    weights = np.empty(rows.height, dtype=np.float64)
    for alike, place in zip(likeness.to_numpy().T, own.values(), strict=True):
        # Where none of the pair's own labels is held, nothing is asked for
        concurrent = np.maximum(np.einsum("p,ph->h", alike, counts), 1.0)
        # Prefix sums of 1/concurrent: the sum over any interval is then one difference.
        shares = np.concatenate([[0.0], np.cumsum(1.0 / concurrent)])
        first, end = (hours[place] - origin).T
        weights[place] = (shares[end + 1] - shares[first]) / (end - first + 1)
    return weights


def _list_rows(rows: pl.DataFrame, names: Sequence[str]) -> Mapping[str, Ints]:
    """Return the places of each pair's rows, in the order of `names`."""
    grouped = rows.with_row_index("__row").group_by("pair_id", maintain_order=True).agg("__row").iter_rows()
    places = {name: np.asarray(index, dtype=np.int64) for name, index in grouped}
    return {name: places[name] for name in names}


def _count_concurrent(spans: Ints, length: int) -> Floats:
    """Return how many of the closed spans (first, last) hold each of `length` hours."""
    begun = np.bincount(spans[:, 0], minlength=length + 1)
    ended = np.bincount(spans[:, 1] + 1, minlength=length + 1)
    return np.cumsum(begun - ended)[:length].astype(np.float64)
