"""Reference of drift as a file of a run: written by training, signed with the version, read by whoever compares."""

from __future__ import annotations

from pathlib import Path

from model_registry.records import DRIFT_TAG, ModelRef
from model_registry.stored_folder import read_folder
from pairity.digest import digest_bytes
from pairity.durable import replace_file
from pairity.errors import MissingDataError, ModelIntegrityError
from pairity.layout import Layout
from training.evaluation.drift_reference import FILE, DriftReference

_LARGEST = 64_000_000


def write_reference(where: Path, reference: DriftReference) -> str:
    """Write the reference into the folder of a run's files; return its digest, for the tag of the version."""
    content = reference.to_json()
    replace_file(where / FILE, content)
    return digest_bytes(content)


def read_reference(layout: Layout, model: ModelRef) -> DriftReference:
    """Return the reference that was frozen with a version.

    MissingDataError for a version of a release without one, ModelIntegrityError where the file is not the one whose
    digest the version carries, RegistryError where it cannot be read.
    """
    what = f"version {model.version} of model {model.name!r}"
    digest = model.tags.get(DRIFT_TAG)
    if digest is None:
        raise MissingDataError(f"{what} has no reference of drift", "train again: training writes it")
    try:
        found = read_folder(layout, (model.run_id, "artifacts"), lambda name: _LARGEST if name == FILE else None)
    except FileNotFoundError:
        found = {}
    if FILE not in found:
        raise MissingDataError(f"{FILE} of {what} is gone", "restore mlflow/ from a copy, or train again")
    if digest_bytes(found[FILE]) != digest:
        raise ModelIntegrityError(
            f"{FILE} of {what} is not the file that was registered", "restore mlflow/ from a copy, or train again"
        )
    return DriftReference.from_json(found[FILE])
