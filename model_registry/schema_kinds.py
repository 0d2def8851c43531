"""Kinds of values in a skops schema: what each must look like, and what stands in it.

skops decides by names in the file which class of its own builds each part, and which of the installed classes and
functions that part may call. Here it is the other way round: the reader knows what must stand at each place, and a
place that holds anything else ends it. A kind is a function of the archive's reader, the part and its path; it returns
the part's plain value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from model_registry.skops_archive import SkopsArchive

Kind = Callable[["SchemaReader", Any, str], Any]
INT64, FLOAT64 = np.dtype("<i8"), np.dtype("<f8")
_MOST_CHARACTERS = 1000
_SEQUENCES: dict[type, tuple[str, str, str]] = {
    list: ("ListNode", "builtins", "list"),
    tuple: ("TupleNode", "builtins", "tuple"),
}
_NAMES = frozenset({"__class__", "__module__", "__loader__", "__id__"})


class SchemaReader:
    """Reads one archive's schema by kinds; raises the archive's refusal, with the path of the place that is wrong."""

    def __init__(self, archive: SkopsArchive) -> None:
        self.archive = archive
        self._parts: dict[int, Any] = {}
        self._owners: dict[int, int] = {}

    def read(self, kind: Kind, part: Any, path: str) -> Any:  # noqa: ANN401 - values of all kinds
        """Return the value of one part.

        Parts with one id are one object, and skops builds the one that it meets first. So they must be alike, and each
        of them is read, whichever comes first.
        """
        identity = part.get("__id__") if isinstance(part, dict) else None
        if type(identity) is not int or identity <= 0:
            self.refuse(path, "it has no identity")
        known = self._parts.setdefault(identity, part)
        if known is not part and not _are_alike(known, part):
            self.refuse(path, "two different parts have one identity")
        return kind(self, part, path)

    def own(self, array: dict[str, Any], owner: dict[str, Any], path: str) -> bool:
        """Return whether nobody owned the array yet; refuse one with two owners, each of which would copy it."""
        is_new = array["__id__"] not in self._owners
        if self._owners.setdefault(array["__id__"], owner["__id__"]) != owner["__id__"]:
            self.refuse(path, "it belongs to two trees")
        return is_new

    def refuse(self, path: str, why: str) -> NoReturn:
        """Raise the refusal of the archive."""
        raise self.archive.refuse(f"{path or 'its top'}: {why}")

    def require(self, part: dict[str, Any], path: str, expected: tuple[str, str, str], *keys: str) -> None:
        """Refuse a part unless it has that loader, module and class, and exactly those keys besides."""
        found = tuple(part.get(name) for name in ("__loader__", "__module__", "__class__"))
        if found != expected:
            self.refuse(path, f"{_name(found)} where only {_name(expected)} may be")
        if part.keys() != _NAMES | set(keys):
            self.refuse(path, f"keys {_short(sorted(part.keys() - _NAMES))} instead of {list(keys)}")


def scalar(*types: type, least: float | None = None) -> Kind:
    """Return the kind of a number, text, truth value or None (`type(None)`); numbers at least `least`."""

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> Any:  # noqa: ANN401
        value = _read_json(reader, part, path)
        if type(value) not in types or (least is not None and value < least):
            reader.refuse(path, f"{_short(value)} is not allowed here")
        return value

    return read


def constant(*allowed: object) -> Kind:
    """Return the kind of a value that is one of those given, of the same type."""

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> Any:  # noqa: ANN401
        value = _read_json(reader, part, path)
        if not any(type(value) is type(one) and value == one for one in allowed):
            reader.refuse(path, f"{_short(value)} where only {_short(allowed)} may be")
        return value

    return read


def one_of(kinds: Mapping[str, Kind], default: Kind) -> Kind:
    """Return the kind that the part's loader or class chooses from `kinds`, `default` where it names none of them."""

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> Any:  # noqa: ANN401
        names = [part.get("__class__"), part.get("__loader__")]
        chosen = [kinds[name] for name in names if isinstance(name, str) and name in kinds]
        return (chosen[0] if chosen else default)(reader, part, path)

    return read


def list_of(kind: Kind, count: int | None = None, *, of: type = list) -> Kind:
    """Return the kind of a list (or `tuple`) of parts of one kind; None: any number of them."""
    expected = _SEQUENCES[of]

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> list[Any]:
        reader.require(part, path, expected, "content")
        parts = _require_list(reader, part["content"], path)
        if count is not None and len(parts) != count:
            reader.refuse(path, f"{len(parts)} parts instead of {count}")
        return [reader.read(kind, one, f"{path}[{place}]") for place, one in enumerate(parts)]

    return read


def tuple_of(*kinds: Kind, of: type = tuple) -> Kind:
    """Return the kind of a tuple (or `list`) with one part of each kind."""
    expected = _SEQUENCES[of]

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> tuple[Any, ...]:
        reader.require(part, path, expected, "content")
        parts = _require_list(reader, part["content"], path)
        if len(parts) != len(kinds):
            reader.refuse(path, f"{len(parts)} parts instead of {len(kinds)}")
        return tuple(
            reader.read(kind, one, f"{path}[{n}]") for n, (kind, one) in enumerate(zip(kinds, parts, strict=True))
        )

    return read


def map_of(kind: Kind, key: str = "str") -> Kind:
    """Return the kind of a dictionary whose keys are texts (or `int`) and whose values are of one kind."""

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> dict[str, Any]:
        content = _require_map(reader, part, path, key)
        return {name: reader.read(kind, one, f"{path}[{_short(name)}]") for name, one in content.items()}

    return read


