"""Profiles: one row of numbers per partition, which Great Expectations judges instead of millions of raw rows.

Every profile has `key` (the partition), `rows`, and the columns that the suite of its dataset names. Counting is exact;
nothing is sampled. The number of calls does not depend on the number of partitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import EVENT_TIME, View
from feature_repo.raw_datasets import CANDLES, RawDataset, find_dataset
from pairity.errors import DataError
from pairity.timeline import HOUR
from validation.row_rules import mark_feature_offences, mark_offences
from validation.sequence_rules import NO_CLOSES, keep_newest, number_runs


def profile_raw(
    rows: pl.DataFrame,
    name: str,
    month: str,
    now: datetime,
    *,
    closes_before: Mapping[str, float] = NO_CLOSES,
    venue: str = "",
    marks: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the profile of rows of the raw dataset `name`: one row per asset, in the order in which they first appear.

    `rows`: `asset` and the dataset's columns, of one `month` (`2025-04`), an asset's rows in the order in which they
    came. `key` is `ASSET/month`, with `/venue` where one is given.

    It counts how many rows break each rule on rows. Where the dataset has a grid, `expected_rows` counts its instants
    from the first row to the last and `missing_rows` those without a row. Candles add the longest run of equal bars,
    funding the irregular intervals. `now` is the venue's time. `closes_before` has per asset the last accepted close
    before its first row: without it a batch that is wrong from its first row to its last (all prices × 10) shows no
    jump. `marks` may be given where they are known already: `mark_offences` of the same rows.
    """
    dataset = find_dataset(name)
    offences = mark_offences(rows, name, now, closes_before=closes_before) if marks is None else marks
    counted = pl.concat([rows.select("asset", dataset.time), offences], how="horizontal").group_by(
        "asset", maintain_order=True
    )
    time = pl.col(dataset.time)
    profile = counted.agg(
        pl.len().alias("rows"),
        pl.col(offences.columns).sum(),
        first=time.min(),
        last=time.max() + dataset.known_after,
        **_steps(dataset),
    )
    if structure := _structure(dataset):
        newest = keep_newest(rows, dataset.time)
        runs = newest.with_columns(number_runs()) if dataset.name in CANDLES else newest
        profile = profile.join(runs.group_by("asset").agg(**structure), on="asset", how="left", maintain_order="left")
    key = pl.col("asset") + pl.lit(f"/{month}/{venue}" if venue else f"/{month}")
    # Extremes that do not exist stay null; a count of nothing is 0.
    counts = [pl.col(name).fill_null(0) for name, dtype in profile.schema.items() if dtype.is_integer()]
    return profile.with_columns(counts).select(key.alias("key"), pl.exclude("asset"))


def profile_view(view: View, rows: pl.DataFrame, now: datetime, *, marks: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return one profile row per entity of a feature view; `key` is the entity, `now` the venue's time.

    `first` and `last` are event times; all other columns count rows. `marks` may be given where they are known already:
    `mark_feature_offences` of the same rows.
    """
    offences = mark_feature_offences(view, rows, now) if marks is None else marks
    counted = pl.concat([rows.select(pl.col(view.entity).alias("key"), EVENT_TIME), offences], how="horizontal")
    columns = {
        "rows": pl.len(),
        "first": pl.col(EVENT_TIME).min(),
        "last": pl.col(EVENT_TIME).max(),
        **{name: pl.col(name).sum() for name in offences.columns},
    }
    return counted.group_by("key").agg(**columns).sort("key")


def combine_view_profiles(view: View, earlier: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """Return the profile of two sets of rows of `view` together, given the profile of each.

    No entity may have rows of one event time in both: rows that repeat each other are counted where they stand side by
    side. DataError if a profile is not one of this view.
    """
    both = [earlier, later]
    for profile in both:
        if profile.schema != both[0].schema or "key" not in profile.columns:
            raise DataError(
                f"profiles of {view.name} with the columns {both[0].columns} and {profile.columns} cannot be added",
                "profile both with validation.profiles.profile_view of the same catalogue",
            )
    columns = [
        pl.col(name).min() if name == "first" else pl.col(name).max() if name == "last" else pl.col(name).sum()
        for name in earlier.columns
        if name != "key"
    ]
    return pl.concat(both).group_by("key").agg(columns).sort("key")


def _structure(dataset: RawDataset) -> dict[str, pl.Expr]:
    """Return numbers about a partition as a whole, from the newest known version of each instant."""
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
        numbers["longest_stale_run"] = pl.col("_run").unique_counts().max()
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
