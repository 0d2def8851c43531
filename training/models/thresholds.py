"""Thresholds of the families whose probabilities are frequencies: each model's own, from its training rows alone.

The forest of the reference has none: its votes count positive rows three times, and it is traded above 0.5. So do the
rules, which learn nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from model_registry.records import REFERENCE_FAMILY
from pairity.number_formats import format_count, format_plain
from pairity.settings import Settings, StrategySettings
from pairity.strategy.selection import find_threshold
from training.evaluation.cost_threshold import CLOSED, CostThreshold, choose_threshold
from training.evaluation.forecasts import number_hours
from training.labels.outcomes import name_outcome
from training.models.families import Family
from training.models.purged_scores import PurgedScores


def has_own_threshold(family: Family, settings: Settings) -> bool:
    """Return whether models of the family have a threshold of their own, instead of the reference's 0.5.

    The reference forest has one where `model.calibration` makes frequencies of its votes.
    """
    if family.name == REFERENCE_FAMILY:
        return family.name_calibration(settings) != "none"
    return family.refit is not None


def find_thresholds_of(
    purged: PurgedScores, rows: pl.DataFrame, settings: Settings, *, legs: Sequence[str]
) -> dict[str, CostThreshold]:
    """Return the threshold of a model that was fitted on `rows`, by the legs that it may be traded with.

    `rows`: the labelled training rows with their outcomes (`labels.outcomes.add_outcomes`), and no others; `purged`:
    what the family says of each of them when it is fitted on the others. The threshold is set on the candidates' ones.
    """
    candidates = (rows["z_score"].abs() > settings.strategy.z_entry).fill_null(False).to_numpy()
    probabilities = np.where(candidates, purged.probabilities, np.nan)
    labels, hours = rows["label"].cast(pl.Int64).to_numpy(), number_hours(rows)
    return {
        kind: choose_threshold(probabilities, labels, _read_outcomes(rows, kind), hours, purged.splits) for kind in legs
    }


def describe_threshold(threshold: CostThreshold | None, strategy: StrategySettings) -> str:
    """Say in a sentence above which probability pairs are traded, why, and what overrides it."""
    if threshold is None:
        used = find_threshold(None, strategy)
        named = "the reference's" if strategy.probability_min is None else "strategy.probability_min"
        return f"pairs are traded above a probability of {format_plain(used)} ({named}): the model has no own threshold"
    said = _describe_own(threshold)
    if strategy.probability_min is None:
        return f"pairs are traded above a probability of {said}"
    return (
        f"pairs are traded above a probability of {format_plain(strategy.probability_min)}: strategy.probability_min "
        f"overrides the model's own threshold of {said}"
    )


def note_threshold(threshold: CostThreshold | None, strategy: StrategySettings) -> list[str]:
    """Return the note of a training on the model's own threshold; none where it has none."""
    return [] if threshold is None else [describe_threshold(threshold, strategy)]


def _describe_own(threshold: CostThreshold) -> str:
    value = format_plain(threshold.value)
    if threshold.margin is None or threshold.win is None or threshold.loss is None:
        return f"{value}: NOTHING IS TRADED, {threshold.note}"
    words = (
        f"{value}: after fees, slippage and funding a position earned {threshold.win:+.2%} on average where the label "
        f"came true and {threshold.loss:+.2%} where it did not; margin {format_plain(threshold.margin * 1e4)} bps; "
        f"of {format_count(threshold.candidates, 'candidate')} of the training rows {threshold.passing:,} pass"
    )
    if threshold.value >= CLOSED:
        return f"{words}; NOTHING IS TRADED{', ' if threshold.note else ''}{threshold.note}"
    return f"{words}; {threshold.note}" if threshold.note else words


def summarise_threshold(threshold: CostThreshold | None) -> dict[str, float | None]:
    """Return the measures of a run's own threshold; empty where the model has none."""
    if threshold is None:
        return {}
    return {
        "threshold": threshold.value,
        "threshold_margin": threshold.margin,
        "threshold_win": threshold.win,
        "threshold_loss": threshold.loss,
        "threshold_candidates": float(threshold.candidates),
        "threshold_passing": float(threshold.passing),
    }


def _read_outcomes(rows: pl.DataFrame, legs: str) -> NDArray[np.float64]:
    return rows[name_outcome(legs)].cast(pl.Float64).fill_null(float("nan")).to_numpy()
