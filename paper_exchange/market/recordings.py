"""Reading of a folder of recorded candles, mark candles and funding (one Parquet file per instrument).

Files are `<SYMBOL>-USDT.parquet` with `ts` (int64, ms UTC, bar open or settlement time), candles with `open high low
close volume` (volume in base units) and perhaps `quote_volume`, funding with `funding_rate`. A folder holds such files
itself, or has one sub-folder per bar size (`1m_*`, `5m_*`, `1h`), and beside them `mark_1h` and `funding`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from pairity.bounded_files import refuse_leading_out
from pairity.bounded_numbers import OutOfBoundsError
from pairity.bounded_parquet import read_names, read_numbers
from pairity.errors import ConfigError, LakeCorruptError, MissingDataError
from pairity.names import ASSET, show
from paper_exchange.market.bar_arrays import BarArrays, Floats, Instants, make_bar_arrays

_SUFFIX = "-USDT.parquet"
_SET_NAME = re.compile(r"(mark_)?([1-9][0-9]{0,3})([mh])(?:_.*)?")
_CANDLE_COLUMNS = ("ts", "open", "high", "low", "close", "volume")
_FUNDING_COLUMNS = ("ts", "funding_rate")
_UNIT_MS = {"m": 60_000, "h": 3_600_000}
_PLAUSIBLE_MS = (1_230_768_000_000, 4_102_444_800_000)  # 2009 to 2100: catches seconds, microseconds, nanoseconds


class CandleSet(NamedTuple):
    """A folder of candle files of one bar size, by asset."""

    folder: Path
    bar_ms: int
    files: Mapping[str, Path]


class Recording(NamedTuple):
    """What a folder offers: sets of candles (finest first), of mark candles, and funding files by asset."""

    candles: tuple[CandleSet, ...]
    marks: tuple[CandleSet, ...]
    funding: Mapping[str, Path]


def survey(folder: Path) -> Recording:
    """Return what `folder` offers; ConfigError where it does not exist, MissingDataError where it holds no candles."""
    if not folder.is_dir():
        raise ConfigError(f"no folder {str(folder)!r}", "give --data a folder of recorded Parquet files")
    own = _list_files(folder, folder)
    if own:
        candles: tuple[CandleSet, ...] = (CandleSet(folder, _find_bar_ms(next(iter(own.values()))), own),)
        beside = folder.parent
    else:
        candles, beside = _list_sets(folder, mark=False), folder
    if not candles:
        raise MissingDataError(
            f"no candles in {str(folder)!r}: neither files *{_SUFFIX} nor folders such as 1m_20250318 or 1h",
            "give --data a folder that holds them",
        )
    return Recording(candles, _list_sets(beside, mark=True), _list_files(beside / "funding", beside))


def read_candles(path: Path) -> BarArrays:
    """Return the candles of one file, ascending; LakeCorruptError where they cannot be used as they are."""
    table = _read_table(path, _CANDLE_COLUMNS)
    prices = (
        _read_floats(table, "open"),
        _read_floats(table, "high"),
        _read_floats(table, "low"),
        _read_floats(table, "close"),
    )
    if not all(np.isfinite(price).all() and (price > 0).all() for price in prices):
        raise LakeCorruptError(f"{path}: prices that are missing, not finite or not above 0", "leave the file out")
    # A candle without volume was not traded; a missing price would be invented.
    volume = np.nan_to_num(_read_floats(table, "volume"), nan=0.0)
    quote = _read_floats(table, "quote_volume") if "quote_volume" in table.columns else None
    return make_bar_arrays(table["ts"].to_numpy(), prices, volume, quote)


def read_funding(path: Path) -> tuple[Instants, Floats]:
    """Return settlement times (ms) and rates of one file, ascending; rows without a rate are left out."""
    table = _read_table(path, _FUNDING_COLUMNS).drop_nulls("funding_rate")
    return table["ts"].to_numpy(), _read_floats(table, "funding_rate")


def read_span(path: Path) -> tuple[int, int]:
    """Return the open times (ms) of the first and the last candle of a file."""
    ts = _read_table(path, _CANDLE_COLUMNS)["ts"]
    return int(ts[0]), int(ts[-1])


def count_decimals(prices: Floats, at_most: int = 10) -> int:
    """Return the fewest decimals that write every price exactly (up to float noise), at most `at_most`.

    >>> count_decimals(np.array([81607.9, 81537.65]))
    2
    """
    for decimals in range(at_most):
        if np.allclose(np.round(prices, decimals), prices, rtol=1e-12, atol=0):
            return decimals
    return at_most


def _list_sets(folder: Path, *, mark: bool) -> tuple[CandleSet, ...]:
    sets = []
    for child in sorted(folder.iterdir()):
        match = _SET_NAME.fullmatch(child.name)
        if child.is_dir() and match and bool(match[1]) == mark and (files := _list_files(child, folder)):
            sets.append(CandleSet(child, int(match[2]) * _UNIT_MS[match[3]], files))
    return tuple(sorted(sets, key=lambda candle_set: candle_set.bar_ms))


def _list_files(folder: Path, root: Path) -> dict[str, Path]:
    """Return the file of each asset.

    LakeCorruptError for a file name that is none, and for a link that leads out of `root`.
    """
    by_asset = {}
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with _named(path):
            refuse_leading_out(root, path)
        name = path.name.removesuffix(_SUFFIX)
        by_asset[ASSET.check(name, f"file {show(path.name)} of {folder}", LakeCorruptError)] = path
    return by_asset


def _find_bar_ms(path: Path) -> int:
    """Return the bar size of a file in milliseconds: the most frequent distance of its rows."""
    steps = _read_table(path, _CANDLE_COLUMNS)["ts"].diff().drop_nulls()
    if steps.is_empty():
        raise MissingDataError(f"{path}: one row does not tell the size of its bars", "record at least two bars")
    return int(steps.mode().sort()[0])


def _read_table(path: Path, required: tuple[str, ...]) -> pl.DataFrame:
    with _named(path):
        table = read_numbers(path, (*required, "quote_volume"))
        missing = [name for name in required if name not in table.columns]
        names = read_names(path) if missing else ()
    if missing:
        raise MissingDataError(
            f"{path}: no column {', '.join(missing)}; found {', '.join(names)}",
            f"files under --data need the columns {', '.join(required)}",
        )
    if table.is_empty():
        raise MissingDataError(f"{path} has no rows", "remove the file or record it again")
    if table["ts"].dtype != pl.Int64 or not table["ts"].is_between(*_PLAUSIBLE_MS).all():
        raise LakeCorruptError(f"{path}: `ts` is not Unix time in milliseconds (int64)", "convert it")
    return table.unique("ts", keep="last").sort("ts")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in what is wrong with it."""
    try:
        yield
    except FileNotFoundError:
        raise MissingDataError(f"{path} is gone", "record it again") from None
    except OutOfBoundsError as error:
        raise LakeCorruptError(f"{path} {error.what}", "record it again or remove it") from None


def _read_floats(table: pl.DataFrame, name: str) -> Floats:
    return table[name].cast(pl.Float64).to_numpy()
