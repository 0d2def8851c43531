"""Bars of several hours on a wall clock, and the distance of their closes from VWAP.

Formulas: docs/formulas.md, Distance from VWAP.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.catalog.vwap_distance import ASSET_VWAP_DISTANCE
from feature_repo.knowledge_time import feature_created_at
from feature_repo.transforms.dead import drop_dead
from feature_repo.transforms.division import divide
from feature_repo.transforms.grid import EVENT, GridColumns, only_after, with_computed
from feature_repo.transforms.hours import sum_by_key
from feature_repo.transforms.windows import Floats, rolling_mean, rolling_std
from pairity.settings import VwapSettings
from pairity.timeline import DAY, HOUR, floor_to

_COMPUTED = ("vwap", "vwap_simple", "avg_notional", "realized_var", "rolling_return", "sharpe")


def compute_vwap_distance(
    hours: pl.LazyFrame,
    start: datetime,
    end: datetime,
    settings: VwapSettings,
    *,
    after: datetime | None = None,
    dead: pl.DataFrame | None = None,
) -> pl.LazyFrame:
    """Return the columns of `catalog.ASSET_VWAP_DISTANCE`: one row per asset and bar that ended by `end`.

    Only rows later than `after` are returned; `start` has to lie `settings.reach_hours` before it. A bar that closes
    with an hour of `dead` (`dead.find_dead_hours`) has no row, and is not ranked.

    `hours`: rows of `asset_hourly` in (start, end]. A bar without any hour has no row; inside windows it carries the
    last close forward with zero volume, for at most `max_fill_bars` bars in a row. `event_timestamp` is the bar's
    close. `created_timestamp` is when all assets up to then were known, because the rank compares them. Sorted by asset
    and time; units and null policies: the catalogue.
    """
    bars = build_wall_clock_bars(hours, start, end, settings)
    series = with_computed(_carry_forward(bars, settings), "asset", _COMPUTED, lambda asset: _windows(asset, settings))
    observed = only_after(series.filter(pl.col("hours_observed").is_not_null()), after)
    alive = observed if dead is None else drop_dead(observed, dead)
    rows = alive.with_columns(
        (100.0 * (pl.col("close") - pl.col("vwap")) / pl.col("vwap")).alias("dist_from_vwap"),
        (100.0 * (365.0 * pl.col("realized_var")).sqrt()).alias("realized_vol"),
    )
    ranked = rows.with_columns(
        divide(pl.col("realized_vol"), 365.0**0.5).alias("exp_vol"),
        pl.col("dist_from_vwap").count().over(EVENT).cast(pl.Int64).alias("assets_ranked"),
        (pl.col("dist_from_vwap").rank("average").over(EVENT) / pl.col("dist_from_vwap").count().over(EVENT)).alias(
            "ranked_dist"
        ),
    )
    known = pl.col("known_at").max().over(EVENT)
    by_time = ranked.with_columns(known).sort(EVENT, "asset").with_columns(pl.col("known_at").cum_max())
    return by_time.with_columns(feature_created_at("known_at")).select(ASSET_VWAP_DISTANCE.columns).sort("asset", EVENT)


def build_wall_clock_bars(hours: pl.LazyFrame, start: datetime, end: datetime, settings: VwapSettings) -> pl.LazyFrame:
    """Return asset, event_timestamp (close), number, open, high, low, close, volume, hours_observed, known_at per bar.

    Bars begin at midnight and every `bar_hours` after it on the wall clock of `time_zone`; where clocks change, one
    lasts an hour less or more. Only bars that ended by `end` and have at least one hour. `number` counts bars of the
    calendar, missing ones included. Prices in USDT, volume in base coins. Sorted by asset and number.
    """
    placed = hours.join(_calendar(start, end, settings).lazy(), on=EVENT).sort("asset", EVENT)
    sums = sum_by_key(
        placed.select("asset", "number", pl.col("volume_base").alias("volume"), known_at="created_timestamp"),
        ("asset", "number"),
        ("volume",),
    )
    prices = placed.group_by("asset", "number", maintain_order=True).agg(
        pl.col("bar_close").first().alias(EVENT),
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.len().cast(pl.Int64).alias("hours_observed"),
    )
    return prices.join(sums, on=["asset", "number"]).sort("asset", "number")


def find_last_bar_close(instant: datetime, settings: VwapSettings) -> datetime:
    """Return the close of the newest bar that had ended at `instant`, whether or not any asset traded in it."""
    hour = floor_to(instant, HOUR)
    close = _calendar(hour - 2 * DAY, hour, settings)["bar_close"].max()
    assert isinstance(close, datetime)
    return close


def has_bar_close(after: datetime, end: datetime, settings: VwapSettings) -> bool:
    """Return whether a bar ended in (after, end], both full hours, whether or not any asset traded in it."""
    return not _calendar(after, end, settings).is_empty()


def _calendar(start: datetime, end: datetime, settings: VwapSettings) -> pl.DataFrame:
    """Return every hour's close in (start, end] with the number and the close of its bar; bars that ended only."""
    closes = pl.datetime_range(start + HOUR, end + HOUR, HOUR, eager=True, time_unit="us", time_zone="UTC")
    # By the wall clock without its zone: truncating instants would put bars an hour off after the clocks change.
    opened = (pl.col(EVENT) - HOUR).dt.convert_time_zone(settings.time_zone).dt.replace_time_zone(None)
    frame = pl.DataFrame({EVENT: closes}).with_columns(opened.dt.truncate(f"{settings.bar_hours}h").alias("begins"))
    ends = frame.with_columns((pl.col("begins") != pl.col("begins").shift(-1)).alias("is_last"))
    numbered = ends.with_columns(
        pl.col("begins").rle_id().cast(pl.Int64).alias("number"),
        pl.when("is_last").then(EVENT).backward_fill().alias("bar_close"),
    )
    # The hour after `end` is there only to tell whether the bar before it ended.
    whole = numbered.filter(pl.col("bar_close").is_not_null() & (pl.col(EVENT) <= end) & (pl.col("bar_close") <= end))
    return whole.select(EVENT, "number", "bar_close")


