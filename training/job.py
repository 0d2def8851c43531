"""Train: history → point-in-time training set → model → scores → backtest → gate → registry."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME
from model_registry.drift_file import DRIFT_FILE
from model_registry.records import DRIFT_TAG
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.strategy.selection import find_threshold
from pairity.timeline import HOUR
from training.backtest import performance
from training.backtest.comparison import choose_hold_asset
from training.backtest.grid import run_grid
from training.basis import OpenBasis, build_basis
from training.contenders import (
    Part,
    flatten_metrics,
    list_training_runs,
    make_grid_inputs,
    measure_trials,
)
from training.data.history import make_store_join, read_bars
from training.data.point_in_time import Join
from training.data.splits import Split
from training.data.training_sets import TrainingSet
from training.evaluation.drift import SCORE, measure_score_drift, summarise_drift, tabulate_run_drift
from training.evaluation.drift_reference import freeze_reference
from training.evaluation.forest_quality import measure_forest_quality
from training.evaluation.overfitting import estimate_overfitting_of_distinct
from training.forest_fit import score_test_period
from training.labels.outcomes import add_outcomes
from training.labels.weights import count_effective_pairs, measure_likeness
from training.models.families import find_family
from training.models.registrable import Registrable, add_purged_scores, choose_family, fit_registrable
from training.models.thresholds import has_own_threshold, note_threshold, summarise_threshold
from training.promotion.backtested import Backtested, Rival, backtest_parts, compare_with_rival
from training.promotion.evidence import ParityCheck
from training.promotion.judging import Case, judge
from training.promotion.promotion import decide_promotion
from training.reports import drift_files, run_files
from training.reports.score_files import write_scores
from training.stage_timer import StageTimer
from training.train_report import TrainReport
from training.trials.ledger import TrialLedger
from training.trials.run import Market

STAGES = ("training set", "fit", "score", "backtest", "grid", "gate", "report", "register")


def train(
    settings: Settings,
    progress: Progress,
    *,
    now: datetime,
    join: Join | None = None,
    parity: ParityCheck | None = None,
    reason: str | None = None,
) -> TrainReport:
    """Train the family `model.family` on everything known at `now`, evaluate it, and let the gate decide on it.

    `join` is the point-in-time join (default: the feature store's); `parity` compares what was decided on live with
    the store (None: nothing was); `reason` says why kept-back hours that were looked at may be judged again. A model
    that passes is fitted once more, on every label that is known, before it is registered and promoted; what did not
    pass is registered as it was judged. MissingDataError where the history is missing or too short, RegistryError where
    the tracking store cannot be used, ConfigError for a family that cannot trade and for a ledger of trials that cannot
    be written; nothing is registered then.
    """
    choose_family(settings)  # a name that nothing can be made of is refused before anything is read
    found = join or make_store_join(settings)
    steps = train_in_steps(
        settings, progress, lambda: build_basis(settings, found, now), found, now=now, parity=parity, reason=reason
    )
    return finish_steps(steps)


TrainSteps = Generator[None, Rival | None, TrainReport]
"""A training that stops once, when everything that it has tried is in the ledger of trials, and is then told which
version the same training has made champion meanwhile."""


def finish_steps(steps: TrainSteps) -> TrainReport:
    """Return the report of a training that nothing else is compared with."""
    next(steps)
    try:
        steps.send(None)
    except StopIteration as end:
        report: TrainReport = end.value
        return report
    raise AssertionError("a training stops once")


def train_in_steps(
    settings: Settings,
    progress: Progress,
    open_basis: OpenBasis,
    join: Join,
    *,
    now: datetime,
    parity: ParityCheck | None,
    reason: str | None,
) -> TrainSteps:
    """Do what `train` does, on a basis that may serve other families too."""
    stages = StageTimer(progress)
    with stages("training set"):
        basis = open_basis()
        training_set, labelled, last, digest = basis.training_set, basis.labelled, basis.last, basis.digest
        if has_own_threshold(find_family(settings.model.family), settings):
            # After the digest: outcomes are no part of what is learnt
            labelled = add_outcomes(labelled, training_set, settings, join, now, settings.strategy.legs)
        whole, split, kept_back = basis.split(settings, labelled)
    with stages("fit"):
        model_fit, purged = _fit_judged(settings, training_set, split.train)
    with stages("score"):
        walk = _score(model_fit, training_set, split)
    with stages("backtest"):
        walked = backtest_parts(settings, training_set, [walk], kept_back.test_start - HOUR, join, now)
    with stages("grid"):
        grid = run_grid(make_grid_inputs(settings, walked.arena, walk.forest, split), settings=settings)
        overfitting = estimate_overfitting_of_distinct(grid.returns)
        overfitting_probability = None if overfitting is None else overfitting.probability
        closes = read_bars(settings, [choose_hold_asset(settings.universe.traded)], split.test_start, last, now)
        market = Market.of(settings, closes, digest)
        # Before anything is judged: the trials of this training count too
        TrialLedger.of(settings).record(
            list_training_runs(market, walked.contenders[0], grid), "training", datetime.now(UTC)
        )
    rival = yield
    with stages("gate"):

        def look_on() -> Backtested:
            after = _score(_fit(settings, training_set, kept_back.train), training_set, kept_back)
            return compare_with_rival(backtest_parts(settings, training_set, [walk, after], last, join, now), rival)

        judgement = judge(
            Case(
                settings=settings,
                market=market,
                book=TrialLedger.of(settings).read(),
                walked=compare_with_rival(walked, rival),
                kept_back=kept_back,
                last=last,
                parity=parity() if parity is not None else (None, "nothing was decided on live yet"),
                drift=measure_score_drift((split.train, purged), walk.forest.scored, seed=settings.model.seed),
                reason=reason,
            ),
            look_on,
        )
        judged, contenders = judgement.judged, judgement.judged.contenders
        tested = whole if judgement.looked else split
    with stages("report"):
        quality = measure_forest_quality(judged.scored, tested, settings)
        drift = tabulate_run_drift(
            (split.train, purged),
            (tested.test, judged.scored),
            training_set.service.features,
            seed=settings.model.seed,
        )
        files = run_files.write_run_files(
            run_files.locate_directory(settings),
            quality.scored,
            z_entry=settings.label.z_entry,
            threshold=find_threshold(model_fit.trades_above, settings.strategy),
            contenders=contenders,
            bars=judged.bars,
            importances=model_fit.importances,
            drift=drift,
            grid=grid.table(),
        )
        files.append(write_scores(run_files.locate_directory(settings), judged.scored.rename({"probability": "score"})))
    names = {contender.key: contender.name for contender in contenders}
    measures = {
        **flatten_metrics(quality, contenders),
        **summarise_drift(drift),
        "grid_probability_of_overfitting": overfitting_probability,
        **measure_trials(TrialLedger.of(settings).read().count(), contenders[0]),
        **summarise_threshold(model_fit.threshold),
        "train_effective_pairs": count_effective_pairs(measure_likeness(split.train)),
    }
    with stages("register"):
        learnt = split
        if judgement.verdict.passed:
            # Judged and done: what trades from now on has learnt from everything, the kept-back hours too
            learnt = replace(whole, train=labelled, purged=0)
            model_fit = _fit(settings, training_set, labelled)
        reference = freeze_reference(
            training_set.rows.filter(pl.col(EVENT_TIME) <= learnt.train_end),
            split.train.select("pair_id", EVENT_TIME, pl.Series(SCORE, purged)),
            training_set.service.features,
            service=training_set.service.name,
            train_end=learnt.train_end,
            least_z=settings.label.z_entry if settings.label.rows == "candidates" else None,
        )
        frozen = drift_files.write_reference(run_files.locate_directory(settings), reference)
        files.append(run_files.locate_directory(settings) / DRIFT_FILE)
        # After the files: the run's artifacts are the directory that they were written to.
        model = run_files.record_run(
            settings,
            training_set,
            replace(tested, train=learnt.train, purged=learnt.purged),
            model_fit,
            metrics=measures,
            tags=run_files.list_lineage_tags(settings, training_set, learnt, digest) | {DRIFT_TAG: frozen},
            digest=digest,
            contenders=contenders,
            trials=[metrics["sharpe"] for metrics in grid.metrics],
        )
        outcome = decide_promotion(settings, model, judgement.verdict, now)
    return TrainReport(
        rows=training_set.rows.height,
        labelled_rows=labelled.height,
        train_rows=split.train.height,
        test_rows=tested.test.height,
        purged_rows=split.purged,
        effective_pairs=measures["train_effective_pairs"],
        kept_back_rows=labelled.height - split.train.height - split.purged - tested.test.height,
        train_positives=int(split.train["label"].sum()),
        test_positives=int(tested.test["label"].sum()),
        train_start=split.train[EVENT_TIME].min(),  # type: ignore[arg-type]
        train_end=split.train_end,
        test_start=split.test_start,
        test_end=contenders[0].result.equity["time"][-1],
        classification=quality.all_rows,
        classification_candidates=quality.candidates,
        backtests={contender.key: contender.metrics for contender in contenders},
        contender_names=names,
        differences={name: value for name, value in measures.items() if "_sharpe_over_" in name},
        per_pair=performance.summarise_by_pair(contenders[0].result.trades),
        notes=(
            *judged.notes,
            *note_threshold(model_fit.threshold, settings.strategy),
            *training_set.list_notes(),
            *basis.notes,
        ),
        training_digest=digest,
        snapshot_id=training_set.snapshot_id,
        model=model,
        grid=grid,
        drift=drift,
        overfitting=overfitting_probability,
        outcome=outcome,
        judged=contenders[0],
        files=(*files, run_files.locate_directory(settings) / run_files.CARD),
        stage_seconds=stages.seconds,
    )


def _fit(settings: Settings, training_set: TrainingSet, rows: pl.DataFrame) -> Registrable:
    """Fit the model on labelled rows; its threshold, where it has one, comes from the same rows."""
    fitted = fit_registrable(rows, training_set.service, settings)
    if has_own_threshold(find_family(fitted.family), settings):
        return add_purged_scores(fitted, rows, training_set.service, settings)
    return fitted


def _fit_judged(
    settings: Settings, training_set: TrainingSet, rows: pl.DataFrame
) -> tuple[Registrable, NDArray[np.float64]]:
    """Fit the model that is judged; beside it what is said of its rows out of sample, which drift is measured from."""
    fitted = _fit(settings, training_set, rows)
    if fitted.purged is None:
        fitted = add_purged_scores(fitted, rows, training_set.service, settings)
    assert fitted.purged is not None
    return fitted, fitted.purged


def _score(model: Registrable, training_set: TrainingSet, split: Split) -> Part:
    return Part(split, score_test_period(model.estimator, training_set, split, threshold=model.trades_above))
