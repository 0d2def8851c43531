"""The contenders of a training run, over the same hours: the model, and the nulls that it has to beat.

These are its single-pair baseline, the rule that learns nothing (every spread reverts), and holding one coin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pairity.errors import MissingDataError
from pairity.settings import Settings
from pairity.universe import Pair
from training.backtest.comparison import BASELINE, Arena, Contender, choose_hold_asset
from training.backtest.grid import GridInputs, GridResult
from training.backtest.inputs import group_scores_by_hour
from training.backtest.performance import compute_hourly_returns
from training.backtest.policies import choose_baseline_pair
from training.data.point_in_time import KNOWN
from training.data.splits import Split
from training.data.training_sets import TrainingSet
from training.evaluation.differences import measure_sharpe_difference
from training.evaluation.forest_quality import ForestQuality
from training.evaluation.line_statistics import list_statistics
from training.evaluation.sharpe import deflate_sharpe, estimate_sharpe
from training.evaluation.trial_clusters import TrialCount
from training.forest_fit import ScoredForest, fit_forest, score_test_period
from training.models.families import find_family
from training.trials.records import Run
from training.trials.run import Market

RULE = "always_revert"
"""Family that every model of pairs has to beat: what the strategy earns without a model."""

_AREA = ("roc_auc", "roc_auc_low", "roc_auc_high")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a walk forward: what it was trained on, and the scores over its test period."""

    split: Split
    forest: ScoredForest


def compare_contenders(
    settings: Settings, arena: Arena, training_set: TrainingSet, parts: Sequence[Part]
) -> tuple[list[Contender], list[str]]:
    """Backtest the model, the baseline, the rule without a model and buy-and-hold, in this order, over all parts.

    Each part is scored by what was trained before it, and all of them are traded as one. Notes say what is left out,
    and why.
    """
    train_end, scored = parts[0].split.train_end, join_scores(parts)
    contenders = [arena.trade_model(scored, train_end)]
    notes: list[str] = []
    pair = choose_baseline_pair(settings.universe.traded)
    try:
        alone = [_fit_baseline(settings, training_set, part.split, pair) for part in parts]
    except MissingDataError as error:
        notes.append(f"no {BASELINE} ({pair.pair_id}): {error.what}")
    else:
        contenders.append(arena.trade_baseline(join_scores(alone), pair, train_end))
    certain = scored.drop("threshold").with_columns(probability=pl.when(pl.col(KNOWN)).then(1.0))
    rule, legs = find_family(RULE), settings.strategy.legs
    contenders.append(arena.trade_family(RULE, rule.description, certain, None, train_end, legs))
    contenders.append(arena.trade_hold(choose_hold_asset(settings.universe.traded)))
    return contenders, notes


def join_scores(parts: Sequence[Part]) -> pl.DataFrame:
    """Return the scores of all parts, each with the end of what its model has seen (`train_end`)."""
    return pl.concat([part.forest.scored.with_columns(train_end=pl.lit(part.split.train_end)) for part in parts])


def _fit_baseline(settings: Settings, training_set: TrainingSet, split: Split, pair: Pair) -> Part:
    alone = split.train.filter(pl.col("pair_id") == pair.pair_id)
    pipeline = fit_forest(alone, training_set.service, settings)
    return Part(split, score_test_period(pipeline, training_set, split, pair.pair_id))


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


def compare_ratios(contenders: Sequence[Contender]) -> dict[str, float | None]:
    """Return how far the Sharpe ratio of the first contender is above each other one's, with 95% intervals.

    Keys: `sharpe_over_KEY` and its `_low` and `_high`.
    """
    first, *others = contenders
    own = compute_hourly_returns(first.result)
    differences: dict[str, float | None] = {}
    for other in others:
        differences |= measure_sharpe_difference(own, compute_hourly_returns(other.result), other.key)
    return differences


def list_training_runs(market: Market, model: Contender, grid: GridResult) -> list[Run]:
    """Return what a training tried, for the ledger of trials: the model, and every point of the grid on its scores."""
    family, first = market.settings.model.family, model.result.equity["time"][0]
    tried = [market.make_run(family, first, compute_hourly_returns(model.result))]
    return tried + [
        market.make_run(family, first, grid.returns[:, place], point.changes())
        for place, point in enumerate(grid.points)
    ]


def measure_trials(trials: TrialCount, contender: Contender) -> dict[str, float | None]:
    """Return `trials`, `effective_trials` and `KEY_deflated_sharpe` of a contender, deflated by all of them.

    None where its returns have no ratio.
    """
    ratio = estimate_sharpe(compute_hourly_returns(contender.result))
    return {
        "trials": float(trials.trials),
        "effective_trials": trials.effective,
        f"{contender.key}_deflated_sharpe": None if ratio is None else deflate_sharpe(ratio, trials.effective),
    }


def flatten_metrics(quality: ForestQuality, contenders: Sequence[Contender]) -> dict[str, float | None]:
    """Return all metrics of a run under the names that MLflow shows: `test_*`, `test_candidates_*`, `<contender>_*`.

    The first contender's include `compare_ratios`, and the area under the ROC curve on candidates under the name that
    it has in the runs of a leaderboard: tables of runs put both into one column.
    """
    flat = {f"test_{name}": value for name, value in quality.all_rows.items()}
    flat |= {f"test_candidates_{name}": value for name, value in quality.candidates.items()}
    first = contenders[0].key
    flat |= {f"{first}_candidates_{name}": quality.candidates[name] for name in _AREA if name in quality.candidates}
    flat |= {f"{first}_{name}": value for name, value in compare_ratios(contenders).items()}
    statistics = list_statistics(contenders)
    for contender in contenders:
        own = {**statistics[contender.key], **contender.metrics}
        flat |= {f"{contender.key}_{name}": value for name, value in own.items()}
    return flat
