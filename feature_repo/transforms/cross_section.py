"""One asset among all assets of the same hour (docs/formulas.md, Cross-section)."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.catalog.cross_section import ASSET_CROSS_SECTION
from feature_repo.knowledge_time import inputs_known_at
from feature_repo.transforms.grid import EVENT, GridColumns, drop_unobserved, only_after, with_computed, with_hour_grid
from feature_repo.transforms.hours import sum_by_key
from feature_repo.transforms.windows import MIN_SHARE, Floats, rolling_mean
from pairity.timeline import DAY, HOUR

LISTED_FOR = DAY
"""How long an asset without bars still counts as listed: only after that is it known to be gone."""
MIN_PANEL_SHARE = 0.5
"""Least share of the listed assets with a bar: with fewer, the median and mean are those of a few survivors."""
_MOMENTUM_BARS = (1, 24, 168)
_TURNOVER_BARS, _REGIME_BARS = 24, 168
REACH = max(LISTED_FOR, max(*_MOMENTUM_BARS, _TURNOVER_BARS, _REGIME_BARS) * HOUR) + HOUR
"""How long before an hour its values may reach back."""


def compute_cross_section(bars: pl.LazyFrame, micro: pl.LazyFrame, *, after: datetime | None = None) -> pl.LazyFrame:
    """Return the columns of `catalog.ASSET_CROSS_SECTION`: one row per asset and hour of the panel.

    Only rows later than `after` are returned; both inputs need to reach `REACH` before it.

    `bars`: rows of `asset_hourly`; `micro`: rows of `asset_microstructure`. Hours outside
    `select_panel_hours` have no row. Sorted by asset and time.

    `event_timestamp` is the hour's close. `created_timestamp` is when that hour of *all* assets, and every hour before
    it, was known. Ratios are null where their denominator is 0 or missing.
    """
    volatility = micro.select("asset", EVENT, "realized_vol_1h", pl.col("created_timestamp").alias("__known"))
    joined = (
        bars.select("asset", EVENT, "created_timestamp", "close", "volume_quote", "funding_rate", "atr_pct")
        .join(volatility, on=["asset", EVENT], how="left")
        .with_columns(inputs_known_at("created_timestamp", "__known").alias("created_timestamp"))
    )
    own = only_after(drop_unobserved(_with_windows(with_hour_grid(joined, "asset"), after)), after)
    # Bars that keep no asset listed any more leave both counts of a later hour as they are.
    listing = bars if after is None else only_after(bars, after - LISTED_FOR)
    whole = own.join(select_panel_hours(listing), on=EVENT)
    return _with_panel(whole).select(ASSET_CROSS_SECTION.columns).sort("asset", EVENT)


def select_panel_hours(bars: pl.LazyFrame) -> pl.LazyFrame:
    """Return event_timestamp and assets_observed of the hours in which at least half of the listed assets have a bar.

    An asset is listed from its first bar on, and for `LISTED_FOR` after its last one so far: nothing later decides
    whether an hour belongs to the panel. Sorted by time.
    """
    seen = bars.select("asset", EVENT).sort("asset", EVENT)
    hours = seen.select(EVENT).unique().sort(EVENT)
    following = pl.col(EVENT).shift(-1).over("asset")
    until = pl.min_horizontal(following, pl.col(EVENT) + LISTED_FOR).fill_null(pl.col(EVENT) + LISTED_FOR)
    # A bar keeps its asset listed from its close until the next one's, at most `LISTED_FOR`.
    spans = seen.with_columns(until.alias("until"))
    starts = spans.select(pl.col(EVENT), pl.lit(1).alias("change"))
    ends = spans.select(pl.col("until").alias(EVENT), pl.lit(-1).alias("change"))
    listed = (
        pl.concat([starts, ends])
        .group_by(EVENT)
        .agg(pl.col("change").sum())
        .sort(EVENT)
        .select(EVENT, pl.col("change").cum_sum().alias("listed"))
    )
    counted = seen.group_by(EVENT).agg(pl.len().cast(pl.Int64).alias("assets_observed"))
    return (
        hours.join(counted, on=EVENT)
        .join(listed, on=EVENT)
        .filter(pl.col("assets_observed") >= MIN_PANEL_SHARE * pl.col("listed"))
        .select(EVENT, "assets_observed")
        .sort(EVENT)
    )


def _with_panel(rows: pl.LazyFrame) -> pl.LazyFrame:
    # The sum over assets runs in the order of their names: Polars' own sum may add in another order.
    volumes = rows.sort(EVENT, "asset").select(
        EVENT, pl.col("volume_quote").alias("__total"), known_at="created_timestamp"
    )
    ordered = rows.join(sum_by_key(volumes, (EVENT,), ("__total",)), on=EVENT).sort(EVENT, "asset")
    mean_volume = pl.col("__total") / pl.col("assets_observed")
    # Rows are ordered by time, then asset, and all assets of an hour share its `known_at`: cum_max is over whole hours.
    known = pl.col("known_at").cum_max()
    efficient = pl.when(pl.col("atr_pct") > 0).then(pl.col("realized_vol_1h") / pl.col("atr_pct"))
    return ordered.with_columns(
        (pl.col("funding_rate") - pl.col("funding_rate").median().over(EVENT)).alias("funding_pressure"),
        pl.when(mean_volume > 0).then(pl.col("volume_quote") / mean_volume).alias("relative_volume"),
        efficient.alias("price_efficiency"),
        known.alias("created_timestamp"),
    )


def _with_windows(series: pl.LazyFrame, after: datetime | None) -> pl.LazyFrame:
    momentum = [
        (pl.col("close") / pl.col("close").shift(bars).over("asset") - 1.0).alias(f"momentum_{bars}h")
        for bars in _MOMENTUM_BARS
    ]

    def windowed(asset: GridColumns) -> dict[str, Floats]:
        volatility = asset["realized_vol_1h"]
        return {
            "turnover_ratio": _relative(asset["volume_quote"], _TURNOVER_BARS, 1.0, asset.begin),
            "volatility_regime": _relative(volatility, _REGIME_BARS, MIN_SHARE, asset.begin),
        }

    names = ("turnover_ratio", "volatility_regime")
    return with_computed(series.with_columns(momentum), "asset", names, windowed, after=after)


def _relative(values: Floats, window: int, min_share: float, begin: int) -> Floats:
    mean = rolling_mean(values, window, min_share=min_share, begin=begin)
    relative: Floats = np.divide(values, mean, out=np.full(len(values), np.nan), where=mean > 0)
    return relative
