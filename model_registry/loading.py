"""The one way from a registered version to a model in memory: lineage, files, digest, and only then loading.

A model is data. Where its files lie follows from the version's id and the data directory, their bytes are read once,
and the same bytes are hashed, checked against what a model of the version's family looks like, and built. What the
files say of themselves (MLflow's `MLmodel`) is shown in the tracking pages and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_registry.files import ModelFiles, read_model_files, verify_model
from model_registry.forest_schema import TRUSTED_TYPES, require_calibrated_forest, require_forest
from model_registry.records import FAMILY_TAG, REFERENCE_FAMILY, ModelRef, require_tags
from model_registry.scorer_card import CardReader
from model_registry.stored_books import BOOK_FILE, STORED_BOOKS, StoredBook, read_book
from model_registry.stored_families import CALIBRATED, find_stored_family, read_scorer, require_format
from model_registry.stored_scorers import StoredScorer
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


def require_model(files: ModelFiles, tags: Mapping[str, str]) -> None:
    """Raise ModelIntegrityError unless the files hold a model or book of the family and assets that `tags` name.

    UnknownNameError where the family does not exist, or the features of a model that is no forest are not declared.
    """
    if tags.get(FAMILY_TAG) in STORED_BOOKS:
        _read_book(files, tags)
    else:
        _check(files, tags)


def load_estimator(layout: Layout, model: ModelRef) -> Any:  # noqa: ANN401 - of scikit-learn's kind
    """Check the files of a version and return the fitted model that they hold: it has `classes_` and `predict_proba`.

    Raises what `verified_files` and `require_model` raise, UnknownNameError where the version's feature service is not
    declared any more, and RegistryError where the model cannot be built, and for a book, which scores no pairs.
    """
    if model.is_book:
        raise RegistryError(
            f"{model.name} version {model.version} is a book ({model.family}), and no model that scores pairs",
            "name a version of a model of pairs: pairity models lists them",
        )
    files = verified_files(layout, model)
    _ = model.service  # a version whose features nobody can compute is refused before anything is loaded
    scorer = _check(files, model.tags)
    if scorer is not None:
        return scorer
    try:
        return _build_pipeline(files.model)
    except Exception as error:  # whatever the format's libraries raise, there is no model
        raise RegistryError(
            f"{model.name} version {model.version} cannot be loaded: {type(error).__name__}: {error}",
            "train again with the libraries that are installed here",
        ) from error


def load_book(layout: Layout, model: ModelRef) -> StoredBook:
    """Check the files of a version and return the book that they define.

    Raises what `verified_files` raises, ModelIntegrityError for any other content, and RegistryError for a version
    that is no book.
    """
    if not model.is_book:
        raise RegistryError(
            f"{model.name} version {model.version} is of the family {model.family}, and no book",
            "name a version that is a book: pairity models lists them",
        )
    return _read_book(verified_files(layout, model), model.tags)


def _read_book(files: ModelFiles, tags: Mapping[str, str]) -> StoredBook:
    place = str(files.folder)
    if files.book is None:
        CardReader(place).refuse(f"its family is {tags.get(FAMILY_TAG)}, and there is no {BOOK_FILE}")
    return read_book(files.book, tags, place, files.fits)


def _check(files: ModelFiles, tags: Mapping[str, str]) -> StoredScorer | None:
    """Check the files by the rules of their family; return the model, or None for a forest, which is not built yet."""
    family = find_stored_family(tags.get(FAMILY_TAG, REFERENCE_FAMILY))
    place = str(files.folder)
    if files.book is not None:
        CardReader(place).refuse(f"its family is {family.name}, and its files hold a book")
    require_format(family, files.is_forest, place)
    if not family.is_forest:
        return read_scorer(family, files.scorer, tags, place)
    check = require_calibrated_forest if family.kind == CALIBRATED else require_forest
    check(files.model, place)
    return None


def _build_pipeline(content: bytes) -> Any:  # noqa: ANN401 - a scikit-learn pipeline
    """Build what `require_forest` has let through."""
    import skops.io

    return skops.io.loads(content, trusted=list(TRUSTED_TYPES))
