"""The champion, checked and loaded, and the scores it gives to online features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.catalog import EVENT_TIME, Service, service
from feature_repo.model_files import verify_model
from feature_repo.vectors import model_matrix
from pairity.errors import NoChampionError, RegistryError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import PairScore
from pairity.universe import Pair


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
            PairScore(pair, (by_pair.get(pair.pair_id) or {}).get("z_score"), probability.get(pair), reasons[pair])
            for pair in pairs
        ]

    def _probabilities(self, rows: pl.DataFrame, pairs: Sequence[Pair]) -> dict[Pair, float]:
        if not pairs:
            return {}
        order = pl.DataFrame({"pair_id": [pair.pair_id for pair in pairs]})
        matrix = model_matrix(order.join(rows, on="pair_id", how="left", maintain_order="left"), self.ref.service)
        positive = list(self.estimator.classes_).index(1)
        return dict(zip(pairs, self.estimator.predict_proba(matrix)[:, positive].tolist(), strict=True))


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
    layout = Layout.of(settings)
    version, files = _fetch(settings, layout)
    tags = version.tags
    missing = [name for name in ("model_sha256", "feature_service", "snapshot_id", "train_end") if name not in tags]
    if missing:
        raise RegistryError(
            f"{version.name} version {version.version} lacks the tags {', '.join(missing)}",
            "register models with pairity train only",
        )
    verify_model(files, tags["model_sha256"])
    import mlflow.sklearn

    reference = ModelRef(version.name, str(version.version), version.run_id, tags["model_sha256"], service(tags["feature_service"]),
                         tags["snapshot_id"], tags["train_end"])  # fmt: skip
    return Scorer(reference, mlflow.sklearn.load_model(str(files)))


def _fetch(settings: Settings, layout: Layout) -> tuple[Any, Path]:
    name, alias = settings.model.name, settings.serve.model_alias
    nothing = NoChampionError(
        f"no version of model {name!r} carries the alias {alias!r} in {layout.tracking_uri}",
        "train one first: make train (or make demo)",
    )
    if not (layout.mlflow / "mlflow.db").is_file():
        raise nothing
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(layout.tracking_uri)
    try:
        version = mlflow.MlflowClient().get_model_version_by_alias(name, alias)
        return version, Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version.version}"))
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise nothing from None
        raise RegistryError(f"the model registry {layout.tracking_uri} cannot be read: {error}") from error
