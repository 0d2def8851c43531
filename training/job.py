"""Train: history → point-in-time training set → model → scores → backtest → registry → gate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME
from pairity.progress import Progress
from pairity.settings import Settings
from training.backtest import performance
from training.backtest.comparison import Arena
from training.backtest.grid import run_grid
from training.contenders import compare_contenders, flatten_metrics, list_training_runs, make_grid_inputs
from training.data.history import load_history, make_store_join
from training.data.point_in_time import Join
from training.data.splits import split_chronologically
from training.data.training_sets import build_training_set, choose_pair_service, digest_training_rows
from training.evaluation.drift import tabulate_drift
from training.evaluation.forest_quality import measure_forest_quality
from training.evaluation.overfitting import estimate_overfitting_of_distinct
from training.forest_fit import score_test_period, score_training_rows
from training.models.registrable import choose_family, fit_registrable
from training.promotion.promotion import ParityCheck, backtest_champion, collect_evidence, decide_promotion
from training.readiness import require_ready, require_tracking
from training.reports import run_files
from training.reports.score_files import write_scores
from training.train_report import TrainReport
from training.trials.ledger import TrialLedger
from training.trials.run import Market

STAGES = ("training set", "fit", "score", "backtest", "grid", "report", "register", "gate")


def train(
    settings: Settings,
    progress: Progress,
    *,
    now: datetime,
    join: Join | None = None,
    parity: ParityCheck | None = None,
) -> TrainReport:
    """Train the family `model.family` on everything known at `now`, evaluate it, and let the gate decide on it.

    `join` is the point-in-time join (default: the feature store's); `parity` compares what was decided on live with
    the store (None: nothing was). MissingDataError where the history is missing or too short, RegistryError where the
    tracking store cannot be used, ConfigError for a family that cannot trade; nothing is registered then.
    """
    choose_family(settings)  # a name that nothing can be made of is refused before anything is read
    missing = require_ready(settings)
    stages = _StageTimer(progress)
    join = join or make_store_join(settings)
    with stages("training set"):
        training_set = build_training_set(settings, choose_pair_service(settings), join, now)
        labelled = training_set.labelled(settings.label)
        split = split_chronologically(labelled, settings.model.test_fraction)
        digest = digest_training_rows(labelled)
        require_tracking(settings)
    with stages("fit"):
        model_fit = fit_registrable(split.train, training_set.service, settings)
    with stages("score"):
        forest = score_test_period(model_fit.estimator, training_set, split)
    with stages("backtest"):
        history, bars = load_history(settings, join, split.test_start, training_set.last_decision, now)
        arena = Arena(settings, history)
        contenders, notes = compare_contenders(settings, arena, training_set, split, forest)
        against = backtest_champion(settings, training_set, split, arena)
        notes += training_set.list_notes() + missing
    with stages("grid"):
        grid = run_grid(make_grid_inputs(settings, arena, forest, split))
        overfitting = estimate_overfitting_of_distinct(grid.returns)
        overfitting_probability = None if overfitting is None else overfitting.probability
    with stages("report"):
        quality = measure_forest_quality(forest.scored, split, settings)
        files = run_files.write_run_files(
            run_files.locate_directory(settings),
            quality.scored,
            threshold=settings.strategy.probability_min,
            contenders=contenders,
            bars=bars,
            importances=model_fit.importances,
            drift=tabulate_drift(split.train, split.test, training_set.service.features),
            grid=grid.table(),
        )
        said = forest.scored.with_columns(score=pl.col("probability"), train_end=pl.lit(split.train_end))
        files.append(write_scores(run_files.locate_directory(settings), said))
    names = {contender.key: contender.name for contender in contenders}
    with stages("register"):
        # After the files: the run's artifacts are the directory that they were written to.
        model = run_files.record_run(
            settings,
            training_set,
            split,
            model_fit,
            metrics=flatten_metrics(quality, contenders) | {"grid_probability_of_overfitting": overfitting_probability},
            tags=run_files.list_lineage_tags(settings, training_set, split, digest),
            digest=digest,
            names=names,
            trials=[metrics["sharpe"] for metrics in grid.metrics],
        )
    with stages("gate"):
        # Before it is judged: this run's own trials count too
        market = Market.of(settings, bars, digest)
        book = TrialLedger.of(settings).record(
            list_training_runs(market, contenders[0], grid), "training", datetime.now(UTC)
        )
        evidence = collect_evidence(
            {contender.key: contender for contender in contenders},
            against,
            book,
            score_training_rows(model_fit.estimator, training_set, split),
            forest.scored["probability"].drop_nulls(),
            parity,
        )
        outcome = decide_promotion(settings, model, evidence, now)
    return TrainReport(
        rows=training_set.rows.height,
        labelled_rows=labelled.height,
        train_rows=split.train.height,
        test_rows=split.test.height,
        purged_rows=split.purged,
        train_positives=int(split.train["label"].sum()),
        test_positives=int(split.test["label"].sum()),
        train_start=split.train[EVENT_TIME].min(),  # type: ignore[arg-type]
        train_end=split.train_end,
        test_start=split.test_start,
        test_end=history.hours[-1],
        classification=quality.all_rows,
        classification_candidates=quality.candidates,
        backtests={contender.key: contender.metrics for contender in contenders},
        contender_names=names,
        per_pair=performance.summarise_by_pair(contenders[0].result.trades),
        notes=tuple(notes),
        training_digest=digest,
        snapshot_id=training_set.snapshot_id,
        model=model,
        grid=grid,
        overfitting=overfitting_probability,
        outcome=outcome,
        files=(*files, run_files.locate_directory(settings) / run_files.CARD),
        stage_seconds=stages.seconds,
    )


class _StageTimer:
    """Announces stages and keeps how long each took, in seconds."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._progress.stage(name, 1)
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began
        self._progress.advance(1)
