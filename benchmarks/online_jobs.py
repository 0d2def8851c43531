"""Reading the newest features of all pairs: as the trading process reads them, and through Feast on the same store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.feast_online import READS
from benchmarks.isolated_process import Answer, Job
from benchmarks.wide import make_settings
from benchmarks.year_jobs import leave

AT = datetime(2026, 1, 1, tzinfo=UTC)


def prepare_online(folder: str, assets: int) -> None:
    """Write a row of every pair into our SQLite store, and the same rows to `rows.parquet` for the peers."""
    from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_FOREST_FEATURES, PAIR_HOURLY
    from feature_repo.feature_store import apply_definitions, open_store, write_online
    from feature_repo.offline_files import make_schema

    settings = make_settings(folder, "home", assets, all_pairs=True)
    pairs = settings.universe.pairs
    generator = np.random.default_rng(3)
    texts = {"base_asset": [pair.base for pair in pairs], "quote_asset": [pair.quote for pair in pairs]}
    columns: dict[str, Any] = {"pair_id": [pair.pair_id for pair in pairs]} | texts
    schema = make_schema(PAIR_HOURLY)
    for name, dtype in schema.items():
        if dtype == pl.Float64:
            columns[name] = generator.normal(size=len(pairs))
    columns |= {EVENT_TIME: [AT] * len(pairs), CREATED_TIME: [AT + timedelta(milliseconds=1)] * len(pairs)}
    rows = pl.DataFrame({name: columns[name] for name in schema}, schema=schema)
    store = open_store(settings)
    apply_definitions(settings, store)
    assert write_online(store, PAIR_HOURLY.name, rows) == len(pairs)
    rows.select("pair_id", EVENT_TIME, CREATED_TIME, *PAIR_FOREST_FEATURES.features).write_parquet(
        Path(folder) / "rows.parquet"
    )


def read_ours(folder: str, assets: int) -> Job:
    from feature_repo.catalog import PAIR_FOREST_FEATURES
    from feature_repo.feature_store import open_store, read_online

    settings = make_settings(folder, "home", assets, all_pairs=True)
    store, names = open_store(settings), [pair.pair_id for pair in settings.universe.pairs]

    def read() -> pl.DataFrame:
        return read_online(store, PAIR_FOREST_FEATURES.name, names, at=AT + timedelta(seconds=30))

    read()

    def job() -> Answer:
        for _ in range(READS):
            rows = read()
        numbers = [name for name in PAIR_FOREST_FEATURES.features if rows[name].dtype == pl.Float64]
        return lambda: leave(folder, "read_ours", rows.select(numbers).to_numpy())

    return job


def read_through_feast(folder: str, assets: int) -> Job:
    from feature_repo.catalog import PAIR_FOREST_FEATURES
    from feature_repo.feature_store import open_store

    settings = make_settings(folder, "home", assets, all_pairs=True)
    store = open_store(settings)
    service = store.get_feature_service(PAIR_FOREST_FEATURES.name)
    entities = [{"pair_id": pair.pair_id} for pair in settings.universe.pairs]

    def read() -> dict[str, list[Any]]:
        answer: dict[str, list[Any]] = store.get_online_features(features=service, entity_rows=entities).to_dict()
        return answer

    read()

    def job() -> Answer:
        for _ in range(READS):
            rows = read()
        numbers = [name for name in PAIR_FOREST_FEATURES.features if not isinstance(rows[name][0], str)]
        return lambda: leave(folder, "read_through_feast", np.column_stack([rows[name] for name in numbers]))

    return job
