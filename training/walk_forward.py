"""Walk-forward scoring: each decision by a model that was trained on what was known before its test period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl

from feature_repo.catalog import EVENT_TIME, Service
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.universe import Pair
from training.backtest.engine import refuse_seen_period
from training.data.asset_training_sets import make_asset_pair
from training.data.folds import Fold
from training.data.point_in_time import KNOWN
from training.data.training_sets import KEY, TrainingSet
from training.evaluation.cost_threshold import CostThreshold
from training.models.families import Family, find_family, list_chosen
from training.models.purged_scores import score_purged
from training.models.thresholds import find_thresholds_of, has_own_threshold
from training.tasks import run_cases

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
    priced = LEGS if has_own_threshold(family, settings) else ()

    def cut(number: int, fold: Fold) -> FoldTask:
        first = fold.blocks[0].first
        refuse_seen_period([first], fold.train_end)
        rows = training_set.rows.filter(own & (pl.col(EVENT_TIME) >= first))
        if number + 1 < len(folds):
            rows = rows.filter(pl.col(EVENT_TIME) < folds[number + 1].blocks[0].first)
        rows = rows.with_columns(train_end=pl.lit(fold.train_end), fold=pl.lit(number + 1))
        return FoldTask(family.name, training_set.service, fold.train.filter(own), rows, priced)

    tasks = (cut(number, fold) for number, fold in enumerate(folds))
    scored = []
    for fold, done in zip(folds, _score_folds(settings, family, tasks), strict=True):
        scored.append(done)
        progress.advance(1, f"{family.name}, {fold.name}")
    return WalkForwardScores(
        rows=pl.concat([part.rows for part in scored]).sort(EVENT_TIME, "pair_id"),
        importances=scored[-1].importances,
        pairs=pairs,
        train_end=folds[0].train_end,
        thresholds={
            legs: tuple(part.thresholds[legs] for part in scored if legs in part.thresholds) for legs in priced
        },
    )


@dataclass(frozen=True, slots=True)
class FoldTask:
    """One fit with what it scores: plain data, so that it can be sent to a worker."""

    family: str
    service: Service
    train: pl.DataFrame
    rows: pl.DataFrame
    """Rows of the test period, with train_end and fold."""
    priced: tuple[str, ...]
    """Legs for which a threshold is found."""


@dataclass(frozen=True, slots=True)
class FoldScores:
    """Scored rows of one fold (the columns of `WalkForwardScores.rows`), and what its model says of itself."""

    rows: pl.DataFrame
    importances: dict[str, float]
    thresholds: dict[str, CostThreshold]


def score_fold(settings: Settings, task: FoldTask, family: Family | None = None) -> FoldScores:
    """Fit a family on one fold and score its test period; `family` is that of the task, by default looked up."""
    chosen = find_family(task.family) if family is None else family
    model = chosen.fit(task.train, task.service, settings)
    purged = (
        score_purged(chosen, task.train, task.service, settings, chosen=list_chosen(model)) if task.priced else None
    )
    found = {} if purged is None else find_thresholds_of(purged, task.train, settings, legs=task.priced)
    values = {legs: found[legs].value if legs in found else None for legs in LEGS}
    rows = task.rows.with_columns(
        pl.lit(value, pl.Float64).alias(_name_threshold(legs)) for legs, value in values.items()
    )
    known = rows.filter(pl.col(KNOWN))
    score = pl.Series("score", model.predict(known), dtype=pl.Float64).fill_nan(None)
    unknown = rows.filter(~pl.col(KNOWN)).with_columns(score=pl.lit(None, pl.Float64))
    parts = [_select_columns(part, chosen) for part in (known.with_columns(score), unknown)]
    return FoldScores(pl.concat(parts), model.compute_importances(), dict(found))


def _score_folds(settings: Settings, family: Family, tasks: Iterable[FoldTask]) -> Iterator[FoldScores]:
    """Yield the scores of each fold, in order."""
    # A worker finds the family by its name: what it consists of need not be such that it can be sent
    score = score_fold if settings.profile == "cluster" else partial(score_fold, family=family)
    return run_cases(settings, f"fit-{family.name}", score, ((task,) for task in tasks))


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
