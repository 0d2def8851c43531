"""The one way from a registered version to a model in memory: lineage, files, digest, and only then loading.

A model is data. Where its files lie follows from the version's id and the data directory, their bytes are read once,
and the same bytes are hashed, checked against what a forest of ours looks like, and built. What the files say of
themselves (MLflow's `MLmodel`) is shown in the tracking pages and decides nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from model_registry.files import ModelFiles, read_model_files, verify_model
from model_registry.forest_schema import TRUSTED_TYPES, require_forest
from model_registry.records import ModelRef, require_tags
from pairity.errors import RegistryError
from pairity.layout import Layout

_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})", re.ASCII)
_MOST_SHOWN = 200


def read_model(layout: Layout, uri: str, description: str = "the model") -> ModelFiles:
    """Return the bytes of the files of a logged model of this data directory, by its URI `models:/m-…`.

    Raises RegistryError, which names `description`, for any other URI and where the files do not exist, and what
    `read_model_files` raises.
    """
    known = _LOGGED_MODEL.fullmatch(uri)
    if known is None:
        raise RegistryError(
            f"{description} is stored at {uri[:_MOST_SHOWN]!r}, which is no model of this data directory: "
            "only models:/m-… (32 hexadecimal digits) are read, below mlflow/artifacts",
            "train again to register a version here",
        )
    try:
        return read_model_files(layout, known[1])
    except FileNotFoundError:
        raise RegistryError(
            f"the files of {description} are not there", "restore the data directory from a copy, or train again"
        ) from None


def verified_files(layout: Layout, model: ModelRef) -> ModelFiles:
    """Return the bytes of a version's files after checking them; nothing has to be read again to load it.

    Raises RegistryError where the version lacks its lineage or its files do not exist, ModelIntegrityError where they
    are not the registered ones.
    """
    require_tags(model.name, model.version, model.tags)
    files = read_model(layout, model.uri, f"{model.name} version {model.version}")
    verify_model(files, model.sha256)
    return files


def verified_directory(layout: Layout, model: ModelRef) -> Path:
    """Return the directory whose files had the registered digest a moment ago; raises what `verified_files` raises.

    What is in it now may be something else: nothing may be loaded from it.
    """
    return verified_files(layout, model).folder


def load_estimator(layout: Layout, model: ModelRef) -> Any:  # noqa: ANN401 - a scikit-learn pipeline
    """Check the files of a version and return the fitted pipeline that they hold.

    Raises what `verified_files` raises, UnknownNameError where the version's feature service is not declared any more,
    ModelIntegrityError where the model file is no forest of ours, and RegistryError where it cannot be built.
    """
    files = verified_files(layout, model)
    _ = model.service  # a version whose features nobody can compute is refused before anything is loaded
    require_forest(files.model, str(files.folder))
    try:
        return _build_pipeline(files.model)
    except Exception as error:  # whatever the format's libraries raise, there is no model
        raise RegistryError(
            f"{model.name} version {model.version} cannot be loaded: {type(error).__name__}: {error}",
            "train again with the libraries that are installed here",
        ) from error


def _build_pipeline(content: bytes) -> Any:  # noqa: ANN401 - a scikit-learn pipeline
    """Build what `require_forest` has let through."""
    import skops.io

    return skops.io.loads(content, trusted=list(TRUSTED_TYPES))
