"""The point-in-time join: the as-of store against Feast's DuckDB store and against a bare Polars as-of join."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.case import Case
from benchmarks.isolated_process import call_in_process
from feature_repo.asof_join import asof_join

START = datetime(2020, 1, 1, tzinfo=UTC)
_LIMIT_S = 420.0
"""Longest wait for the peer."""


@dataclass(frozen=True)
class Size:
    entities: int
    hours: int
    features: int
    labels: int

    @property
    def columns(self) -> list[str]:
        return [f"f{number}" for number in range(self.features)]

    @property
    def text(self) -> str:
        return f"{self.labels:,} labels × {self.entities * self.hours:,} rows × {self.features} features"


YEAR = Size(45, 8_760, 20, 394_200)
LARGE = Size(1_000, 13_000, 10, 864_000)


def make_rows(size: Size) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    times = pl.datetime_range(
        START, START + timedelta(hours=size.hours - 1), "1h", eager=True, time_unit="us", time_zone="UTC"
    )
    grid = pl.DataFrame({"pair_id": [f"P{number:04}" for number in range(size.entities)]}).join(
        pl.DataFrame({"event_timestamp": times}), how="cross"
    )
    features = {name: pl.Series(generator.normal(size=grid.height)) for name in size.columns}
    return grid.with_columns(
        (pl.col("event_timestamp") + timedelta(milliseconds=1)).alias("created_timestamp"), **features
    )


def sample_labels(features: pl.DataFrame, size: Size) -> pl.DataFrame:
    sampled = features.select("pair_id", "event_timestamp").sample(size.labels, seed=1, shuffle=True)
    return sampled.with_columns(pl.col("event_timestamp") + timedelta(seconds=30))


def join_ours(requested: pl.DataFrame, path: Path, size: Size) -> pl.DataFrame:
    return asof_join(
        requested,
        pl.scan_parquet(path),
        keys=["pair_id"],
        time="event_timestamp",
        event="event_timestamp",
        created="created_timestamp",
        columns=size.columns,
        ttl=timedelta(hours=2),
        known_only=True,
    )


def join_bare(requested: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Join with Polars alone: no knowledge time, no TTL, and the labels come back in another order."""
    right = pl.read_parquet(path).sort("event_timestamp")
    return requested.sort("event_timestamp").join_asof(
        right, on="event_timestamp", by="pair_id", check_sortedness=False
    )


def join_with_feast(requested: pl.DataFrame, path: Path, size: Size, scratch: Path) -> pl.DataFrame:
    import ibis

    ibis.get_backend().raw_sql("set enable_progress_bar = false")  # of the engine that Feast's store uses
    refs = [f"view:{name}" for name in size.columns]
    job = _open_duckdb_store(scratch, path, size).get_historical_features(
        entity_df=requested.to_pandas(), features=refs, filter_by_created_timestamp=False
    )
    return pl.DataFrame(pl.from_arrow(job.to_arrow()))


def time_peer(folder: str, entities: int, hours: int, features: int, labels: int) -> float:
    """Return the seconds of the peer's join, in this process; what it needs lies in `folder`."""
    size, place = Size(entities, hours, features, labels), Path(folder)
    requested = pl.read_parquet(place / "labels.parquet")
    warnings.simplefilter("ignore")
    begun = time.perf_counter()
    join_with_feast(requested, place / "features.parquet", size, place)
    return time.perf_counter() - begun


def time_peer_apart(folder: Path, size: Size) -> float:
    """Time the peer in a process of its own, since it may take more memory or time than there is; inf if it fails."""
    arguments = (str(folder), size.entities, size.hours, size.features, size.labels)
    try:
        return call_in_process(__name__, "time_peer", arguments, limit_s=_LIMIT_S)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        print(f"  the peer gave no answer: {error}", file=sys.stderr)
        return inf


def cases(scratch: Path) -> Iterator[Case]:
    for name, size in (("year", YEAR), ("large", LARGE)):
        folder = scratch / name
        folder.mkdir()
        path = folder / "features.parquet"
        features = make_rows(size)
        requested = sample_labels(features, size)
        features.write_parquet(path)
        requested.write_parquet(folder / "labels.parquet")
        del features
        yield from _make_cases(size, requested, path, folder)


def _make_cases(size: Size, requested: pl.DataFrame, path: Path, folder: Path) -> Iterator[Case]:
    key = ["pair_id", "event_timestamp"]

    def check() -> None:
        mine = join_ours(requested, path, size).select(*key, *size.columns).sort(key)
        other = join_bare(requested, path).select(*key, *size.columns).sort(key)
        assert mine.equals(other)

    def seconds() -> float:
        return time_peer_apart(folder, size)

    name = f"point-in-time join, {size.text}"
    yield Case(
        name=name,
        ours=lambda: join_ours(requested, path, size),
        peer="bare Polars join_asof, read and sorted",
        theirs=lambda: join_bare(requested, path),
        check=check,
    )
    yield Case(
        name=name,
        ours=lambda: join_ours(requested, path, size),
        peer=f"Feast's DuckDB store (at most {_LIMIT_S:.0f} s)",
        theirs=lambda: None,
        check=lambda: None,
        peer_rounds=1,
        peer_seconds=seconds,
    )


def _open_duckdb_store(scratch: Path, path: Path, size: Size):
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.data_format import ParquetFormat
    from feast.types import Float64, String

    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(scratch / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store={"type": "sqlite", "path": str(scratch / "online.db")},
            entity_key_serialization_version=3,
            repo_path=scratch,
        )
    )
    entity = Entity(name="pair_id", join_keys=["pair_id"], value_type=ValueType.STRING)
    source = FileSource(
        path=str(path),
        timestamp_field="event_timestamp",
        file_format=ParquetFormat(),
        created_timestamp_column="created_timestamp",
    )
    fields = [Field(name="pair_id", dtype=String), *(Field(name=name, dtype=Float64) for name in size.columns)]
    view = FeatureView(name="view", entities=[entity], ttl=timedelta(hours=2), schema=fields, source=source)
    store.apply([entity, view])
    return store