def object_of(module: str, name: str, attributes: Mapping[str, Kind], *needed: str) -> Kind:
    """Return the kind of an instance of a class with attributes among those given, the `needed` ones always."""
    state = attributes_of(attributes, *needed)

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> dict[str, Any]:
        reader.require(part, path, ("ObjectNode", module, name), "content")
        values: dict[str, Any] = reader.read(state, part["content"], path)
        return values

    return read


def attributes_of(attributes: Mapping[str, Kind], *needed: str) -> Kind:
    """Return the kind of a dictionary of attributes, each with its own kind."""

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> dict[str, Any]:
        content = _require_map(reader, part, path, "str")
        for attribute in content:
            if attribute not in attributes:
                reader.refuse(path, f"there is no attribute {_short(attribute)}")
        missing = [attribute for attribute in needed if attribute not in content]
        if missing:
            reader.refuse(path, f"{missing[0]} is not there")
        return {name: reader.read(attributes[name], one, f"{path}.{name}") for name, one in content.items()}

    return read


def array_of(*dtypes: np.dtype[Any], dimensions: int = 1) -> Kind:
    """Return the kind of an array of plain numbers."""

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> np.ndarray[Any, Any]:
        reader.require(part, path, ("NdArrayNode", "numpy", "ndarray"), "type", "file")
        return _read_member(reader, part, path, dtypes, dimensions)

    return read


def number_of(dtype: np.dtype[Any]) -> Kind:
    """Return the kind of a NumPy number, which skops stores as an array without dimensions."""

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> Any:  # noqa: ANN401
        reader.require(part, path, ("NdArrayNode", "numpy", dtype.name), "type", "file")
        return _read_member(reader, part, path, (dtype,), 0)[()]

    return read


def names(reader: SchemaReader, part: dict[str, Any], path: str) -> list[str]:
    """Return the texts of an array of names, which skops stores in the schema itself."""
    reader.require(part, path, ("NdArrayNode", "numpy", "ndarray"), "type", "content", "shape")
    parts = _require_list(reader, part["content"], path)
    if part["type"] != "json" or reader.read(_SHAPE, part["shape"], f"{path}.shape") != (len(parts),):
        reader.refuse(path, "it is no list of names")
    return [reader.read(scalar(str), one, f"{path}[{place}]") for place, one in enumerate(parts)]


def class_of(module: str, name: str) -> Kind:
    """Return the kind of a mention of one class."""

    def read(reader: SchemaReader, part: dict[str, Any], path: str) -> str:
        reader.require(part, path, ("TypeNode", module, name))
        return name

    return read


def slices(reader: SchemaReader, part: dict[str, Any], path: str) -> None:
    """Read a slice of whole numbers."""
    reader.require(part, path, ("SliceNode", "builtins", "slice"), "content")
    ends = part["content"]
    if not isinstance(ends, dict) or ends.keys() != {"start", "stop", "step"}:
        reader.refuse(path, "it is no slice")
    if any(type(end) not in (int, type(None)) for end in ends.values()):
        reader.refuse(path, f"{_short(ends)} is no slice of whole numbers")


def _read_json(reader: SchemaReader, part: dict[str, Any], path: str) -> Any:  # noqa: ANN401
    reader.require(part, path, ("JsonNode", "builtins", "str"), "content", "is_json")
    text = part["content"]
    if not isinstance(text, str) or len(text) > _MOST_CHARACTERS:
        reader.refuse(path, "it is no short text")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        reader.refuse(path, f"{_short(text)} is no JSON")
    if isinstance(value, dict | list):
        reader.refuse(path, f"{_short(value)} is no single value")
    return value


def _read_member(
    reader: SchemaReader, part: dict[str, Any], path: str, dtypes: tuple[np.dtype[Any], ...], dimensions: int
) -> np.ndarray[Any, Any]:
    # skops names the file after the array's identity: so no array is read twice, and none stands for another
    if part["type"] != "numpy" or part["file"] != f"{part['__id__']}.npy":
        reader.refuse(path, f"its file is {_short(part['file'])}")
    return reader.archive.read_array(part["file"], dtypes, dimensions)


def _require_list(reader: SchemaReader, content: Any, path: str) -> list[Any]:  # noqa: ANN401
    if not isinstance(content, list):
        reader.refuse(path, "it holds no list")
    return content


def _require_map(reader: SchemaReader, part: dict[str, Any], path: str, key: str) -> dict[str, Any]:
    reader.require(part, path, ("DictNode", "builtins", "dict"), "content", "key_types")
    content = part["content"]
    if not isinstance(content, dict):
        reader.refuse(path, "it holds no dictionary")
    types = reader.read(_KEY_TYPES[key], part["key_types"], f"{path}.keys")
    if len(types) != len(content):
        reader.refuse(path, "it has keys without a type")
    return content


_SHAPE = tuple_of(scalar(int))
_KEY_TYPES = {key: list_of(class_of("builtins", key)) for key in ("str", "int")}


def _are_alike(one: Any, other: Any) -> bool:  # noqa: ANN401 - parts of the schema
    """Return whether two parts say the same; skops gives what it makes while writing an id of its own each time."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            key == "__id__" or _are_alike(value, other[key]) for key, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_are_alike, one, other))
    return type(one) is type(other) and bool(one == other)


def _name(names: tuple[Any, ...]) -> str:
    return f"{_short(names[1])}.{_short(names[2])} by {_short(names[0])}"


def _short(value: object) -> str:
    return repr(value)[:100]
