"""Backtest without training, as a job: scores from a rule, a version or a run, over any range, with any grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.progress import Progress
from pairity.settings import Settings
from training.backtest.comparison import Arena, Contender, choose_hold_asset
from training.backtest.engine import refuse_seen_period, refuse_seen_scores, run_backtest
from training.backtest.grid import GridInputs, GridResult, TrialGrid, run_grid
from training.backtest.inputs import group_scores_by_hour
from training.backtest.performance import compute_hourly_returns, measure_performance
from training.backtest.recording import ASSESSMENT_SCHEMA, RecordingStrategy, explain_no_entry
from training.data.contracts import note_assumed_contracts
from training.data.decisions import choose_range, find_published_range
from training.data.history import load_history, make_store_join
from training.data.point_in_time import KNOWN, Join, read_snapshot_id
from training.data.unit_check import require_one_unit
from training.evaluation.overfitting import estimate_overfitting_of_distinct
from training.evaluation.sharpe import deflate_sharpe, estimate_sharpe
from training.evaluation.superiority import Superiority
from training.evaluation.trial_clusters import TrialCount
from training.reports import backtest_files
from training.score_sources import ScoreSource, TradedScores
from training.trials.judging import assess_trials
from training.trials.ledger import TrialLedger
from training.trials.records import Run
from training.trials.run import Market, find_changes

KEY = "model"


@dataclass(frozen=True, slots=True)
class BacktestReport:
    """What one backtest did. The first contender is what was asked for, the second holds a coin over the same hours."""

    contenders: tuple[Contender, ...]
    assessments: pl.DataFrame
    """Every decision's assessment of every pair (`recording.ASSESSMENT_SCHEMA`); empty for single assets."""
    grid: GridResult | None
    overfitting: float | None
    """Share of splits in which the grid's best by net return is not above the median out of sample; None without a
    grid, or where too little varies."""
    deflated_sharpe: float | None
    """Probability that the Sharpe ratio is above what the best of all trials so far would show by luck."""
    trials: TrialCount
    """All trials of the ledger, these among them."""
    superiority: Superiority | None
    """Whether any trial over these hours earns more than nothing; None where the hours are too few."""
    run_id: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def run_recorded_backtest(
    settings: Settings,
    source: ScoreSource,
    progress: Progress,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    grid: TrialGrid | None = None,
    join: Join | None = None,
) -> BacktestReport:
    """Backtest `source` over the bar closes from `since` to `until`, both included; write and log the result.

    Default is all that the source may be asked about. Every setting of `grid` is backtested on the same scores, and all
    of them count as trials. Nothing is used that was not known at `now`. TimeRangeError for a range without bars and
    for one that the model has seen, ConfigError for a grid of a family of single assets, MissingDataError for features
    in a unit of before a redenomination; nothing is logged then.
    """
    require_one_unit(settings)
    join = join or make_store_join(settings)
    progress.stage("scores", 1)
    first = since if since is not None else source.first
    last = until if until is not None else source.last
    within = choose_range(find_published_range(settings, now), first, last)
    scored = source.score(join, now, within)
    if grid is not None and scored.strategy is None:
        raise ConfigError(f"{source.name} trades single assets: a grid of the strategy does not apply", "leave it out")
    progress.advance(1)
    progress.stage("backtest", 1)
    history, bars = load_history(settings, join, *within, now)
    arena = Arena(settings, history)
    scores = group_scores_by_hour(scored.rows, scored.pairs)
    train_end = scored.rows["train_end"].min()
    assert train_end is None or isinstance(train_end, datetime)
    refuse_seen_period(history.hours, train_end)
    refuse_seen_scores(history.hours, scores)
    recorder = None if scored.strategy is None else RecordingStrategy(scored.strategy)
    policy = recorder or scored.policy
    assert policy is not None
    result = run_backtest(
        history, scores, policy, arena.terms, decision_lag=settings.features.decision_lag, train_end=train_end
    )
    contenders = (
        Contender(KEY, source.name, result, measure_performance(result)),
        arena.trade_hold(choose_hold_asset(settings.universe.assets)),
    )
    progress.advance(1)
    tried = None
    if grid is not None and scored.strategy is not None:
        progress.stage("grid", 1)
        tried = run_grid(
            GridInputs(
                history=history,
                scores=scores,
                settings=scored.strategy,
                terms=arena.terms,
                decision_lag=settings.features.decision_lag,
                train_end=train_end,
            ),
            grid,
            settings=settings,
        )
        progress.advance(1)
    progress.stage("write and log", 1)
    assessments = pl.DataFrame(schema=ASSESSMENT_SCHEMA) if recorder is None else recorder.tabulate()
    # Before anything is judged: this run's own trials count too
    trials = TrialLedger.of(settings).record(
        list(_list_runs(settings, source.name, scored, history.hours[0], compute_hourly_returns(result), tried, bars)),
        "backtest",
        datetime.now(UTC),
    )
    count = trials.count()
    ratio = estimate_sharpe(compute_hourly_returns(result))
    deflated = None if ratio is None else deflate_sharpe(ratio, count.effective)
    found = None if tried is None else estimate_overfitting_of_distinct(tried.returns)
    overfitting = None if found is None else found.probability
    judged = {
        "trials": float(count.trials),
        "effective_trials": count.effective,
        f"{KEY}_deflated_sharpe": deflated,
        "grid_probability_of_overfitting": overfitting,
    }
    files, run_id = backtest_files.record_backtest(settings, source.name, contenders, assessments, tried, judged)
    progress.advance(1)
    return BacktestReport(
        contenders=contenders,
        assessments=assessments,
        grid=tried,
        overfitting=overfitting,
        deflated_sharpe=deflated,
        trials=count,
        superiority=assess_trials(trials, history.hours[0], len(history.hours)),
        run_id=run_id,
        files=tuple(files),
        notes=(*_list_notes(settings, scored, within, (since, until)), *_note_no_entry(assessments)),
    )


