"""Scores of a run as a file among its artifacts: what its models said of every decision, for later backtests.

`scores.parquet` has pair_id, event_timestamp (the bar's close), score, train_end (the last instant that the row's model
has seen; null where nothing was learnt) and threshold (the probability above which that model trades; null where it has
none, and in files of earlier releases). `score` is a probability, or the forecast of a family of single assets; null
where nothing was known at the decision.
"""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from model_registry.stored_folder import read_folder, stored_path
from pairity.bounded_json import MIB
from pairity.bounded_numbers import OutOfBoundsError
from pairity.bounded_parquet import TableLimits, read_table
from pairity.durable import replace_file
from pairity.errors import RegistryError, UnknownNameError
from pairity.layout import Layout
from training.reports.run_lookup import find_known_run, list_families

FILE = "scores.parquet"
SCHEMA: dict[str, pl.DataType] = {
    "pair_id": pl.String(),
    "event_timestamp": pl.Datetime("us", "UTC"),
    "score": pl.Float64(),
    "train_end": pl.Datetime("us", "UTC"),
    "threshold": pl.Float64(),
}
_LIMITS = TableLimits(size=512 * MIB, rows=50_000_000, columns=16, chunks=100_000, expanded=4096 * MIB)
_RESTORE = "restore the data directory from a copy, or choose another run"


def write_scores(where: Path, scores: pl.DataFrame) -> Path:
    """Write `scores` (the columns of SCHEMA, and others that are left out) into the folder of a run's files."""
    buffer = io.BytesIO()
    scores.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).write_parquet(buffer, compression="zstd")
    path = where / FILE
    replace_file(path, buffer.getvalue())
    return path


def find_run(layout: Layout, run_id: str, family: str | None) -> tuple[str, str]:
    """Return id and name of the run that `run_id` begins; with `family`, of that family's run below it.

    `latest` is the newest. Raises what `find_known_run` raises, and UnknownNameError for a family that it has not.
    """
    found = find_known_run(layout, run_id)
    if family is None:
        return found.run_id, found.name
    below = list_families(layout, found.record)
    if family not in below:
        raise UnknownNameError(f"family in run {run_id}", family, below)
    return str(below[family].info.run_id), family


def read_scores(layout: Layout, run_id: str) -> pl.DataFrame:
    """Return the scores of a run by time and pair; RegistryError where it has none, or what is there cannot be read."""
    parts = run_id, "artifacts"
    try:
        files = read_folder(layout, parts, lambda name: _LIMITS.size if name == FILE else None)
    except FileNotFoundError:
        files = {}
    if FILE not in files:
        raise RegistryError(
            f"run {run_id[:12]} has no {FILE}",
            "choose a run of `pairity train`, or of `pairity leaderboard` with --family NAME; older runs have none",
        )
    where = stored_path(layout, parts) / FILE
    try:
        rows = read_table(files[FILE], _LIMITS)
        if "threshold" not in rows.columns:
            rows = rows.with_columns(pl.lit(None, pl.Float64).alias("threshold"))
        return rows.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).sort("event_timestamp", "pair_id")
    except OutOfBoundsError as error:
        raise RegistryError(f"{where} {error.what}", _RESTORE) from None
    except pl.exceptions.PolarsError as error:
        raise RegistryError(f"{where} is no table of scores: {error}", _RESTORE) from None
