"""Classification metrics of out-of-sample probabilities, overall and per pair.

Source: docs/formulas.md, Classification.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

KEYS = (
    "rows",
    "base_rate",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
)
_CLIP = 1e-15  # a forest may say exactly 0 or 1; the logarithm may not


def measure_classification(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], threshold: float | NDArray[np.float64]
) -> dict[str, float | None]:
    """Return the metrics (KEYS) of n probabilities of class 1 against n labels 0/1.

    A row is predicted positive where its probability is above `threshold` (one for all, or n). Null policy: a metric
    that is not defined for these rows is None, never 0. Without rows everything but `rows` is None; `roc_auc` needs
    both classes; `pr_auc` (average precision) and `recall` need a positive label; `precision` needs a positive
    prediction; `f1` needs either.
    """
    rows = len(labels)
    values: dict[str, float | None] = dict.fromkeys(KEYS)
    values["rows"] = float(rows)
    if rows == 0:
        return values
    values |= _measure_decisions(labels == 1, probabilities > threshold)
    values["base_rate"] = float(labels.mean())
    clipped = np.clip(probabilities, _CLIP, 1.0 - _CLIP)
    values["log_loss"] = float(-np.mean(np.where(labels == 1, np.log(clipped), np.log1p(-clipped))))
    values["brier"] = float(np.mean((probabilities - labels) ** 2))
    return values | _measure_rankings(labels, probabilities)


def measure_by_pair(scored: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Return `measure_classification` of each pair of `scored` (pair_id, label, probability), sorted by pair_id."""
    lines = []
    for (pair_id,), part in scored.sort("pair_id").group_by("pair_id", maintain_order=True):
        values = measure_classification(part["label"].to_numpy(), part["probability"].to_numpy(), threshold)
        lines.append({"pair_id": pair_id, **values})
    schema = {"pair_id": pl.String, **dict.fromkeys(KEYS, pl.Float64)}
    return pl.DataFrame(lines, schema=schema)


def tabulate_calibration(labels: NDArray[np.int64], probabilities: NDArray[np.float64], bins: int = 10) -> pl.DataFrame:
    """Return a reliability table: equal-width bins of predicted probability with their observed frequency.

    Columns: bin (0-based), rows, mean_probability, observed. Empty bins are left out.
    """
    index = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    (means, observed), counts = average_by_place(index, bins, probabilities, labels.astype(np.float64))
    filled = np.flatnonzero(counts)
    return pl.DataFrame(
        {
            "bin": filled,
            "rows": pl.Series(counts[filled], dtype=pl.UInt32),
            "mean_probability": means[filled],
            "observed": observed[filled],
        }
    )


def average_by_place(
    places: NDArray[np.int64], count: int, *values: NDArray[np.float64]
) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.int64]]:
    """Return the mean of each array at each of `count` places (NaN where there is none), and the rows of each place.

    Added in the order of the rows: the mean of a group in Polars may differ in the last bit from run to run.
    """
    rows = np.bincount(places, minlength=count)
    with np.errstate(invalid="ignore"):  # 0/0: a place without rows
        means = tuple(np.bincount(places, weights=own, minlength=count) / rows for own in values)
    return means, rows


def _measure_decisions(actual: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> dict[str, float | None]:
    hits = int(np.sum(actual & predicted))
    positives, calls = int(actual.sum()), int(predicted.sum())
    return {
        "accuracy": float(np.mean(actual == predicted)),
        "precision": hits / calls if calls else None,
        "recall": hits / positives if positives else None,
        "f1": 2 * hits / (positives + calls) if positives + calls else None,
    }


def _measure_rankings(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float | None]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    positives = int(labels.sum())
    both = 0 < positives < len(labels)
    return {
        "roc_auc": float(roc_auc_score(labels, probabilities)) if both else None,
        "pr_auc": float(average_precision_score(labels, probabilities)) if positives else None,
    }
