"""Train: history → point-in-time training set → forest → scores → backtest → registry → gate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.catalog import EVENT_TIME
from model_registry.records import ModelRef
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from training.backtest import performance
from training.backtest.comparison import BASELINE, Arena, Contender, hold_asset
from training.backtest.grid import GridResult, Question, run_grid
from training.backtest.inputs import hour_scores
from training.backtest.policies import baseline_pair
from training.data import training_sets as datasets
from training.data.history import load_history, store_join
from training.data.splits import Split, chronological
from training.data.training_sets import Dataset, Join
from training.evaluation import metrics
from training.evaluation.drift import drift_table
from training.evaluation.overfitting import among_different
from training.forest_fit import Fitted, fit_forest, score, seen_scores
from training.models import pair_forest
from training.promotion.promotion import GateOutcome, ParityCheck, backtest_champion, collect_evidence, decide_promotion
from training.reports import run_files
from training.trials import read_trial_sharpes

STAGES = ("training set", "fit", "score", "backtest", "grid", "report", "register", "gate")


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What one training run did. Metrics are None where they are not defined."""

    rows: int
    """Decisions in the history; `labelled_rows` of them have a complete label and were admitted."""
    labelled_rows: int
    train_rows: int
    test_rows: int
    purged_rows: int
    train_positives: int
    test_positives: int
    train_start: datetime
    train_end: datetime
    """Last instant that training has seen (end of the last training label), before `test_start`."""
    test_start: datetime
    test_end: datetime
    classification: dict[str, float | None]
    classification_candidates: dict[str, float | None]
    """The same on candidate rows (|z| > z_entry) only: elsewhere a label is 0 by definition, and a model that
    knows nothing but |z| looks good over all rows."""
    backtests: dict[str, dict[str, float | None]]
    """Metrics per contender (`model`, `baseline`, `btc`), the same keys for each; a contender may be absent, with a
    note."""
    contender_names: dict[str, str]
    per_pair: pl.DataFrame
    notes: tuple[str, ...]
    training_digest: str
    snapshot_id: str
    model: ModelRef
    grid: GridResult
    """The reference grid of the strategy's settings on the same scores: all of them count as trials."""
    overfitting: float | None
    """Probability that choosing the best of the grid is overfitting; None where too little varies."""
    outcome: GateOutcome
    """What the gate said of it, and whether it is champion now."""
    files: tuple[Path, ...]
    stage_seconds: dict[str, float] = field(default_factory=dict)


