"""A year of minutes into hourly microstructure, month by month, against DuckDB SQL, pandas, and merely reading."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.case import Case
from benchmarks.isolated_process import call_in_process, read_resident_mb, reset_peak
from feature_repo.transforms.hours import summarise_hours

ASSETS = tuple(f"A{number:02}" for number in range(10))
MONTHS = 12
START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = ("open_time", "open", "high", "low", "close", "volume", "volume_quote", "taker_buy_volume", "known_at")
STATISTICS = ("vwap", "realized_vol_1h", "volume_cv", "parkinson_vol", "garman_klass_vol", "amihud", "minutes_observed")

SQL = """
with steps as (
  select asset, open_time, open, high, low, close, volume, volume_quote, taker_buy_volume,
    lag(close) over w as before, lag(close, 2) over w as earlier
  from read_parquet('{files}', hive_partitioning = true) window w as (partition by asset order by open_time)
)
select asset, date_trunc('hour', open_time) + interval 1 hour as event_timestamp,
  sum(volume_quote) / sum(volume) as vwap, last(close order by open_time) / vwap - 1 as vwap_deviation,
  stddev_samp(close / before - 1) * sqrt(60) as realized_vol_1h, stddev_samp(volume) / avg(volume) as volume_cv,
  sum(taker_buy_volume) / sum(volume) as taker_buy_ratio,
  sqrt(60 * avg(ln(high / low) ** 2) / (4 * ln(2))) as parkinson_vol,
  sqrt(60 * avg(0.5 * ln(high / low) ** 2 - (2 * ln(2) - 1) * ln(close / open) ** 2)) as garman_klass_vol,
  avg(abs(close / before - 1) / volume_quote) as amihud,
  covar_samp(close - before, before - earlier) as covariance, count(*) as minutes_observed
from steps group by all order by asset, event_timestamp
"""


def write_minutes(folder: Path, months: int = MONTHS) -> None:
    """Write one file per asset and month of the year's first so many, as the lake has them."""
    generator = np.random.default_rng(0)
    for asset in ASSETS:
        close = 100.0
        for month in range(months):
            first = START.replace(month=month + 1)
            after = START.replace(year=2025) if month == 11 else START.replace(month=month + 2)
            count = (after - first) // timedelta(minutes=1)
            moves = generator.normal(0, 5e-4, count)
            closes = close * np.exp(np.cumsum(moves))
            opens = np.concatenate([[close], closes[:-1]])
            close = float(closes[-1])
            room = np.abs(generator.normal(0, 3e-4, (2, count)))
            volume = generator.exponential(50.0, count) + 0.1
            times = pl.datetime_range(first, after, "1m", closed="left", eager=True, time_unit="us", time_zone="UTC")
            frame = pl.DataFrame(
                {
                    "open_time": times,
                    "open": opens,
                    "high": np.maximum(opens, closes) * (1 + room[0]),
                    "low": np.minimum(opens, closes) * (1 - room[1]),
                    "close": closes,
                    "volume": volume,
                    "volume_quote": volume * closes,
                    "trade_count": 5.0,
                    "taker_buy_volume": volume * 0.4,
                }
            ).with_columns((pl.col("open_time") + timedelta(minutes=1, milliseconds=1)).alias("known_at"))
            path = folder / f"asset={asset}" / f"month={month + 1:02}" / "part.parquet"
            path.parent.mkdir(parents=True)
            frame.write_parquet(path, compression="zstd", compression_level=3, row_group_size=65_536)


def scan_minutes(folder: Path, month: int) -> pl.LazyFrame:
    return pl.concat(
        pl.scan_parquet(
            folder / f"asset={asset}" / f"month={month:02}" / "part.parquet", hive_partitioning=False
        ).select(pl.lit(asset).alias("asset"), *COLUMNS)
        for asset in ASSETS
    )


def compute_ours(folder: Path, months: int = MONTHS) -> pl.DataFrame:
    return pl.concat(summarise_hours(scan_minutes(folder, month)).collect() for month in range(1, months + 1))


def read_columns(folder: Path, months: int = MONTHS) -> int:
    return sum(scan_minutes(folder, month).collect().height for month in range(1, months + 1))


