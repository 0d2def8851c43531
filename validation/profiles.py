"""Profiles: one row of numbers per partition, which Great Expectations judges instead of millions of raw rows.

Every profile has `key` (the partition), `rows`, and the columns that the suite of its dataset names. Counting is exact;
nothing is sampled.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import EVENT_TIME, View
from feature_repo.raw_datasets import CANDLES, KNOWN_AT, RawDataset, find_dataset
from pairity.timeline import HOUR
from validation.row_rules import build_view_offences, mark_offences

_BAR_COLUMNS = ("open", "high", "low", "close", "volume")


def profile_raw(
    rows: pl.DataFrame, name: str, key: str, now: datetime, *, close_before: float | None = None
) -> pl.DataFrame:
    """Return the profile of rows of the raw dataset `name`, in the order in which they came: one row.

    It counts how many rows break each rule on rows. Where the dataset has a grid, `expected_rows` counts its instants
    from the first row to the last and `missing_rows` those without a row. Candles add the longest run of equal bars,
    funding the irregular intervals. `now` is the venue's time. `close_before` is the last accepted close before the
    first row: without it a batch that is wrong from its first row to its last (all prices × 10) shows no jump.
    """
    dataset = find_dataset(name)
    counts = mark_offences(rows, name, now, close_before=close_before).sum()
    newest = rows.sort(dataset.time, KNOWN_AT, maintain_order=True).unique(
        dataset.time, keep="last", maintain_order=True
    )
    extent = newest.select(first=pl.col(dataset.time).min(), last=pl.col(dataset.time).max() + dataset.known_after)
    parts = [
        rows.select(rows=pl.len()),
        counts,
        extent,
        newest.select(**_structure(dataset)),
        rows.select(**_steps(dataset)),
    ]
    return _finished(pl.concat([part for part in parts if part.width], how="horizontal"), key)


def profile_view(view: View, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return one profile row per entity of a feature view; `key` is the entity, `now` the venue's time."""
    columns = {
        "rows": pl.len(),
        "first": pl.col(EVENT_TIME).min(),
        "last": pl.col(EVENT_TIME).max(),
        **{name: offence.sum() for name, offence in build_view_offences(view, now).items()},
        **{f"null_share__{feature.name}": pl.col(feature.name).is_null().mean() for feature in view.features},
    }
    profile = rows.group_by(pl.col(view.entity).alias("key"), maintain_order=True).agg(**columns)
    return profile.sort("key")


def _structure(dataset: RawDataset) -> dict[str, pl.Expr]:
    """Return numbers about the partition as a whole, from the newest known version of each instant."""
    numbers = {}
    if dataset.every is not None:
        times = pl.col(dataset.time).drop_nulls()
        on_grid = times.filter(times.dt.truncate(dataset.every) == times)
        numbers["expected_rows"] = _grid_length(on_grid, dataset.every)
        numbers["missing_rows"] = _grid_length(on_grid, dataset.every) - on_grid.len().cast(pl.Int64)
    if "close" in dataset.values:
        usable = pl.col("close").is_finite() & (pl.col("close") > 0)
        logarithm = pl.when(usable).then(pl.col("close")).log()
        numbers["max_abs_log_return"] = logarithm.diff().abs().max().fill_null(0.0)
    if dataset.name in CANDLES:
        numbers["longest_stale_run"] = pl.struct(_BAR_COLUMNS).rle_id().value_counts().struct.field("count").max()
    return numbers


def _steps(dataset: RawDataset) -> dict[str, pl.Expr]:
    if dataset.name != "funding":
        return {}
    steps = pl.col(dataset.time).drop_nulls().sort().diff().dt.total_microseconds()
    return {"irregular_intervals": (steps % _microseconds(HOUR) != 0).sum()}


def _grid_length(on_grid: pl.Expr, bar: timedelta) -> pl.Expr:
    """Return the number of bars from the first to the last, both included."""
    return (on_grid.max() - on_grid.min()).dt.total_microseconds() // _microseconds(bar) + 1


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _finished(profile: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return the profile with `key` first and null counts as 0; extremes that do not exist stay null."""
    counts = [pl.col(name).fill_null(0) for name, dtype in profile.schema.items() if dtype.is_integer()]
    return profile.with_columns(counts).select(pl.lit(key).alias("key"), pl.all())
