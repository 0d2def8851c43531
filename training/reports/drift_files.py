"""Reference of drift as a file of a run: written by training, signed with the version, read by whoever compares."""

from __future__ import annotations

from pathlib import Path

from model_registry.drift_file import DRIFT_FILE, read_drift_file
from model_registry.records import ModelRef
from pairity.digest import digest_bytes
from pairity.durable import replace_file
from pairity.layout import Layout
from training.evaluation.drift_reference import DriftReference


def write_reference(where: Path, reference: DriftReference) -> str:
    """Write the reference into the folder of a run's files; return its digest, for the tag of the version."""
    content = reference.to_json()
    replace_file(where / DRIFT_FILE, content)
    return digest_bytes(content)


def read_reference(layout: Layout, model: ModelRef) -> DriftReference:
    """Return the reference that was frozen with a version.

    Raises what `read_drift_file` raises, and RegistryError where the file cannot be read.
    """
    return DriftReference.from_json(read_drift_file(layout, model))
