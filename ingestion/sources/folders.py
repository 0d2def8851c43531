"""Sources that are folders: minute bars as CSV in the Crypto Lake layout; candles, funding or trades as Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from feature_repo.knowledge_time import history_known_at, recorded_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT
from ingestion.lake.spans import Span
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.bounded_archives import gunzip
from ingestion.sources.bounded_csv import brief, read_texts
from ingestion.sources.parquet_trades import TRADE_COLUMNS, read_trade_minutes
from pairity.bounded_files import read_file, refuse_leading_out
from pairity.bounded_json import MIB
from pairity.bounded_numbers import OutOfBoundsError
from pairity.bounded_parquet import read_names, read_numbers
from pairity.errors import ConfigError, DataError
from pairity.names import ASSET, show
from pairity.timeline import HOUR, MINUTE, to_ms

_CSV = ".csv.gz"
_QUOTES = ("-USDT-SWAP", "-USDT-PERP", "-USDT", "_USDT", "USDT")
_OPTIONAL = ("quote_volume", "trades", "taker_buy_volume")
_FIRST_MS, _LAST_MS = (to_ms(datetime(year, 1, 1, tzinfo=UTC)) for year in (2009, 2100))
_CSV_SIZE, _CSV_EXPANDED, _CSV_ROWS = 256 * MIB, 1024 * MIB, 10_000_000
"""Nineteen years of minutes."""
_BAR_OF = {MINUTE: "candles_1m", HOUR: "candles_1h"}


@dataclass
class MinuteCsv(BlockingSource):
    """`SYMBOL.csv.gz` with origin_time, received_time, symbol, open, high, low, close, volume, trades.

    `known_at` is the bar's `received_time`, but never before its close.
    """

    folder: Path
    venue: str = "csv"
    name: str = field(default="minute-csv", init=False)
    datasets: tuple[str, ...] = field(default=("candles_1m",), init=False)

    def list_assets(self) -> tuple[str, ...]:
        """Return the assets of the files in the folder."""
        return tuple(sorted(_files(self.folder, _CSV)))

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Leave [since, until) whole: a file is read as a whole."""
        yield since, until

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Return the rows of the asset's file in [since, until); None without such a file."""
        path = _files(self.folder, _CSV).get(asset)
        if path is None:
            return None
        with _named(path, self.folder):
            text = gunzip(read_file(path, _CSV_SIZE), _CSV_EXPANDED)
            rows = read_texts(text, _CSV_ROWS, quoted=True)
            _require(rows, ("origin_time", "received_time", "open", "high", "low", "close", "volume", "trades"))
            return self._candles(dataset, rows, since, until)

    def _candles(self, dataset: str, rows: pl.DataFrame, since: datetime, until: datetime) -> pl.DataFrame:
        kind = DATASETS[dataset]
        candles = rows.select(
            _instant("origin_time").alias("open_time"),
            *_numbers(("open", "high", "low", "close", "volume")),
            pl.col("trades").cast(pl.Float64, strict=False).alias("trade_count"),
            _instant("received_time").alias("received_time"),
        ).with_columns(recorded_known_at(kind, "received_time"))
        return _conformed(dataset, candles, since, until)


@dataclass
class ParquetFolder(BlockingSource):
    """`<SYMBOL>-USDT.parquet`: `ts` (ms, bar open or settlement), prices and `volume` (base), or `funding_rate`.

    Candles may also have quote_volume, trades and taker_buy_volume. Files of trades (see `parquet_trades`) become
    minutes. Sub-folders (`1h`, `1m_…`, `funding`) are looked into as well, each for what its files hold; where two hold
    the same, the rows of both count.
    """

    folder: Path
    venue: str = "folder"
    name: str = field(default="parquet-folder", init=False)
    datasets: tuple[str, ...] = field(default=("candles_1m", "candles_1h", "funding", "trade_bars_1m"), init=False)
    _kinds: dict[Path, str | None] = field(default_factory=dict, init=False)

    def list_assets(self) -> tuple[str, ...]:
        """Return the assets of all files."""
        return tuple(sorted({asset for folder in self._folders() for asset in _files(folder, ".parquet")}))

    def list_held(self) -> tuple[str, ...]:
        """Return the datasets that at least one file holds, in the order of `datasets`."""
        kinds = {self._kind(path) for folder in self._folders() for path in _files(folder, ".parquet").values()}
        return tuple(name for name in self.datasets if name in kinds)

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Return the rows of the asset's files that hold `dataset`; None without such a file."""
        paths = [path for folder in self._folders() if (path := _files(folder, ".parquet").get(asset))]
        own = [path for path in paths if self._kind(path) == dataset]
        if not own:
            return None
        frames = [self._rows(dataset, path, since, until) for path in own]
        return pl.concat(frames).unique(maintain_order=True).sort(DATASETS[dataset].time)

    def _rows(self, dataset: str, path: Path, since: datetime, until: datetime) -> pl.DataFrame:
        kind = DATASETS[dataset]
        if dataset == "trade_bars_1m":
            with _named(path, self.folder):
                return read_trade_minutes(path, since, until)
        needed = ("ts", "funding_rate") if dataset == "funding" else ("ts", "open", "high", "low", "close", "volume")
        with _named(path, self.folder):
            rows = read_numbers(path, (*needed, *_OPTIONAL))
            _require(rows, needed)
            _require_milliseconds(rows)
            time = pl.col("ts").cast(pl.Datetime("ms", "UTC")).cast(INSTANT).alias(kind.time)
            given = {"quote_volume": "volume_quote", "trades": "trade_count"}
            renamed = rows.rename({old: new for old, new in given.items() if old in rows.columns}).with_columns(time)
            return _conformed(dataset, renamed.with_columns(history_known_at(kind)), since, until)

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            raise ConfigError(f"no folder {str(self.folder)!r}", "give --folder the folder that holds the files")
        return [self.folder, *sorted(path for path in self.folder.iterdir() if path.is_dir())]

    def _kind(self, path: Path) -> str | None:
        """Return the dataset of a file, judged by its columns and the distance of its rows; None for mark candles."""
        if path not in self._kinds:
            with _named(path, self.folder):
                self._kinds[path] = _find_kind(path)
        return self._kinds[path]


