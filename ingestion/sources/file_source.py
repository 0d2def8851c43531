"""Base of the sources that read files: naming what is wrong, rows of one asset, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import DATASETS
from ingestion.lake.spans import Span
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.bounded_csv import brief
from ingestion.sources.file_names import read_asset
from ingestion.sources.file_tables import FileTable, read_table
from ingestion.sources.reading import PLAIN, Place, Reading, RefusedFileError
from ingestion.sources.remarks import Remarks
from pairity.asset_spelling import usual_code
from pairity.bounded_files import refuse_leading_out
from pairity.bounded_numbers import OutOfBoundsError, show
from pairity.errors import DataError
from pairity.names import ASSET

_CORRECT = "correct, replace or leave out the file (see docs/files.md)"
State = tuple[Path, int, int, int]
"""What says that a file is still the same: its path, when its content and its entry were changed, its bytes."""


@dataclass
class FileSource(BlockingSource):
    """A source of files. `reading` says what they do not say themselves; `remarks` is what was left out of them."""

    reading: Reading = field(default=PLAIN, kw_only=True)
    remarks: Remarks = field(default_factory=Remarks, init=False, repr=False, compare=False)
    # One table at a time: several instruments may stand in one, and several datasets are asked of each.
    _last: tuple[State, FileTable] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def manner(self) -> str:
        """What `reading` says, as text."""
        own = self.reading
        return f"{own.time_zone} {own.time_format} {own.decimal}"

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Leave [since, until) whole: a file is read as a whole."""
        yield since, until

    def cut(self, dataset: str, asset: str, rows: pl.DataFrame, unit: Span) -> pl.DataFrame:
        """Return the rows of `unit`, sorted by time, rows that stand twice once; how many lie outside is a remark."""
        time = DATASETS[dataset].time
        once = rows.unique(maintain_order=True)
        inside = once.filter(pl.col(time).is_between(*unit, closed="left"))
        self.remarks.note_outside(asset, dataset, once.height - inside.height, *unit)
        return inside.sort(time, maintain_order=True)

    def table(self, path: Path) -> FileTable:
        """Return the table of a file, read again where the file has changed; errors as `read_table`."""
        state = find_state(path)
        if self._last is None or self._last[0] != state:
            self._last = None
            self._last = state, read_table(path, self.reading)
            if self._last[1].cut is not None:
                self.remarks.note("", "", f"{path} has {self._last[1].cut}")
        return self._last[1]


def find_state(path: Path) -> State:
    """Return the state of a file; OutOfBoundsError where there is none."""
    try:
        stat = path.stat()
    except OSError as error:
        raise OutOfBoundsError(f"cannot be opened: {error.strerror}") from None
    return path, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size


@contextmanager
def naming(path: Path, folder: Path | None = None) -> Iterator[None]:
    """Name the file in what is wrong with it: a DataError. Links that lead out of `folder` are wrong."""
    try:
        if folder is not None:
            refuse_leading_out(folder, path)
        yield
    except RefusedFileError as error:
        raise DataError(f"{path} {error.what}", error.remedy) from None
    except OutOfBoundsError as error:
        raise DataError(f"{path} {error.what}", _CORRECT) from None
    except DataError as error:
        raise DataError(f"{path}: {error.what}", error.remedy or _CORRECT) from None
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        OSError,
        ValueError,
        ArithmeticError,
        MemoryError,
    ) as error:
        raise DataError(f"{path} cannot be read: {type(error).__name__} {brief(error)}", _CORRECT) from None


def read_assets(cells: pl.Series, place: Place) -> pl.Series:
    """Return the asset of each cell, however it is spelt: btc, BTC-USDT, BTCUSDT and BTC-USDT-SWAP are BTC.

    RefusedFileError for a cell that is empty or no name of an asset.
    """
    assets = {}
    for written in cells.unique().to_list():
        assets[written] = _find_asset(written)
        if assets[written] is None:
            index = int((cells.eq_missing(pl.Series([written], dtype=pl.String))).arg_true()[0])
            value = "empty" if written is None else show(written)
            raise RefusedFileError(f"has {cells.name} of {place(index)} as {value}, which is no asset", ASSET.explain())
    return cells.replace_strict(list(assets), list(assets.values()), return_dtype=pl.String)


def _find_asset(written: str | None) -> str | None:
    try:
        found = None if written is None else read_asset(written, "")
    except DataError:
        return None
    plain = usual_code(written.upper()) if written is not None and written.isascii() else ""
    return found or (plain if ASSET.accepts(plain) else None)


def rows_of(table: FileTable, asset: str, *, is_named: bool) -> FileTable:
    """Return the rows of one asset; where the file's name says its asset (`is_named`), all rows must be that one's.

    RefusedFileError for a file that is named after an asset and has rows of another one.
    """
    if "asset" not in table.rows.columns:
        return table
    if not is_named:
        return table.only(read_assets(table.rows["asset"], table.place) == asset)
    cells = table.rows["asset"]
    spellings = cells.drop_nulls().unique().to_list()
    found = [_find_asset(written) for written in spellings]
    assets = cells.replace_strict(spellings, found, default=None, return_dtype=pl.String)
    # A venue may have a symbol of its own, such as tBTCUST, which says nothing against the file's name.
    own = cells.str.contains(asset.lower(), literal=True) & ~cells.str.contains("usdt", literal=True)
    table.refuse(
        (assets != asset) & ~own, f"of another asset than {asset}, which its name says", "asset", "rename or split it"
    )
    return table
