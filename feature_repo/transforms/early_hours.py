"""Hours and settlements before a chunk's start, for the slow views: their windows are longer than all others'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, View
from feature_repo.raw_datasets import find_dataset
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import make_bars
from pairity.settings import FeatureSettings
from pairity.timeline import DAY

HOURS = ("asset", "event_timestamp", "created_timestamp", "open", "close", "volume_base")
"""Columns of `asset_hourly` that slow views are computed from."""
_AT_ONCE = 20 * DAY
"""Minutes of which are in memory at once."""
_Read = Callable[[str, datetime, datetime], pl.LazyFrame]
_Accept = Callable[[View, pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class EarlyHours:
    """`hours`: columns `HOURS` of the accepted hours up to the chunk's start. `funding`: raw settlements before it."""

    hours: pl.DataFrame
    funding: pl.DataFrame

    @classmethod
    def of(
        cls,
        read: _Read,
        span: tuple[datetime, datetime],
        reach: timedelta,
        settings: FeatureSettings,
        accept: _Accept | None,
    ) -> EarlyHours:
        """Return the hours that open in `span` (its start, the chunk's) and the settlements in it less `reach`.

        Both ends of the settlements lie `reach` earlier: those after that are the chunk's own. `accept` returns the
        rows of `asset_hourly` that other views may be computed from.
        """
        start, end = span
        bars, since = [], start
        while since < end:
            until = min(since + _AT_ONCE, end)
            bars.append(make_bars(*(read(name, since, until) for name in _SOURCES)).collect())
            since = until
        unpaid = find_dataset("funding").empty_of_assets().lazy()
        rows = compute_asset_hourly(pl.concat(bars).sort("asset", "event_timestamp").lazy(), unpaid, settings).collect()
        accepted = rows if accept is None else accept(ASSET_HOURLY, rows)
        return cls(accepted.select(HOURS), read("funding", start - reach, end - reach).collect())


_SOURCES = ("candles_1m", "candles_1h", "trade_bars_1m")
