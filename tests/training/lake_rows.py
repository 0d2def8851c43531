"""Raw rows written straight into the files of a lake, as ingestion leaves them."""

from datetime import UTC, datetime, timedelta

import polars as pl

from feature_repo.raw_datasets import DATASETS

LAG = timedelta(milliseconds=1)


def write_raw(layout, name, asset, rows, venue="okx"):
    """Write `rows` (the dataset's time and values; what is nullable may be missing), known at once when complete."""
    kind = DATASETS[name]
    if "known_at" not in rows.columns:
        known = (pl.col(kind.time) + kind.known_after + LAG).cast(pl.Datetime("us", "UTC")).alias("known_at")
        rows = rows.with_columns(pl.col(kind.time).cast(pl.Datetime("us", "UTC"))).with_columns(known)
    path = layout.lake / name / f"venue={venue}" / f"instrument={asset}-USDT-SWAP" / "month=2025-03" / "part.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    kind.conform(rows).write_parquet(path)


def candles_of(bars):
    """Rows of candles from {open time in s: (open, high, low, close, volume)}."""
    times = [datetime.fromtimestamp(second, UTC) for second in bars]
    values = list(zip(*bars.values(), strict=True)) or [[]] * 5
    names = ("open", "high", "low", "close", "volume")
    frame = pl.DataFrame({"open_time": times, **dict(zip(names, values, strict=True))}, strict=False)
    return frame.with_columns(
        pl.col("open_time").cast(pl.Datetime("us", "UTC")), *(pl.col(name).cast(pl.Float64) for name in names)
    )