def compute_with_duckdb(folder: Path, months: int = MONTHS, *, month: str = "*") -> pl.DataFrame:
    import duckdb as engine

    with engine.connect() as database:
        database.execute("set timezone = 'UTC'")
        database.execute("set enable_progress_bar = false")
        files = f"{folder}/*/month={month}/part.parquet"
        return pl.DataFrame(database.sql(SQL.format(files=files)).to_arrow_table())


def compute_with_pandas(folder: Path, months: int = MONTHS) -> object:
    import pandas as pd

    parts = []
    for month in range(1, months + 1):
        frame = scan_minutes(folder, month).collect().to_pandas()
        close = frame.groupby("asset")["close"]
        frame["r"] = close.pct_change()
        frame["move"] = close.diff()
        frame["before"] = frame.groupby("asset")["move"].shift()
        frame["span2"] = np.log(frame["high"] / frame["low"]) ** 2
        frame["body2"] = np.log(frame["close"] / frame["open"]) ** 2
        frame["illiquid"] = frame["r"].abs() / frame["volume_quote"]
        hour = frame.groupby(["asset", frame["open_time"].dt.floor("h")])
        sums = hour[["volume", "volume_quote", "taker_buy_volume"]].sum()
        out = pd.DataFrame(
            {
                "vwap": sums["volume_quote"] / sums["volume"],
                "taker_buy_ratio": sums["taker_buy_volume"] / sums["volume"],
                "realized_vol_1h": hour["r"].std() * np.sqrt(60),
                "volume_cv": hour["volume"].std() / hour["volume"].mean(),
                "parkinson_vol": np.sqrt(60 * hour["span2"].mean() / (4 * np.log(2))),
                "garman_klass_vol": np.sqrt(
                    60 * (hour["span2"].mean() / 2 - (2 * np.log(2) - 1) * hour["body2"].mean())
                ),
                "amihud": hour["illiquid"].mean(),
                "minutes_observed": hour.size(),
            }
        )
        out["covariance"] = hour[["move", "before"]].cov().xs("move", level=-1)["before"]
        parts.append(out)
    return pd.concat(parts)


def measure_peak_mb(job: str, folder: str, months: int) -> float:
    """Do one job, and return the peak memory in MB of this process above what it held before."""
    reset_peak()
    base = read_resident_mb("VmHWM")
    globals()[job](Path(folder), months)
    return read_resident_mb("VmHWM") - base


def measure_peak_apart(job: str, folder: Path, months: int) -> float:
    """Return the peak memory in MB of a process that does one job, above what its imports take."""
    return call_in_process(__name__, "measure_peak_mb", (job, str(folder), months))


def cases(scratch: Path) -> Iterator[Case]:
    folder = scratch / "minutes"
    write_minutes(folder)

    def check() -> None:
        mine = compute_ours(folder).sort("asset", "event_timestamp")
        theirs = compute_with_duckdb(folder)
        inner = mine["event_timestamp"].dt.day() > 1  # a month begins without the minute before it
        for name in STATISTICS:
            np.testing.assert_allclose(mine[name].filter(inner), theirs[name].filter(inner), rtol=1e-7, err_msg=name)

    def note() -> str:
        grown = {months: measure_peak_apart("compute_ours", folder, months) for months in (2, MONTHS)}
        jobs = {"duckdb": "compute_with_duckdb", "pandas": "compute_with_pandas", "read": "read_columns"}
        others = {name: measure_peak_apart(job, folder, MONTHS) for name, job in jobs.items()}
        listed = ", ".join(f"{name} {megabytes:,.0f} MB" for name, megabytes in others.items())
        return f"peak memory: ours {grown[2]:,.0f} MB for 2 months, {grown[MONTHS]:,.0f} MB for {MONTHS}; {listed}"

    rows = read_columns(folder)
    name = f"{rows:,} minutes into hourly microstructure"
    yield Case(
        name=name,
        ours=lambda: compute_ours(folder),
        peer=f"DuckDB {version('duckdb')} SQL",
        theirs=lambda: compute_with_duckdb(folder),
        check=check,
        note=note,
    )
    yield Case(
        name=name,
        ours=lambda: compute_ours(folder),
        peer=f"pandas {version('pandas')} groupby",
        theirs=lambda: compute_with_pandas(folder),
        check=lambda: None,
        peer_rounds=1,
    )
    yield Case(
        name=name,
        ours=lambda: compute_ours(folder),
        peer="merely reading the columns",
        theirs=lambda: read_columns(folder),
        check=lambda: None,
    )
