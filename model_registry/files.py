"""The files of a stored model: which there may be, their bytes, and the one digest over all of them.

Registration writes the digest, and loading computes it again from the bytes that are then loaded. No file is left out
of it, and there is none that it does not know: a model's folder is flat and holds the files named here.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_registry.lightgbm_text import TREES_FILE, TREES_MAX_BYTES
from model_registry.scorer_card import CARD_FILE, CARD_MAX_BYTES
from model_registry.stored_books import BOOK_FILE, BOOK_FILES, BOOK_MAX_BYTES
from model_registry.stored_folder import read_folder, stored_path
from pairity.digest import digest_bytes, digest_parts
from pairity.errors import ModelIntegrityError
from pairity.layout import Layout

MODEL_FILE = "model.skops"
"""A forest; the only file of one that is read for its content."""
SCORER_FILES: Mapping[str, int] = {CARD_FILE: CARD_MAX_BYTES, TREES_FILE: TREES_MAX_BYTES}
"""Files of a model that is no forest, with the most bytes that each may have."""
MODEL_MAX_BYTES = 512 << 20
NOTE_MAX_BYTES = 4 << 20
# What MLflow shows of a model. Earlier versions stored examples too. Nothing reads any of them.
_NOTES = (
    "MLmodel",
    "conda.yaml",
    "python_env.yaml",
    "requirements.txt",
    "input_example.json",
    "serving_input_example.json",
)
# MLflow writes it into a model's folder when it is asked for the folder's path, as earlier versions of pairity did.
_WRITTEN_ON_READ = "registered_model_meta"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Bytes of a model's files by name, as they were read once, and the folder that they were read from."""

    folder: Path
    contents: Mapping[str, bytes]

    @property
    def model(self) -> bytes:
        """Content of a forest's file."""
        return self.contents[MODEL_FILE]

    @property
    def is_forest(self) -> bool:
        """Whether a forest is stored here, and not a model of another format."""
        return MODEL_FILE in self.contents

    @property
    def book(self) -> bytes | None:
        """Definition of a book; None where a model is stored here."""
        return self.contents.get(BOOK_FILE)

    @property
    def fits(self) -> dict[str, bytes]:
        """Files that lie beside the definition of a book that learns, or whose books do."""
        return {name: content for name, content in self.contents.items() if name in BOOK_FILES}

    @property
    def scorer(self) -> dict[str, bytes]:
        """Files of a model that is no forest and no book."""
        return {name: content for name, content in self.contents.items() if name in SCORER_FILES}


def read_model_files(layout: Layout, model_id: str) -> ModelFiles:
    """Read the folder of a logged model of this data directory.

    FileNotFoundError where there is none; ModelIntegrityError where it holds a file that no model has, or no model;
    RegistryError where a file is not a plain one, is too large or cannot be read.
    """
    parts = ("models", model_id, "artifacts")
    folder = stored_path(layout, parts)
    contents = read_folder(layout, parts, lambda name: _limit(folder, name))
    files = ModelFiles(folder, contents)
    if not files.is_forest and CARD_FILE not in contents and files.book is None:
        raise ModelIntegrityError(
            f"no model files in {folder}: {MODEL_FILE} is not there",
            "train again, or restore the model's artifact directory from a copy",
        )
    kinds = [name for name in (MODEL_FILE, BOOK_FILE) if name in contents]
    strange = [*files.scorer, *(files.fits if files.book is None else [])]
    if len(kinds) > 1 or (kinds and strange) or (not kinds and files.fits):
        raise ModelIntegrityError(
            f"two models in {folder}: {' beside '.join([*kinds, *strange])}",
            "find out who put it there; restore the directory from a copy, or train again",
        )
    return files


def model_digest(files: ModelFiles) -> str:
    """Return the SHA-256 over (name, content digest) of every file; it depends on no order, time or owner."""
    return digest_parts((name, digest_bytes(content)) for name, content in files.contents.items())


def verify_model(files: ModelFiles, expected: str) -> None:
    """Raise ModelIntegrityError unless the files have the registered digest."""
    actual = model_digest(files)
    if actual != expected:
        raise ModelIntegrityError(
            f"the model in {files.folder} is not the one that was registered: sha256 {actual}, registered {expected}",
            "restore the directory from a copy, or train again to register a new version",
        )


def _limit(folder: Path, name: str) -> int:
    if name == MODEL_FILE:
        return MODEL_MAX_BYTES
    if name in SCORER_FILES:
        return SCORER_FILES[name]
    if name == BOOK_FILE:
        return BOOK_MAX_BYTES
    if name in BOOK_FILES:
        return BOOK_FILES[name]
    if name in _NOTES:
        return NOTE_MAX_BYTES
    path = folder / name
    if name == _WRITTEN_ON_READ:
        raise ModelIntegrityError(
            f"{path} is no file of the model: MLflow wrote it when it was asked for the folder",
            f"delete it (the model's digest does not contain it): rm {shlex.quote(str(path))}; or train again",
        )
    raise ModelIntegrityError(
        f"{str(path)!r} is no file of a model: models are {MODEL_FILE} (or {' and '.join(SCORER_FILES)}, "
        f"or {BOOK_FILE} with trees_….txt of what it holds) and {', '.join(_NOTES)}, and nothing else",
        "find out who put it there; restore the directory from a copy, or train again",
    )
