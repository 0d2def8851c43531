"""Months of history before a scene's own: what stands behind a decision after one year, or three.

The block of days that the exchange gave is laid end to end into the past, every other time mirrored, so that prices
are continuous and every rule of validation holds. It is written with the lake's own code, and its features are
computed and published by the batch pipeline.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from benchmarks.journal_history import lay_back_decisions
from benchmarks.serving_scene import LOOKBACK, TRADING, Scene
from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import CANDLES, KNOWN_AT, RawDataset, find_dataset
from ingestion.lake import Lake
from ingestion.pipeline import publish_features
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.timeline import DAY, HOUR, floor_to, month_start

FIRST = month_start(TRADING) - LOOKBACK
"""First instant that the exchange gave."""
BLOCK = 30 * DAY
_MONTH = timedelta(days=30.4375)
_BARS = (*CANDLES, "mark_1h", "index_1h")


def extend(scene: dict[str, Any], months: int) -> int:
    """Give the scene `months` of history in all, its journal too; return how many partitions the lake has then."""
    settings = Scene(**scene).settings
    since = TRADING - months * _MONTH
    lake = Lake(Layout.of(settings))
    if since < FIRST:
        with lake.writing():
            for name, asset in sorted({(part.dataset, part.instrument) for part in lake.partitions()}):
                own = lake.scan(name, [asset], FIRST, FIRST + BLOCK).collect().drop("asset")
                lake.write(name, asset, lay_back(find_dataset(name), own, since), covered=[(since, FIRST)])
        report = publish_features(settings, TRADING, TRADING, SilentProgress())
        assert not report.quarantined, report.quarantined[:3]
    lay_back_decisions(settings, floor_to(since, HOUR), TRADING)
    return len(lake.partitions())


def lay_back(kind: RawDataset, own: pl.DataFrame, since: datetime) -> pl.DataFrame:
    """Return the rows of [since, FIRST): `own`, which has those of one block from FIRST on, mirrored, as it is, …"""
    tiles = []
    count = -(-(FIRST - since) // BLOCK)
    for number in range(1, count + 1):
        if number % 2:
            tile = _mirror(kind, own).with_columns(pl.col(kind.time) - (number - 1) * BLOCK)
        else:
            tile = own.with_columns(pl.col(kind.time) - number * BLOCK)
        tiles.append(tile)
    rows = pl.concat(tiles).filter(pl.col(kind.time).is_between(since, FIRST, closed="left"))
    rows = rows.with_columns(history_known_at(kind)).select(*kind.schema)
    return rows.unique(kind.time, keep="first").sort(kind.time, KNOWN_AT)


def _mirror(kind: RawDataset, own: pl.DataFrame) -> pl.DataFrame:
    """Return the block's rows in the order of time reversed, before `FIRST`; bars open where they closed."""
    step = kind.known_after if kind.name in _BARS else timedelta(0)
    mirrored = own.with_columns((pl.lit(FIRST) + (pl.lit(FIRST) - pl.col(kind.time)) - step).alias(kind.time))
    if "open" in own.columns:
        mirrored = mirrored.rename({"open": "close", "close": "open"})
    return mirrored.select(own.columns)
