"""Rules on a row among its neighbours: they mark all rows that are wrong, not only the one where it shows.

A frame holds the rows of any number of instruments, with their short name in `asset`; an instrument's neighbours are
its own. The rules look at the newest known version of each instant, in time order (`keep_newest`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.raw_datasets import KNOWN_AT, RawDataset
from feature_repo.redenominations import NO_CHANGES, Units
from pairity.timeline import HOUR
from validation.market_moves import LEAST_INSTRUMENTS, take_market_moves_out

MAX_ABS_LOG_RETURN = 1.5
"""Largest |ln c/c[−1]| between two closes; recorded markets reach 0.13 within a minute and 0.85 within an hour."""
STALE_BARS = 10
"""Least run of bars with the same prices and the same traded volume that is stale; recorded minutes reach 2."""
ROUND_FACTOR_TOLERANCE = 0.25
"""Largest |ln| by which the price may have moved beside a change of units: 28% up, 22% down."""
_LOG_TEN = math.log(10)
NO_CLOSES: Mapping[str, float] = MappingProxyType({})
"""Where no last accepted close of any asset is known."""
_REMEMBERED_BARS = 24
_BAR = ("open", "high", "low", "close", "volume")


def find_longest_comparable_hole(dataset: RawDataset) -> timedelta:
    """Return the longest hole across which closes are compared: an hour for minutes, a day for hours."""
    return max(HOUR, _REMEMBERED_BARS * dataset.known_after)


def is_round_factor(step: float) -> bool:
    """Return whether a difference of logarithms is nearly that of a power of ten: a contract in other units.

    >>> is_round_factor(math.log(1000 * 1.1)), is_round_factor(math.log(1 / 10)), is_round_factor(math.log(5.0))
    (True, True, False)
    """
    powers = round(abs(step) / _LOG_TEN)
    return powers >= 1 and abs(abs(step) - powers * _LOG_TEN) <= ROUND_FACTOR_TOLERANCE


def keep_newest(rows: pl.DataFrame, time: str) -> pl.DataFrame:
    """Return the newest known version of each instant per asset, sorted by asset and time; a missing time is one."""
    key = ["asset", time]
    return rows.sort(*key, KNOWN_AT, maintain_order=True).unique(key, keep="last", maintain_order=True)


def build_out_of_order(time: str) -> pl.Expr:
    """Return whether a row came after a row of its asset of a later instant."""
    return pl.col(time) < pl.col(time).cum_max().forward_fill().shift(1).over("asset")


def mark_price_jumps(
    rows: pl.DataFrame,
    newest: pl.DataFrame,
    dataset: RawDataset,
    closes_before: Mapping[str, float] = NO_CLOSES,
    units: Units = NO_CHANGES,
) -> pl.Series:
    """Return whether a row lies on the wrong side of a jump of the close beyond `MAX_ABS_LOG_RETURN`.

    The right side is that of the asset's close in `closes_before`; without it, the longest stretch without a jump. Rows
    are wrong until the close is back within the limit of the last right one. A new level that stays is wrong to the end
    of the batch, and a person must say (`pairity quarantine release`) that it is right. Closes that are no positive
    number are ignored. Across a hole of more than an hour (hourly bars: a day) the price may be another one, but not by
    about a power of ten: that is a redenomination, and held as well, until `units` know of it: closes are compared in
    the newest unit, which is that of `closes_before`. `newest` is `keep_newest` of `rows`.

    A move that most instruments of the frame make at one time is the market's (see `take_market_moves_out`).
    """
    time = dataset.time
    usable = newest.filter(pl.col("close").is_finite() & (pl.col("close") > 0), pl.col(time).is_not_null())
    closes = usable.select(pl.col("close") * units.factor(pl.col("asset"), time)) if units.steps else usable
    levels = closes["close"].log().to_numpy()
    wrong = np.zeros(len(levels), dtype=bool)
    suspects = list(_find_suspects(usable["asset"], levels, closes_before))
    if len(suspects) >= LEAST_INSTRUMENTS:
        spike = find_longest_comparable_hole(dataset)
        levels = take_market_moves_out(usable, time, levels, closes_before, least=MAX_ABS_LOG_RETURN, spike=spike)
        suspects = list(_find_suspects(usable["asset"], levels, closes_before))
    for begin, end, before in suspects:
        holes = _find_holes(usable[time][begin:end], find_longest_comparable_hole(dataset))
        wrong[begin:end] = _find_wrong_side(levels[begin:end], holes, before)
    return _mark_rows(rows, usable.filter(wrong) if wrong.any() else usable.clear(), time, "price_jump")


def mark_stale_bars(rows: pl.DataFrame, newest: pl.DataFrame, time: str) -> pl.Series:
    """Return whether a bar repeats the one before it in a run of `STALE_BARS` or more equal bars with a volume.

    The first bar of the run is not stale. Bars without volume repeat in quiet markets; equal volumes do not. `newest`
    is `keep_newest` of `rows`.
    """
    runs, traded = newest.select(number_runs(), (pl.col("volume") > 0).fill_null(False).alias("_traded"))
    run = runs.to_numpy()
    lengths = np.bincount(run)
    places = np.arange(len(run)) - (np.cumsum(lengths) - lengths)[run]
    stale = (lengths[run] >= STALE_BARS) & (places > 0) & traded.to_numpy()
    return _mark_rows(rows, newest.filter(stale) if stale.any() else newest.clear(), time, "stale_bars")


def number_runs() -> pl.Expr:
    """Return the number of the run of equal bars of one asset in which a bar of `keep_newest` stands, from 0."""
    return pl.struct("asset", *_BAR).rle_id().alias("_run")


def _find_suspects(
    assets: pl.Series, levels: NDArray[np.float64], closes_before: Mapping[str, float]
) -> Iterator[tuple[int, int, float | None]]:
    """Yield the places (from, until) of each asset in which a level jumps, and the level before them.

    The whole frame is looked at in one go: a jump is rare, and most often no asset has to be walked through.
    """
    begins = np.flatnonzero((assets != assets.shift(1)).fill_null(True).to_numpy())
    ends = np.append(begins[1:], len(levels))
    jumps = np.abs(np.diff(levels)) > MAX_ABS_LOG_RETURN
    jumps[begins[1:] - 1] = False  # from one asset to the next
    jumping = set((np.searchsorted(begins, np.flatnonzero(jumps), side="right") - 1).tolist())
    for number, asset in enumerate(assets.gather(begins).to_list()):
        close = closes_before.get(asset, math.nan)
        before = math.log(close) if 0 < close < math.inf else None
        begin = int(begins[number])
        starts_off = before is not None and abs(levels[begin] - before) > MAX_ABS_LOG_RETURN
        if starts_off or number in jumping:
            yield begin, int(ends[number]), before


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
    """Accept one stretch, or mark it as wrong, beside the last accepted level; return the level afterwards.

    `anew`: a hole lies between the two, after which the price may be another, but not by a round factor.
    """
    step = abs(float(levels[stretch[0]]) - level)
    if step <= MAX_ABS_LOG_RETURN or (anew and not is_round_factor(step)):
        return float(levels[stretch[-1]])
    for place in stretch:
        wrong[place] = True
    return level


def _find_holes(times: pl.Series, longest: timedelta) -> set[int]:
    steps = times.diff().dt.total_microseconds().fill_null(0).to_numpy()
    return set(np.flatnonzero(steps > longest // timedelta(microseconds=1)).tolist())


def _mark_rows(rows: pl.DataFrame, offending: pl.DataFrame, time: str, name: str) -> pl.Series:
    """Return per row of `rows` whether it is one of the `offending` versions of an instant."""
    hit = np.zeros(rows.height, dtype=bool)
    if offending.height:
        version = ["asset", time, KNOWN_AT]
        marked = rows.select(version).with_row_index("_row")
        hit[marked.join(offending.select(version).unique(), on=version, how="semi", nulls_equal=True)["_row"]] = True
    return pl.Series(name, hit)
