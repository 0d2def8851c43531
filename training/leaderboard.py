"""All families on the same walk-forward folds, the same hours and the same costs, beside holding BTC.

Each is traded with the base leg alone and with both legs of its pairs.

Each test period is scored by a model that was trained on what was known before it, and nothing else; the periods are
then traded as one. Nothing is chosen by looking at them: every line counts as a trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME, PAIR_FOREST_FEATURES
from pairity.errors import MissingDataError
from pairity.progress import Progress
from pairity.settings import Settings
from training import datasets
from training.backtest.comparison import Arena, Contender, hold_asset
from training.backtest.engine import refuse_seen_period
from training.backtest.performance import hourly_returns
from training.backtest.trade_log import positions
from training.datasets import Dataset, Join
from training.evaluation.metrics import classification
from training.evaluation.overfitting import Overfitting, probability_of_overfitting
from training.evaluation.sharpe import deflated, estimate
from training.folds import Fold, walk_forward
from training.history import load_history
from training.models.families import Family

_SCORED = [
    *datasets.KEY, "z_score", "correlation_168h", "hedge_ratio", datasets.KNOWN, "label", "probability", "train_end",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """One line: a family's backtest over all test periods, and how good its probabilities were."""

    family: str
    told: str
    contender: Contender
    classification: dict[str, float | None]
    """On candidate rows (|z| above entry) with a complete label; empty for holding a coin."""
    importances: dict[str, float]
    """Of the last fold's model."""
    deflated_sharpe: float | None
    folds: list[dict[str, float | None]] = field(default_factory=list)
    """Per fold: net return and trades of the positions that were opened in it."""


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All standings, best net return first, and what choosing among them is worth."""

    standings: tuple[Standing, ...]
    folds: tuple[Fold, ...]
    overfitting: Overfitting | None
    """Of choosing the best family by its Sharpe ratio; None where fewer than two of them traded."""
    dataset: Dataset
    trials: int
    notes: tuple[str, ...]


def compare_families(
    settings: Settings,
    families: Sequence[Family],
    join: Join,
    now: datetime,
    progress: Progress,
    earlier_trials: Sequence[float] = (),
) -> Leaderboard:
    """Fit, score and trade every family walk-forward (`settings.evaluation`).

    `earlier_trials`: Sharpe ratios per hour of what was tried before, for the deflated Sharpe ratio. MissingDataError
    where the history is too short; a family that cannot be fitted on some fold is left out, with a note.
    """
    progress.stage("training set", 1)
    dataset = datasets.build(settings, PAIR_FOREST_FEATURES, join, now)
    labelled = dataset.labelled(settings.label)
    evaluation = settings.evaluation
    folds = walk_forward(
        labelled, test_bars=evaluation.test_bars, train_bars=evaluation.train_bars, rolling=evaluation.rolling,
    )  # fmt: skip
    start = folds[0].blocks[0].first
    history, _ = load_history(settings, join, dataset, start, now)
    arena = Arena(settings, history)
    progress.stage("families", len(families) * len(folds) + 1)
    found: list[tuple[Family | None, Contender, pl.DataFrame, dict[str, float]]] = []
    notes: list[str] = []
    for family in families:
        try:
            scored, importances = walk(settings, family, dataset, folds, progress)
        except MissingDataError as error:
            notes.append(f"{family.name} is left out: {error.what}")
            continue
        for contender in traded(settings, arena, family, scored, folds[0].train_end):
            found.append((family, contender, scored, importances))
    found.append((None, arena.hold(hold_asset(settings.universe.assets)), pl.DataFrame(), {}))
    progress.advance(1)
    returns = [hourly_returns(contender.result) for _, contender, _, _ in found]
    trials = [*earlier_trials, *_ratios(returns)]
    standings = [
        _standing(settings, family, contender, scored, importances, trials, folds)
        for family, contender, scored, importances in found
    ]
    return Leaderboard(
        standings=tuple(sorted(standings, key=lambda s: -(s.contender.metrics["net_return"] or 0.0))),
        folds=tuple(folds), overfitting=_overfitting(returns), dataset=dataset, trials=len(trials), notes=tuple(notes),
    )  # fmt: skip


def traded(
    settings: Settings, arena: Arena, family: Family, scored: pl.DataFrame, train_end: datetime
) -> Iterator[Contender]:
    """One set of scores traded with the base leg alone, and with both legs where they trade at all."""
    pair = None if family.pair is None else family.pair(settings)
    alone = arena.family(family.name, family.told, scored, pair, train_end)
    yield alone
    if alone.metrics["trades"]:
        yield arena.family(f"{family.name}_two_legs", f"{family.told}; two legs", scored, pair, train_end, "both")


def walk(
    settings: Settings, family: Family, dataset: Dataset, folds: Sequence[Fold], progress: Progress
) -> tuple[pl.DataFrame, dict[str, float]]:
    """Every decision from the first test period on, scored by the fold's own model; and the last one's importances.

    Returns pair_id, event_timestamp, z_score, correlation_168h, hedge_ratio, known, label, probability (null where
    nothing was known) and train_end (the last instant that the row's model has seen), sorted by time and pair.
    """
    pair = None if family.pair is None else family.pair(settings).pair_id
    parts, importances = [], {}
    for number, fold in enumerate(folds):
        train = fold.train if pair is None else fold.train.filter(pl.col("pair_id") == pair)
        model = family.fit(train, dataset.service, settings)
        importances = model.importances()
        first = fold.blocks[0].first
        refuse_seen_period([first], fold.train_end)
        rows = dataset.rows.filter(pl.col(EVENT_TIME) >= first).with_columns(train_end=pl.lit(fold.train_end))
        if number + 1 < len(folds):
            rows = rows.filter(pl.col(EVENT_TIME) < folds[number + 1].blocks[0].first)
        if pair is not None:
            rows = rows.filter(pl.col("pair_id") == pair)
        known = rows.filter(pl.col(datasets.KNOWN))
        probability = pl.Series("probability", model.predict(known), dtype=pl.Float64)
        nothing = rows.filter(~pl.col(datasets.KNOWN)).with_columns(pl.lit(None, pl.Float64).alias("probability"))
        parts += [known.with_columns(probability).select(_SCORED), nothing.select(_SCORED)]
        progress.advance(1, f"{family.name}, {fold.name}")
    return pl.concat(parts).sort(EVENT_TIME, "pair_id"), importances


def _standing(
    settings: Settings,
    family: Family | None,
    contender: Contender,
    scored: pl.DataFrame,
    importances: dict[str, float],
    trials: Sequence[float],
    folds: Sequence[Fold],
) -> Standing:
    quality: dict[str, float | None] = {}
    if family is not None:
        judged = scored.drop_nulls(["label", "probability"]).filter(pl.col("z_score").abs() > settings.label.z_entry)
        quality = classification(
            judged["label"].to_numpy(), judged["probability"].to_numpy(), settings.strategy.probability_min
        )
    ratio = estimate(hourly_returns(contender.result))
    return Standing(
        family=contender.key, told=contender.name, contender=contender, classification=quality,
        importances=importances, deflated_sharpe=None if ratio is None else deflated(ratio, trials),
        folds=_by_fold(contender, folds),
    )  # fmt: skip


def _by_fold(contender: Contender, folds: Sequence[Fold]) -> list[dict[str, float | None]]:
    """Positions by the period in which they were decided; the last one reaches to the end of history."""
    starts = [fold.blocks[0].first for fold in folds]
    found: list[dict[str, float | None]] = []
    for first, after in zip(starts, [*starts[1:], None], strict=True):
        own = positions(contender.result.trades).filter(pl.col("opened_at") >= first)
        if after is not None:
            own = own.filter(pl.col("opened_at") < after)
        net = float(own["net_pnl"].sum()) / contender.result.initial_equity
        found.append({"net_return": net, "trades": float(own.height)})
    return found


def _ratios(returns: Sequence[NDArray[np.float64]]) -> list[float]:
    return [ratio.value for ratio in map(estimate, returns) if ratio is not None]


def _overfitting(returns: Sequence[NDArray[np.float64]]) -> Overfitting | None:
    moving = [values for values in returns if float(np.ptp(values)) > 0]
    if len(moving) < 2:
        return None
    return probability_of_overfitting(np.column_stack(moving))
