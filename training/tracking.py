"""Training runs written into MLflow: parameters, metrics, data, files and the model itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from model_registry.canonical_skops import encode_forest
from model_registry.connection import load_mlflow, open_client, store_errors
from model_registry.files import MODEL_FILE
from model_registry.forest_schema import TRUSTED_TYPES
from pairity.durable import replace_file
from pairity.errors import RegistryError
from pairity.layout import Layout
from pairity.timeline import to_ms
from training.run_records import GRID_METRIC, Curve, DatasetSource, FamilyRun, RunRecord

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

EXPERIMENT, LEADERBOARD, BACKTESTS = "pair_forest", "leaderboard", "backtests"
_METRICS_A_BATCH, _PARAMS_A_BATCH = 1000, 100
"""Most that MLflow takes at once."""
KIND_TAG, KIND = "mlflow.experimentKind", "custom_model_development"
"""Without it the tracking UI takes an experiment for one of language models, and opens on an empty page of traces."""
PARENT_TAG, _NOTE_TAG = "mlflow.parentRunId", "mlflow.note.content"
_HOUR_MS = 3_600_000
"""A curve's step is the number of the hour since 1970: runs over the same hours have the same steps."""
_Point = tuple[str, float | None, int]
_DATASET_DIGEST_CHARS = 32  # MLflow's column holds 36; the full digest is a tag of the run


@contextmanager
def start_run(layout: Layout, record: RunRecord) -> Iterator[str]:
    """Write `record` as a new run and yield its id; the body logs the model into it.

    The run is marked as failed if the body raises. RegistryError where the tracking store cannot be used.
    """
    mlflow = load_mlflow(layout)
    with store_errors(layout):
        run = mlflow.start_run(
            experiment_id=_find_or_create_experiment(layout),
            run_name=record.name,
            tags={**record.tags, _NOTE_TAG: record.note},
        )
    try:
        with store_errors(layout):
            client, run_id = open_client(layout), str(run.info.run_id)
            points: list[_Point] = [(name, value, 0) for name, value in record.metrics.items()]
            points += [(GRID_METRIC, value, step) for step, value in enumerate(record.trials) if value is not None]
            _log_values(client, run_id, record.params, points, record.curves)
            mlflow.log_input(_make_dataset(mlflow, record), context="training")
            mlflow.log_artifacts(str(record.artifacts))
        yield run.info.run_id
    except BaseException:
        mlflow.end_run(status="FAILED")
        raise
    mlflow.end_run()


def log_forest(layout: Layout, pipeline: Any, example: pd.DataFrame) -> str:  # noqa: ANN401
    """Store a fitted pipeline in skops format with the active run, and return its model URI.

    `example` holds a few rows of features: they give the signature. They are not stored: MLflow would load the model to
    try them.
    """
    load_mlflow(layout)
    import mlflow.sklearn as flavour
    from mlflow.models import infer_signature

    with store_errors(layout):
        info = flavour.log_model(
            pipeline,
            name="model",
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            signature=infer_signature(example, pipeline.predict_proba(example)),
            pyfunc_predict_fn="predict_proba",
            pip_requirements=_list_requirements(),  # without them MLflow would import the model in a subprocess
        )
        _replace_archive(open_client(layout), str(info.model_id), pipeline)
    return str(info.model_uri)


def _replace_archive(client: MlflowClient, model_id: str, pipeline: Any) -> None:  # noqa: ANN401
    """Put an archive in the place of the one that MLflow had skops write: equal forests have equal files."""
    with TemporaryDirectory() as folder:
        replace_file(Path(folder) / MODEL_FILE, encode_forest(pipeline))
        client.log_model_artifacts(model_id, folder)


def log_files(layout: Layout, run_id: str, files: Mapping[str, bytes]) -> str:
    """Store a model that is no forest, by its files as they are, as an output of the run; return its model URI."""
    from mlflow.entities import LoggedModelOutput

    client = open_client(layout)
    with store_errors(layout):
        model = client.create_logged_model(_find_or_create_experiment(layout), name="model", source_run_id=run_id)
        with TemporaryDirectory() as folder:
            for name, content in files.items():
                replace_file(Path(folder) / name, content)
            client.log_model_artifacts(model.model_id, folder)
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return f"models:/{model.model_id}"


def log_family_runs(layout: Layout, parent: FamilyRun, families: Sequence[FamilyRun]) -> str:
    """Write a parent run with one child per family and below each child one per fold; return the parent's id.

    All of them are runs of the experiment `leaderboard`.
    """
    client = open_client(layout)
    with store_errors(layout):
        experiment = _find_or_create_experiment(layout, LEADERBOARD)
        parent_id = _log_run(client, experiment, parent, {})
        for family in families:
            family_id = _log_run(client, experiment, family, {PARENT_TAG: parent_id})
            for name, metrics in zip(family.fold_names, family.folds, strict=True):
                params = {"family": family.params["family"]}
                fold = FamilyRun(name=name, params=params, metrics=metrics, tags=family.tags)
                _log_run(client, experiment, fold, {PARENT_TAG: family_id})
    return parent_id


