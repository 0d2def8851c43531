"""Files of a training run for people, and the run's record in MLflow."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from feature_repo.catalog import EVENT_TIME, PAIR_HOURLY
from model_registry.records import FAMILY_TAG, REFERENCE_FAMILY, THRESHOLD_TAG, ModelRef
from model_registry.registry import register
from pairity.code_revision import read_code_revision
from pairity.csv_files import escape_formulas
from pairity.durable import make_folder, replace_file, replace_file_with
from pairity.layout import Layout
from pairity.settings import Settings
from training import tracking
from training.backtest import performance
from training.backtest.comparison import Contender
from training.data.splits import Split
from training.data.training_sets import TrainingSet
from training.evaluation import metrics
from training.evaluation.score_table import tabulate_scores
from training.models.registrable import Registrable
from training.models.thresholds import describe_threshold
from training.reports import matplotlib_figures as figures
from training.reports.model_card import render_model_card
from training.reports.run_curves import draw_curves
from training.reports.run_names import SUBJECT_TAG, name_run
from training.run_records import RunRecord

CARD = "model_card.md"
_EXAMPLE_ROWS = 5


def locate_directory(settings: Settings) -> Path:
    """Return the directory of the newest run's files (each run's own copy is an artifact of its MLflow run)."""
    return Layout.of(settings).reports / "training"


def write_run_files(
    where: Path,
    evaluated: pl.DataFrame,
    *,
    z_entry: float,
    threshold: float,
    contenders: Sequence[Contender],
    bars: pl.DataFrame,
    importances: Mapping[str, float],
    drift: pl.DataFrame,
    grid: pl.DataFrame,
) -> list[Path]:
    """Replace the contents of `where` by figures, trade logs, equity curves and tables of one run; return the paths.

    `evaluated`: pair_id, z_score, label, probability of labelled test rows. Scores are drawn and counted of candidates,
    |z| above `z_entry`: elsewhere the label is 0 by definition, and any model looks right. The first contender is the
    model.
    """
    if where.exists():
        shutil.rmtree(where)
    make_folder(where)
    candidates = evaluated.filter(pl.col("z_score").abs() > z_entry)
    reliability = metrics.tabulate_calibration(candidates["label"].to_numpy(), candidates["probability"].to_numpy())
    trades = contenders[0].result.trades
    files = [
        figures.draw_equity(where / "equity.png", {c.name: c.result for c in contenders}),
        figures.draw_traded_pair(where / "most_traded_pair.png", trades, bars),
        figures.draw_calibration(where / "calibration.png", reliability),
        figures.draw_importance(where / "feature_importance.png", importances),
        figures.draw_score_distribution(where / "scores.png", candidates, threshold),
        _write_table(where / "calibration_candidates.csv", reliability),
        _write_table(where / "scores_candidates.csv", tabulate_scores(candidates)),
        _write_table(where / "feature_importance.csv", tabulate_importances(importances)),
        _write_table(where / "drift.csv", drift),
        _write_table(where / "grid.csv", grid),
        _write_table(where / "classification_per_pair.csv", metrics.measure_by_pair(candidates, threshold)),
        _write_table(where / "backtest_per_pair.csv", performance.summarise_by_pair(trades)),
    ]
    for contender in contenders:
        files.append(_write_table(where / f"trades_{contender.key}.csv", contender.result.trades))
        files.append(_write_table(where / f"equity_{contender.key}.csv", contender.result.equity))
    files.append(_write_table(where / "decisions_model.csv", contenders[0].result.decisions))
    return files


def list_lineage_tags(settings: Settings, training_set: TrainingSet, split: Split, digest: str) -> dict[str, str]:
    """Return the tags that lead from a model back to code, data and time."""
    revision = read_code_revision()
    return {
        "feature_service": training_set.service.name,
        "snapshot_id": training_set.snapshot_id,
        "training_digest": digest,
        "code_revision": revision.commit or "unknown",
        "code_dirty": "unknown" if revision.dirty is None else str(revision.dirty).lower(),
        "train_end": split.train_end.isoformat(),
        "universe": ",".join(settings.universe.traded),
    }


def record_run(
    settings: Settings,
    training_set: TrainingSet,
    split: Split,
    model: Registrable,
    *,
    metrics: Mapping[str, float | None],
    tags: Mapping[str, str],
    digest: str,
    contenders: Sequence[Contender],
    trials: Sequence[float | None],
) -> ModelRef:
    """Log the run with its training set, files, curves and model, and register the model as challenger.

    The first contender is the model.
    """
    from feature_repo.model_matrix import build_model_matrix

    layout = Layout.of(settings)
    names = {contender.key: contender.name for contender in contenders}
    said = describe_threshold(model.threshold, settings.strategy)
    details = f"{model.details} {said[0].upper()}{said[1:]}."
    card = render_model_card(settings, training_set, split, metrics, tags, names, details)
    replace_file(locate_directory(settings) / CARD, card.encode())
    tags = {**tags, "fitted_sha256": model.digest}
    if model.trades_above is not None:
        tags[THRESHOLD_TAG] = repr(model.trades_above)
    if model.family != REFERENCE_FAMILY:  # a forest is registered with the tags that it always had
        tags[FAMILY_TAG] = model.family
    params = _list_params(settings, split) | {f"contender.{key}": name for key, name in names.items()}
    times = contenders[0].result.equity["time"]
    name = name_run(layout, tracking.EXPERIMENT, model.family, (times[0], times[-1]), params)
    run = RunRecord(
        params=params | {"family": model.family},
        metrics=metrics,
        tags={**tags, SUBJECT_TAG: name.subject},
        training_set=split.train,
        training_digest=digest,
        source=layout.features / PAIR_HOURLY.name,
        artifacts=locate_directory(settings),
        trials=trials,
        note=card,
        name=str(name),
        curves=draw_curves(contenders[0].result),
    )
    example = build_model_matrix(split.train.head(_EXAMPLE_ROWS), training_set.service)
    with tracking.start_run(layout, run) as run_id:
        if model.files:
            model_uri = tracking.log_files(layout, run_id, model.files)
        else:
            model_uri = tracking.log_forest(layout, model.estimator, example)
    return register(settings, run_id, model_uri, tags)


def _list_params(settings: Settings, split: Split) -> dict[str, object]:
    params: dict[str, object] = {
        "split.train_start": split.train[EVENT_TIME].min(),
        "split.train_end": split.train_end,
        "split.test_start": split.test_start,
        "split.test_end": split.test[EVENT_TIME].max(),
        "split.train_rows": split.train.height,
        "split.test_rows": split.test.height,
        "split.purged_rows": split.purged,
    }
    return params | list_setting_params(settings)


def list_setting_params(settings: Settings) -> dict[str, object]:
    """Return every setting that a result depends on, as `section.name`."""
    params: dict[str, object] = {}
    for section in ("universe", "features", "label", "model", "evaluation", "strategy", "costs", "books"):
        values = getattr(settings, section).model_dump()
        params |= {f"{section}.{name}": value for name, value in values.items()}
    return params


def tabulate_importances(importances: Mapping[str, float]) -> pl.DataFrame:
    """Return one row per feature: feature, importance."""
    rows = list(importances.items())
    return pl.DataFrame(rows, schema={"feature": pl.String, "importance": pl.Float64}, orient="row")


def _write_table(path: Path, frame: pl.DataFrame) -> Path:
    replace_file_with(path, escape_formulas(frame).write_csv)
    return path