def _carry_forward(bars: pl.LazyFrame, settings: VwapSettings) -> pl.LazyFrame:
    """Return every bar between an asset's first and last; a missing one carries the last close, with zero volume."""
    spans = bars.group_by("asset").agg(first=pl.col("number").min(), last=pl.col("number").max())
    numbers = spans.select("asset", pl.int_ranges("first", pl.col("last") + 1).alias("number")).explode("number")
    joined = numbers.join(bars, on=["asset", "number"], how="left").sort("asset", "number")
    carried = pl.col("close").forward_fill(limit=settings.max_fill_bars).over("asset").alias("close")
    whole = joined.with_columns(carried)
    missing = pl.col("hours_observed").is_null() & pl.col("close").is_not_null()
    price = [pl.when(missing).then("close").otherwise(name).alias(name) for name in ("open", "high", "low")]
    volume = pl.when(missing).then(0.0).otherwise("volume").alias("volume")
    central = divide(pl.col("open") + pl.col("high") + pl.col("low") + pl.col("close"), 4.0).alias("central")
    return (
        whole.with_columns(*price, volume)
        .with_columns(central)
        .with_columns((pl.col("central") * pl.col("volume")).alias("notional"))
    )


def _windows(asset: GridColumns, settings: VwapSettings) -> dict[str, Floats]:
    window = settings.window_bars
    close, notional, volume = asset["close"], asset["notional"], asset["volume"]
    money, coins = rolling_mean(notional, window), rolling_mean(volume, window)
    moves = np.full(len(close), np.nan)
    moves[1:] = np.log(close[1:]) - np.log(close[:-1])
    changes = np.full(len(close), np.nan)
    changes[1:] = 100.0 * (close[1:] / close[:-1] - 1.0)
    returned = np.full(len(close), np.nan)
    if len(close) >= window:
        returned[window - 1 :] = 100.0 * (close[window - 1 :] / close[: len(close) - window + 1] - 1.0)
    spread = rolling_std(changes, window - 1, scale=100.0) * np.sqrt(window - 1.0)
    # A window with a bar that has no close, not even a carried one, gives no return across it.
    returned[np.isnan(rolling_mean(close, window))] = np.nan
    return {
        "vwap": np.divide(money, coins, out=np.full(len(close), np.nan), where=coins > 0),
        "vwap_simple": rolling_mean(asset["central"], window),
        "avg_notional": money,
        "realized_var": window * rolling_mean(moves**2, window),
        "rolling_return": returned,
        "sharpe": np.divide(returned, spread, out=np.full(len(close), np.nan), where=spread > 0),
    }