def _files(folder: Path, suffix: str) -> dict[str, Path]:
    """Return the file of each asset. ConfigError where there is no such folder, DataError for a name that is none."""
    if not folder.is_dir():
        raise ConfigError(f"no folder {str(folder)!r}", "give --folder the folder that holds the files")
    by_asset: dict[str, Path] = {}
    for path in sorted(folder.glob(f"*{suffix}")):
        written = path.name.removesuffix(suffix)
        symbol = written.upper()
        quote = next((quote for quote in _QUOTES if symbol.endswith(quote)), None)
        if quote is not None:
            # Some letters of other scripts are Latin ones in capitals, and would be another asset's name.
            base = symbol.removesuffix(quote) if written.isascii() else written
            asset = ASSET.check(base, f"file {show(path.name)} of {folder}", DataError)
            by_asset.setdefault(asset, path)
    return by_asset


def _find_kind(path: Path) -> str | None:
    names = read_names(path)
    if path.parent.name.startswith("mark"):
        return None
    if "funding_rate" in names:
        return "funding"
    if set(names) >= TRADE_COLUMNS:
        return "trade_bars_1m"
    first = read_numbers(path, ("ts",)).head(1000)
    _require(first, ("ts",))
    _require_milliseconds(first)
    steps = first["ts"].cast(pl.Int64).diff().min()
    return _BAR_OF.get(timedelta(milliseconds=steps)) if isinstance(steps, int) else None


@contextmanager
def _named(path: Path, folder: Path) -> Iterator[None]:
    """Name the file in what is wrong with it; links that lead out of `folder` are wrong."""
    try:
        refuse_leading_out(folder, path)
        yield
    except OutOfBoundsError as error:
        raise DataError(
            f"{path} {error.what}", "correct, replace or leave out the file (see docs/sources.md)"
        ) from None
    except DataError as error:
        raise DataError(f"{path}: {error.what}", error.remedy or "correct or leave out the file") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read: {brief(error)}", "correct, replace or leave out the file") from None


def _require(rows: pl.DataFrame, needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in rows.columns]
    if missing:
        raise OutOfBoundsError(f"lacks the columns {', '.join(missing)}; it has {brief(rows.columns)}")


def _require_milliseconds(rows: pl.DataFrame) -> None:
    """Refuse other units and instants that no calendar has: they would overflow what is computed from them."""
    strange = rows.filter(pl.col("ts").is_between(_FIRST_MS, _LAST_MS).not_())
    if strange.height:
        raise OutOfBoundsError(f"has {strange.height} rows whose ts is no Unix time in ms: {strange['ts'][0]}")


def _conformed(dataset: str, rows: pl.DataFrame, since: datetime, until: datetime) -> pl.DataFrame:
    kind = DATASETS[dataset]
    wanted = rows.filter(pl.col(kind.time).is_between(since, until, closed="left") | pl.col(kind.time).is_null())
    return kind.conform(wanted).sort(kind.time, maintain_order=True)


def _numbers(names: tuple[str, ...]) -> list[pl.Expr]:
    return [pl.col(name).cast(pl.Float64, strict=False) for name in names]


def _instant(name: str) -> pl.Expr:
    """Parse text: ISO time (UTC where it names no zone) or nanoseconds since 1970."""
    number = pl.col(name).cast(pl.Int64, strict=False)
    text = pl.col(name).str.replace("Z$", "").str.replace(" ", "T")
    parsed = text.str.to_datetime(time_unit="us", strict=False).dt.replace_time_zone("UTC")
    return pl.when(number.is_not_null()).then((number // 1000).cast(INSTANT)).otherwise(parsed)