def log_backtest(layout: Layout, record: FamilyRun) -> str:
    """Write one backtest as a run of the experiment `backtests`, its folds being the trials of a grid; return its id.

    RegistryError where the tracking store cannot be used.
    """
    client = open_client(layout)
    with store_errors(layout):
        return _log_run(client, _find_or_create_experiment(layout, BACKTESTS), record, {})


def _log_run(client: MlflowClient, experiment: str, record: FamilyRun, parent_tags: Mapping[str, str]) -> str:
    # Through the client: `mlflow.start_run` would need the parent to stay the active run while its children are written
    note = {_NOTE_TAG: record.note} if record.note else {}
    tags = {**record.tags, **note, **parent_tags}
    run_id = str(client.create_run(experiment, run_name=record.name, tags=tags).info.run_id)
    points: list[_Point] = [(name, value, 0) for name, value in record.metrics.items()]
    points += [(name, value, step) for step, fold in enumerate(record.folds, 1) for name, value in fold.items()]
    _log_values(client, run_id, record.params, points, record.curves)
    if record.dataset is not None:
        client.log_inputs(run_id, [_make_dataset_input(record.dataset)])
    if record.artifacts is not None:
        client.log_artifacts(run_id, str(record.artifacts))
    client.set_terminated(run_id)
    return run_id


def _log_values(
    client: MlflowClient,
    run_id: str,
    params: Mapping[str, object],
    points: Sequence[_Point],
    curves: Sequence[Curve],
) -> None:
    """Log parameters, values and curves, as many at once as MLflow takes: each call is a transaction of its own."""
    from mlflow.entities import Metric, Param

    now_ms = int(time.time() * 1000)
    metrics = [Metric(name, float("nan") if value is None else value, now_ms, step) for name, value, step in points]
    for curve in curves:
        # The bar's own time, not that of logging: curves of runs that were logged on different days lie over each other
        times_ms = [to_ms(at) for at in curve.times]
        metrics += [
            Metric(curve.name, value, at_ms, at_ms // _HOUR_MS)
            for at_ms, value in zip(times_ms, curve.values, strict=True)
        ]
    texts = [Param(name, format_param(value)) for name, value in params.items()]
    for first in range(0, len(texts), _PARAMS_A_BATCH):
        client.log_batch(run_id, [], texts[first : first + _PARAMS_A_BATCH], [])
    for first in range(0, len(metrics), _METRICS_A_BATCH):
        client.log_batch(run_id, metrics[first : first + _METRICS_A_BATCH], [], [])


def _make_dataset_input(source: DatasetSource) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=source.name,
        digest=source.digest[:_DATASET_DIGEST_CHARS],
        source_type="local",
        source=json.dumps({"uri": source.path}),
        profile=json.dumps({"num_rows": source.rows}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _find_or_create_experiment(layout: Layout, name: str = EXPERIMENT) -> str:
    """Return the id of an experiment that keeps its files in this data directory.

    RegistryError for one that keeps them elsewhere: MLflow would send every run's files there, over a network too.
    """
    client = open_client(layout)
    # Below the data directory: MLflow's default is the directory that the command happens to run in
    store = layout.mlflow / "artifacts"
    artifacts = store.as_uri()
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        if experiment.artifact_location not in {artifacts, store.resolve().as_uri()}:
            raise RegistryError(
                f"the experiment {name!r} keeps its files at {experiment.artifact_location!r}, not at {artifacts!r}",
                "move the data directory back to where it was, or train in a new one (PAIRITY_HOME)",
            )
        return str(experiment.experiment_id)
    return str(client.create_experiment(name, artifact_location=artifacts, tags={KIND_TAG: KIND}))


def _make_dataset(mlflow: ModuleType, record: RunRecord) -> Any:  # noqa: ANN401 - mlflow.data.Dataset
    from mlflow.data.sources import LocalArtifactDatasetSource

    return mlflow.data.from_polars(
        record.training_set,
        source=LocalArtifactDatasetSource(str(record.source)),
        targets=record.target,
        name=record.source.name,
        digest=record.training_digest[:_DATASET_DIGEST_CHARS],
    )


def _list_requirements() -> list[str]:
    return [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "skops", "numpy", "pandas")]


def format_param(value: object) -> str:
    """Return a parameter as it is logged: text, and lists with commas."""
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
