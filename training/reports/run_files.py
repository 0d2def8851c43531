"""What a training run leaves behind: files for people, and its record in MLflow."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.catalog import EVENT_TIME, PAIR_HOURLY
from pairity.code_revision import read_code_revision
from pairity.digest import digest_bytes
from pairity.layout import Layout
from pairity.settings import Settings
from training import registry, tracking
from training.backtest import performance
from training.backtest.comparison import Contender
from training.data.splits import Split
from training.data.training_sets import Dataset
from training.evaluation import metrics
from training.models.pair_forest import TRUSTED_TYPES
from training.registry import ModelRef
from training.reports import matplotlib_figures as figures
from training.reports.model_card import model_card

CARD = "model_card.md"
_EXAMPLE_ROWS = 5


def directory(settings: Settings) -> Path:
    """Where the newest run's files lie (each run's own copy is an artifact of its MLflow run)."""
    return Layout.of(settings).reports / "training"


def write(
    where: Path,
    judged: pl.DataFrame,
    *,
    threshold: float,
    contenders: Sequence[Contender],
    bars: pl.DataFrame,
    importances: Mapping[str, float],
    drift: pl.DataFrame,
    grid: pl.DataFrame,
) -> list[Path]:
    """Replace `where` by figures, trade logs, equity curves and tables of one run; returns the files.

    `judged`: pair_id, label, probability of labelled test rows. The first contender is the model.
    """
    if where.exists():
        shutil.rmtree(where)
    where.mkdir(parents=True)
    reliability = metrics.calibration(judged["label"].to_numpy(), judged["probability"].to_numpy())
    trades = contenders[0].result.trades
    files = [
        figures.equity(where / "equity.png", {c.name: c.result for c in contenders}),
        figures.traded_pair(where / "most_traded_pair.png", trades, bars),
        figures.calibration(where / "calibration.png", reliability),
        figures.importance(where / "feature_importance.png", importances),
        figures.score_distribution(where / "scores.png", judged, threshold),
        _table(where / "calibration.csv", reliability),
        _table(where / "feature_importance.csv", importance_table(importances)),
        _table(where / "drift.csv", drift),
        _table(where / "grid.csv", grid),
        _table(where / "classification_per_pair.csv", metrics.per_pair(judged, threshold)),
        _table(where / "backtest_per_pair.csv", performance.per_pair(trades)),
    ]
    for contender in contenders:
        files.append(_table(where / f"trades_{contender.key}.csv", contender.result.trades))
        files.append(_table(where / f"equity_{contender.key}.csv", contender.result.equity))
    files.append(_table(where / "decisions_model.csv", contenders[0].result.decisions))
    return files


def lineage(settings: Settings, dataset: Dataset, split: Split, digest: str) -> dict[str, str]:
    """Tags that lead from a model back to code, data and time."""
    revision = read_code_revision()
    return {
        "feature_service": dataset.service.name,
        "snapshot_id": dataset.snapshot_id,
        "training_digest": digest,
        "code_revision": revision.commit or "unknown",
        "code_dirty": "unknown" if revision.dirty is None else str(revision.dirty).lower(),
        "train_end": split.train_end.isoformat(),
        "universe": ",".join(settings.universe.assets),
    }


def record(
    settings: Settings,
    dataset: Dataset,
    split: Split,
    pipeline: Any,  # noqa: ANN401 - sklearn.Pipeline
    *,
    metrics: Mapping[str, float | None],
    tags: Mapping[str, str],
    digest: str,
    names: Mapping[str, str],
    trials: Sequence[float | None],
) -> ModelRef:
    """Log the run with its dataset, files and model, and register the model as challenger."""
    from feature_repo.model_matrix import build_model_matrix

    layout = Layout.of(settings)
    card = model_card(settings, dataset, split, metrics, tags, names)
    (directory(settings) / CARD).write_text(card, encoding="utf-8")
    tags = {**tags, "fitted_sha256": fitted_digest(pipeline)}
    run = tracking.RunRecord(
        params=_params(settings, split) | {f"contender.{key}": name for key, name in names.items()},
        metrics=metrics,
        tags=tags,
        training_set=split.train,
        training_digest=digest,
        source=layout.features / PAIR_HOURLY.name,
        artifacts=directory(settings),
        trials=trials,
        note=card,
        name=f"{settings.model.name} tested from {split.test_start:%Y-%m-%d}",
    )
    example = build_model_matrix(split.train.head(_EXAMPLE_ROWS), dataset.service)
    with tracking.start_run(layout, run) as run_id:
        model_uri = tracking.log_forest(layout, pipeline, example, TRUSTED_TYPES)
    return registry.register(settings, run_id, model_uri, tags)


def fitted_digest(pipeline: Any) -> str:  # noqa: ANN401 - sklearn.Pipeline
    """SHA-256 of the fitted estimator: the same rows, settings, seed and library versions give the same digest.

    The stored files name the run and the time and differ each time. Written only: nothing is ever loaded this way.
    """
    return digest_bytes(pickle.dumps(pipeline, protocol=5))


def _params(settings: Settings, split: Split) -> dict[str, object]:
    params: dict[str, object] = {
        "split.train_start": split.train[EVENT_TIME].min(),
        "split.train_end": split.train_end,
        "split.test_start": split.test_start,
        "split.test_end": split.test[EVENT_TIME].max(),
        "split.train_rows": split.train.height,
        "split.test_rows": split.test.height,
        "split.purged_rows": split.purged,
    }
    return params | setting_params(settings)


def setting_params(settings: Settings) -> dict[str, object]:
    """Every setting that a result depends on, as `section.name`."""
    params: dict[str, object] = {}
    for section in ("universe", "features", "label", "model", "evaluation", "strategy", "costs"):
        values = getattr(settings, section).model_dump()
        params |= {f"{section}.{name}": value for name, value in values.items()}
    return params


def importance_table(importances: Mapping[str, float]) -> pl.DataFrame:
    """feature, importance."""
    rows = list(importances.items())
    return pl.DataFrame(rows, schema={"feature": pl.String, "importance": pl.Float64}, orient="row")


def _table(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_csv(path)
    return path
