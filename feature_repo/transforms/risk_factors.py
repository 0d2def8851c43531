"""Systematic risk factors of the universe: what the market, and terciles of it, earned each minute.

The factors follow the design of cross-sectional risk models: an equal-weighted market, and terciles by liquidity,
volatility (beta to the market) and momentum. Membership for a day is estimated from data before that day alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.transforms.risk_kernels import bucket_means, market_moments, weighted_sum
from pairity.settings import FeatureSettings
from pairity.timeline import DAY, MINUTE

Floats = NDArray[np.float64]
MIN_SHARE = 0.9
MOMENTUM_MINUTES = (60, 120, 180, 360, 720)
KINDS = ("liquidity", "volatility", "momentum")
_DAY_MINUTES = DAY // MINUTE
_TERCILES = 3


@dataclass(frozen=True)
class Panel:
    """Minutes × assets from a midnight on: returns (close − open)/open, trades, quote volume; NaN where no bar is."""

    start: datetime
    assets: tuple[str, ...]
    returns: Floats
    trades: Floats
    volumes: Floats
    known: NDArray[np.int64]
    """Per minute, the latest `known_at` of all assets (µs since 1970); 0 where nothing is."""

    @property
    def days(self) -> int:
        """Days begun."""
        return -(-len(self.returns) // _DAY_MINUTES)

    def day(self, number: int) -> datetime:
        """Midnight at which a day begins."""
        return self.start + number * DAY


def panel_of(minutes: pl.DataFrame) -> Panel | None:
    """The panel of rows of `candles_1m` (asset, open_time, open, high, low, close, volume, …); None without rows."""
    if minutes.is_empty():
        return None
    first, last = minutes["open_time"].min(), minutes["open_time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    assets = tuple(minutes["asset"].unique().sort())
    shape = ((last - start) // MINUTE + 1, len(assets))
    at = (minutes["open_time"] - start).dt.total_minutes().to_numpy()
    of = minutes["asset"].replace_strict({name: number for number, name in enumerate(assets)}, return_dtype=pl.Int64)
    typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3.0
    values = minutes.select(
        returns=(pl.col("close") - pl.col("open")) / pl.col("open"),
        trades=pl.col("trade_count"),
        volumes=pl.coalesce("volume_quote", typical * pl.col("volume")),
    )
    columns = {name: _dense(shape, at, of.to_numpy(), values[name]) for name in values.columns}
    known = np.zeros(shape[0], dtype=np.int64)
    np.maximum.at(known, at, minutes["known_at"].to_physical().to_numpy())
    return Panel(start=start, assets=assets, known=known, **columns)


def scores(panel: Panel, settings: FeatureSettings) -> Floats:
    """Days × kinds × assets: liquidity, beta and momentum as known at each day's midnight; NaN where not eligible.

    An asset is eligible with `MIN_SHARE` of the minutes of the last two days; the window of `risk_days` counts what
    there is of it, and days whose window reaches before the panel have no score.
    """
    market = market_returns(panel)
    weights = _momentum_weights()
    out = np.full((panel.days, len(KINDS), len(panel.assets)), np.nan)
    moments = _daily_moments(panel, market)
    traded = _daily_volumes(panel)
    for day in range(settings.risk_days, panel.days):
        end, first = day * _DAY_MINUTES, day - settings.risk_days
        recent = panel.returns[end - 2 * _DAY_MINUTES : end]
        eligible = (~np.isnan(recent)).sum(axis=0) >= MIN_SHARE * len(recent)
        # Days are added one after another: the order of a sum over few numbers stays the same everywhere.
        window = sum(moments[first:day], np.zeros_like(moments[0]))
        trades, trade_minutes, volume, minutes = sum(traded[first:day], np.zeros_like(traded[0]))
        told = bool((trade_minutes[eligible] > 0).all())
        for asset in np.flatnonzero(eligible):
            count, r, m, rm, mm = window[asset]
            spread = mm - m * m / count
            out[day, 0, asset] = trades[asset] / trade_minutes[asset] if told else volume[asset] / minutes[asset]
            out[day, 1, asset] = (rm - r * m / count) / spread if spread > 0 else np.nan
            out[day, 2, asset] = weighted_sum(panel.returns[end - len(weights) : end, asset], weights)
    return out


def buckets(scored: Floats) -> Floats:
    """Tercile (0 low, 1 medium, 2 high) of each score among the assets that have one; NaN elsewhere.

    Of n assets in ascending order (equal scores in order of their names), asset k is in tercile ⌊3k/n⌋. Fewer than
    three assets make no terciles.
    """
    out = np.full(scored.shape, np.nan)
    for day in range(scored.shape[0]):
        for kind in range(scored.shape[1]):
            held = np.flatnonzero(~np.isnan(scored[day, kind]))
            if len(held) >= _TERCILES:
                order = held[np.argsort(scored[day, kind, held], kind="stable")]
                out[day, kind, order] = np.arange(len(order)) * _TERCILES // len(order)
    return out


def market_returns(panel: Panel) -> Floats:
    """Equal-weighted mean over all instruments with a bar at that minute."""
    return bucket_means(panel.returns, np.zeros_like(panel.returns), 0.0)


def factor_returns(panel: Panel, membership: Floats) -> Floats:
    """Minutes × 10: market; low, medium, high of liquidity, of volatility, of momentum. Each day by its own buckets."""
    columns = [market_returns(panel)]
    for kind in range(len(KINDS)):
        members = np.repeat(membership[:, kind, :], _DAY_MINUTES, axis=0)[: len(panel.returns)]
        columns += [bucket_means(panel.returns, members, float(part)) for part in range(_TERCILES)]
    return np.ascontiguousarray(np.stack(columns, axis=1))


def spreads(factors: Floats) -> Floats:
    """Minutes × 4: market; high minus low of liquidity, volatility, momentum."""
    high_minus_low = [factors[:, 3 * kind + 3] - factors[:, 3 * kind + 1] for kind in range(len(KINDS))]
    return np.ascontiguousarray(np.stack([factors[:, 0], *high_minus_low], axis=1))


def _dense(shape: tuple[int, int], at: NDArray[np.int64], of: NDArray[np.int64], values: pl.Series) -> Floats:
    out = np.full(shape, np.nan)
    out[at, of] = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return out


def _daily_moments(panel: Panel, market: Floats) -> Floats:
    """Days × assets × moments of `market_moments`."""
    days = [slice(day * _DAY_MINUTES, (day + 1) * _DAY_MINUTES) for day in range(panel.days)]
    each = range(len(panel.assets))
    return np.array([[market_moments(panel.returns[day, asset], market[day]) for asset in each] for day in days])


def _daily_volumes(panel: Panel) -> Floats:
    """Days × (Σ trades, minutes with trades told, Σ quote volume, minutes) × assets."""
    out = np.zeros((panel.days, 4, len(panel.assets)))
    ones = np.ones(_DAY_MINUTES)
    for day in range(panel.days):
        rows = slice(day * _DAY_MINUTES, (day + 1) * _DAY_MINUTES)
        for asset in range(len(panel.assets)):
            for place, values in ((0, panel.trades), (2, panel.volumes)):
                out[day, place, asset] = weighted_sum(values[rows, asset], ones)
                out[day, place + 1, asset] = (~np.isnan(values[rows, asset])).sum()
    return out


def _momentum_weights() -> Floats:
    """How often each minute's return is counted in the mean over the last day of all rolling sums."""
    longest = max(MOMENTUM_MINUTES)
    offsets = np.arange(-longest, _DAY_MINUTES)  # minute 0 is the first of the last day
    weights = np.zeros(len(offsets))
    for window in MOMENTUM_MINUTES:
        first = np.maximum(offsets, 0)
        last = np.minimum(offsets + window - 1, _DAY_MINUTES - 1)
        weights += np.maximum(last - first + 1, 0) / _DAY_MINUTES
    return weights


def midnight_of(instant: datetime) -> datetime:
    """The first midnight at or after an instant: a panel begins with a whole day."""
    floor = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return floor if floor == instant else floor + timedelta(days=1)
