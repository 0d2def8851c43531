"""Reading the newest features of all pairs from Feast's own SQLite and Redis stores.

Nothing but Feast and what it needs is imported: a store may be given an interpreter of its own.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.isolated_process import Answer, Job

READS = 10
"""Reads of all pairs per job."""
ADDRESS = "BENCHMARK_REDIS_ADDRESS"
"""Environment variable with host:port of an empty Redis."""


def read_from_sqlite(folder: str, _assets: int) -> Job:
    return _make_job(folder, "read_from_sqlite", {"type": "sqlite", "path": str(Path(folder) / "feast.db")})


def read_from_redis(folder: str, _assets: int) -> Job:
    return _make_job(folder, "read_from_redis", {"type": "redis", "connection_string": os.environ[ADDRESS]})


def _make_job(folder: str, name: str, online: dict[str, Any]) -> Job:
    """Write all rows with Feast, and make the job that reads them."""
    warnings.simplefilter("ignore")
    rows = pd.read_parquet(Path(folder) / "rows.parquet")
    columns = [column for column in rows if column not in ("pair_id", "event_timestamp", "created_timestamp")]
    store = _open_store(Path(folder) / name, online, {column: rows[column].dtype == np.float64 for column in columns})
    store.write_to_online_store("view", rows)
    references = [f"view:{column}" for column in columns]
    entities = [{"pair_id": pair} for pair in rows["pair_id"]]

    def read() -> dict[str, list[Any]]:
        answer: dict[str, list[Any]] = store.get_online_features(features=references, entity_rows=entities).to_dict()
        return answer

    read()

    def job() -> Answer:
        for _ in range(READS):
            answered = read()
        numbers = [column for column in columns if rows[column].dtype == np.float64]

        def answer() -> str:
            values = np.column_stack([answered[column] for column in numbers]).astype(np.float64)
            np.save(Path(folder) / f"{name}.npy", values)
            return hashlib.sha256(values.tobytes()).hexdigest()

        return answer

    return job


def _open_store(own: Path, online: dict[str, Any], numeric: dict[str, bool]) -> Any:
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64, String

    own.mkdir(exist_ok=True)
    store = FeatureStore(
        config=RepoConfig(
            project=f"bench_{len(os.listdir(own))}_{hashlib.sha256(str(own).encode()).hexdigest()[:8]}",
            provider="local",
            registry=str(own / "registry.db"),
            offline_store={"type": "dask"},
            online_store=online,
            entity_key_serialization_version=3,
            repo_path=own,
        )
    )
    entity = Entity(name="pair_id", join_keys=["pair_id"], value_type=ValueType.STRING)
    source = FileSource(
        path=str(own.parent / "rows.parquet"),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )
    fields = [Field(name=name, dtype=Float64 if is_number else String) for name, is_number in numeric.items()]
    view = FeatureView(name="view", entities=[entity], ttl=timedelta(0), schema=fields, source=source)
    store.apply([entity, view])
    return store
