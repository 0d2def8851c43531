"""The loop behind `microstructure` and `bars`: statistics of each hour from its minutes, in one pass over the history.

One pass is the point: an hour's minutes are read once, while they are in the cache, for all of its fifteen statistics.
Formulas: docs/formulas.md, Hourly microstructure.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STATISTICS = (
    "vwap",
    "close",
    "realized_vol_1h",
    "volume_cv",
    "taker_buy_volume",
    "taker_volume",
    "parkinson_vol",
    "garman_klass_vol",
    "amihud",
    "roll_spread",
    "open",
    "high",
    "low",
    "volume_base",
    "volume_quote",
)
"""Columns of the result of `hour_statistics`, in order."""
_MINUTES = 60


@compiled
def _deviation(values: Floats) -> float:
    """Return the sample standard deviation (ddof 1) of the values that are not NaN; NaN for fewer than two."""
    count, total, squares = 0, 0.0, 0.0
    for value in values:
        if not math.isnan(value):
            count += 1
            total += value
    if count < 2:
        return math.nan
    # A second pass around the mean: Σx² − (Σx)²/n would lose the digits of small returns.
    for value in values:
        if not math.isnan(value):
            squares += (value - total / count) ** 2
    return math.sqrt(squares / (count - 1))


@compiled
def _roll_spread(moves: Floats, price: float, rounding: float) -> float:
    """Return 2·√(−cov) of neighbouring price changes, in USDT (Roll 1984).

    NaN for fewer than two pairs of changes, and where the covariance is not negative beyond rounding: without a bid–ask
    bounce there is no spread to see. `moves` begins with the change before the hour's first; NaN marks a change that
    does not exist because a minute is missing.
    """
    count, total, before, cross = 0, 0.0, 0.0, 0.0
    for at in range(1, len(moves)):
        if not math.isnan(moves[at]) and not math.isnan(moves[at - 1]):
            count += 1
            total += moves[at]
            before += moves[at - 1]
    if count < 2:
        return math.nan
    for at in range(1, len(moves)):
        if not math.isnan(moves[at]) and not math.isnan(moves[at - 1]):
            cross += (moves[at] - total / count) * (moves[at - 1] - before / count)
    covariance = cross / (count - 1)
    if -covariance <= (rounding * price) ** 2:
        return math.nan
    return 2.0 * math.sqrt(-covariance)


@compiled
def _fill_moves(
    moves: Floats, returns: Floats, first: int, closes: Floats, minute: Ints, new_asset: NDArray[np.bool_]
) -> None:
    """Write price changes and returns of the rows first−1, first, …; NaN between rows that are not a minute apart."""
    for step in range(len(moves)):
        at = first - 1 + step
        moves[step] = returns[step] = math.nan
        if at > 0 and not new_asset[at] and minute[at] - minute[at - 1] == 1:
            moves[step] = closes[at] - closes[at - 1]
            returns[step] = closes[at] / closes[at - 1] - 1.0
    if new_asset[first]:
        moves[0] = returns[0] = math.nan  # the row before belongs to another asset


@compiled
def hour_statistics(
    starts: Ints, minute: Ints, new_asset: NDArray[np.bool_], prices: Floats, traded: Floats, rounding: float
) -> Floats:
    """Return hours × `STATISTICS`, NaN where a statistic is not defined.

    `starts`: index of each hour's first minute, and at the end the number of minutes. `minute`: minutes since 1970,
    ascending within an asset; `new_asset` marks an asset's first. `prices`: (open, high, low, close) × minutes, USDT;
    `traded`: (volume, quote volume, taker-buy volume) × minutes, NaN where not given. A return or price change exists
    only between two neighbouring minutes; that of an hour's first minute reaches into the hour before.
    """
    out = np.full((len(starts) - 1, 15), np.nan)
    all_moves, all_returns = np.empty(_MINUTES + 1), np.empty(_MINUTES + 1)
    for hour in range(len(starts) - 1):
        first, end = starts[hour], starts[hour + 1]
        count = end - first
        moves, returns = all_moves[: count + 1], all_returns[: count + 1]
        _fill_moves(moves, returns, first, prices[3], minute, new_asset)
        money = coins = taker = taker_of = ranges = klass = illiquidity = volume_total = quote_total = 0.0
        known_taker = known_illiquidity = 0
        top, bottom = -np.inf, np.inf
        for at in range(first, end):
            opened, high, low, close = prices[0, at], prices[1, at], prices[2, at], prices[3, at]
            volume, quote = traded[0, at], traded[1, at]
            if math.isnan(quote):
                quote = (high + low + close) / 3.0 * volume
            if volume > 0.0:  # a quote volume without volume would move the price
                money += quote
                coins += volume
            volume_total += volume
            quote_total += quote
            top, bottom = max(top, high), min(bottom, low)
            if not math.isnan(traded[2, at]):  # otherwise left out of both sums: a ratio of the rest stays a ratio
                known_taker += 1
                taker += traded[2, at]
                taker_of += volume
            span, body = math.log(high / low), math.log(close / opened)
            ranges += span * span
            klass += 0.5 * span * span - (2.0 * math.log(2.0) - 1.0) * body * body
            if quote > 0.0 and not math.isnan(returns[at - first + 1]):
                illiquidity += abs(returns[at - first + 1]) / quote
                known_illiquidity += 1
        row, close = out[hour], prices[3, end - 1]
        row[0] = money / coins if coins > 0.0 else math.nan
        row[1] = close
        row[2] = _deviation(returns[1:]) * math.sqrt(60.0)
        row[3] = _deviation(traded[0, first:end]) / (volume_total / count) if volume_total > 0.0 else math.nan
        row[4] = taker if known_taker > 0 else math.nan
        row[5] = taker_of if known_taker > 0 else math.nan
        row[6] = math.sqrt(ranges / (4.0 * math.log(2.0)) / count * 60.0)
        row[7] = math.sqrt(klass / count * 60.0) if klass >= 0.0 else math.nan
        row[8] = illiquidity / known_illiquidity if known_illiquidity > 0 else math.nan
        row[9] = _roll_spread(moves, close, rounding)
        row[10], row[11], row[12] = prices[0, first], top, bottom
        row[13], row[14] = volume_total, quote_total
    return out
