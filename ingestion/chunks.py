"""Anchored computation: one calendar month of features at a time, always from the same starting point.

A chunk starts at the month's first instant minus the view's lookback, in backfill and live alike. Live recomputes the
current month's chunk up to the newest closed bar, so its last row has the bits that a later backfill will produce.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, PAIR_HOURLY
from feature_repo.transforms.assets import asset_hourly
from feature_repo.transforms.bars import hourly_bars, native_hours, prefer_minutes
from feature_repo.transforms.pairs import pair_hourly
from pairity.errors import ConfigError, TimeRangeError
from pairity.settings import Settings
from pairity.timeline import DAY, HOUR, floor_to, month_start, next_month

ReadRaw = Callable[[str, datetime, datetime], pl.LazyFrame]
"""(dataset, since, until) → rows with since <= time < until, newest version of each, with `asset`."""

_LOOKBACK = max(ASSET_HOURLY.lookback, PAIR_HOURLY.lookback)
_FUNDING_LOOKBACK = DAY
_TICK = timedelta(microseconds=1)


def compute_views(read: ReadRaw, month: datetime, until: datetime, settings: Settings) -> dict[str, pl.DataFrame]:
    """All views' rows with month < event_timestamp <= min(until, next month), from the chunk that `month` anchors.

    `month` is a month's first instant; only hours that are complete at `until` are computed. A row at the first instant
    of a month closes the last hour of the month before and belongs to that month's chunk.

    TimeRangeError where `month` is no month's first instant; ConfigError where a window is longer than the lookback:
    its values would depend on where the chunk begins.
    """
    if month != month_start(month):
        raise TimeRangeError(f"a chunk cannot start at {month.isoformat()}", "start it at a month's first instant, UTC")
    _check_windows(settings)
    end = min(floor_to(until, HOUR), next_month(month))
    start = month - _LOOKBACK
    bars = prefer_minutes(hourly_bars(read("candles_1m", start, end)), native_hours(read("candles_1h", start, end)))
    # A settlement at the very instant of a close is known with it.
    funding = read("funding", start - _FUNDING_LOOKBACK, end + _TICK)
    assets = asset_hourly(bars, funding, settings.features).collect()
    pairs = pair_hourly(
        assets.lazy(), settings.universe.pairs, settings.features, settings.universe.min_aligned_bars
    ).collect()
    frames = {ASSET_HOURLY.name: assets, PAIR_HOURLY.name: pairs}
    return {name: frame.filter(pl.col(EVENT_TIME) > month) for name, frame in frames.items()}


def _check_windows(settings: Settings) -> None:
    # One bar more than the window: returns and true ranges need the close before.
    needed = {f"features.{name}": bars + 1 for name, bars in settings.features if name.endswith("_bars")}
    needed["universe.min_aligned_bars"] = settings.universe.min_aligned_bars
    available = _LOOKBACK // HOUR
    for name, bars in needed.items():
        if bars > available:
            raise ConfigError(
                f"setting {name} needs {bars} hourly bars, a chunk has {available} before its month",
                f"set {name} so that it needs at most {available} bars",
            )
