"""Drift: how far current scores and features lie from those of the training, as a population stability index.

An index alone does not say what is much: scores and features stay near their last value for days, so that two stretches
of one population differ by more than independent rows would. `tabulate_drift` puts a limit beside each index: what two
stretches of the training rows themselves reach by chance.

Source: docs/formulas.md, Drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME
from pairity.errors import DataError
from training.evaluation.blocks import choose_block_length, count_drawn_hours
from training.evaluation.forecasts import number_hours

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 10
SCORE = "score"
"""Name of the model's own scores in a table of drift."""
_HALF_A_ROW = 0.5
"""Rows that a bin counts as where only the other side has any: the logarithm of 0 would make every drift infinite."""
_DRAWS = 200
_LIMIT_QUANTILE = 0.95
_LEAST_PARTS = 3
"""Parts of a history that a stretch may be one of: two halves would say what one comparison says."""
_LEAST_HOURS = 48

DRIFT_SCHEMA: dict[str, pl.DataType] = {
    "feature": pl.String(),
    "psi": pl.Float64(),
    "limit": pl.Float64(),
    "beyond": pl.Boolean(),
    "null_share_reference": pl.Float64(),
    "null_share": pl.Float64(),
    "median_reference": pl.Float64(),
    "median": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class StabilityBins:
    """Bins of one reference sample, open at both ends.

    `edges`: its minimum, quantiles and maximum, ascending. What lies below the minimum or above the maximum is a bin of
    its own, and so is every edge that many reference values share: else a shift that ends in the same bin would not
    show. NaN is a bin too.
    """

    edges: Floats
    shared: NDArray[np.bool_]
    """Per edge: whether at least 1/bins of the reference has exactly this value."""

    @property
    def count(self) -> int:
        """Number of bins; some are empty for every sample."""
        return 2 * len(self.edges) + 2

    def place(self, values: Floats) -> Ints:
        """Return the number of the bin of each value."""
        if not len(self.edges):
            return np.where(np.isnan(values), 1, 0)
        low, high = (np.searchsorted(self.edges, values, side=side) for side in ("left", "right"))
        places = (low + high).astype(np.int64)  # even: between two edges, odd: exactly on one
        on_plain_edge = (high > low) & ~self.shared[np.minimum(low, len(self.edges) - 1)]
        # A plain edge belongs to the bin below it; the minimum has none below that is not outside of the reference
        places += np.where(on_plain_edge, np.where(low == 0, 1, -1), 0)
        places[np.isnan(values)] = self.count - 1
        return places

    def tally(self, values: Floats) -> Floats:
        """Return how many of `values` each bin holds."""
        return np.bincount(self.place(values), minlength=self.count).astype(np.float64)


@dataclass(frozen=True, slots=True)
class ScoreDrift:
    """Stability index of a model's scores, and the limit that training sets to it; None where one is not defined."""

    psi: float | None
    limit: float | None

    @property
    def beyond(self) -> bool | None:
        """Whether the index is above its limit; None where that is not known."""
        return None if self.psi is None or self.limit is None else self.psi > self.limit


def make_bins(reference: Floats, bins: int = BINS) -> StabilityBins:
    """Return the bins of `reference`: `bins` quantile bins between its extremes, and what lies beside them."""
    present = reference[~np.isnan(reference)]
    if not len(present):
        return StabilityBins(np.empty(0), np.empty(0, dtype=np.bool_))
    # Quantiles that are values of the sample: an interpolated one could lie beside the value that it stands for
    edges = np.unique(np.quantile(present, np.arange(bins + 1) / bins, method="inverted_cdf"))
    ordered = np.sort(present)
    equal = np.searchsorted(ordered, edges, side="right") - np.searchsorted(ordered, edges, side="left")
    # A sample of one value: what lies above it must not share its bin
    return StabilityBins(edges, ((equal > 1) & (equal * bins >= len(present))) | (len(edges) == 1))


def compute_stability_index(reference: Floats, current: Floats, bins: int = BINS) -> float | None:
    """Return the population stability index Σ (q − p)·ln(q/p) over the bins of the reference (`make_bins`).

    Sources: Siddiqi 2006, ch. 9; docs/formulas.md, Drift. p and q are the shares of `reference` and `current` per bin;
    a bin that only one side fills counts as half a row of the other. NaN is a bin of its own: values that stop coming
    are drift as well. 0 for two samples of one constant; None where a side is empty. DataError for infinite values.
    """
    if len(reference) == 0 or len(current) == 0:
        return None
    _refuse_infinite(reference, current)
    cut = make_bins(reference, bins)
    return float(compute_count_index(cut.tally(reference), cut.tally(current)))


def estimate_stability_limit(
    values: Floats, hours: Ints, current_hours: int, *, seed: int, bins: int = BINS
) -> float | None:
    """Return the index that two stretches of `values` themselves reach by chance in one case of 20.

    `values` (n, NaN allowed) were observed at `hours` (n whole hours, several rows an hour allowed). Moving-block
    bootstrap (Künsch 1989; docs/formulas.md, Drift): one sample as long as the whole and one of `current_hours` are
    drawn from blocks of consecutive hours with all their rows, 200 times; the 95% quantile of their indices. Blocks
    forget what is remembered longer than they are, so that unbroken stretches are asked too: each of `current_hours`
    (a third of the history where that is less), beginning every half of itself, against the rest; the 95% quantile of
    theirs, the largest where they are few. The limit is the larger of both. None for fewer than 48 hours.
    """
    if not len(values):
        return None
    _refuse_infinite(values, values)
    first = int(hours.min())
    length = int(hours.max()) - first + 1
    if length < _LEAST_HOURS:
        return None
    cut = make_bins(values, bins)
    flat = (hours - first) * cut.count + cut.place(values)
    table = np.bincount(flat, minlength=length * cut.count).reshape(length, cut.count).astype(np.float64)
    block = choose_block_length(length)
    sides = [
        np.einsum(
            "dh,hb->db",
            count_drawn_hours(length, block=block, draws=_DRAWS, seed=seed + place, wanted=wanted),
            table,
        )
        for place, wanted in enumerate((length, max(current_hours, 1)))
    ]
    chance = _find_limit(sides, "linear")
    # Few stretches: no quantile lies between two of them
    regimes = _find_limit(_cut_stretches(table, max(current_hours, 1)), "higher")
    found = [limit for limit in (chance, regimes) if limit is not None]
    return max(found) if found else None


def _find_limit(sides: Sequence[Floats], method: Literal["linear", "higher"]) -> float | None:
    """Return the 95% quantile of the indices of two sides with counts per draw and bin; None where all are empty."""
    filled = (sides[0].sum(axis=1) > 0) & (sides[1].sum(axis=1) > 0)
    if not filled.any():
        return None
    return float(np.quantile(compute_count_index(sides[0][filled], sides[1][filled]), _LIMIT_QUANTILE, method=method))


def _cut_stretches(table: Floats, wanted: int) -> list[Floats]:
    """Return the counts of the rest and of each unbroken stretch; `table`: counts per hour and bin."""
    stretch = min(wanted, len(table) // _LEAST_PARTS)
    begun = np.concatenate([np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)])
    starts = np.arange(0, len(table) - stretch + 1, max(stretch // 2, 1))
    inside = begun[starts + stretch] - begun[starts]
    return [begun[-1] - inside, inside]


def tabulate_drift(
    reference: pl.DataFrame, current: pl.DataFrame, features: Sequence[str], *, seed: int
) -> pl.DataFrame:
    """Return one row (DRIFT_SCHEMA) per numeric feature, most drifted first.

    `psi`: `compute_stability_index`; `limit`: `estimate_stability_limit` of the reference; `beyond`: psi > limit. Both
    frames have event_timestamp. Null where one of the two is not defined.
    """
    rows = []
    hours, current_hours = (number_hours(frame) for frame in (reference, current))
    span = int(np.ptp(current_hours)) + 1 if len(current_hours) else 0
    for name in features:
        if not reference.schema[name].is_numeric():
            continue
        then, now = (_read_values(frame, name) for frame in (reference, current))
        index = compute_stability_index(then, now)
        limit = estimate_stability_limit(then, hours, span, seed=seed)
        rows.append(
            {
                "feature": name,
                "psi": index,
                "limit": limit,
                "beyond": None if index is None or limit is None else index > limit,
                "null_share_reference": _compute_null_share(then),
                "null_share": _compute_null_share(now),
                "median_reference": _compute_median(then),
                "median": _compute_median(now),
            }
        )
    return pl.DataFrame(rows, schema=DRIFT_SCHEMA).sort("psi", descending=True, nulls_last=True, maintain_order=True)


def tabulate_run_drift(
    train: tuple[pl.DataFrame, Floats], test: tuple[pl.DataFrame, pl.DataFrame], features: Sequence[str], *, seed: int
) -> pl.DataFrame:
    """Return `tabulate_drift` of a model's scores (SCORE, first) and below it of its features.

    `train`: the training rows and what is said of them out of sample (`models.purged_scores`; NaN where nothing is), in
    their order. `test`: the test rows, and event_timestamp and probability (null where nothing was known) of all
    decisions of the test period.
    """
    own = _tabulate_score_drift(train, test[1], seed=seed)
    return pl.concat([own, tabulate_drift(train[0], test[0], features, seed=seed)])


def measure_score_drift(train: tuple[pl.DataFrame, Floats], scored: pl.DataFrame, *, seed: int) -> ScoreDrift:
    """Return how far a model's scores are from those of its training rows; arguments as of `tabulate_run_drift`."""
    own = _tabulate_score_drift(train, scored, seed=seed)
    return ScoreDrift(own["psi"][0], own["limit"][0])


def _tabulate_score_drift(train: tuple[pl.DataFrame, Floats], scored: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    rows, scores = train
    # A fold that could not be learnt from said nothing: it is no population of its own
    reference = rows.select(EVENT_TIME).with_columns(pl.Series(SCORE, scores)).filter(pl.col(SCORE).is_not_nan())
    current = scored.drop_nulls("probability").select(EVENT_TIME, pl.col("probability").alias(SCORE))
    return tabulate_drift(reference, current, [SCORE], seed=seed)


def summarise_drift(table: pl.DataFrame) -> dict[str, float | None]:
    """Return the measures of a run's drift: `drift_score_psi`, its limit, and how many features pass theirs."""
    own, features = table.filter(pl.col("feature") == SCORE), table.filter(pl.col("feature") != SCORE)
    return {
        "drift_score_psi": own["psi"][0],
        "drift_score_limit": own["limit"][0],
        "drift_features": float(features.height),
        "drift_features_beyond": float(features["beyond"].sum()),
    }


def compute_count_index(reference: Floats, current: Floats) -> Floats:
    """Return the population stability index of counts per bin (last axis); a bin that one side fills is half a row."""
    p, q = (np.maximum(counts, _HALF_A_ROW) / counts.sum(axis=-1, keepdims=True) for counts in (reference, current))
    # A bin that neither side fills says nothing
    filled = (reference > 0) | (current > 0)
    index: Floats = np.sum(np.where(filled, (q - p) * np.log(q / p), 0.0), axis=-1)
    return index


def _refuse_infinite(reference: Floats, current: Floats) -> None:
    for name, values in (("reference", reference), ("current", current)):
        if np.isinf(values).any():
            raise DataError(f"the {name} sample of a drift measure holds infinite values", "correct the feature")


def _read_values(frame: pl.DataFrame, name: str) -> Floats:
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _compute_null_share(values: Floats) -> float | None:
    return float(np.isnan(values).mean()) if len(values) else None


def _compute_median(values: Floats) -> float | None:
    present = values[~np.isnan(values)]
    return float(np.median(present)) if len(present) else None
