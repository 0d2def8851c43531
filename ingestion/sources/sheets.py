"""Tables of text as spreadsheets and programs write them: comma, semicolon, tab or bar between cells, a BOM or none."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import polars as pl

from ingestion.sources.bounded_csv import read_texts
from ingestion.sources.reading import RefusedFileError
from pairity.bounded_json import MIB
from pairity.bounded_numbers import OutOfBoundsError, show

SEPARATORS = (",", ";", "\t", "|")
_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_SPREADSHEET = b"sep="
_ENDS = (b"\n", b"\r", b'"')
_LOOKED_THROUGH = 64 * MIB
"""Longest text that is gone through once more to name the line that is wrong."""
_SAVE = "save it as CSV in UTF-8"


def _refuse_wide_line(text: bytes, separator: str, first_line: int) -> None:
    """Raise RefusedFileError for the first line with more cells than names; nothing where that is not what is wrong."""
    try:
        lines = csv.reader(io.StringIO(text.decode("utf-8"), newline=""), delimiter=separator)
        names = len(next(lines, []))
        for number, line in enumerate(lines, first_line):
            if len(line) > names:
                raise RefusedFileError(
                    f"has {len(line)} cells in line {number} under {names} names: the first one too many is "
                    f"{show(line[names])}",
                    "quote cells that hold the separator, or leave out what is too much",
                )
    except (UnicodeDecodeError, csv.Error):
        return


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of texts: columns by their names in small letters, empty cells null; one row per line, also empty ones.

    `separator` stood between the cells; row 0 is on line `first_line`. `is_open`: the last line has no line end, nor a
    quotation mark in its place, so its last cell may be cut.
    """

    rows: pl.DataFrame
    separator: str
    first_line: int
    is_open: bool

    def place(self, row: int) -> str:
        """Return the name of a row: its line in the file."""
        return f"line {row + self.first_line}"


def read_sheet(content: bytes, most_rows: int) -> Sheet:
    """Return the table of a text with a header.

    OutOfBoundsError beyond the limits of `read_texts`, for another encoding than UTF-8, a line of other width than the
    header, a column name that occurs twice, and a first line that holds no names.
    """
    if content[:2] in _WIDE:
        raise RefusedFileError("is UTF-16, not UTF-8", _SAVE)
    if b"\n" not in content and b"\r" in content.rstrip(b"\r"):
        raise RefusedFileError("has lines that end in carriage returns alone", _SAVE)
    text, first_line = content.removeprefix(_BOM), 2
    given = ""
    if text[: len(_SPREADSHEET)].lower() == _SPREADSHEET:
        line, _, text = text.partition(b"\n")
        given, first_line = line[len(_SPREADSHEET) :].decode("ascii", "replace").strip("\r"), 3
        if given not in SEPARATORS:
            raise RefusedFileError(f"begins with sep={show(given)}, which is none of , ; tab |", _SAVE)
    header = text.partition(b"\n")[0].decode("utf-8", "replace").strip("\r")
    separator = given or max(SEPARATORS, key=header.count)
    try:
        rows = read_texts(text, most_rows, quoted=True, separator=separator)
    except OutOfBoundsError:
        if len(text) <= _LOOKED_THROUGH:
            _refuse_wide_line(text, separator, first_line)
        raise
    names = [name.strip().lower() for name in rows.columns]
    written = [cell.strip().strip('"').strip().lower() for cell in header.split(separator)]
    twice = next((name for name in written if name and written.count(name) > 1), None)
    if twice is not None:
        raise OutOfBoundsError(f"has the column {show(twice)} twice")
    if not any(name[:1].isalpha() for name in names):
        raise RefusedFileError(f"begins with {show(header)}, which names no columns", "put a line of names on top")
    rows.columns = names
    return Sheet(rows, separator, first_line, is_open=not text.endswith(_ENDS))
