"""The identity of a stored model: one digest over the files that it consists of.

Registration writes the digest, and loading computes it again: both must mean the same files.
"""

from __future__ import annotations

from pathlib import Path

from pairity.digest import digest_bytes, digest_parts
from pairity.errors import ModelIntegrityError

# MLflow writes this file into the model's own directory whenever a registered version is resolved.
_WRITTEN_ON_READ = frozenset({"registered_model_meta"})
# Formats that run the code of whoever wrote them when they are loaded.
_EXECUTABLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")


def model_digest(directory: Path) -> str:
    """Return the SHA-256 over (relative path, content digest) of every file of the model in `directory`.

    It does not depend on file order, times or owners. Raises ModelIntegrityError if the directory holds no file, or a
    pickle under any of its names: a model of unknown origin must not even be hashed as if it could be loaded.
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
    """Raise ModelIntegrityError unless the files in `directory` still have the registered digest."""
    actual = model_digest(directory)
    if actual != expected:
        raise ModelIntegrityError(
            f"the model in {directory} is not the one that was registered: sha256 {actual}, registered {expected}",
            "restore the directory from a copy, or train again to register a new version",
        )
