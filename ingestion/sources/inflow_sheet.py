"""Daily inflow of coins to exchanges from a sheet that somebody keeps: `date`, `asset`, `inflow`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.knowledge_time import closed_known_at, recorded_known_at
from feature_repo.raw_datasets import DATASETS
from ingestion.sources.cut_lines import without_cut_line
from ingestion.sources.file_columns import TIME
from ingestion.sources.file_days import read_days
from ingestion.sources.file_source import FileSource, naming, read_assets
from ingestion.sources.protocol import NotServedError
from ingestion.sources.reading import Place, RefusedFileError, count_of, find_first
from ingestion.sources.sheets import Sheet, read_sheet
from ingestion.sources.written_numbers import read_written_numbers
from pairity.bounded_files import read_file
from pairity.bounded_json import MIB
from pairity.bounded_numbers import show
from pairity.errors import ConfigError

_KIND = DATASETS["inflow"]
_SIZE, _ROWS = 64 * MIB, 1_000_000
_COLUMNS = ("date", "asset", "inflow")
_MEANINGS = {"date": TIME, "asset": "asset", "inflow": "inflow"}
_ENDED = "ended"


@dataclass
class InflowCsv(FileSource):
    """A CSV with `date` (a day), `asset` and `inflow` (coins, not negative).

    A day without an offset is one of `reading.time_zone`, by default of UTC; one with an offset ends in that offset.
    It is known when it is over there, and not before the day of that name is over in UTC.
    """

    file: Path
    venue: str = "okx"
    name: str = field(default="inflow-csv", init=False)
    datasets: tuple[str, ...] = field(default=("inflow",), init=False)

    @property
    def root(self) -> Path:
        """The file."""
        return self.file

    def list_assets(self) -> tuple[str, ...]:
        """Return the assets of the file."""
        return tuple(sorted(self._days()["asset"].unique()))

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Return the days of [since, until) in coins; NotServedError for a coin that the file does not have.

        None where it has no day of any coin.
        """
        known = self._days()
        days = known.filter(pl.col("asset") == asset)
        if days.is_empty() and not known.is_empty():
            raise NotServedError(f"{self.file} has no line of it")
        return None if days.is_empty() else self.cut(dataset, asset, _KIND.conform(days), (since, until))

    def files(self, dataset: str, asset: str) -> tuple[Path, ...]:
        """Return the file, whose change has it read again."""
        return (self.file,) if self.file.is_file() else ()

    def _days(self) -> pl.DataFrame:
        """Return the rows of all assets: `asset` and the dataset's columns."""
        if not self.file.is_file():
            raise ConfigError(f"no file {str(self.file)!r}", "give --folder the CSV with date, asset, inflow")
        with naming(self.file):
            return self._read(read_sheet(read_file(self.file, _SIZE), _ROWS))

    def _read(self, sheet: Sheet) -> pl.DataFrame:
        missing = [name for name in _COLUMNS if name not in sheet.rows.columns]
        if missing:
            own = ", ".join(show(name) for name in sheet.rows.columns[:10])
            raise RefusedFileError(
                f"lacks the columns {', '.join(missing)}; it has {own}", "name them date, asset and inflow"
            )
        whole, cut = without_cut_line(sheet, _MEANINGS)
        if cut is not None:
            self.remarks.note("", "inflow", f"{self.file} has {cut}")
        cells = whole.select(pl.col(name).str.strip_chars() for name in _COLUMNS).with_row_index("line")
        cells = cells.filter(~pl.all_horizontal(pl.col(name).fill_null("") == "" for name in _COLUMNS))
        lines = cells["line"]

        def place(row: int) -> str:
            return sheet.place(int(lines[row]))

        inflow = read_written_numbers([cells["inflow"]], self.reading, place, separator=sheet.separator)["inflow"]
        negative = find_first(inflow < 0)
        if negative is not None:
            raise RefusedFileError(
                f"has {count_of(int((inflow < 0).sum() or 0))} with a negative inflow: inflow of {place(negative)} is "
                f"{show(cells['inflow'][negative])}",
                "give what flowed in alone, not the net flow",
            )
        days = read_days(cells["date"], self.reading, place)
        rows = pl.DataFrame({"asset": read_assets(cells["asset"], place), "inflow": inflow}).hstack(
            days.rename({"day": _KIND.time, "end": _ENDED})
        )
        _refuse_double_days(rows, place)
        open_days = rows[_ENDED] > self.reading.now()
        first = find_first(open_days)
        if first is not None:
            what = f"{count_of(int(open_days.sum()), 'day')} not over yet, the first in {place(first)}"
            self.remarks.note("", "inflow", f"{self.file} has {what}")
        holes = rows["inflow"].is_null()
        first = find_first(holes)
        if first is not None:
            self.remarks.note(
                "",
                "inflow",
                f"{self.file} has {count_of(int(holes.sum()))} without inflow, the first in {place(first)}",
            )
        whole = rows.filter(~holes & ~open_days).with_columns(closed_known_at(pl.col(_ENDED)).alias(_ENDED))
        return whole.with_columns(recorded_known_at(_KIND, _ENDED))


def _refuse_double_days(rows: pl.DataFrame, place: Place) -> None:
    """Refuse a day of a coin that is there twice with different ends: neither is a later version of the other."""
    day, numbered = _KIND.time, rows.with_row_index("row")
    twice = numbered.filter(pl.col(_ENDED).n_unique().over("asset", day) > 1)
    if twice.is_empty():
        return
    first = twice.row(0, named=True)
    other = twice.filter(pl.col("asset") == first["asset"], pl.col(day) == first[day], pl.col(_ENDED) != first[_ENDED])
    raise RefusedFileError(
        f"has two days of {first[day]:%Y-%m-%d} of {first['asset']} that end at different times, in "
        f"{place(first['row'])} and {place(other['row'][0])}",
        "leave one of them out: a day of a coin stands once",
    )
