"""What Feast's registry may hold: declarations as the catalogue makes them, and nothing that Feast would run.

A registry has places for code: functions as pickles and as source text, profilers, and names of classes to import.
Feast runs, unpickles or imports them while it reads. The catalogue declares none, so a registry that has one was
written by somebody else, and is refused before Feast sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from feast.protos.feast.core.FeatureView_pb2 import FeatureView
from feast.protos.feast.core.Registry_pb2 import Registry
from google.protobuf.message import DecodeError, Message

from feature_repo.stored_tables import naming
from pairity.bounded_files import read_file
from pairity.bounded_json import MIB
from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import LakeCorruptError

_LARGEST = 64 * MIB
_REMEDY = "delete it and run pairity features: it follows from the catalogue"
_PLAIN = "google.protobuf."
_DECLARATIONS = frozenset(
    f"feast.core.{name}"
    for name in (
        *("Registry", "Project", "ProjectSpec", "ProjectMeta", "ProjectMetadata", "Infra"),
        *("Entity", "EntitySpecV2", "EntityMeta", "FeatureSpecV2"),
        *("FeatureView", "FeatureViewSpec", "FeatureViewMeta", "MaterializationInterval"),
        *("FeatureViewVersionHistory", "FeatureViewVersionRecord"),
        *("FeatureService", "FeatureServiceSpec", "FeatureServiceMeta", "FeatureViewProjection"),
        *("DataSource", "DataSource.FileOptions", "DataSource.SourceMeta", "FileFormat", "FileFormat.ParquetFormat"),
    )
)
"""Messages of which a registry of ours is made; what another view, source or check would need is not among them."""
_CLASSES = frozenset({"feast.infra.offline_stores.file_source.FileSource"})
_CLASS_NAME = "class_type"
_HISTORY = "feature_view_proto"
"""An older state of a view, as bytes: looked through like the newest."""


def read_registry(path: Path) -> Registry:
    """Return the registry in a file; FileNotFoundError where there is none.

    LakeCorruptError, which names the file, where it cannot be read or holds what no registry of ours does.
    """
    with naming(path, _REMEDY):
        content = read_file(path, _LARGEST)
        fault = _find_fault(content)
        if fault is not None:
            raise OutOfBoundsError(fault)
        return Registry.FromString(content)


def check_registry(registry: Registry, place: str) -> None:
    """Raise LakeCorruptError, which names `place`, for a registry that holds what no registry of ours does."""
    fault = next(_list_faults(registry), None)
    if fault is not None:
        raise LakeCorruptError(f"the registry in {place} {fault}", "drop its schema and run pairity features")


@lru_cache(maxsize=2)
def _find_fault(content: bytes) -> str | None:
    """Return what is wrong with a registry; None where nothing is. Remembered: Feast reads it again and again."""
    try:
        return next(_list_faults(Registry.FromString(content)), None)
    except DecodeError:
        return "is no registry of Feast, or is damaged"


def _list_faults(message: Message) -> Iterator[str]:
    name = message.DESCRIPTOR.full_name
    if name not in _DECLARATIONS and not name.startswith(_PLAIN):
        yield f"holds a {name}, which no declaration of ours has: Feast might run what is in it"
        return
    for field, value in message.ListFields():
        if field.name.endswith(_CLASS_NAME) and value not in _CLASSES:
            yield f"names a class that no declaration of ours has: {str(value)[:100]!r}"
        elif field.type == field.TYPE_BYTES:
            yield from _list_faults_of_bytes(field.name, value)
        elif field.type == field.TYPE_MESSAGE and not field.message_type.GetOptions().map_entry:
            for inner in [value] if isinstance(value, Message) else value:
                yield from _list_faults(inner)
        elif field.type == field.TYPE_MESSAGE:
            yield from _list_faults_of_map(value)


def _list_faults_of_bytes(name: str, value: bytes) -> Iterator[str]:
    if name == _HISTORY:
        yield from _list_faults(FeatureView.FromString(value))
    else:
        yield f"holds bytes ({name}), which no declaration of ours has"


def _list_faults_of_map(values: Any) -> Iterator[str]:  # noqa: ANN401 - protobuf's maps have a class for each type
    for value in values.values():
        if isinstance(value, Message):
            yield from _list_faults(value)
        elif isinstance(value, bytes):
            yield "holds bytes in a map, which no declaration of ours has"
