"""One file of a folder as a table: columns by what they mean, instants, numbers, and where each row stood."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ingestion.sources.bounded_archives import gunzip
from ingestion.sources.cut_lines import without_cut_line
from ingestion.sources.file_columns import IDS, RECEIVED, TEXTS, TIME, find_columns
from ingestion.sources.file_times import read_instants
from ingestion.sources.reading import Place, Reading, RefusedFileError, call_row, count_of, find_first
from ingestion.sources.sheets import read_sheet
from ingestion.sources.written_numbers import read_written_numbers
from pairity.bounded_files import read_file
from pairity.bounded_json import MIB
from pairity.bounded_numbers import show
from pairity.bounded_parquet import read_names, read_numbers

_ROW = "row"
_SIZE, _EXPANDED, _ROWS = 256 * MIB, 1024 * MIB, 10_000_000
"""Nineteen years of minutes."""
_WHOLE = r"^[0-9]{1,18}$"


@dataclass(frozen=True, slots=True)
class FileTable:
    """Rows of a file, in its order, without those that are empty altogether.

    Columns by the names of `file_columns`: `time` and `received` are instants, ids Int64, `side`, `buyer_is_maker` and
    `asset` text in small letters without blanks around it, all others float64. `row` has the place of a row in the
    file, from 0. `cut` says what is wrong with a last line that was not taken (`cut_lines`).
    """

    rows: pl.DataFrame
    name_row: Place
    cut: str | None = None

    def place(self, index: int) -> str:
        """Return where the row of an index stood: its line, or its row."""
        return self.name_row(int(self.rows[_ROW][index]))

    def require(self, names: Collection[str]) -> None:
        """Raise RefusedFileError unless the table has all these columns."""
        missing = [name for name in names if name not in self.rows.columns]
        if missing:
            own = ", ".join(name for name in self.rows.columns if name != _ROW)
            raise RefusedFileError(
                f"lacks the columns {', '.join(missing)}; it has {own or 'none that is read here'}",
                "see docs/files.md for the names of columns",
            )

    def refuse(self, wrong: pl.Series, what: str, column: str, remedy: str) -> None:
        """Raise RefusedFileError where a row is wrong: how many are `what`, and the value of `column` in the first."""
        first = find_first(wrong)
        if first is not None:
            count = count_of(int(wrong.fill_null(value=False).sum()))
            raise RefusedFileError(
                f"has {count} {what}: {column} of {self.place(first)} is {show(str(self.rows[column][first]))}", remedy
            )

    def only(self, kept: pl.Series) -> FileTable:
        """Return the table of some rows; a null counts as no."""
        return FileTable(self.rows.filter(kept), self.name_row, self.cut)


def is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet by its name."""
    return path.name.lower().endswith(".parquet")


def list_meanings(path: Path) -> dict[str, str]:
    """Return the columns of a Parquet or CSV file by their meanings; errors as `read_table`."""
    if is_parquet(path):
        return find_columns(read_names(path))
    # The header is the first line, or the second behind `sep=;`.
    head = b"\n".join(_text(path).split(b"\n", 2)[:2])
    return find_columns(read_sheet(head, _ROWS).rows.columns)


def read_table(path: Path, reading: Reading, wanted: Sequence[str] | None = None) -> FileTable:
    """Return the columns of `wanted` meanings (None: all) of a Parquet or CSV file.

    OutOfBoundsError for a file beyond its limits or no such file at all, and for every value that cannot be read.
    """
    if is_parquet(path):
        columns = _chosen(find_columns(read_names(path)), wanted)
        texts = [written for meaning, written in columns.items() if meaning in (TIME, *TEXTS, *IDS)]
        raw = read_numbers(path, [written for written in columns.values() if written not in texts], texts=texts)
        return _typed(raw, columns, call_row, reading)
    sheet = read_sheet(_text(path), _ROWS)
    columns = _chosen(find_columns(sheet.rows.columns), wanted)
    whole, cut = without_cut_line(sheet, {written: meaning for meaning, written in columns.items()})
    # A line without any cell is none, whatever spreadsheets put at the end of a file.
    numbered = whole.with_row_index(_ROW).filter(
        ~pl.all_horizontal(pl.col(name).str.strip_chars().fill_null("") == "" for name in whole.columns)
    )
    places = numbered[_ROW]
    table = _typed(numbered, columns, lambda index: sheet.place(int(places[index])), reading, sheet.separator)
    return FileTable(table.rows.with_columns(places.alias(_ROW)), sheet.place, cut)


def _text(path: Path) -> bytes:
    content = read_file(path, _SIZE)
    return gunzip(content, _EXPANDED) if path.name.lower().endswith(".gz") else content


def _chosen(columns: Mapping[str, str], wanted: Sequence[str] | None) -> dict[str, str]:
    return {name: written for name, written in columns.items() if wanted is None or name in wanted}


def _typed(
    raw: pl.DataFrame, columns: Mapping[str, str], place: Place, reading: Reading, separator: str | None = None
) -> FileTable:
    """Return the table of raw columns; those of a sheet (`separator` is given) are texts."""
    own = {meaning: raw[written].alias(written) for meaning, written in columns.items()}
    typed: dict[str, pl.Series] = {}
    written_numbers = []
    for meaning, column in own.items():
        if meaning in (TIME, RECEIVED):
            typed[meaning] = read_instants(_no_dash(column), reading, place)
        elif meaning in IDS:
            typed[meaning] = _ids(column, place)
        elif meaning in TEXTS:
            typed[meaning] = column.cast(pl.String).str.strip_chars().str.to_lowercase()
        elif separator is not None:
            written_numbers.append(column)
        else:
            typed[meaning] = _numbers(column)
    if written_numbers:
        assert separator is not None
        read = read_written_numbers(written_numbers, reading, place, separator=separator)
        typed |= {meaning: read[written] for meaning, written in columns.items() if written in read}
    numbers = pl.int_range(raw.height, dtype=pl.UInt32, eager=True).alias(_ROW)
    return FileTable(pl.DataFrame([numbers, *(typed[meaning].alias(meaning) for meaning in columns)]), place)


def _no_dash(column: pl.Series) -> pl.Series:
    if column.dtype != pl.String:
        return column
    bare = column.str.strip_chars()
    return pl.select(pl.when(~bare.is_in(["", "-"])).then(bare)).to_series().alias(column.name)


def _ids(column: pl.Series, place: Place) -> pl.Series:
    if column.dtype == pl.String:
        bare = column.str.strip_chars()
        numbers = bare.cast(pl.Int64, strict=False)
        wrong = find_first(~bare.str.contains(_WHOLE).fill_null(value=False))
    elif column.dtype.is_integer():
        numbers, wrong = column.cast(pl.Int64, strict=False), None
        wrong = find_first(numbers.is_null())
    else:
        raise RefusedFileError(
            f"has {column.name} as {column.dtype}, which holds no whole ids", "write ids as integers"
        )
    if wrong is not None:
        raise RefusedFileError(
            f"has {column.name} of {place(wrong)} as {show(str(column[wrong]))}, which is no id",
            "write ids as whole numbers",
        )
    return numbers


def _numbers(column: pl.Series) -> pl.Series:
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        raise RefusedFileError(f"has {column.name} as {column.dtype}, which is no number", "write it as float64")
    return column.cast(pl.Float64)
