"""Tables of text that others wrote: rows, columns and lines are counted before a parser makes columns of them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from pairity.bounded_numbers import OutOfBoundsError, show

LONGEST_LINE = 4096
MOST_COLUMNS = 64
_BLOCK = 1 << 24
_LINE_FEED = 10
_SHOWN = 120


def read_texts(
    content: bytes, most_rows: int, *, has_header: bool = True, quoted: bool = False, separator: str = ","
) -> pl.DataFrame:
    """Return all columns of a CSV in UTF-8 as text, in the order of the file.

    OutOfBoundsError for more than `most_rows` lines, 64 columns or 4,096 bytes in a line, for NUL bytes, other
    encodings and lines of different widths. Without `quoted`, a quotation mark is a character like any other.
    """
    _check(content, most_rows + has_header, separator.encode())
    try:
        return pl.read_csv(
            content,
            has_header=has_header,
            infer_schema=False,
            quote_char='"' if quoted else None,
            separator=separator,
        )
    except pl.exceptions.PolarsError as error:
        raise OutOfBoundsError(f"holds no table: {brief(error)}") from None


def refuse_non_numbers(table: pl.DataFrame, names: Collection[str]) -> None:
    """Raise OutOfBoundsError unless every text of the columns `names` is a finite number; the first is shown."""
    numbers = table.select(pl.col(names).cast(pl.Float64, strict=False).is_finite().fill_null(False))
    for name in numbers.columns:
        if not numbers[name].all():
            count, place = numbers.height - int(numbers[name].sum()), numbers[name].arg_min()
            assert place is not None
            value = table[name][place]
            shown = "empty" if value is None else show(value)
            raise OutOfBoundsError(f"has {count} rows that are not numbers: {name} of row {place + 1} is {shown}")


def brief(said: object) -> str:
    """Return the first line of a library's message or of a list, short enough for a message of ours."""
    line = next(iter(str(said).strip().splitlines()), "")
    return f"{line[:_SHOWN]}…" if len(line) > _SHOWN else line


def _check(content: bytes, most_lines: int, separator: bytes) -> None:
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if lines > most_lines:
        raise OutOfBoundsError(f"has {lines} lines, more than the limit of {most_lines}")
    longest = _longest_line(content)
    if longest > LONGEST_LINE:
        raise OutOfBoundsError(f"has a line of {longest} bytes, more than the limit of {LONGEST_LINE}")
    columns = content[: content.find(b"\n") if b"\n" in content else None].count(separator) + 1
    if columns > MOST_COLUMNS:
        raise OutOfBoundsError(f"has {columns} columns, more than the limit of {MOST_COLUMNS}")
    if b"\0" in content:
        raise OutOfBoundsError("holds NUL bytes: it is no text")
    if not content.isascii():
        try:
            content.decode()
        except UnicodeDecodeError as error:
            raise OutOfBoundsError(f"is not UTF-8: byte {error.start} is {content[error.start]:#x}") from None


def _longest_line(content: bytes) -> int:
    """Return the length of the longest line without its end."""
    longest, begun = 0, 0
    for start in range(0, len(content), _BLOCK):
        block = np.frombuffer(content, dtype=np.uint8, count=min(_BLOCK, len(content) - start), offset=start)
        ends = np.flatnonzero(block == _LINE_FEED) + start
        if len(ends):
            longest = max(longest, int(ends[0]) - begun, int(np.diff(ends).max(initial=1)) - 1)
            begun = int(ends[-1]) + 1
    return max(longest, len(content) - begun)
