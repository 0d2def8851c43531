"""The one way from a registered version to a model in memory: lineage, files, digest, and only then loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model_registry.connection import load_mlflow, store_errors
from model_registry.files import verify_model
from model_registry.records import ModelRef, require_tags
from pairity.errors import RegistryError
from pairity.layout import Layout


def model_directory(layout: Layout, uri: str, description: str = "the model") -> Path:
    """Return the local directory of a model's files; RegistryError, which names `description`, if it does not exist."""
    mlflow = load_mlflow(layout)

    def missing() -> RegistryError:
        return RegistryError(
            f"the files of {description} are not there", "restore the data directory from a copy, or train again"
        )

    with store_errors(layout, missing):
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))


def verified_directory(layout: Layout, model: ModelRef) -> Path:
    """Return the local directory of a version's files after checking them.

    Raises RegistryError where the version lacks its lineage or its files do not exist, ModelIntegrityError where they
    are not the registered ones.
    """
    require_tags(model.name, model.version, model.tags)
    directory = model_directory(layout, model.uri, f"{model.name} version {model.version}")
    verify_model(directory, model.sha256)
    return directory


def load_estimator(layout: Layout, model: ModelRef) -> Any:  # noqa: ANN401 - a scikit-learn pipeline
    """Check the files of a version and return the fitted pipeline that they hold.

    Raises what `verified_directory` raises, UnknownNameError where the version's feature service is not declared any
    more, and RegistryError where the files cannot be loaded.
    """
    directory = verified_directory(layout, model)
    _ = model.service  # a version whose features nobody can compute is refused before anything is loaded
    try:
        return _read_pipeline(directory)
    except Exception as error:  # whatever the format's libraries raise, there is no model
        raise RegistryError(
            f"{model.name} version {model.version} cannot be loaded: {type(error).__name__}: {error}",
            "train again with the libraries that are installed here",
        ) from error


def _read_pipeline(directory: Path) -> Any:  # noqa: ANN401 - a scikit-learn pipeline
    """Read verified files. They are in skops format, which runs no code of the model's author."""
    import mlflow.sklearn

    return mlflow.sklearn.load_model(str(directory))
