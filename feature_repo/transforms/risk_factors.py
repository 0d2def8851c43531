"""Systematic risk factors of the universe: returns of the market and of its terciles, each minute.

The factors follow the design of cross-sectional risk models: an equal-weighted market, and terciles by liquidity,
volatility (beta to the market) and momentum. Membership for a day is estimated from data before that day alone.
Formulas: docs/formulas.md, Risk factors.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.transforms.division import divide
from feature_repo.transforms.risk_kernels import bucket_means, market_moments, weighted_sum
from pairity.settings import FeatureSettings
from pairity.timeline import DAY, MINUTE

Floats = NDArray[np.float64]
MIN_SHARE = 0.9
"""Least share of a window's minutes that an asset needs."""
MOMENTUM_MINUTES = (60, 120, 180, 360, 720)
KINDS = ("liquidity", "volatility", "momentum")
_DAY_MINUTES = DAY // MINUTE
_TERCILES = 3


@dataclass(frozen=True)
class Panel:
    """Minutes × assets from a midnight on: return (close − open)/open, trades, quote volume; NaN without a bar."""

    start: datetime
    assets: tuple[str, ...]
    returns: Floats
    trades: Floats
    volumes: Floats
    known: NDArray[np.int64]
    """Per minute, the latest `known_at` of all assets (µs since 1970); 0 without a bar."""
    dead: NDArray[np.bool_]
    """Minutes × assets: the contract is dead at the minute's close, and its bar does not count."""

    @property
    def days(self) -> int:
        """Number of days, the one that has begun included; it has begun when the one before it is over."""
        return len(self.returns) // _DAY_MINUTES + 1

    def day(self, number: int) -> datetime:
        """Return the midnight at which day `number` begins."""
        return self.start + number * DAY


