"""Which staged rows say something new: repetitions vanish, versions and contradictions stay for validation to see."""

from __future__ import annotations

import polars as pl

from feature_repo.raw_datasets import KNOWN_AT, RawDataset

BATCH = "batch"
"""Column with the number of the call that a row came with."""


def drop_repetitions(kind: RawDataset, rows: pl.DataFrame) -> pl.DataFrame:
    """Return `rows` (`asset`, the dataset's columns, `batch`) without repetitions, sorted by asset, time, `known_at`.

    The rows of one asset and time are taken batch by batch, within a batch by `known_at`. A row whose values equal
    those of the newest known one before it says nothing new, whatever its `known_at`; nor does one that is there
    already. All others stay, also two that are known at the same instant and contradict each other: which one is wrong
    is for validation to say. The number of library calls depends on how often a time was given, not on how many assets
    there are.
    """
    keys = ["asset", kind.time]
    ordered = rows.sort(*keys, BATCH, KNOWN_AT, maintain_order=True)
    again = ordered.select(pl.all_horizontal(pl.col(key).eq_missing(pl.col(key).shift(1)) for key in keys)).to_series()
    # Mostly no time was given twice: nothing is compared, and nothing copied, then.
    if not again.any():
        return ordered.select("asset", *kind.schema)
    several = again | again.shift(-1, fill_value=False)
    once, often = ordered.filter(~several), ordered.filter(several).unique(maintain_order=True)
    often = often.with_columns(pl.int_range(pl.len()).over(keys).alias("turn"))
    kept = newest = often.filter(pl.col("turn") == 0)
    for turn in range(1, often.select(pl.max("turn")).item() + 1):
        news = _news(kind, keys, often.filter(pl.col("turn") == turn), kept, newest)
        kept = pl.concat([kept, news])
        newest = pl.concat([newest, news]).sort(*keys, KNOWN_AT, maintain_order=True)
        newest = newest.unique(keys, keep="last", maintain_order=True)
    columns = ["asset", *kind.schema]
    return pl.concat([once.select(columns), kept.select(columns)]).sort(*keys, KNOWN_AT, maintain_order=True)


def _news(
    kind: RawDataset, keys: list[str], rows: pl.DataFrame, kept: pl.DataFrame, newest: pl.DataFrame
) -> pl.DataFrame:
    """Return those of `rows` (one per key) that neither repeat the newest version nor are kept already."""
    joined = rows.join(newest, on=keys, how="left", suffix="_newest", maintain_order="left")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_newest")) for name in kind.values)
    return (
        joined.filter(~same)
        .select(rows.columns)
        .join(kept, on=["asset", *kind.schema], how="anti", nulls_equal=True, maintain_order="left")
    )
