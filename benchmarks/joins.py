"""The point-in-time join: the as-of store against Feast's DuckDB store and against a bare Polars as-of join."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.case import Case
from feature_repo.asof_join import asof_join

ENTITIES, HOURS, FEATURES, LABELS = 45, 2_000, 20, 90_000
START = datetime(2024, 1, 1, tzinfo=UTC)


def rows() -> pl.DataFrame:
    generator = np.random.default_rng(0)
    times = pl.datetime_range(START, START + timedelta(hours=HOURS - 1), "1h", eager=True).cast(
        pl.Datetime("us", "UTC")
    )
    grid = pl.DataFrame({"pair_id": [f"P{i:02}" for i in range(ENTITIES)]}).join(
        pl.DataFrame({"event_timestamp": times}), how="cross"
    )
    features = {f"f{i}": generator.normal(size=grid.height) for i in range(FEATURES)}
    created = (pl.col("event_timestamp") + timedelta(milliseconds=1)).alias("created_timestamp")
    return grid.with_columns(created, **{k: pl.Series(v) for k, v in features.items()})


def labels(features: pl.DataFrame) -> pl.DataFrame:
    sampled = features.select("pair_id", "event_timestamp").sample(LABELS, seed=1, shuffle=True)
    return sampled.with_columns(pl.col("event_timestamp") + timedelta(seconds=30))


def cases(scratch: Path) -> Iterator[Case]:
    features = rows()
    path = scratch / "features.parquet"
    features.write_parquet(path)
    asked = labels(features)
    columns = [f"f{i}" for i in range(FEATURES)]

    def ours() -> pl.DataFrame:
        return asof_join(
            asked, pl.scan_parquet(path), keys=["pair_id"], time="event_timestamp", event="event_timestamp",
            created="created_timestamp", columns=columns, ttl=timedelta(hours=2), known_only=True,
        )  # fmt: skip

    def bare() -> pl.DataFrame:
        right = pl.read_parquet(path).sort("event_timestamp")
        return asked.sort("event_timestamp").join_asof(
            right, on="event_timestamp", by="pair_id", check_sortedness=False
        )

    duckdb_store = _duckdb_store(scratch, path)
    frame = asked.to_pandas()

    def theirs() -> object:
        return duckdb_store.get_historical_features(
            entity_df=frame, features=[f"view:{name}" for name in columns], filter_by_created_timestamp=False
        ).to_arrow()

    def check() -> None:
        key = ["pair_id", "event_timestamp"]
        theirs_sorted = pl.DataFrame(pl.from_arrow(theirs())).select(*key, *columns).sort(key)
        ours_sorted = ours().select(*key, *columns).sort(key)
        assert ours_sorted["f0"].equals(theirs_sorted["f0"])

    size = f"{LABELS:,} labels × {features.height:,} rows × {FEATURES} features"
    yield Case(f"point-in-time join, {size}", ours, "Feast's DuckDB store", theirs, check)
    yield Case(f"point-in-time join, {size}", ours, "bare Polars join_asof", bare, lambda: None)


def _duckdb_store(scratch: Path, path: Path):
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
    from feast.data_format import ParquetFormat
    from feast.types import Float64, String

    store = FeatureStore(config=RepoConfig(
        project="bench", provider="local", registry=str(scratch / "registry.db"), offline_store={"type": "duckdb"},
        online_store={"type": "sqlite", "path": str(scratch / "online.db")}, entity_key_serialization_version=3,
        repo_path=scratch,
    ))  # fmt: skip
    entity = Entity(name="pair_id", join_keys=["pair_id"])
    source = FileSource(path=str(path), timestamp_field="event_timestamp", file_format=ParquetFormat(),
                        created_timestamp_column="created_timestamp")  # fmt: skip
    fields = [Field(name="pair_id", dtype=String), *(Field(name=f"f{i}", dtype=Float64) for i in range(FEATURES))]
    view = FeatureView(name="view", entities=[entity], ttl=timedelta(hours=2), schema=fields, source=source)
    store.apply([entity, view])
    return store
