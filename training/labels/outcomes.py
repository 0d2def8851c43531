"""Outcomes of candidates: what the strategy's own position would have earned after costs, whatever the label is."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME
from pairity.settings import Settings
from training.data.history import load_history
from training.data.point_in_time import Join
from training.data.training_sets import KEY, TrainingSet
from training.labels.triple_barrier import label_triple_barrier, withhold_unwatched

Legs = str


def name_outcome(legs: Legs) -> str:
    """Return the column of outcomes of positions with these legs (`base` or `both`)."""
    return f"outcome_{legs}"


def add_outcomes(
    rows: pl.DataFrame, training_set: TrainingSet, settings: Settings, join: Join, now: datetime, *legs: Legs
) -> pl.DataFrame:
    """Return labelled rows of `training_set` with a column `name_outcome` for each kind of legs.

    An outcome is the net return of the position that the strategy would open at the row's close, as the label
    `triple_barrier` measures it: after fees, slippage and funding, as a fraction of the notional entered; null where it
    would open none, and where the end is not known whenever the position ended. **Looks ahead** by
    `label.horizon_bars` at most, as labels do: what is purged of labels is purged of outcomes.
    """
    first, last = rows[EVENT_TIME].min(), training_set.last_decision
    assert isinstance(first, datetime)
    history, _ = load_history(settings, join, first, last, now)
    for kind in legs:
        strategy = settings.strategy.model_copy(update={"legs": kind})
        own = settings.model_copy(update={"strategy": strategy})
        labels = label_triple_barrier(rows.select(*KEY, "z_score", "hedge_ratio"), history, own)
        outcome = withhold_unwatched(labels, settings.label.horizon_bars)["net_return"]
        rows = rows.with_columns(outcome.alias(name_outcome(kind)))
    return rows
