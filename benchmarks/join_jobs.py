"""The point-in-time join by ours, by Polars alone and by DuckDB alone, on the inputs of `benchmarks.joins`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.isolated_process import Answer, Job
from benchmarks.join_answers import digest_join
from benchmarks.joins import LARGE, Size, join_bare, join_ours, make_rows, sample_labels

PAIRS, FEATURES = 45, 20
_SQL = """
select labels.pair_id, labels.event_timestamp, {columns}
from labels asof join read_parquet('{file}') rows
on labels.pair_id = rows.pair_id and labels.event_timestamp >= rows.event_timestamp
"""


def make_size(hours: int) -> Size:
    """Return the join of so many hours of 45 pairs, a label for every row."""
    return Size(PAIRS, hours, FEATURES, PAIRS * hours)


def prepare_join(folder: str, hours: int) -> None:
    _write_inputs(Path(folder), make_size(hours))


def prepare_large_join(folder: str, hours: int) -> None:
    _write_inputs(Path(folder), make_large_size(hours))


def make_large_size(hours: int) -> Size:
    """Return the join of a thousand entities over so many hours: 10 features, a label for every fifteenth row."""
    share = LARGE.entities * LARGE.hours / LARGE.labels
    return Size(LARGE.entities, hours, LARGE.features, round(LARGE.entities * hours / share))


def _write_inputs(place: Path, size: Size) -> None:
    rows = make_rows(size)
    sample_labels(rows, size).write_parquet(place / "labels.parquet")
    rows.write_parquet(place / "features.parquet")
    (place / "columns.txt").write_text("\n".join(size.columns))


def run_ours(folder: str, hours: int) -> Job:
    return _run_ours(Path(folder), make_size(hours))


def run_ours_large(folder: str, hours: int) -> Job:
    return _run_ours(Path(folder), make_large_size(hours))


def _run_ours(place: Path, size: Size) -> Job:
    requested = pl.read_parquet(place / "labels.parquet")

    def job() -> Answer:
        joined = join_ours(requested, place / "features.parquet", size)
        return lambda: _digest(joined, size.columns)

    return job


def run_polars(folder: str, _hours: int) -> Job:
    place = Path(folder)
    requested = pl.read_parquet(place / "labels.parquet")

    def job() -> Answer:
        joined = join_bare(requested, place / "features.parquet")
        return lambda: _digest(joined, _read_columns(place))

    return job


def run_duckdb(folder: str, _hours: int) -> Job:
    import duckdb as engine

    place = Path(folder)
    labels = pl.read_parquet(place / "labels.parquet").to_arrow()
    columns = _read_columns(place)
    sql = _SQL.format(columns=", ".join(f"rows.{name}" for name in columns), file=place / "features.parquet")

    def job() -> Answer:
        with engine.connect() as database:
            database.execute("set timezone = 'UTC'")
            database.execute("set enable_progress_bar = false")
            database.register("labels", labels)
            joined = database.sql(sql).to_arrow_table()
        return lambda: _digest(pl.DataFrame(pl.from_arrow(joined)), columns)

    return job


def _read_columns(place: Path) -> list[str]:
    return (place / "columns.txt").read_text().split()


def _digest(joined: pl.DataFrame, columns: list[str]) -> str:
    return digest_join(
        joined["pair_id"].to_numpy().astype(str),
        joined["event_timestamp"].dt.timestamp("us").to_numpy().astype(np.int64),
        [joined[name].to_numpy() for name in columns],
    )