def train(
    settings: Settings,
    progress: Progress,
    *,
    now: datetime,
    join: Join | None = None,
    parity: ParityCheck | None = None,
) -> TrainReport:
    """Train the pair forest on everything known at `now`, judge it out of sample, and let the gate decide on it.

    `join` is the point-in-time join (default: the feature store's); `parity` compares what was decided on live with
    the store (None: nothing was). MissingDataError where the history is missing or too short, RegistryError where the
    tracking store cannot be used; nothing is registered then.
    """
    stages = _Stages(progress)
    joined = join or store_join(settings)
    with stages("training set"):
        dataset = datasets.build(settings, datasets.pair_service(settings), joined, now)
        labelled = dataset.labelled(settings.label)
        split = chronological(labelled, settings.model.test_fraction)
        digest = datasets.training_digest(labelled)
    with stages("fit"):
        pipeline = fit_forest(split.train, dataset.service, settings)
    with stages("score"):
        forest = score(pipeline, dataset, split)
    with stages("backtest"):
        history, bars = load_history(settings, joined, dataset, split.test_start, now)
        arena = Arena(settings, history)
        contenders, notes = compare(settings, arena, dataset, split, forest)
        against = backtest_champion(settings, dataset, split, arena)
        notes += late_rows(dataset)
    with stages("grid"):
        tried = run_grid(question(settings, arena, forest, split))
        chosen = among_different(tried.returns)
        overfitting = None if chosen is None else chosen.probability
    with stages("report"):
        judged = forest.scored.join(split.test.select(datasets.KEY), on=datasets.KEY, how="semi", maintain_order="left")
        quality = _classify(judged, settings)
        selective = _classify(judged.filter(pl.col("z_score").abs() > settings.label.z_entry), settings)
        files = run_files.write(
            run_files.directory(settings), judged, threshold=settings.strategy.probability_min,
            contenders=contenders, bars=bars, importances=pair_forest.importances(forest.pipeline),
            drift=drift_table(split.train, split.test, dataset.service.features), grid=tried.table(),
        )  # fmt: skip
    with stages("register"):
        report_tags = run_files.lineage(settings, dataset, split, digest)
        model = run_files.record(
            settings, dataset, split, forest.pipeline,
            metrics=_flat(quality, selective, contenders) | {"grid_probability_of_overfitting": overfitting},
            tags=report_tags, digest=digest, names={c.key: c.name for c in contenders},
            trials=[values["sharpe"] for values in tried.metrics],
        )  # fmt: skip
    with stages("gate"):
        outcome = decide_promotion(
            settings, model,
            collect_evidence(
                {c.key: c for c in contenders}, against, read_trial_sharpes(Layout.of(settings)),
                seen_scores(forest.pipeline, dataset, split), forest.scored["probability"].drop_nulls(), parity,
            ),
            now,
        )  # fmt: skip
    return TrainReport(
        rows=dataset.rows.height, labelled_rows=labelled.height,
        train_rows=split.train.height, test_rows=split.test.height, purged_rows=split.purged,
        train_positives=int(split.train["label"].sum()), test_positives=int(split.test["label"].sum()),
        train_start=split.train[EVENT_TIME].min(), train_end=split.train_end,  # type: ignore[arg-type]
        test_start=split.test_start, test_end=history.hours[-1],
        classification=quality, classification_candidates=selective, backtests={c.key: c.metrics for c in contenders},
        contender_names={c.key: c.name for c in contenders},
        per_pair=performance.per_pair(contenders[0].result.trades), notes=tuple(notes), training_digest=digest,
        snapshot_id=dataset.snapshot_id, model=model, grid=tried, overfitting=overfitting,
        outcome=outcome, files=(*files, run_files.directory(settings) / run_files.CARD),
        stage_seconds=stages.seconds,
    )  # fmt: skip


def compare(
    settings: Settings, arena: Arena, dataset: Dataset, split: Split, forest: Fitted
) -> tuple[list[Contender], list[str]]:
    """Backtest model, baseline and buy-and-hold; notes say what could not be compared, and why."""
    contenders = [arena.model(forest.scored, split.train_end)]
    notes: list[str] = []
    pair = baseline_pair(settings.universe.assets)
    alone = split.train.filter(pl.col("pair_id") == pair.pair_id)
    try:
        pipeline = fit_forest(alone, dataset.service, settings)
    except MissingDataError as error:
        notes.append(f"no {BASELINE} ({pair.pair_id}): {error.what}")
    else:
        scored = score(pipeline, dataset, split, pair.pair_id).scored
        contenders.append(arena.baseline(scored, pair, split.train_end))
    contenders.append(arena.hold(hold_asset(settings.universe.assets)))
    return contenders, notes


def question(settings: Settings, arena: Arena, forest: Fitted, split: Split) -> Question:
    """The backtest of the model as a question that a grid of settings is put."""
    return Question(
        arena.history, hour_scores(forest.scored, settings.universe.pairs), settings.strategy, arena.terms,
        settings.features.decision_lag, split.train_end,
    )  # fmt: skip


def late_rows(dataset: Dataset) -> list[str]:
    """A note on decisions whose features arrived too late, if there were any."""
    late = int((~dataset.rows[datasets.KNOWN]).sum())
    total = dataset.rows.height
    return [f"{late} of {total} decisions had no features in time: neither learnt from nor traded on"] if late else []


def _classify(judged: pl.DataFrame, settings: Settings) -> dict[str, float | None]:
    return metrics.classification(
        judged["label"].to_numpy(), judged["probability"].to_numpy(), settings.strategy.probability_min
    )


def _flat(
    quality: dict[str, float | None], selective: dict[str, float | None], contenders: list[Contender]
) -> dict[str, float | None]:
    flat = {f"test_{name}": value for name, value in quality.items()}
    flat |= {f"test_candidates_{name}": value for name, value in selective.items()}
    for contender in contenders:
        flat |= {f"{contender.key}_{name}": value for name, value in contender.metrics.items()}
    return flat


class _Stages:
    """Announces stages and keeps how long each took."""

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
