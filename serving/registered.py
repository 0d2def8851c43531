"""Registered models as the trading process takes them: found by alias or number, checked, loaded."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from feature_repo.catalog import find_service
from feature_repo.model_files import verify_model
from pairity.errors import NoChampionError, RegistryError
from pairity.layout import Layout
from pairity.settings import Settings
from serving.models.scoring import ModelRef, Scorer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

T = TypeVar("T")
_NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


def load_champion(settings: Settings) -> Scorer:
    """Load the version that carries the champion's alias, after checking its files against the registered hash.

    Raises NoChampionError (nothing carries the alias), ModelIntegrityError (files are not those registered) and
    RegistryError (the registry cannot be read). The model is in skops format: loading it runs no code of its own.
    """
    return load(settings, find(settings, settings.serve.model_alias))


def load_version(settings: Settings, name: str, version: str) -> Scorer:
    """Load one version by number; the same checks and errors, RegistryError where it does not exist."""
    layout = Layout.of(settings)
    nothing = RegistryError(
        f"model {name!r} has no version {version} in {layout.tracking_uri}", "use the data directory it was trained in"
    )
    return load(settings, _reference(_ask(layout, lambda client: client.get_model_version(name, version), nothing)))


def find(settings: Settings, alias: str) -> ModelRef:
    """The version that carries `alias`, as the registry has it now; nothing is loaded.

    NoChampionError where no version carries it, RegistryError where the registry cannot be read.
    """
    name, layout = settings.model.name, Layout.of(settings)
    nothing = NoChampionError(
        f"no version of model {name!r} carries the alias {alias!r} in {layout.tracking_uri}",
        "train one first: make train (or make demo)",
    )
    return _reference(_ask(layout, lambda client: client.get_model_version_by_alias(name, alias), nothing))


def load(settings: Settings, reference: ModelRef) -> Scorer:
    """Check and load the files of a version; ModelIntegrityError, or RegistryError where they cannot be loaded."""
    layout = Layout.of(settings)
    missing = RegistryError(f"the files of {reference.name} version {reference.version} are not there",
                            "restore the data directory from a copy, or train again")  # fmt: skip
    files = _ask(layout, lambda _: _files(reference), missing)
    verify_model(files, reference.sha256)
    import mlflow.sklearn

    try:
        return Scorer(reference, mlflow.sklearn.load_model(str(files)))
    except Exception as error:  # whatever the format's libraries raise, the model is not to be had
        raise RegistryError(
            f"{reference.name} version {reference.version} cannot be loaded: {type(error).__name__}: {error}",
            "train again with the libraries that are installed here",
        ) from error


def _files(reference: ModelRef) -> Path:
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(f"models:/{reference.name}/{reference.version}"))


def _reference(version: ModelVersion) -> ModelRef:
    tags = version.tags
    missing = [name for name in ("model_sha256", "feature_service", "snapshot_id", "train_end") if name not in tags]
    if missing:
        raise RegistryError(
            f"{version.name} version {version.version} lacks the tags {', '.join(missing)}",
            "register models with pairity train only",
        )
    return ModelRef(
        name=version.name,
        version=str(version.version),
        run_id=version.run_id,
        sha256=tags["model_sha256"],
        service=find_service(tags["feature_service"]),
        snapshot_id=tags["snapshot_id"],
        train_end=tags["train_end"],
        gate=tags.get("gate", "not asked"),
        universe=tags.get("universe", ""),
    )


def _ask(layout: Layout, question: Callable[[MlflowClient], T], nothing: RegistryError) -> T:
    """Put a question to the registry; `nothing` where what is asked for does not exist."""
    if not (layout.mlflow / "mlflow.db").is_file():
        raise nothing
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        # MLflow's own table mapping uses an option that SQLAlchemy deprecates.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy")
        import mlflow
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        logging.getLogger("alembic").setLevel(logging.WARNING)
        mlflow.set_tracking_uri(layout.tracking_uri)
        try:
            return question(mlflow.MlflowClient())
        except MlflowException as error:
            if error.error_code in _NOT_THERE:
                raise nothing from None
            raise _unreadable(layout, error) from error
        except (SQLAlchemyError, OSError) as error:
            raise _unreadable(layout, error) from error


def _unreadable(layout: Layout, error: Exception) -> RegistryError:
    return RegistryError(f"the model registry {layout.tracking_uri} cannot be read: {error}")
