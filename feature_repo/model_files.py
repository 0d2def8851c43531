"""The identity of a stored model: one digest over the files that it consists of, and the alias of a newcomer.

Written by training when a version is registered, recomputed by serving before a model is loaded: both must mean the
same files and the same version, so the rule stands here, below both.
"""

from __future__ import annotations

from pathlib import Path

from pairity.digest import digest_bytes, digest_parts
from pairity.errors import ModelIntegrityError

CHALLENGER = "challenger"
"""Alias of the newest version that has not been champion yet; scored in shadow by the trading process."""

# MLflow writes this one into the model's own directory whenever a registered version is resolved.
_WRITTEN_ON_READ = frozenset({"registered_model_meta"})
# Formats whose loading runs code of whoever wrote them.
_EXECUTABLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")


def model_digest(directory: Path) -> str:
    """SHA-256 over (relative path, content digest) of every file of the model in `directory`.

    Independent of file order, times and owners. ModelIntegrityError if the directory holds no file, or a pickle in any
    of its spellings: a model of unknown origin must not even be hashed as if it could be loaded.
    """
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name not in _WRITTEN_ON_READ)
    if not files:
        raise ModelIntegrityError(
            f"no model files in {directory}", "train again, or restore the model's artifact directory from a copy"
        )
    for path in files:
        if path.suffix.lower() in _EXECUTABLE_SUFFIXES:
            raise ModelIntegrityError(
                f"{path} is a pickle: loading it would run whatever code it contains",
                "register models in skops format only; train again to produce one",
            )
    return digest_parts((path.relative_to(directory).as_posix(), digest_bytes(path.read_bytes())) for path in files)


def verify_model(directory: Path, expected: str) -> None:
    """ModelIntegrityError unless the files in `directory` still have the digest that was registered."""
    found = model_digest(directory)
    if found != expected:
        raise ModelIntegrityError(
            f"the model in {directory} is not the one that was registered: sha256 {found}, registered {expected}",
            "restore the directory from a copy, or train again to register a new version",
        )
