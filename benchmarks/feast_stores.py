"""The point-in-time join by Feast's own offline stores: DuckDB, dask and Spark, which runs where a Java is.

Nothing but Feast and what it needs is imported: a store may be given an interpreter of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.isolated_process import Answer, Job
from benchmarks.join_answers import digest_join

_SPARK = {
    "spark.master": "local[2]",
    "spark.driver.memory": "6g",
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


def join_with_duckdb(folder: str, _size: int) -> Job:
    import ibis

    ibis.get_backend().raw_sql("set enable_progress_bar = false")  # of the engine that Feast's store uses
    return _make_job(folder, {"type": "duckdb"})


def join_with_dask(folder: str, _size: int) -> Job:
    return _make_job(folder, {"type": "dask"})


def join_with_spark(folder: str, _size: int) -> Job:
    """Make the job of Spark on two threads; its session starts before the clock does."""
    from pyspark.sql import SparkSession

    building = SparkSession.builder
    for name, value in _SPARK.items():
        building = building.config(name, value)
    session = building.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    assert session.range(10).count() == 10
    return _make_job(folder, {"type": "spark", "spark_conf": _SPARK})


def _make_job(folder: str, offline: dict[str, Any]) -> Job:
    warnings.simplefilter("ignore")
    place = Path(folder)
    requested = pd.read_parquet(place / "labels.parquet")
    names = [line for line in (place / "columns.txt").read_text().split() if line]
    store = _open_store(place, offline, names)
    references = [f"view:{name}" for name in names]

    def job() -> Answer:
        joined = store.get_historical_features(entity_df=requested, features=references).to_arrow()
        return _make_answer(joined, names)

    return job


def _make_answer(joined: Any, names: list[str]) -> Answer:
    def answer() -> str:
        frame = joined.to_pandas()
        times = pd.to_datetime(frame["event_timestamp"], utc=True).dt.tz_localize(None)
        return digest_join(
            frame["pair_id"].to_numpy(dtype=object).astype(str),
            times.to_numpy().astype("datetime64[us]").astype(np.int64),
            [frame[name].to_numpy(np.float64) for name in names],
        )

    return answer


def _open_store(place: Path, offline: dict[str, Any], names: list[str]) -> Any:
    from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig, ValueType
    from feast.types import Float64, String

    own = place / str(offline["type"])
    own.mkdir(exist_ok=True)
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(own / "registry.db"),
            offline_store=offline,
            online_store={"type": "sqlite", "path": str(own / "online.db")},
            entity_key_serialization_version=3,
            repo_path=own,
        )
    )
    entity = Entity(name="pair_id", join_keys=["pair_id"], value_type=ValueType.STRING)
    fields = [Field(name="pair_id", dtype=String), *(Field(name=name, dtype=Float64) for name in names)]
    view = FeatureView(
        name="view",
        entities=[entity],
        ttl=timedelta(hours=2),
        schema=fields,
        source=_SOURCES[str(offline["type"])](str(place / "features.parquet")),
    )
    store.apply([entity, view])
    return store


def _make_file_source(path: str) -> Any:
    from feast import FileSource
    from feast.data_format import ParquetFormat

    return FileSource(
        path=path,
        timestamp_field="event_timestamp",
        file_format=ParquetFormat(),
        created_timestamp_column="created_timestamp",
    )


def _make_spark_source(path: str) -> Any:
    from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

    return SparkSource(
        name="rows",
        path=path,
        file_format="parquet",
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )


_SOURCES: dict[str, Callable[[str], Any]] = {
    "duckdb": _make_file_source,
    "dask": _make_file_source,
    "spark": _make_spark_source,
}
