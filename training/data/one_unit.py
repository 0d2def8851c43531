"""Stored rows of assets in one unit, whatever was known of a redenomination when they were computed.

A decision before a redenomination saw prices in the unit of then, the bars that followed are stored in the new one, and
features that were not computed again since it was stored are in the old unit still. Entry price, size, stop and outcome
of a position must be on one basis (docs/point-in-time.md, Redenominations).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME
from feature_repo.redenominations import NO_CHANGES, Redenomination, Units, read_redenominations, units_of
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.data.interval_bars import read_interval_bars

_PRICES = ("open", "high", "low", "close", "atr_14")
_COINS = ("volume_base",)
_REFERENCE, _RATIO = "__reference", "__ratio"


class OneUnit:
    """Expresses rows of `asset_hourly` in the newest unit of each asset, as it is known at `now`.

    Which unit a row is in follows from its close: of the units that were ever stored, the one in which it comes nearest
    to the close that the lake holds of the hour (in the newest unit), else to that of `bars`. Rows without a close, and
    assets that never were redenominated, stay as they are.
    """

    def __init__(self, settings: Settings, bars: pl.DataFrame, now: datetime) -> None:
        entries = read_redenominations(Layout.of(settings), settings.features.venue)
        self._entries = {
            asset: own
            for asset in bars["asset"].unique(maintain_order=True)
            if (own := [entry for entry in entries if entry.asset == asset and entry.stored_at <= now])
        }
        self._closes = [_read_closes(settings, asset, bars, now) for asset in self._entries]

    def express(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return `rows` (asset, event_timestamp, close and any other columns of the view) in the newest unit."""
        if not self._entries:
            return rows
        reference = pl.concat(self._closes)
        placed = rows.join(reference, on=["asset", EVENT_TIME], how="left", maintain_order="left")
        ratio = pl.lit(1.0)
        for asset, entries in self._entries.items():
            of_asset = _choose_ratio(entries, pl.col(_REFERENCE) / pl.col("close"))
            ratio = pl.when(pl.col("asset") == asset).then(of_asset).otherwise(ratio)
        known = placed.with_columns(ratio.fill_null(1.0).alias(_RATIO))
        return known.with_columns(
            *(pl.col(name) * pl.col(_RATIO) for name in _PRICES if name in rows.columns),
            *(pl.col(name) * (1.0 / pl.col(_RATIO)) for name in _COINS if name in rows.columns),
        ).select(rows.columns)


def _read_closes(settings: Settings, asset: str, bars: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return asset, event_timestamp and the close of each hour in the newest unit."""
    stored = bars.filter(pl.col("asset") == asset).select("asset", EVENT_TIME, pl.col("close").alias(_REFERENCE))
    try:
        hours = read_interval_bars(settings, asset, HOUR, now)
    except MissingDataError:  # features without their raw rows: the newest of them say what can be said
        return stored
    raw = hours.select("asset", EVENT_TIME, pl.col("close").alias(_REFERENCE))
    return pl.concat([raw, stored.join(raw, on=EVENT_TIME, how="anti")])


def _choose_ratio(entries: Sequence[Redenomination], wanted: pl.Expr) -> pl.Expr:
    """Return what a row is multiplied by: of the ratios from any unit that was ever stored, the nearest to `wanted`."""
    asset, newest = pl.col("asset"), units_of(entries).factor(pl.col("asset"), EVENT_TIME, closes=True)
    ratios = [pl.lit(1.0)]
    for count in range(len(entries)):
        before: Units = units_of(entries[:count]) if count else NO_CHANGES
        ratios.append(newest / before.factor(asset, EVENT_TIME, closes=True))
    chosen, least = ratios[0], (wanted / ratios[0]).log().abs()
    for ratio in ratios[1:]:
        distance = (wanted / ratio).log().abs()
        is_nearer = distance < least
        chosen = pl.when(is_nearer).then(ratio).otherwise(chosen)
        least = pl.when(is_nearer).then(distance).otherwise(least)
    return chosen
