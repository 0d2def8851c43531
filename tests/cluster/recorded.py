"""A home with recorded minutes: the lake alone, from which features are computed here and on the cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from pairity.layout import Layout
from pairity.settings import Settings

ASSETS = ("BTC", "ETH", "SOL", "XRP")
UNTIL = datetime(2025, 2, 26, tzinfo=UTC)
NOW = datetime(2025, 2, 27, tzinfo=UTC)
_FOLDERS = {"candles_1m": "1m_20250127_20250226", "funding": "funding"}
_SINCE_MS = int(datetime(2025, 1, 20, tzinfo=UTC).timestamp() * 1000)


def fill_lake(settings: Settings, assets: Sequence[str] = ASSETS) -> None:
    """Write the recorded minutes and settlements of assets."""
    source = Path(os.environ["PAIRITY_RECORDED_DATA"]) / "binance_um"
    lake = Lake(Layout.of(settings), durable=False, venue="binance_um")
    with lake.writing():
        for name, folder in _FOLDERS.items():
            kind = DATASETS[name]
            for asset in assets:
                rows = pl.read_parquet(source / folder / f"{asset}-USDT.parquet").filter(pl.col("ts") >= _SINCE_MS)
                rows = rows.with_columns(
                    pl.from_epoch("ts", time_unit="ms").dt.replace_time_zone("UTC").alias(kind.time)
                )
                missing = [pl.lit(None, dtype).alias(n) for n, dtype in kind.schema.items() if n not in rows.columns]
                rows = rows.with_columns(missing).with_columns(history_known_at(kind))
                lake.write(name, asset, kind.conform(rows.filter(pl.col(kind.time) < UNTIL)))