def build_panel(minutes: pl.DataFrame, dead: pl.DataFrame | None = None) -> Panel | None:
    """Return the panel of rows of `candles_1m` (asset, open_time, open, high, low, close, …); None without rows.

    `dead`: minutes of dead contracts (`dead.find_dead_minutes`); None without any.
    """
    if minutes.is_empty():
        return None
    first, last = minutes["open_time"].min(), minutes["open_time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    assets = tuple(minutes["asset"].unique().sort())
    return fill_panel(minutes, floor_to_midnight(first), last + MINUTE, assets, dead)


def fill_panel(
    minutes: pl.DataFrame,
    start: datetime,
    end: datetime,
    assets: tuple[str, ...],
    dead: pl.DataFrame | None = None,
) -> Panel:
    """Return the panel of [start, end) and `assets`; `minutes` (see `build_panel`) all lie in it."""
    shape = ((end - start) // MINUTE, len(assets))
    at, of = _place(minutes, start, assets)
    typical = divide(pl.col("high") + pl.col("low") + pl.col("close"), 3.0)
    values = minutes.select(
        returns=(pl.col("close") - pl.col("open")) / pl.col("open"),
        trades=pl.col("trade_count"),
        volumes=pl.coalesce("volume_quote", typical * pl.col("volume")),
    )
    columns = {name: _dense(shape, at, of, values[name]) for name in values.columns}
    known = np.zeros(shape[0], dtype=np.int64)
    np.maximum.at(known, at, minutes["known_at"].to_physical().to_numpy())
    marks = np.zeros(shape, dtype=bool)
    if dead is not None and dead.height:
        inside = dead.filter(pl.col("asset").is_in(assets), pl.col("open_time") >= start, pl.col("open_time") < end)
        marks[_place(inside, start, assets)] = True
        for values_of in columns.values():
            values_of[marks] = np.nan
    return Panel(start=start, assets=assets, known=known, dead=marks, **columns)


def _place(rows: pl.DataFrame, start: datetime, assets: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the minute since `start` and the number of the asset of each row (asset, open_time)."""
    numbers = {name: number for number, name in enumerate(assets)}
    of: NDArray[np.int64] = rows["asset"].replace_strict(numbers, return_dtype=pl.Int64).to_numpy()
    at: NDArray[np.int64] = (rows["open_time"] - start).dt.total_minutes().to_numpy()
    return at, of


def compute_scores(panel: Panel, settings: FeatureSettings, first_day: int = 0) -> Floats:
    """Return days × `KINDS` × assets: liquidity, beta and momentum as known at each day's midnight.

    Days before `first_day` are not wanted and NaN.

    Liquidity is trades per minute (quote volume per minute where some eligible asset has no counts), beta a ratio,
    momentum a sum of returns. An asset is eligible with `MIN_SHARE` of the minutes of the last two days, if it is not
    dead at midnight; otherwise its scores are NaN. The window of `risk_days` uses the minutes that exist. Days whose
    window reaches before the panel have no score.
    """
    out = np.full((panel.days, len(KINDS), len(panel.assets)), np.nan)
    wanted = range(max(settings.risk_days, first_day), panel.days)
    if not wanted:
        return out
    weights = _momentum_weights()
    oldest = wanted[0] - settings.risk_days
    moments, traded = _daily_moments(panel, oldest), _daily_volumes(panel, oldest)
    for day in wanted:
        end, first = day * _DAY_MINUTES, day - settings.risk_days
        recent = panel.returns[end - 2 * _DAY_MINUTES : end]
        eligible = ((~np.isnan(recent)).sum(axis=0) >= MIN_SHARE * len(recent)) & ~panel.dead[end - 1]
        # Days are added one after another: the order of a sum over few numbers stays the same everywhere.
        window = sum(moments[first:day], np.zeros_like(moments[0]))
        trades, trade_minutes, volume, minutes = sum(traded[first:day], np.zeros_like(traded[0]))
        # One unit for the whole day: trades and quote volumes cannot be ranked against each other.
        have_trades = bool((trade_minutes[eligible] > 0).all())
        for asset in np.flatnonzero(eligible):
            count, r, m, rm, mm = window[asset]
            variance = mm - m * m / count  # of the market, times count
            out[day, 0, asset] = trades[asset] / trade_minutes[asset] if have_trades else volume[asset] / minutes[asset]
            out[day, 1, asset] = (rm - r * m / count) / variance if variance > 0 else np.nan
            out[day, 2, asset] = weighted_sum(panel.returns[end - len(weights) : end, asset], weights)
    return out


def assign_buckets(scored: Floats) -> Floats:
    """Return the tercile (0 low, 1 medium, 2 high) of each score among the assets that have one; NaN elsewhere.

    Of n assets in ascending order, asset k is in tercile ⌊3k/n⌋. Fewer than three assets make no terciles.
    """
    out = np.full(scored.shape, np.nan)
    for day in range(scored.shape[0]):
        for kind in range(scored.shape[1]):
            ranked = np.flatnonzero(~np.isnan(scored[day, kind]))
            if len(ranked) >= _TERCILES:
                # Stable: assets stand in order of their names, and equal scores keep that order.
                order = ranked[np.argsort(scored[day, kind, ranked], kind="stable")]
                out[day, kind, order] = np.arange(len(order)) * _TERCILES // len(order)
    return out


def compute_market_returns(panel: Panel) -> Floats:
    """Return each minute's equal-weighted mean return of all assets with a bar; NaN where none has one."""
    return bucket_means(panel.returns, np.zeros_like(panel.returns), 0.0)


def compute_factor_returns(panel: Panel, membership: Floats) -> Floats:
    """Return minutes × 10 factor returns: market, then low, medium and high of each of `KINDS`.

    `membership` is days × kinds × assets (see `assign_buckets`); each day uses its own. NaN where a bucket has no bar.
    """
    columns = [compute_market_returns(panel)]
    for kind in range(len(KINDS)):
        members = np.repeat(membership[:, kind, :], _DAY_MINUTES, axis=0)[: len(panel.returns)]
        columns += [bucket_means(panel.returns, members, float(part)) for part in range(_TERCILES)]
    return np.ascontiguousarray(np.stack(columns, axis=1))


def compute_spreads(factors: Floats) -> Floats:
    """Return minutes × 4 factor returns: market, then high minus low of liquidity, volatility and momentum."""
    high_minus_low = [factors[:, 3 * kind + 3] - factors[:, 3 * kind + 1] for kind in range(len(KINDS))]
    return np.ascontiguousarray(np.stack([factors[:, 0], *high_minus_low], axis=1))


def _dense(shape: tuple[int, int], at: NDArray[np.int64], of: NDArray[np.int64], values: pl.Series) -> Floats:
    out = np.full(shape, np.nan)
    out[at, of] = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return out


def _daily_moments(panel: Panel, oldest: int) -> Floats:
    """Return days × assets × moments of `market_moments`, of whole days from `oldest` on, zeros for other days.

    Windows of days are then sums of a few rows.
    """
    out = np.zeros((panel.days, len(panel.assets), 5))
    for day in range(oldest, panel.days - 1):
        rows = slice(day * _DAY_MINUTES, (day + 1) * _DAY_MINUTES)
        market = bucket_means(panel.returns[rows], np.zeros_like(panel.returns[rows]), 0.0)
        for asset in range(len(panel.assets)):
            out[day, asset] = market_moments(panel.returns[rows, asset], market)
    return out


def _daily_volumes(panel: Panel, oldest: int) -> Floats:
    """Return days × (Σ trades, minutes with a count, Σ quote volume, minutes with one) × assets, days as in moments."""
    out = np.zeros((panel.days, 4, len(panel.assets)))
    ones = np.ones(_DAY_MINUTES)
    for day in range(oldest, panel.days - 1):
        rows = slice(day * _DAY_MINUTES, (day + 1) * _DAY_MINUTES)
        for asset in range(len(panel.assets)):
            for place, values in ((0, panel.trades), (2, panel.volumes)):
                out[day, place, asset] = weighted_sum(values[rows, asset], ones)
                out[day, place + 1, asset] = (~np.isnan(values[rows, asset])).sum()
    return out


def _momentum_weights() -> Floats:
    """Return how often each minute's return counts in the mean over the last day of all rolling sums.

    One weighted sum per asset and day replaces five rolling sums of 1,440 values each. The first weight belongs to the
    minute that lies `max(MOMENTUM_MINUTES)` before the last day.
    """
    longest = max(MOMENTUM_MINUTES)
    offsets = np.arange(-longest, _DAY_MINUTES)  # minute 0 is the first of the last day
    weights = np.zeros(len(offsets))
    for window in MOMENTUM_MINUTES:
        first = np.maximum(offsets, 0)
        last = np.minimum(offsets + window - 1, _DAY_MINUTES - 1)
        weights += np.maximum(last - first + 1, 0) / _DAY_MINUTES
    return weights


def floor_to_midnight(instant: datetime) -> datetime:
    """Return the midnight that begins the day of `instant`."""
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def ceil_to_midnight(instant: datetime) -> datetime:
    """Return the first midnight at or after `instant`: a panel begins with a whole day."""
    floor = floor_to_midnight(instant)
    return floor if floor == instant else floor + timedelta(days=1)
