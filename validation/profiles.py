"""One small row of numbers per partition: what Great Expectations judges instead of millions of raw rows.

Every profile has `key` (the partition), `rows`, and the columns that the suite of its dataset names. Counting is exact;
nothing is sampled.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import EVENT_TIME, View
from pairity.timeline import HOUR
from validation.offences import BAR_OF, candle_offences, funding_offences, log_return, view_offences

_BAR_COLUMNS = ("open", "high", "low", "close", "volume")


def profile_candles(
    rows: pl.DataFrame, dataset: str, key: str, now: datetime, *, close_before: float | None = None
) -> pl.DataFrame:
    """Profile of candles (`candles_1m`, `candles_1h`) in the order in which they came; `now` is the venue's time.

    Returns, holes and stale runs are those of the newest known version of each bar. A hole is a bar of the grid between
    the first and the last one that is not there; a stale run is a number of bars in a row with the same prices and the
    same volume. `close_before` is the close that was stored just before the first row: without it a batch that is
    wrong from its first row to its last (all prices × 10) shows no jump.
    """
    bar = BAR_OF[dataset]
    offences = {name: offence.sum() for name, offence in candle_offences(bar, now).items()}
    newest = rows.sort("open_time", "known_at", maintain_order=True).unique(
        "open_time", keep="last", maintain_order=True
    )
    times = pl.col("open_time").drop_nulls()
    on_grid = times.filter(times.dt.truncate(bar) == times)
    profile = newest.select(
        first=times.min(),
        last=times.max() + bar,
        expected_rows=_grid_length(on_grid, bar),
        missing_rows=_grid_length(on_grid, bar) - on_grid.len().cast(pl.Int64),
        max_abs_log_return=log_return(close_before).abs().max().fill_null(0.0),
        longest_stale_run=pl.struct(_BAR_COLUMNS).rle_id().value_counts().struct.field("count").max(),
    )
    return _finished(pl.concat([rows.select(rows=pl.len(), **offences), profile], how="horizontal"), key)


def profile_funding(rows: pl.DataFrame, key: str, now: datetime) -> pl.DataFrame:
    """Profile of funding settlements in the order in which they came; `now` is the venue's time."""
    offences = {name: offence.sum() for name, offence in funding_offences(now).items()}
    times = pl.col("funding_time")
    profile = rows.select(
        rows=pl.len(),
        **offences,
        first=times.min(),
        last=times.max(),
        irregular_intervals=(times.drop_nulls().sort().diff().dt.total_microseconds() % _microseconds(HOUR) != 0).sum(),
    )
    return _finished(profile, key)


def profile_view(view: View, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """One profile row per entity of a feature view; `key` is the entity, `now` the venue's time."""
    columns = {
        "rows": pl.len(),
        "first": pl.col(EVENT_TIME).min(),
        "last": pl.col(EVENT_TIME).max(),
        **{name: offence.sum() for name, offence in view_offences(view, now).items()},
        **{f"null_share__{feature.name}": pl.col(feature.name).is_null().mean() for feature in view.features},
    }
    profile = rows.group_by(pl.col(view.entity).alias("key"), maintain_order=True).agg(**columns)
    return profile.sort("key")


def _grid_length(on_grid: pl.Expr, bar: timedelta) -> pl.Expr:
    """Bars from the first to the last, both included."""
    return (on_grid.max() - on_grid.min()).dt.total_microseconds() // _microseconds(bar) + 1


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _finished(profile: pl.DataFrame, key: str) -> pl.DataFrame:
    """`key` first; counts that nothing could be counted for are zero, extremes stay as they are."""
    counts = [pl.col(name).fill_null(0) for name, dtype in profile.schema.items() if dtype.is_integer()]
    return profile.with_columns(counts).select(pl.lit(key).alias("key"), pl.all())
