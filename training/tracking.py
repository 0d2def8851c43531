"""MLflow, used quietly: a local database, no telemetry, no chatter; and one training run written into it."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pairity.errors import RegistryError
from pairity.layout import Layout
from training.evaluation.sharpe import HOURS_PER_YEAR

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

EXPERIMENT, LEADERBOARD = "pair_forest", "leaderboard"
TRIAL_METRIC = "model_sharpe"
"""Annualised Sharpe ratio of hourly returns of what a run would trade."""
GRID_METRIC = "grid_sharpe"
"""The same for each other setting that was tried on the run's scores; the step tells which."""
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
_LOCKED_S = 30.0
_CHATTY = ("alembic", "mlflow.store.db.utils", "mlflow.tracking._model_registry.fluent", "mlflow.models.model")
_KIND = "mlflow.experimentKind"
"""Without it the tracking UI takes an experiment for one of language models, and opens on an empty page of traces."""
_PARENT, _NOTE = "mlflow.parentRunId", "mlflow.note.content"
_DATASET_DIGEST_CHARS = 32  # MLflow's column holds 36; the full digest is a tag of the run


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that one training run leaves behind. Metrics that are not defined (None) are stored as NaN."""

    params: Mapping[str, object]
    metrics: Mapping[str, float | None]
    tags: Mapping[str, str]
    training_set: pl.DataFrame
    training_digest: str
    source: Path
    """Where the features of the training set lie."""
    artifacts: Path
    """Directory of figures and tables to be stored with the run."""
    name: str | None = None
    """What people call it; MLflow makes one up otherwise."""
    note: str = ""
    """Markdown that the tracking UI shows on top."""
    trials: Sequence[float | None] = ()
    """Annualised Sharpe ratios of other settings that were tried on the same model, None where one has no ratio."""


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """What the tracking UI shows in its dataset column: a name, a digest, where it lies, and how many rows it has."""

    name: str
    digest: str
    path: str
    rows: int


@dataclass(frozen=True, slots=True)
class FamilyRun:
    """One run of a comparison: of a family, or the parent of all."""

    name: str
    params: Mapping[str, object]
    metrics: Mapping[str, float | None]
    tags: Mapping[str, str]
    note: str = ""
    """Markdown that the tracking UI shows on top."""
    folds: Sequence[Mapping[str, float | None]] = ()
    """Metrics per fold: each becomes a run of its own below this one, and a step of this one's metrics."""
    fold_names: Sequence[str] = ()
    artifacts: Path | None = None
    dataset: DatasetSource | None = None


def load_mlflow(layout: Layout) -> ModuleType:
    """MLflow, pointed at the layout's database; telemetry is off before the first import."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # MLflow 3.17 maps a relation with a loader that SQLAlchemy 2.1 deprecates: nothing that our users could mend
    warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated")
    import mlflow

    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(layout.tracking_uri)
    mlflow.set_registry_uri(layout.tracking_uri)
    return sys.modules["mlflow"]


@contextmanager
def store_errors(layout: Layout) -> Iterator[None]:
    """Turn failures of the tracking store into RegistryError."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RegistryError(
            f"the tracking store {layout.tracking_uri} cannot be used: {first_line}",
            "check that the file is a readable MLflow database, or move it away and train again",
        ) from error


def open_client(layout: Layout) -> MlflowClient:
    """A client of the layout's database, which is created if it does not exist."""
    mlflow = load_mlflow(layout)
    with store_errors(layout):
        layout.mlflow.mkdir(parents=True, exist_ok=True)
        _require_database(layout.mlflow / "mlflow.db")
        return mlflow.MlflowClient(tracking_uri=layout.tracking_uri, registry_uri=layout.tracking_uri)


def _require_database(path: Path) -> None:
    """sqlite3.Error for a file that is none: MLflow would try again for minutes before it said so."""
    if path.exists():
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_LOCKED_S)) as database:
            database.execute("PRAGMA schema_version").fetchone()


@contextmanager
def start_run(layout: Layout, record: RunRecord) -> Iterator[str]:
    """Log `record` as a new run; yields its id, for the model to be logged into; failed if the body fails."""
    mlflow = load_mlflow(layout)
    with store_errors(layout):
        run = mlflow.start_run(
            experiment_id=_experiment(layout), run_name=record.name, tags={**record.tags, _NOTE: record.note}
        )
    try:
        with store_errors(layout):
            mlflow.log_params({name: _text(value) for name, value in record.params.items()})
            mlflow.log_metrics({name: float("nan") if v is None else v for name, v in record.metrics.items()})
            for step, value in enumerate(record.trials):
                if value is not None:
                    mlflow.log_metric(GRID_METRIC, value, step=step)
            mlflow.log_input(_dataset(mlflow, record), context="training")
            mlflow.log_artifacts(str(record.artifacts))
        yield run.info.run_id
    except BaseException:
        mlflow.end_run(status="FAILED")
        raise
    mlflow.end_run()


