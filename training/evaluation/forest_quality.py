"""How good the forest's probabilities are on the labelled rows of the test period."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pairity.settings import Settings
from training.data.splits import Split
from training.data.training_sets import KEY
from training.evaluation.metrics import measure_classification


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
    return ForestQuality(evaluated, _classify(evaluated, settings), _classify(candidates, settings))


def _classify(rows: pl.DataFrame, settings: Settings) -> dict[str, float | None]:
    return measure_classification(
        rows["label"].to_numpy(), rows["probability"].to_numpy(), settings.strategy.probability_min
    )