def _note_no_entry(assessments: pl.DataFrame) -> list[str]:
    reason = explain_no_entry(assessments)
    return [] if reason is None else [reason]


def _list_runs(
    settings: Settings,
    name: str,
    scored: TradedScores,
    first: datetime,
    returns: NDArray[np.float64],
    tried: GridResult | None,
    bars: pl.DataFrame,
) -> Iterator[Run]:
    """Yield what was tried: the scores as they are traded, and every point of the grid."""
    market = Market.of(settings, bars, read_snapshot_id(Layout.of(settings)))
    # A rule is the family of that name, wherever it is traded
    family = name.removeprefix("rule ")
    strategy = {} if scored.strategy is None else find_changes(settings.strategy, scored.strategy)
    yield market.make_run(family, first, returns, strategy)
    if tried is not None:
        for place, point in enumerate(tried.points):
            yield market.make_run(family, first, tried.returns[:, place], {**strategy, **point.changes()})


def _list_notes(
    settings: Settings,
    scored: TradedScores,
    within: tuple[datetime, datetime],
    asked: Sequence[datetime | None],
) -> list[str]:
    notes = note_assumed_contracts(settings)
    if (asked[0] is not None and asked[0] < within[0]) or (asked[1] is not None and asked[1] > within[1]):
        notes.append(f"features are known from {within[0]:%Y-%m-%d %H:%M} to {within[1]:%Y-%m-%d %H:%M} UTC only")
    silent = scored.rows.filter(pl.col(KNOWN) & pl.col("probability").is_null()).height
    if silent:
        notes.append(
            f"{silent:,} of {format_count(scored.rows.height, 'decision')} about a pair with features and no score"
        )
    late = scored.rows.filter(~pl.col(KNOWN)).height
    if late:
        notes.append(
            f"{late:,} of {format_count(scored.rows.height, 'decision')} without features in time: nothing was "
            "traded on them"
        )
    return notes
