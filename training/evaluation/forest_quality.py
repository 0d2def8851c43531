"""How good the forest's probabilities are on the labelled rows of the test period."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pairity.settings import Settings
from pairity.strategy.selection import find_threshold
from training.data.splits import Split
from training.data.training_sets import KEY
from training.evaluation.forecasts import number_hours
from training.evaluation.metrics import measure_classification
from training.evaluation.uncertainty import estimate_auc


@dataclass(frozen=True, slots=True)
class ForestQuality:
    """Classification metrics of the test period; None where a metric is not defined."""

    scored: pl.DataFrame
    """Labelled test rows with their probability."""
    all_rows: dict[str, float | None]
    candidates: dict[str, float | None]
    """Only rows with |z| above `label.z_entry`: elsewhere the label is 0 by definition."""


def measure_forest_quality(scored: pl.DataFrame, split: Split, settings: Settings) -> ForestQuality:
    """Evaluate the scores of the rows that the split tests; decisions without a complete label are left out."""
    evaluated = scored.join(split.test.select(KEY), on=KEY, how="semi", maintain_order="left")
    candidates = evaluated.filter(pl.col("z_score").abs() > settings.label.z_entry)
    return ForestQuality(
        evaluated, classify(evaluated, "probability", settings), classify(candidates, "probability", settings)
    )


def classify(rows: pl.DataFrame, column: str, settings: Settings) -> dict[str, float | None]:
    """Return the classification metrics of the probabilities in `column`, and `roc_auc_low`, `roc_auc_high`.

    `rows`: event_timestamp, label and `column`, without nulls, and threshold (null: the model has none of its own); a
    row is called positive where it would be traded. The interval is that of 95% over blocks of hours; None
    where the area or its error is not defined.
    """
    labels, scores = rows["label"].cast(pl.Int64).to_numpy(), rows[column].to_numpy()
    own = rows["threshold"].fill_null(find_threshold(None, settings.strategy)).to_numpy()
    explicit = settings.strategy.probability_min
    measures = measure_classification(labels, scores, own if explicit is None else explicit)
    area = estimate_auc(number_hours(rows), labels, scores, settings.label.horizon_bars)
    interval = {} if area is None else {"roc_auc_low": area.low, "roc_auc_high": area.high}
    return measures | {"roc_auc_low": None, "roc_auc_high": None} | interval
