"""Drift: how far current scores and features lie from those of the training, as a population stability index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.errors import DataError

_LEAST_SHARE = 1e-4
"""Share that an empty bin counts as: the logarithm of 0 would make any drift infinite."""

DRIFT_SCHEMA: dict[str, pl.DataType] = {
    "feature": pl.String(),
    "psi": pl.Float64(),
    "null_share_reference": pl.Float64(),
    "null_share": pl.Float64(),
    "median_reference": pl.Float64(),
    "median": pl.Float64(),
}


def compute_stability_index(
    reference: NDArray[np.float64], current: NDArray[np.float64], bins: int = 10
) -> float | None:
    """Return the population stability index Σ (q − p)·ln(q/p) over the quantile bins of the reference.

    Sources: Siddiqi 2006, ch. 9; docs/formulas.md, Drift. p and q are the shares of `reference` and `current` per bin.
    Rule of thumb: below 0.1 stable, above 0.25 another population. NaN is a bin of its own: values that stop coming are
    drift as well. 0 for two samples of one constant; None where a side is empty. DataError for infinite values.
    """
    if len(reference) == 0 or len(current) == 0:
        return None
    for name, values in (("reference", reference), ("current", current)):
        if np.isinf(values).any():
            raise DataError(f"the {name} sample of a drift measure holds infinite values", "correct the feature")
    present = reference[~np.isnan(reference)]
    edges = np.unique(np.quantile(present, np.arange(1, bins) / bins)) if len(present) else np.empty(0)
    p, q = (_compute_shares(values, edges) for values in (reference, current))
    return float(np.sum((q - p) * np.log(q / p)))


def tabulate_drift(reference: pl.DataFrame, current: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    """Return one row (DRIFT_SCHEMA) per numeric feature, most drifted first; see `compute_stability_index`."""
    rows = []
    for name in features:
        if not reference.schema[name].is_numeric():
            continue
        then, now = (_read_values(frame, name) for frame in (reference, current))
        rows.append(
            {
                "feature": name,
                "psi": compute_stability_index(then, now),
                "null_share_reference": _compute_null_share(then),
                "null_share": _compute_null_share(now),
                "median_reference": _compute_median(then),
                "median": _compute_median(now),
            }
        )
    return pl.DataFrame(rows, schema=DRIFT_SCHEMA).sort("psi", descending=True, nulls_last=True, maintain_order=True)


def _compute_shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    present = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    shares = np.append(counts, len(values) - len(present)) / len(values)
    clipped: NDArray[np.float64] = np.maximum(shares, _LEAST_SHARE)
    return clipped


def _read_values(frame: pl.DataFrame, name: str) -> NDArray[np.float64]:
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _compute_null_share(values: NDArray[np.float64]) -> float | None:
    return float(np.isnan(values).mean()) if len(values) else None


def _compute_median(values: NDArray[np.float64]) -> float | None:
    present = values[~np.isnan(values)]
    return float(np.median(present)) if len(present) else None
