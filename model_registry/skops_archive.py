"""A skops archive taken apart by our own rules, before skops sees it: a ZIP file of `schema.json` and plain arrays.

skops writes its archives in one simple way: members are stored and not compressed, each has its own bytes and name.
Whatever a ZIP file could be beyond that (compressed to a thousandth, names twice, bytes shared by many members, hidden
leading or trailing bytes) is refused, so that the work of reading an archive is bounded by its size.
"""

from __future__ import annotations

import io
import json
import re
import struct
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from pairity.errors import ModelIntegrityError

SCHEMA = "schema.json"
SCHEMA_MAX_BYTES = 80 << 20
"""Enough for some 3,000 trees, of which each takes about 21 kB."""
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = b"PK\x06\x07"
_END64_LOCATOR_BYTES = 20
_ENTRY_MAX_BYTES = 128
# In what skops writes each bracket and comma ends a line of some 30 characters. Objects packed more densely than this
# would take tens of times the memory of their text.
_CHARACTERS_PER_MARK = 8
_ARRAY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': (.{1,2000}), 'fortran_order': False, 'shape': \(([0-9, ]{0,60})\), \} *\n",
    re.ASCII | re.DOTALL,
)
_HEADER_FIXED_BYTES = 10  # magic, version and length of the header

Array = NDArray[Any]


class SkopsArchive:
    """An archive as skops writes it; ModelIntegrityError, which names `place`, for any other."""

    def __init__(self, content: bytes, place: str) -> None:
        self.place = place
        _require_plain_end(content, self)
        try:
            self._zip = ZipFile(io.BytesIO(content))
            members = self._zip.infolist()
        except (BadZipFile, ValueError, NotImplementedError, struct.error, OverflowError) as error:
            raise self.refuse(f"it is no ZIP archive: {error}") from error
        names = [member.filename for member in members]
        for member in members:
            if member.compress_type != ZIP_STORED or member.compress_size != member.file_size or member.flag_bits & 1:
                raise self.refuse(f"{member.filename[:100]!r} is compressed or encrypted")
        if len(set(names)) != len(names):
            raise self.refuse("two members have one name")
        if sum(member.file_size for member in members) > len(content):
            raise self.refuse("members share their bytes")
        self._sizes = {member.filename: member.file_size for member in members}
        self._contents: dict[str, bytes] = {}
        self.schema = self._read_schema()

    def refuse(self, why: str) -> ModelIntegrityError:
        """Return the error that says why the archive is not loaded."""
        return ModelIntegrityError(
            f"the model in {self.place} is refused: {why}",
            "nothing of it was run; train again, or restore the directory from a copy",
        )

    def read_array(self, name: str, dtypes: tuple[np.dtype[Any], ...], dimensions: int) -> Array:
        """Return the read-only array of a member in NumPy's format, of one of the types and with so many dimensions.

        Refused are arrays in Fortran order, those whose header promises another number of bytes, and those of objects,
        which are pickles.
        """
        content = self._read(name)
        header = _ARRAY_HEADER.match(content)
        if header is None or header.end() != _HEADER_FIXED_BYTES + int.from_bytes(header[1], "little"):
            raise self.refuse(f"{name} is no array in C order")
        described = {repr(np.lib.format.dtype_to_descr(dtype)).encode(): dtype for dtype in dtypes}
        dtype = described.get(header[2])
        if dtype is None or dtype.hasobject:
            raise self.refuse(f"{name} is an array of {header[2][:100].decode(errors='replace')}")
        shape = tuple(int(length) for length in header[3].replace(b" ", b"").split(b",") if length)
        if len(shape) != dimensions:
            raise self.refuse(f"{name} has {len(shape)} dimensions, not {dimensions}")
        count = int(np.prod(np.array(shape, dtype=object)))
        if count * dtype.itemsize != len(content) - header.end():
            raise self.refuse(f"{name} does not have the size that its header says")
        return np.frombuffer(content, dtype=dtype, count=count, offset=header.end()).reshape(shape)

    def require_all_read(self) -> None:
        """Refuse the archive if it has members that the model did not use."""
        unused = sorted(self._sizes.keys() - self._contents.keys())
        if unused:
            raise self.refuse(f"{unused[0][:100]!r} belongs to nothing")

    def _read(self, name: str) -> bytes:
        if name not in self._sizes:
            raise self.refuse(f"{name[:100]!r} is not there")
        if name in self._contents:
            return self._contents[name]
        try:
            self._contents[name] = self._zip.read(name)
        except (BadZipFile, EOFError, OSError, ValueError, NotImplementedError, struct.error) as error:
            raise self.refuse(f"{name[:100]!r} cannot be read: {error}") from error
        return self._contents[name]

    def _read_schema(self) -> dict[str, Any]:
        if self._sizes.get(SCHEMA, 0) > SCHEMA_MAX_BYTES:
            raise self.refuse(
                f"{SCHEMA} has {self._sizes[SCHEMA]} bytes, at most {SCHEMA_MAX_BYTES} are read "
                "(a model of fewer trees, model.n_estimators, fits)"
            )
        text = self._read(SCHEMA)
        if sum(text.count(mark) for mark in (b"[", b"{", b",")) > len(text) // _CHARACTERS_PER_MARK:
            raise self.refuse(f"{SCHEMA} is denser than skops writes it")
        try:
            schema = json.loads(text.decode("ascii"))  # skops escapes what is not ASCII
        except (ValueError, RecursionError) as error:
            raise self.refuse(f"{SCHEMA} is not what skops writes: {error}") from error
        if not isinstance(schema, dict):
            raise self.refuse(f"{SCHEMA} holds no object")
        return schema


def _require_plain_end(content: bytes, archive: SkopsArchive) -> None:
    """Refuse what does not end with the directory of one simple archive.

    `ZipFile` would look for such an end further up, and read a directory of any length before it counted the entries.
    """
    if len(content) < _END.size:
        raise archive.refuse("it is no ZIP archive")
    signature, disk, first, here, entries, size, offset, comment = _END.unpack(content[-_END.size :])
    if signature != b"PK\x05\x06" or (disk, first, comment) != (0, 0, 0) or here != entries:
        raise archive.refuse("it is no ZIP archive, or has something behind its end")
    if offset + size != len(content) - _END.size or size > entries * _ENTRY_MAX_BYTES:
        raise archive.refuse("its directory is not where its end says")
    if content[-_END.size - _END64_LOCATOR_BYTES :].startswith(_END64_LOCATOR):
        raise archive.refuse("it has more members than a model of ours")
