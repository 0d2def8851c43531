"""Rules on a row among its neighbours: they mark all rows that are wrong, not only the one where it shows.

They look at the newest known version of each instant, in time order.
"""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.raw_datasets import KNOWN_AT, RawDataset
from pairity.timeline import HOUR

MAX_ABS_LOG_RETURN = 1.5
"""Largest |ln c/c[−1]| between two closes; recorded markets reach 0.13 within a minute and 0.85 within an hour."""
STALE_BARS = 10
"""Least run of bars with the same prices and the same traded volume that is stale; recorded minutes reach 2."""
_REMEMBERED_BARS = 24
_BAR = ("open", "high", "low", "close", "volume")


def find_longest_comparable_hole(dataset: RawDataset) -> timedelta:
    """Return the longest hole across which closes are compared: an hour for minutes, a day for hours."""
    return max(HOUR, _REMEMBERED_BARS * dataset.known_after)


def mark_out_of_order(times: pl.Series) -> pl.Series:
    """Return whether a row came after a row of a later instant."""
    newest = times.cum_max().forward_fill().shift(1)
    return (times < newest).fill_null(False)


def mark_price_jumps(rows: pl.DataFrame, dataset: RawDataset, close_before: float | None = None) -> pl.Series:
    """Return whether a row lies on the wrong side of a jump of the close beyond `MAX_ABS_LOG_RETURN`.

    The right side is that of `close_before`; without it, the longest stretch without a jump. Rows are wrong until the
    close is back within the limit of the last right one. A new level that stays is wrong to the end of the batch, and a
    person must say (`pairity quarantine release`) that it is right. Closes that are no positive number are ignored, and
    none are compared across a hole of more than an hour (hourly bars: a day).
    """
    time = dataset.time
    newest = _keep_newest(rows, time).filter(
        pl.col("close").is_finite() & (pl.col("close") > 0), pl.col(time).is_not_null()
    )
    levels = newest["close"].log().to_numpy()
    steps = np.abs(np.diff(levels))
    before = None if close_before is None else math.log(close_before)
    starts_off = before is not None and len(levels) > 0 and abs(levels[0] - before) > MAX_ABS_LOG_RETURN
    if not starts_off and not (steps > MAX_ABS_LOG_RETURN).any():
        return pl.Series("price_jump", np.zeros(rows.height, dtype=bool))
    wrong = _find_wrong_side(levels, _find_holes(newest[time], find_longest_comparable_hole(dataset)), before)
    return _mark_rows(rows, newest.filter(pl.Series(wrong)), time, "price_jump")


def mark_stale_bars(rows: pl.DataFrame, time: str) -> pl.Series:
    """Return whether a bar repeats the one before it in a run of `STALE_BARS` or more equal bars with a volume.

    The first bar of the run is not stale. Bars without volume repeat in quiet markets; equal volumes do not.
    """
    newest = _keep_newest(rows, time)
    run = pl.struct(_BAR).rle_id()
    runs = newest.with_columns(run.alias("_run")).with_columns(
        pl.len().over("_run").alias("_length"), pl.int_range(pl.len()).over("_run").alias("_place")
    )
    stale = (pl.col("_length") >= STALE_BARS) & (pl.col("_place") > 0) & (pl.col("volume") > 0)
    return _mark_rows(rows, runs.filter(stale), time, "stale_bars")


def _find_wrong_side(levels: NDArray[np.float64], holes: set[int], before: float | None) -> list[bool]:
    """Return which levels are wrong: walk forward from the trusted stretch, then backward from it."""
    starts = [
        0,
        *(i for i in range(1, len(levels)) if abs(levels[i] - levels[i - 1]) > MAX_ABS_LOG_RETURN or i in holes),
    ]
    stretches = [range(a, b) for a, b in zip(starts, [*starts[1:], len(levels)], strict=True)]
    wrong = [False] * len(levels)
    trusted = 0 if before is not None else max(range(len(stretches)), key=lambda i: len(stretches[i]))
    level = before if before is not None else float(levels[stretches[trusted][0]])
    for stretch in stretches[trusted:]:
        level = _walk(levels, wrong, stretch, level, anew=stretch[0] in holes)
    level = float(levels[stretches[trusted][0]])
    anew = stretches[trusted][0] in holes
    for stretch in reversed(stretches[:trusted]):
        level = _walk(levels, wrong, stretch[::-1], level, anew=anew)
        anew = stretch[0] in holes
    return wrong


def _walk(levels: NDArray[np.float64], wrong: list[bool], stretch: range, level: float, *, anew: bool) -> float:
    """Accept one stretch, or mark it as wrong, beside the last accepted level; return the level afterwards."""
    if anew or abs(levels[stretch[0]] - level) <= MAX_ABS_LOG_RETURN:
        return float(levels[stretch[-1]])
    for place in stretch:
        wrong[place] = True
    return level


def _find_holes(times: pl.Series, longest: timedelta) -> set[int]:
    steps = times.diff().dt.total_microseconds().fill_null(0).to_numpy()
    return set(np.flatnonzero(steps > longest // timedelta(microseconds=1)).tolist())


def _keep_newest(rows: pl.DataFrame, time: str) -> pl.DataFrame:
    return rows.sort(time, KNOWN_AT, maintain_order=True).unique(time, keep="last", maintain_order=True)


def _mark_rows(rows: pl.DataFrame, offending: pl.DataFrame, time: str, name: str) -> pl.Series:
    """Return per row of `rows` whether it is one of the `offending` versions of an instant."""
    keys = offending.select(time, KNOWN_AT).unique()
    marked = rows.select(time, KNOWN_AT).with_row_index("_row")
    places = marked.join(keys, on=[time, KNOWN_AT], how="semi", nulls_equal=True)["_row"]
    hit = np.zeros(rows.height, dtype=bool)
    hit[places.to_numpy()] = True
    return pl.Series(name, hit)
