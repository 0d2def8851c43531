"""Parquet files that others wrote: what they will take in memory is known before a column is expanded.

A file of a few kilobytes can hold billions of rows (a run of equal values takes some bytes), pages that expand a
thousand times, and metadata that claims anything. Here the footer is read by a parser with limits of its own, rows and
columns are counted, and the headers of the pages that will be read are added up: what they expand to, and what their
values take as columns.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pairity.bounded_files import read_file
from pairity.bounded_json import MIB
from pairity.bounded_numbers import OutOfBoundsError, show
from pairity.parquet_pages import list_pages

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_END = b"PAR1"
_TAIL = 8
_FOOTER = 4 * MIB
_MOST_NAMES = 200_000
_SHOWN = 120
_BYTES_OF_A_VALUE = 8
_NUMBERS = frozenset({"INT32", "INT64", "FLOAT", "DOUBLE"})
_TEXTS = _NUMBERS | {"BYTE_ARRAY", "INT96", "BOOLEAN"}
"""Texts, and what stands in their place: an old form of timestamps, and flags."""


@dataclass(frozen=True, slots=True)
class TableLimits:
    """Most that one file may hold. `expanded` counts the bytes of all pages that are read, at least 8 for a value."""

    size: int = 512 * MIB
    rows: int = 10_000_000
    """Nineteen years of minutes."""
    columns: int = 256
    chunks: int = 100_000
    """Row groups times columns."""
    expanded: int = 1024 * MIB
    pages: int = 1_000_000
    """Real ones hold thousands of values; the header of an empty one takes as long to read as any other."""


RECORDED = TableLimits()


def read_numbers(
    path: Path, wanted: Collection[str], limits: TableLimits = RECORDED, *, texts: Collection[str] = ()
) -> pl.DataFrame:
    """Return the columns of `wanted` that a Parquet file has, each of numbers or instants; those of `texts` also texts.

    FileNotFoundError where there is no file. OutOfBoundsError for everything that is not such a file within `limits`:
    another kind of file, a damaged one, nested columns, columns of texts, too many rows or bytes.
    """
    content = read_file(path, limits.size)
    metadata = _metadata(content, limits)
    places = _flat_columns(metadata)
    own = {name: places[name] for name in (*wanted, *texts) if name in places}
    _check(content, metadata, own, limits)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for name, place in own.items():
            is_number = group.column(place).physical_type in _NUMBERS or _is_wide_decimal(metadata, place)
            if not is_number and not (name in texts and group.column(place).physical_type in _TEXTS):
                raise OutOfBoundsError(f"has {show(name)} as {group.column(place).physical_type}, which is no number")
    return _read(content, list(own))


def read_table(content: bytes, limits: TableLimits = RECORDED) -> pl.DataFrame:
    """Return all columns, of any type, of a Parquet file in memory; OutOfBoundsError as `read_numbers`."""
    metadata = _metadata(content, limits)
    _check(content, metadata, {metadata.schema.column(n).path: n for n in range(metadata.num_columns)}, limits)
    return _read(content, None)


def read_names(path: Path, limits: TableLimits = RECORDED) -> tuple[str, ...]:
    """Return the names of all columns of a Parquet file, nested ones refused; errors as `read_numbers`."""
    return tuple(_flat_columns(_metadata(read_file(path, limits.size), limits)))


def _read(content: bytes, columns: list[str] | None) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(content), columns=columns, hive_partitioning=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise OutOfBoundsError(f"cannot be read as Parquet: {_brief(error)}") from None


def _check(content: bytes, metadata: pq.FileMetaData, places: Mapping[str, int], limits: TableLimits) -> None:
    """Look at what the columns at `places` will expand to, and whether their pages are what the footer says."""
    expanded = rows = pages = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        rows += group.num_rows
        for name, place in places.items():
            chunk = group.column(place)
            start = chunk.data_page_offset
            if chunk.dictionary_page_offset is not None:
                start = min(start, chunk.dictionary_page_offset)
            end = start + chunk.total_compressed_size
            if not len(_END) <= start <= end <= len(content):
                raise OutOfBoundsError(f"is damaged: {show(name)} lies outside the file")
            values, width = 0, _BYTES_OF_A_VALUE * (2 if _is_wide_decimal(metadata, place) else 1)
            for page in list_pages(content, start, end):
                values += page.values
                expanded += max(page.expanded, width * page.values)
                pages += 1
                if pages > limits.pages:
                    raise OutOfBoundsError(f"has more pages than the limit of {limits.pages}")
                if expanded > limits.expanded or values > limits.rows:
                    raise OutOfBoundsError(f"expands to more bytes than the limit of {limits.expanded}")
            if values != chunk.num_values or (values != group.num_rows and "." not in name):
                raise OutOfBoundsError(f"is damaged: {values} values of {show(name)} in {group.num_rows} rows")
            # It repeats the beginning of the text before: a page of some kilobytes can be gigabytes.
            if "DELTA_BYTE_ARRAY" in chunk.encodings:
                raise OutOfBoundsError(f"has {show(name)} in the encoding DELTA_BYTE_ARRAY, which is not used here")
    if rows != metadata.num_rows:
        raise OutOfBoundsError(f"is damaged: {rows} rows instead of {metadata.num_rows}")


def _metadata(content: bytes, limits: TableLimits) -> pq.FileMetaData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if len(content) < len(_END) + _TAIL or content[: len(_END)] != _END or content[-len(_END) :] != _END:
        raise OutOfBoundsError("is no Parquet file, or is cut short")
    footer = int.from_bytes(content[-_TAIL : -len(_END)], "little")
    if footer > min(_FOOTER, len(content) - _TAIL):
        raise OutOfBoundsError(f"has metadata of {footer} bytes, more than the limit of {_FOOTER}, or is cut short")
    try:
        file = pq.ParquetFile(
            pa.BufferReader(content), thrift_string_size_limit=_FOOTER, thrift_container_size_limit=_MOST_NAMES
        )
        metadata = file.metadata
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise OutOfBoundsError(f"cannot be read as Parquet: {_brief(error)}") from None
    if not 0 <= metadata.num_rows <= limits.rows:
        raise OutOfBoundsError(f"has {metadata.num_rows} rows, more than the limit of {limits.rows}")
    if metadata.num_columns > limits.columns:
        raise OutOfBoundsError(f"has {metadata.num_columns} columns, more than the limit of {limits.columns}")
    if metadata.num_columns * metadata.num_row_groups > limits.chunks:
        raise OutOfBoundsError(f"has {metadata.num_row_groups} row groups, more than it can need")
    return metadata


def _flat_columns(metadata: pq.FileMetaData) -> Mapping[str, int]:
    """Return the places of the columns by name; nested columns and names that occur twice are refused."""
    places: dict[str, int] = {}
    for place in range(metadata.num_columns):
        column = metadata.schema.column(place)
        if column.max_repetition_level or column.max_definition_level > 1 or column.path != column.name:
            raise OutOfBoundsError(f"has the nested column {show(column.path)}")
        if places.setdefault(column.name, place) != place:
            raise OutOfBoundsError(f"has the column {show(column.name)} twice")
    return places


def _is_wide_decimal(metadata: pq.FileMetaData, place: int) -> bool:
    """Return whether a column has decimals of up to 38 digits, which are written as 16 bytes."""
    column = metadata.schema.column(place)
    is_short = column.physical_type == "FIXED_LEN_BYTE_ARRAY" and column.length <= 2 * _BYTES_OF_A_VALUE
    return is_short and str(column.logical_type.type) == "DECIMAL"


def _brief(error: BaseException) -> str:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line[:_SHOWN]
