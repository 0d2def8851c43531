"""How surely one contender is better than another: differences over the same hours and rows.

Source: docs/formulas.md, Errors of what is compared.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.annualising import may_annualise
from pairity.timeline import HOUR
from training.evaluation.forecasts import number_hours
from training.evaluation.uncertainty import Estimate, estimate_auc_difference, estimate_sharpe_difference

KEY = ["event_timestamp", "pair_id"]


def measure_sharpe_difference(
    returns: NDArray[np.float64], reference: NDArray[np.float64], name: str
) -> dict[str, float | None]:
    """Return `sharpe_over_NAME`, the annualised Sharpe ratio less that of `reference`, and its `_low` and `_high`.

    Both are hourly returns of the same hours. None where they are the same, do not vary, or are of less than 30 days.
    """
    annual = may_annualise(len(returns) * HOUR)
    return _flatten(f"sharpe_over_{name}", estimate_sharpe_difference(returns, reference) if annual else None)


def measure_auc_difference(
    scored: pl.DataFrame, reference: pl.DataFrame, name: str, reach: int
) -> dict[str, float | None]:
    """Return `roc_auc_over_NAME`, the area under ROC less that of `reference`, and its `_low` and `_high`.

    Both: event_timestamp, pair_id, score, label 0/1 without nulls; rows that both have count. Labels look `reach` hours
    ahead. None where an area is not defined, and for the same order of rows.
    """
    both = scored.join(reference.select(*KEY, pl.col("score").alias("__other")), on=KEY, how="inner").sort(KEY)
    if both.is_empty():
        return _flatten(f"roc_auc_over_{name}", None)
    labels = both["label"].cast(pl.Int64).to_numpy()
    scores = both["score"].to_numpy(), both["__other"].to_numpy()
    return _flatten(f"roc_auc_over_{name}", estimate_auc_difference(number_hours(both), labels, *scores, reach))


def _flatten(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
