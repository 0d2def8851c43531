"""The champion, checked and loaded, and the scores it gives to online features."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.catalog import EVENT_TIME, Service, service
from feature_repo.model_files import verify_model
from feature_repo.vectors import model_matrix
from pairity.errors import NoChampionError, RegistryError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import PairScore
from pairity.universe import Pair

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model, exactly: what an order is traced back to."""

    name: str
    version: str
    run_id: str
    sha256: str
    service: Service
    snapshot_id: str
    train_end: str
    gate: str = "not asked"
    """What the promotion gate said: `passed`, `failed` or `not asked`."""


@dataclass(frozen=True)
class Scorer:
    """A loaded model. `probability` is that of the label's positive class, fold-free and single-threaded."""

    ref: ModelRef
    estimator: Any

    def score(self, rows: pl.DataFrame, pairs: Sequence[Pair], event_timestamp: datetime) -> list[PairScore]:
        """One PairScore per pair, in order; pairs whose features are not of `event_timestamp` are unusable, and say so.

        `rows` has one row per pair (pair_id, event_timestamp, features), nulls where the online store knows nothing.
        """
        by_pair = {row["pair_id"]: row for row in rows.iter_rows(named=True)}
        reasons = {pair: _unusable(by_pair.get(pair.pair_id), event_timestamp) for pair in pairs}
        usable = [pair for pair in pairs if reasons[pair] is None]
        probability = self._probabilities(rows, usable)
        return [
            _pair_score(pair, by_pair.get(pair.pair_id) or {}, probability.get(pair), reasons[pair]) for pair in pairs
        ]

    def _probabilities(self, rows: pl.DataFrame, pairs: Sequence[Pair]) -> dict[Pair, float]:
        if not pairs:
            return {}
        order = pl.DataFrame({"pair_id": [pair.pair_id for pair in pairs]})
        matrix = model_matrix(order.join(rows, on="pair_id", how="left", maintain_order="left"), self.ref.service)
        return dict(zip(pairs, positive_probabilities(self.estimator, matrix), strict=True))


def _pair_score(pair: Pair, row: dict[str, Any], probability: float | None, unusable: str | None) -> PairScore:
    return PairScore(pair, row.get("z_score"), probability, unusable, row.get("hedge_ratio"))


def _unusable(row: dict[str, Any] | None, event_timestamp: datetime) -> str | None:
    """Fresh or silent: only features of the bar that has just closed may be traded on."""
    if row is None or row[EVENT_TIME] is None:
        return "no features online"
    if row[EVENT_TIME] != event_timestamp:
        age_h = (event_timestamp - row[EVENT_TIME]).total_seconds() / 3600
        return f"stale: features are {age_h:.0f} h old"
    return None


def load_champion(settings: Settings) -> Scorer:
    """Load the version that carries the alias, after checking its files against the registered hash.

    Raises NoChampionError (nothing carries the alias), ModelIntegrityError (files are not those registered) and
    RegistryError (the registry cannot be read). The model is in skops format: loading it runs no code of its own.
    """
    name, alias = settings.model.name, settings.serve.model_alias
    layout = Layout.of(settings)
    nothing = NoChampionError(
        f"no version of model {name!r} carries the alias {alias!r} in {layout.tracking_uri}",
        "train one first: make train (or make demo)",
    )
    return _load(layout, lambda client: client.get_model_version_by_alias(name, alias), nothing)


def load_version(settings: Settings, name: str, version: str) -> Scorer:
    """Load one version by number; the same checks and errors, RegistryError where it does not exist."""
    layout = Layout.of(settings)
    nothing = RegistryError(
        f"model {name!r} has no version {version} in {layout.tracking_uri}", "use the data directory it was trained in"
    )
    return _load(layout, lambda client: client.get_model_version(name, version), nothing)


def positive_probabilities(estimator: Any, matrix: pd.DataFrame) -> list[float]:  # noqa: ANN401 - a scikit-learn pipeline
    """Probability of the label's positive class per row."""
    positive = list(estimator.classes_).index(1)
    probabilities: list[float] = estimator.predict_proba(matrix)[:, positive].tolist()
    return probabilities


def _load(layout: Layout, find: Callable[[MlflowClient], ModelVersion], nothing: RegistryError) -> Scorer:
    version, files = _fetch(layout, find, nothing)
    tags = version.tags
    missing = [name for name in ("model_sha256", "feature_service", "snapshot_id", "train_end") if name not in tags]
    if missing:
        raise RegistryError(
            f"{version.name} version {version.version} lacks the tags {', '.join(missing)}",
            "register models with pairity train only",
        )
    verify_model(files, tags["model_sha256"])
    import mlflow.sklearn

    reference = ModelRef(
        name=version.name,
        version=str(version.version),
        run_id=version.run_id,
        sha256=tags["model_sha256"],
        service=service(tags["feature_service"]),
        snapshot_id=tags["snapshot_id"],
        train_end=tags["train_end"],
        gate=tags.get("gate", "not asked"),
    )
    return Scorer(reference, mlflow.sklearn.load_model(str(files)))


def _fetch(
    layout: Layout, find: Callable[[MlflowClient], ModelVersion], nothing: RegistryError
) -> tuple[ModelVersion, Path]:
    if not (layout.mlflow / "mlflow.db").is_file():
        raise nothing
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        # MLflow's own table mapping uses an option that SQLAlchemy deprecates.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy")
        import mlflow
        from mlflow.exceptions import MlflowException

        logging.getLogger("alembic").setLevel(logging.WARNING)
        mlflow.set_tracking_uri(layout.tracking_uri)
        try:
            version = find(mlflow.MlflowClient())
            return version, Path(mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}"))
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                raise nothing from None
            raise RegistryError(f"the model registry {layout.tracking_uri} cannot be read: {error}") from error
