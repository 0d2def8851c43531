"""Small Feast stores of their own: two views over Parquet files, behind the as-of store or Feast's DuckDB store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.data_format import ParquetFormat
from feast.types import Float64, Int64, String

ASOF = "feature_repo.offline_store.AsofOfflineStore"
DUCKDB = "duckdb"
DASK = "dask"  # Feast's default
START = datetime(2025, 3, 1, tzinfo=UTC)
FAST_TTL = timedelta(hours=2)
TIME = pl.Datetime("us", "UTC")
TIMES = {"asset": pl.String, "event_timestamp": TIME, "created_timestamp": TIME}
FAST = {**TIMES, "x": pl.Float64, "n": pl.Int64, "s": pl.String}
SLOW = {**TIMES, "y": pl.Float64}
SCHEMAS = {"fast": FAST, "slow": SLOW}
TTLS = {"fast": FAST_TTL, "slow": None}
_FEATURES = {
    "fast": [Field(name="x", dtype=Float64), Field(name="n", dtype=Int64), Field(name="s", dtype=String)],
    "slow": [Field(name="y", dtype=Float64)],
}


def at(hours: float, milliseconds: float = 0.0) -> datetime:
    """An instant, in hours after the start."""
    return START + timedelta(hours=hours, milliseconds=milliseconds)


def write_rows(folder: Path, view: str, rows: Sequence[Mapping[str, Any]], part: str = "part") -> None:
    """One file of a view."""
    target = folder / "features" / view / "month=2025-03"
    target.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(list(rows), schema=SCHEMAS[view], orient="row").write_parquet(target / f"{part}.parquet")


def open_small_store(folder: Path, offline: str, online: Mapping[str, str] | None = None) -> FeatureStore:
    """A store with the views `fast` (TTL 2 h: x, n, s) and `slow` (no TTL: y), both of `asset`.

    Its online store is the embedded one, unless `online` says another.
    """
    config = RepoConfig(
        project="small",
        provider="local",
        registry=str(folder / f"{offline}.registry.db"),
        online_store=online
        or {
            "type": "feature_repo.online_store.NewestSqliteOnlineStore",
            "path": str(folder / f"{offline}.online.db"),
        },
        offline_store={"type": offline},
        repo_path=folder,
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    asset = Entity(name="asset", join_keys=["asset"], value_type=ValueType.STRING)
    views = [
        FeatureView(
            name=name,
            entities=[asset],
            ttl=TTLS[name] or timedelta(0),
            schema=[Field(name="asset", dtype=String), *fields],
            source=FileSource(
                name=f"{name}_files",
                path=str(folder / "features" / name / "month=*" / "*.parquet"),
                timestamp_field="event_timestamp",
                created_timestamp_column="created_timestamp",
                file_format=ParquetFormat(),
            ),
        )
        for name, fields in _FEATURES.items()
    ]
    store.apply([asset, *views])
    return store
