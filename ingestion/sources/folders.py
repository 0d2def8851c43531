"""Sources that are folders of recorded files: Parquet or CSV with one file per instrument or one for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import polars as pl

from ingestion.sources.file_columns import CANDLES, FUNDING, INTEREST, QUOTES, RECEIVED, TIME, TRADES, find_content
from ingestion.sources.file_names import iterate_files, require_sound_names
from ingestion.sources.file_rows import Note, find_step, read_bars, read_settlements
from ingestion.sources.file_source import FileSource, State, find_state, naming, read_assets, rows_of
from ingestion.sources.file_tables import FileTable, is_parquet, list_meanings, read_table
from ingestion.sources.file_ticks import build_trade_bars, read_interest, read_quotes, read_trades
from ingestion.sources.protocol import NotServedError, UnitAnswer
from ingestion.sources.reading import RefusedFileError
from ingestion.sources.recording_edges import without_partial_minutes
from pairity.errors import DataError
from pairity.names import ASSET
from pairity.number_formats import format_plain
from pairity.timeline import HOUR, MINUTE

_BAR_OF = {MINUTE: "candles_1m", HOUR: "candles_1h"}
_STEPS = {"1m": MINUTE, "1h": HOUR}
_STEP_IN_NAME = re.compile(r"(?:^|[-_])(1m|1h)(?:[-_.]|$)", re.IGNORECASE)
_SHEETS = (".csv", ".csv.gz")
_TRADE_BARS = "trade_bars_1m"
_DATASET_OF = {FUNDING: "funding", TRADES: _TRADE_BARS, QUOTES: "book_tops", INTEREST: "open_interest"}
_READERS: Mapping[str, Callable[[FileTable, Note], pl.DataFrame]] = MappingProxyType(
    {"funding": read_settlements, "book_tops": read_quotes, "open_interest": read_interest}
)


@dataclass
class RecordedFolder(FileSource):
    """Candles, funding, mark and index prices, trades, best quotes and open interest in files of `endings`.

    Sub-folders are looked into as well, each file for what its columns and the distance of its rows say that it holds;
    `docs/sources.md` has the columns. Candles in a folder whose name begins with `mark` or `index` are hourly prices of
    that kind. Where several files hold the same of an asset, the rows of all count.
    """

    endings: ClassVar[tuple[str, ...]] = ()
    folder: Path
    venue: str = "folder"
    name: str = field(default="", init=False)
    datasets: tuple[str, ...] = field(
        default=(*_BAR_OF.values(), "mark_1h", "index_1h", *_DATASET_OF.values()), init=False
    )
    _kinds: dict[State, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def root(self) -> Path:
        """The folder."""
        return self.folder

    def list_assets(self) -> tuple[str, ...]:
        """Return the assets of all files."""
        require_sound_names(self.folder, self.endings)
        found: set[str] = set()
        for asset, path in iterate_files(self.folder, self.endings, self.remarks):
            if asset is not None:
                found.add(asset)
            elif self._kind(path, asset) is not None:
                with naming(path, self.folder):
                    table = self.table(path)
                    found.update(read_assets(table.rows["asset"], table.place))
        return tuple(sorted(found))

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | UnitAnswer | None:
        """Return the rows of `dataset` in all files that hold some of the asset.

        None for an asset without any file that can be used; NotServedError where its files hold other datasets only.
        Beside a file that cannot be read, the rows of the others are given and prove nothing: it may hold more of them.
        DataError where that is all there is, and for trades: two files may have some of one minute.
        """
        ASSET.check(asset, "", DataError)
        own: list[tuple[Path, FileTable]] = []
        others = set()
        broken: list[DataError] = []
        for named, path in self._own(asset):
            try:
                kind, table = self._open(path, named, dataset, asset)
            except DataError as error:
                broken.append(error)
                continue
            if table is not None:
                own.append((path, table))
            elif named is not None and kind is not None:
                others.add(kind)
        if dataset == _TRADE_BARS:
            rows = None if broken or not own else self._bars_of_trades(asset, own)
        else:
            rows = self._rows(dataset, asset, own, broken)
        if rows is None and broken:
            raise _join(broken)
        if rows is not None:
            wanted = self.cut(dataset, asset, rows, (since, until))
            return UnitAnswer(wanted, proven=(), left_out=(str(_join(broken)),)) if broken else wanted
        if others:
            raise NotServedError(f"{self.name} has no {dataset} of it: its files hold {', '.join(sorted(others))} only")
        return None

    def files(self, dataset: str, asset: str) -> tuple[Path, ...]:
        """Return the files whose names say the asset or none: a change of any has them read again."""
        return tuple(path for _, path in self._own(asset))

    def _own(self, asset: str) -> list[tuple[str | None, Path]]:
        found = iterate_files(self.folder, self.endings, self.remarks)
        return [(named, path) for named, path in found if named in (asset, None)]

    def _open(self, path: Path, named: str | None, dataset: str, asset: str) -> tuple[str | None, FileTable | None]:
        """Return what a file holds, and its rows of the asset if that is `dataset`; None where it has none."""
        kind = self._kind(path, named)
        if kind != dataset:
            return kind, None
        with naming(path, self.folder):
            table = rows_of(self.table(path), asset, is_named=named is not None)
        return kind, None if named is None and table.rows.is_empty() else table

    def _rows(
        self, dataset: str, asset: str, own: Sequence[tuple[Path, FileTable]], broken: list[DataError]
    ) -> pl.DataFrame | None:
        """Return the rows of all files together, None without any; what cannot be read goes to `broken`."""
        frames = []
        for path, table in own:
            try:
                with naming(path):
                    reader, note = _READERS.get(dataset), self._note(asset, dataset, path)
                    frames.append(read_bars(table, dataset, note) if reader is None else reader(table, note))
            except DataError as error:
                broken.append(error)
        return pl.concat(frames) if frames else None

    def _bars_of_trades(self, asset: str, own: Sequence[tuple[Path, FileTable]]) -> pl.DataFrame:
        """Return the bars of all files together: one may end, and the next begin, within a minute.

        The minutes in which the recording itself begins and ends may lack trades: they make no bar, which is noted.
        """
        ticks = []
        for path, table in own:
            with naming(path):
                ticks.append(read_trades(table))
        where = own[0][0] if len(own) == 1 else self.folder
        with naming(where):
            note = self._note(asset, _TRADE_BARS, where)
            return without_partial_minutes(build_trade_bars(pl.concat(ticks), note), ticks, note)

    def _note(self, asset: str, dataset: str, path: Path) -> Note:
        return lambda what: self.remarks.note(asset, dataset, f"{path} has {what}")

    def _kind(self, path: Path, named: str | None) -> str | None:
        """Return the dataset of a file; None, with a remark, for one that holds none of them."""
        with naming(path, self.folder):
            state = find_state(path)
            if state not in self._kinds:
                self._kinds[state] = self._find_kind(path, named)
            return self._kinds[state]

    def _find_kind(self, path: Path, named: str | None) -> str | None:
        columns = list_meanings(path)
        content = find_content(columns)
        if content is None:
            self.remarks.note("", "", f"{path} is not read: its columns are those of no dataset")
            return None
        if named is None and "asset" not in columns:
            self.remarks.note("", "", f"{path} is not read: neither its name nor a column says an asset on USDT")
            return None
        if content != CANDLES:
            return _DATASET_OF[content]
        return self._find_bars(path)

    def _find_bars(self, path: Path) -> str | None:
        times = read_table(path, self.reading, (TIME,)) if is_parquet(path) else self.table(path)
        times.require((TIME,))
        if times.rows[TIME].null_count() == times.rows.height:
            raise RefusedFileError("has no times", "give the open time of every bar")
        step, hint = find_step(times.rows[TIME]), _find_hint(path)
        if hint is not None and (step is None or (step not in _BAR_OF and not step % hint)):
            step = hint
        if step is None:
            raise RefusedFileError(
                "has a single time: the length of its bars cannot be told", "put it in a folder named 1m or 1h"
            )
        folder = path.parent.name.lower()
        prices = next((kind for kind in ("mark", "index") if folder.startswith(kind)), None)
        dataset = _BAR_OF.get(step) if prices is None else f"{prices}_1h" if step == HOUR else None
        if dataset is None:
            self.remarks.note("", "", f"{path} is not read: its bars are {_say(step)} apart, which is no dataset here")
        return dataset


@dataclass
class ParquetFolder(RecordedFolder):
    """Parquet files: see `RecordedFolder`."""

    endings: ClassVar[tuple[str, ...]] = (".parquet",)
    name: str = field(default="parquet-folder", init=False)


@dataclass
class CsvFolder(RecordedFolder):
    """CSV files, also compressed with gzip: see `RecordedFolder`."""

    endings: ClassVar[tuple[str, ...]] = _SHEETS
    name: str = field(default="csv-folder", init=False)


@dataclass
class MinuteCsv(FileSource):
    """`SYMBOL.csv.gz` with origin_time, received_time, symbol, open, high, low, close, volume, trades.

    `known_at` is the bar's `received_time`, but never before its close.
    """

    folder: Path
    venue: str = "csv"
    name: str = field(default="minute-csv", init=False)
    datasets: tuple[str, ...] = field(default=("candles_1m",), init=False)

    @property
    def root(self) -> Path:
        """The folder."""
        return self.folder

    def list_assets(self) -> tuple[str, ...]:
        """Return the assets of the files in the folder."""
        require_sound_names(self.folder, _SHEETS)
        return tuple(sorted({asset for asset, _ in self._files() if asset is not None}))

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Return the rows of the asset's files in [since, until); None without such a file."""
        frames = []
        for own, path in self._files():
            if own != asset:
                continue
            with naming(path, self.folder):
                table = self.table(path)
                table.require((TIME, RECEIVED, "open", "high", "low", "close", "volume", "trade_count"))
                frames.append(read_bars(rows_of(table, asset, is_named=True), dataset, self._note(asset, path)))
        return self.cut(dataset, asset, pl.concat(frames), (since, until)) if frames else None

    def files(self, dataset: str, asset: str) -> tuple[Path, ...]:
        """Return the asset's files, whose change has them read again."""
        return tuple(path for named, path in self._files() if named == asset)

    def _note(self, asset: str, path: Path) -> Note:
        return lambda what: self.remarks.note(asset, self.datasets[0], f"{path} has {what}")

    def _files(self) -> list[tuple[str | None, Path]]:
        own = iterate_files(self.folder, _SHEETS, self.remarks)
        return [(asset, path) for asset, path in own if path.parent == self.folder]


def _find_hint(path: Path) -> timedelta | None:
    """Return the length of bars that the name of a file or of its folder says."""
    for name in (path.name, path.parent.name):
        if found := _STEP_IN_NAME.search(name):
            return _STEPS[found[1].lower()]
    return None


def _join(errors: Sequence[DataError]) -> DataError:
    """Return one error for all of them."""
    if len(errors) == 1:
        return errors[0]
    return DataError("; ".join(error.what for error in errors), errors[0].remedy)


def _say(step: timedelta) -> str:
    return f"{format_plain(step.total_seconds() / 60)} minutes"
