"""Walk-forward scoring: each decision by a model that was trained on what was known before its test period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.universe import Pair
from training.backtest.engine import refuse_seen_period
from training.data.asset_training_sets import make_asset_pair
from training.data.folds import Fold
from training.data.point_in_time import KNOWN
from training.data.training_sets import KEY, TrainingSet
from training.evaluation.cost_threshold import CostThreshold
from training.models.families import Family, list_chosen
from training.models.purged_scores import score_purged
from training.models.thresholds import find_thresholds_of, has_own_threshold

LEGS = ("base", "both")
"""Legs that the scores of a family of pairs are traded with; what pays with one leg need not pay with two."""


def _name_threshold(legs: str) -> str:
    return f"threshold_{legs}"


_COLUMNS = [
    *KEY,
    "z_score",
    "correlation_168h",
    "hedge_ratio",
    KNOWN,
    "label",
    "score",
    "probability",
    *map(_name_threshold, LEGS),
    "train_end",
    "fold",
]


@dataclass(frozen=True, slots=True)
class WalkForwardScores:
    """Scores of a family over all test periods."""

    rows: pl.DataFrame
    """Sorted by time and pair: pair_id, event_timestamp, z_score, correlation_168h, hedge_ratio, known, label, score
    (the model's output, null where nothing was known), probability, threshold_base, threshold_both (of the row's model,
    by the legs that are traded; null where it has none), train_end (last instant that the row's model has seen), fold
    (1, 2, …). A family of single assets has its forecast as z_score too, and 1 as probability."""
    importances: dict[str, float]
    """Importances of the last fold's model."""
    pairs: tuple[Pair, ...]
    """Pairs that the family may trade."""
    train_end: datetime
    """Last instant that the first fold's model has seen."""
    thresholds: dict[str, tuple[CostThreshold, ...]]
    """By legs, the threshold of each fold's model; empty where the family has none of its own."""

    def choose_legs(self, legs: str) -> pl.DataFrame:
        """Return `rows` with the threshold of positions with these legs as `threshold`."""
        return self.rows.with_columns(pl.col(_name_threshold(legs)).alias("threshold"))


def score_walk_forward(
    settings: Settings, family: Family, training_set: TrainingSet, folds: Sequence[Fold], progress: Progress
) -> WalkForwardScores:
    """Fit the family on every fold and score the decisions from its test period's first bar to the next one's.

    Families with thresholds of their own need the outcomes of positions with both kinds of legs in the training rows.
    """
    pairs = list_traded_pairs(settings, family)
    own = pl.col("pair_id").is_in([pair.pair_id for pair in pairs])
    parts: list[pl.DataFrame] = []
    importances: dict[str, float] = {}
    priced = LEGS if has_own_threshold(family, settings) else ()
    thresholds: dict[str, list[CostThreshold]] = {legs: [] for legs in priced}
    for number, fold in enumerate(folds):
        train = fold.train.filter(own)
        model = family.fit(train, training_set.service, settings)
        importances = model.compute_importances()
        purged = (
            score_purged(family, train, training_set.service, settings, chosen=list_chosen(model)) if priced else None
        )
        found = {} if purged is None else find_thresholds_of(purged, train, settings, legs=priced)
        for legs, threshold in found.items():
            thresholds[legs].append(threshold)
        values = {legs: found[legs].value if legs in found else None for legs in LEGS}
        own_thresholds = [pl.lit(value, pl.Float64).alias(_name_threshold(legs)) for legs, value in values.items()]
        first = fold.blocks[0].first
        refuse_seen_period([first], fold.train_end)
        rows = training_set.rows.filter(own & (pl.col(EVENT_TIME) >= first))
        if number + 1 < len(folds):
            rows = rows.filter(pl.col(EVENT_TIME) < folds[number + 1].blocks[0].first)
        rows = rows.with_columns(train_end=pl.lit(fold.train_end), fold=pl.lit(number + 1)).with_columns(own_thresholds)
        known = rows.filter(pl.col(KNOWN))
        score = pl.Series("score", model.predict(known), dtype=pl.Float64).fill_nan(None)
        unknown = rows.filter(~pl.col(KNOWN)).with_columns(score=pl.lit(None, pl.Float64))
        parts += [_select_columns(part, family) for part in (known.with_columns(score), unknown)]
        progress.advance(1, f"{family.name}, {fold.name}")
    return WalkForwardScores(
        rows=pl.concat(parts).sort(EVENT_TIME, "pair_id"),
        importances=importances,
        pairs=pairs,
        train_end=folds[0].train_end,
        thresholds={legs: tuple(found) for legs, found in thresholds.items()},
    )


def list_traded_pairs(settings: Settings, family: Family) -> tuple[Pair, ...]:
    """Return all pairs of the universe, the family's only one, or its assets as pairs with USDT."""
    if family.portfolio is not None:
        return tuple(map(make_asset_pair, family.portfolio.list_assets(settings)))
    return settings.universe.pairs if family.choose_pair is None else (family.choose_pair(settings),)


def _select_columns(rows: pl.DataFrame, family: Family) -> pl.DataFrame:
    if family.portfolio is None:
        return rows.with_columns(probability=pl.col("score")).select(_COLUMNS)
    nothing = pl.lit(None, pl.Float64)
    return rows.with_columns(
        z_score=pl.col("score"), probability=pl.lit(1.0), correlation_168h=nothing, hedge_ratio=nothing
    ).select(_COLUMNS)
