"""Statistics of each hour from its minutes, and sums over the rows of each key.

Both add in the order of the rows. Polars' own group sums may add in another order when the data lies elsewhere in
memory, or when more threads work on it, and then differ in the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.transforms.hour_kernels import STATISTICS, hour_statistics
from feature_repo.transforms.run_kernels import sum_runs
from pairity.timeline import HOUR, MINUTE

EVENT = "event_timestamp"
_ROLL_ROUNDING = 1e-10
"""A covariance whose root lies below this share of the price is rounding: no venue quotes so finely."""
_MICROSECONDS = MINUTE // timedelta(microseconds=1)
_INSTANT = pl.Datetime("us", "UTC")


def summarise_hours(minutes: pl.LazyFrame) -> pl.LazyFrame:
    """Return asset, event_timestamp (the hour's close), `STATISTICS`, minutes_observed and known_at per hour.

    `minutes`: rows of `candles_1m`, one per asset and minute, in any order. An hour without minutes has no row; a
    statistic that is not defined is null. `known_at` is when the last of the minutes became known. Sorted by asset and
    time. Formulas and units: the catalogue.
    """
    schema = {
        "asset": pl.String(),
        EVENT: pl.Datetime("us", "UTC"),
        **dict.fromkeys(STATISTICS, pl.Float64()),
        "minutes_observed": pl.Int64(),
        "known_at": pl.Datetime("us", "UTC"),
    }
    given = ("asset", "open_time", "open", "high", "low", "close", "volume", "volume_quote", "known_at")
    taker = pl.col("taker_buy_volume") if "taker_buy_volume" in minutes.collect_schema() else pl.lit(np.nan)
    needed = minutes.select(*given, taker.alias("taker_buy_volume"))
    return needed.map_batches(
        _hours, schema=pl.Schema(schema), predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False
    )


def sum_by_key(rows: pl.LazyFrame, keys: Sequence[str], columns: Sequence[str]) -> pl.LazyFrame:
    """Return `keys`, each of `columns` (float64) summed over the rows of a key, and known_at.

    `rows` are sorted by `keys`; sums run in their order and leave nulls out (a key with nulls only sums to 0).
    `known_at` is when the last row of the key became known.
    """

    def add(frame: pl.DataFrame) -> pl.DataFrame:
        begins = np.flatnonzero(_changes(frame.select(pl.struct(keys).alias("key"))["key"]))
        starts = np.append(begins, frame.height)
        sums = {name: sum_runs(frame[name].fill_null(np.nan).to_numpy(), starts) for name in columns}
        known = frame["known_at"].to_physical().to_numpy()
        latest = np.maximum.reduceat(known, begins) if len(begins) else known
        return frame.select(keys)[begins].with_columns(
            **{name: pl.Series(values, dtype=pl.Float64) for name, values in sums.items()},
            known_at=pl.Series(latest, dtype=pl.Int64).cast(_INSTANT),
        )

    types = rows.collect_schema()
    schema = pl.Schema(
        {name: types[name] for name in keys} | dict.fromkeys(columns, pl.Float64()) | {"known_at": _INSTANT}
    )
    return rows.map_batches(
        add, schema=schema, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False
    )


def _hours(minutes: pl.DataFrame) -> pl.DataFrame:
    """Compute `summarise_hours` on a frame, sorting it first where it is not in order."""
    if not _in_order(minutes):
        minutes = minutes.sort("asset", "open_time")
    minute = minutes["open_time"].to_physical().to_numpy() // _MICROSECONDS
    new_asset = _changes(minutes["asset"])
    begins = np.flatnonzero(new_asset | np.concatenate([[True], np.diff(minute // 60) != 0])[: len(minute)])
    starts = np.append(begins, len(minute))
    prices = np.stack([minutes[name].to_numpy() for name in ("open", "high", "low", "close")])
    given = [minutes[name].fill_null(np.nan).to_numpy() for name in ("volume", "volume_quote", "taker_buy_volume")]
    statistics = hour_statistics(starts, minute, new_asset, prices, np.stack(given), _ROLL_ROUNDING)
    known = minutes["known_at"].to_physical().to_numpy()
    latest = np.maximum.reduceat(known, begins) if len(begins) else known
    columns = {name: pl.Series(values).fill_nan(None) for name, values in zip(STATISTICS, statistics.T, strict=True)}
    return minutes.select("asset", "open_time")[begins].select(
        "asset",
        (pl.col("open_time").dt.truncate("1h") + HOUR).alias(EVENT),
        **columns,
        minutes_observed=pl.Series(np.diff(starts), dtype=pl.Int64),
        known_at=pl.Series(latest, dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
    )


def _in_order(minutes: pl.DataFrame) -> bool:
    runs = minutes["asset"].rle().struct.field("value")
    later = np.diff(minutes["open_time"].to_physical().to_numpy()) > 0
    return runs.is_sorted() and runs.is_unique().all() and bool((later | _changes(minutes["asset"])[1:]).all())


def _changes(values: pl.Series) -> NDArray[np.bool_]:
    """Return True on the first row of each run of equal values."""
    marks = np.zeros(len(values), dtype=bool)
    lengths = values.rle().struct.field("len").to_numpy().astype(np.int64)
    marks[np.cumsum(lengths) - lengths] = True
    return marks
