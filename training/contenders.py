"""The contenders of a training run: the forest, its single-pair baseline, and holding one coin, over the same hours."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from pairity.errors import MissingDataError
from pairity.settings import Settings
from training.backtest.comparison import BASELINE, Arena, Contender, choose_hold_asset
from training.backtest.grid import GridInputs, GridResult
from training.backtest.inputs import group_scores_by_hour
from training.backtest.performance import compute_hourly_returns
from training.backtest.policies import choose_baseline_pair
from training.data.splits import Split
from training.data.training_sets import TrainingSet
from training.evaluation.forest_quality import ForestQuality
from training.forest_fit import ScoredForest, fit_forest, score_test_period
from training.trials.run import Market, Run


def compare_contenders(
    settings: Settings, arena: Arena, training_set: TrainingSet, split: Split, forest: ScoredForest
) -> tuple[list[Contender], list[str]]:
    """Backtest the model, the baseline and buy-and-hold, in this order; notes say what is left out, and why."""
    contenders = [arena.trade_model(forest.scored, split.train_end)]
    notes: list[str] = []
    pair = choose_baseline_pair(settings.universe.traded)
    alone = split.train.filter(pl.col("pair_id") == pair.pair_id)
    try:
        pipeline = fit_forest(alone, training_set.service, settings)
    except MissingDataError as error:
        notes.append(f"no {BASELINE} ({pair.pair_id}): {error.what}")
    else:
        scored = score_test_period(pipeline, training_set, split, pair.pair_id).scored
        contenders.append(arena.trade_baseline(scored, pair, split.train_end))
    contenders.append(arena.trade_hold(choose_hold_asset(settings.universe.traded)))
    return contenders, notes


def make_grid_inputs(settings: Settings, arena: Arena, forest: ScoredForest, split: Split) -> GridInputs:
    """Return the model's backtest as the inputs that all trials of a grid share."""
    return GridInputs(
        history=arena.history,
        scores=group_scores_by_hour(forest.scored, settings.universe.pairs),
        settings=settings.strategy,
        terms=arena.terms,
        decision_lag=settings.features.decision_lag,
        train_end=split.train_end,
    )


def list_training_runs(market: Market, model: Contender, grid: GridResult) -> list[Run]:
    """Return what a training tried, for the ledger of trials: the model, and every point of the grid on its scores."""
    family, first = market.settings.model.family, model.result.equity["time"][0]
    tried = [market.make_run(family, first, compute_hourly_returns(model.result))]
    return tried + [
        market.make_run(family, first, grid.returns[:, place], point.changes())
        for place, point in enumerate(grid.points)
    ]


def flatten_metrics(quality: ForestQuality, contenders: Sequence[Contender]) -> dict[str, float | None]:
    """Return all metrics of a run under the names that MLflow shows: `test_*`, `test_candidates_*`, `<contender>_*`."""
    flat = {f"test_{name}": value for name, value in quality.all_rows.items()}
    flat |= {f"test_candidates_{name}": value for name, value in quality.candidates.items()}
    for contender in contenders:
        flat |= {f"{contender.key}_{name}": value for name, value in contender.metrics.items()}
    return flat
