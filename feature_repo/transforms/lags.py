"""Lagged logarithmic returns, for bars of any size (docs/formulas.md, Lagged returns)."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog.lags import ASSET_LAGS, LAGS
from feature_repo.transforms.grid import EVENT, only_after
from pairity.timeline import HOUR

REACH = (LAGS + 2) * HOUR
"""How long before an hour its values may reach back."""


def compute_lagged_returns(bars: pl.LazyFrame, *, every: timedelta, horizon_bars: int, lags: int) -> pl.LazyFrame:
    """Return `bars` (asset, event_timestamp, close, …) with log_return and log_return_lag_1 … `lags`.

    log_return = ln close − ln close `horizon_bars` before. A lag of one is one bar of size `every`, not one row: it is
    looked up by time, and is null where that bar does not exist. Everything is known at the bar's close. Sorted by
    asset and time; no row is added.
    """
    closes = bars.select("asset", EVENT, pl.col("close").alias("__before"))
    with_return = (
        bars.join(_later(closes, every * horizon_bars), on=["asset", EVENT], how="left")
        .with_columns((pl.col("close").log() - pl.col("__before").log()).alias("log_return"))
        .drop("__before")
    )
    returns = with_return.select("asset", EVENT, "log_return")
    for lag in range(1, lags + 1):
        lagged = _later(returns.rename({"log_return": f"log_return_lag_{lag}"}), every * lag)
        with_return = with_return.join(lagged, on=["asset", EVENT], how="left")
    return with_return.sort("asset", EVENT)


def compute_asset_lags(bars: pl.LazyFrame, *, after: datetime | None = None) -> pl.LazyFrame:
    """Return the columns of `catalog.ASSET_LAGS`, one row per row of `bars` (rows of `asset_hourly`).

    Only rows later than `after` are returned; `bars` need to reach `REACH` before it.
    """
    rows = bars.select("asset", EVENT, "created_timestamp", "close")
    lagged = compute_lagged_returns(rows, every=HOUR, horizon_bars=1, lags=LAGS)
    return only_after(lagged, after).select(ASSET_LAGS.columns)


def _later(frame: pl.LazyFrame, by: timedelta) -> pl.LazyFrame:
    return frame.with_columns(pl.col(EVENT) + by)
