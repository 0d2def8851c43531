"""Data directories that follow one store, and small rows for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo import object_store, placeholders
from feature_repo.catalog import ASSET_HOURLY
from feature_repo.offline_files import publish
from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from ingestion.published import publishing
from pairity.layout import Layout
from pairity.settings import Settings
from tests.feature_repo.rows import make_rows
from tests.ingestion.published.memory_store import MemoryStore

ADDRESS = "s3://memory/lake"
START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def use_store(patched: pytest.MonkeyPatch) -> MemoryStore:
    """Let `s3://memory/lake` be a store in memory."""
    store = MemoryStore(ADDRESS)
    patched.setattr(object_store, "open_objects", lambda _: store)
    placeholders._open.cache_clear()
    return store


def make_home(folder: Path, **cluster: object) -> Settings:
    return Settings(home=folder, cluster={"lake": ADDRESS, **cluster})


def raw_rows(month: int, value: float = 1.0, *, hours: int = 30, known_hours: int = 1) -> pl.DataFrame:
    """Hours of an index from the first of a month on, each known some hours after it."""
    kind = DATASETS["index_1h"]
    first = START.replace(month=month)
    rows = [
        (first + HOUR * step, *[value + step] * len(kind.values), first + HOUR * (step + known_hours))
        for step in range(hours)
    ]
    return pl.DataFrame(rows, schema=kind.schema, orient="row")


def lake_of(settings: Settings) -> Lake:
    return Lake(Layout.of(settings), durable=False)


def ingest(settings: Settings, asset: str, month: int, value: float = 1.0, **options: object) -> None:
    """Write a month of raw rows as a job does."""
    lake, rows = lake_of(settings), raw_rows(month, value, **options)
    with publishing(lake, settings):
        span = (rows[DATASETS["index_1h"].time][0], rows[DATASETS["index_1h"].time][-1] + HOUR)
        lake.write("index_1h", asset, rows, covered=[span])


def publish_view(settings: Settings, seed: int) -> None:
    """Write rows of a view as a job does."""
    with publishing(lake_of(settings), settings):
        publish(Layout.of(settings), ASSET_HOURLY, make_rows(ASSET_HOURLY, seed=seed, hours=range(seed, seed + 4)))


def contents(settings: Settings) -> dict[str, str]:
    return {part.relative: digest for part, digest in lake_of(settings).digests().items()}
