"""Files as people have them: the same bars in many spellings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

T0 = datetime(2024, 5, 1, tzinfo=UTC)
T1 = T0 + timedelta(days=40)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NAMES = ("open", "high", "low", "close", "volume")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bars(count, step=HOUR, first=T0):
    """Candles as tuples: open time, open, high, low, close, volume."""
    return [(first + k * step, 100.5 + k % 7, 1102.25 + k % 7, 90.125, 101.0 + k % 7, 1234.5 + k) for k in range(count)]


def micro(at):
    return (at - EPOCH) // timedelta(microseconds=1)


def write_parquet(path, rows, times=None, time_name="ts", **more):
    """Write candles with `times` (a series) in place of Unix milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = pl.Series([micro(row[0]) // 1000 for row in rows]) if times is None else times
    columns = {time_name: own} | {name: [row[k + 1] for row in rows] for k, name in enumerate(NAMES)}
    pl.DataFrame(columns | more).write_parquet(path)


def write_csv(path, rows, header="ts,open,high,low,close,volume", encoding="utf-8"):
    """Write lines of cells that are texts already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sign = next(sign for sign in ";\t|," if sign in header)
    lines = [header, *(sign.join(f'"{cell}"' if sign in cell else cell for cell in row) for row in rows)]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))


def given(rows):
    """Candles of a frame as `bars` has them."""
    return rows.select("open_time", *NAMES).rows()
