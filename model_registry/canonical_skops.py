"""The same forest has the same bytes: a skops archive without what is different each time it is written.

skops names objects, and the files of their arrays, by their addresses in memory, and its archives carry the time. Here
objects are numbered in the order in which they appear, and the time is that of the ZIP format's beginning. What is
loaded is the same.
"""

from __future__ import annotations

import io
import json
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pairity.errors import RegistryError

_SCHEMA = "schema.json"
_BEGINNING = (1980, 1, 1, 0, 0, 0)
_PRIVATE = 0o600 << 16
_UNIX = 3
_WITHOUT_IDENTITY = frozenset({"JsonNode", "TypeNode"})
"""Parts that are what they say: whether two equal ones are one object in memory is an accident."""


def encode_forest(pipeline: Any) -> bytes:  # noqa: ANN401 - sklearn.Pipeline
    """Return the file of a fitted pipeline; of equal ones the bytes are equal. Nothing is loaded."""
    from skops.io import dumps

    return write_canonically(dumps(pipeline))


def write_canonically(content: bytes) -> bytes:
    """Return the archive with numbered objects and without times; of equal forests the bytes are equal.

    RegistryError where `content` is no archive as skops writes it.
    """
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            schema = json.loads(archive.read(_SCHEMA))
            numbers: dict[tuple[object, ...], int] = {}
            files: dict[str, str] = {}
            _renumber(schema, numbers, files)
            members = {new: archive.read(old) for old, new in files.items()}
            left = set(archive.namelist()) - set(files) - {_SCHEMA}
    except (BadZipFile, KeyError, TypeError, ValueError) as error:
        raise RegistryError(f"the model was not written as skops writes ({error})", "report this") from None
    if left:
        raise RegistryError(
            f"the model's archive has members that belong to nothing: {sorted(left)[:3]}", "report this"
        )
    written = io.BytesIO()
    with ZipFile(written, "w", ZIP_STORED) as archive:
        for name, member in (*members.items(), (_SCHEMA, json.dumps(schema, indent=2).encode("ascii"))):
            archive.writestr(_describe(name), member)
    return written.getvalue()


def _renumber(part: Any, numbers: dict[tuple[object, ...], int], files: dict[str, str]) -> None:  # noqa: ANN401 - JSON
    """Number the objects of a schema in place, in document order; `files` gets the new name of each array's file."""
    if isinstance(part, list):
        for one in part:
            _renumber(one, numbers, files)
    if not isinstance(part, dict):
        return
    if "__id__" in part:
        key: tuple[object, ...] = (part["__id__"],)
        if part.get("__loader__") in _WITHOUT_IDENTITY:
            key = tuple((name, str(value)) for name, value in part.items() if name != "__id__")
        part["__id__"] = numbers.setdefault(key, len(numbers) + 1)
    if "file" in part and "__id__" in part:
        part["file"] = files.setdefault(part["file"], f"{part['__id__']}.npy")
    for value in part.values():
        _renumber(value, numbers, files)


def _describe(name: str) -> ZipInfo:
    described = ZipInfo(name, _BEGINNING)
    described.external_attr, described.create_system = _PRIVATE, _UNIX
    return described