def log_forest(layout: Layout, pipeline: Any, example: pd.DataFrame, trusted_types: Sequence[str]) -> str:  # noqa: ANN401
    """Store a fitted pipeline in skops format with the active run; returns its model URI.

    Requirements are given explicitly: inferring them would import the model in a subprocess.
    """
    load_mlflow(layout)
    import mlflow.sklearn as flavour
    from mlflow.models import infer_signature

    with store_errors(layout):
        info = flavour.log_model(
            pipeline,
            name="model",
            serialization_format="skops",
            skops_trusted_types=list(trusted_types),
            signature=infer_signature(example, pipeline.predict_proba(example)),
            input_example=example,
            pyfunc_predict_fn="predict_proba",
            pip_requirements=_requirements(),
        )
    return str(info.model_uri)


def log_family_runs(layout: Layout, parent: FamilyRun, families: Sequence[FamilyRun]) -> str:
    """A parent run with one child per family, and below each one per fold; returns the parent's id.

    They lie in the experiment `leaderboard`.
    """
    client = open_client(layout)
    with store_errors(layout):
        experiment = _experiment(layout, LEADERBOARD)
        parent_id = _log_run(client, experiment, parent, {})
        for family in families:
            family_id = _log_run(client, experiment, family, {_PARENT: parent_id})
            for name, metrics in zip(family.fold_names, family.folds, strict=True):
                fold = FamilyRun(name, {"family": family.name}, metrics, family.tags)
                _log_run(client, experiment, fold, {_PARENT: family_id})
    return parent_id


def _log_run(client: MlflowClient, experiment: str, record: FamilyRun, more: Mapping[str, str]) -> str:
    from mlflow.entities import Metric, Param, RunTag

    run_id = str(client.create_run(experiment, run_name=record.name, tags={**record.tags, **more}).info.run_id)
    now_ms = int(time.time() * 1000)
    values = [(name, value, 0) for name, value in record.metrics.items()]
    values += [(name, value, step) for step, fold in enumerate(record.folds, 1) for name, value in fold.items()]
    metrics = [Metric(name, float("nan") if value is None else value, now_ms, step) for name, value, step in values]
    client.log_batch(run_id, metrics[:1000], [Param(k, _text(v)) for k, v in record.params.items()], [])
    client.log_batch(run_id, [], [], [RunTag(_NOTE, record.note)] if record.note else [])
    if record.dataset is not None:
        client.log_inputs(run_id, [_dataset_input(record.dataset)])
    if record.artifacts is not None:
        client.log_artifacts(run_id, str(record.artifacts))
    client.set_terminated(run_id)
    return run_id


def _dataset_input(source: DatasetSource) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    told = Dataset(
        name=source.name, digest=source.digest[:_DATASET_DIGEST_CHARS], source_type="local",
        source=json.dumps({"uri": source.path}), profile=json.dumps({"num_rows": source.rows}),
    )  # fmt: skip
    return DatasetInput(told, [InputTag("mlflow.data.context", "training")])


def trial_sharpes(layout: Layout) -> list[float]:
    """Sharpe ratio per hour of every trial in the tracking store: what luck has tried.

    Every run with a backtested model counts, whatever its experiment, and every setting of its grid; a trial without
    trades has no ratio and is left out.
    """
    client = open_client(layout)
    values: list[float] = []
    with store_errors(layout):
        experiments = [found.experiment_id for found in client.search_experiments()]
        token = None
        while True:
            page = client.search_runs(experiments, f"metrics.{TRIAL_METRIC} > -1e9", page_token=token)
            for run in page:
                values.append(run.data.metrics[TRIAL_METRIC])
                if GRID_METRIC in run.data.metrics:
                    values += [point.value for point in client.get_metric_history(run.info.run_id, GRID_METRIC)]
            token = page.token
            if not token:
                break
    return [value / HOURS_PER_YEAR**0.5 for value in values if value == value]  # noqa: PLR0124 - NaN: not defined


def model_directory(layout: Layout, model_uri: str) -> Path:
    """Where a model's files lie on this machine."""
    mlflow = load_mlflow(layout)
    with store_errors(layout):
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri))


def _experiment(layout: Layout, name: str = EXPERIMENT) -> str:
    client = open_client(layout)
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    where = (layout.mlflow / "artifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=where, tags={_KIND: "custom_model_development"}))


def _dataset(mlflow: ModuleType, record: RunRecord) -> Any:  # noqa: ANN401 - mlflow.data.Dataset
    from mlflow.data.sources import LocalArtifactDatasetSource

    return mlflow.data.from_polars(
        record.training_set,
        source=LocalArtifactDatasetSource(str(record.source)),
        targets="label",
        name="pair_hourly",
        digest=record.training_digest[:_DATASET_DIGEST_CHARS],
    )


def _requirements() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "skops", "numpy", "pandas")]


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
