"""Loops behind the slow features of one asset: every window is added from left to right from its own values.

NaN stands for "no bar" in inputs and for "not defined" in results. A window of hours needs a value in `SHARE` of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled
from feature_repo.transforms.window_kernels import reversions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHARE = 0.9
"""Least share of a window's hours, or days, that have a value."""
ROUNDING = 1e-12
"""Deviation of a logarithm below which its values are the same, up to rounding."""
_DAY, _WEEK, _DAYS = 24, 168, 30
_MONTH = _DAY * _DAYS


@compiled
def mean_of(values: Floats, row: int, window: int, step: int) -> float:
    """Return the mean of `window` values, each `step` rows after the one before, the last in `row`; NaN for too few."""
    count, total = 0, 0.0
    for at in range(row - step * (window - 1), row + 1, step):
        if at >= 0 and not math.isnan(values[at]):
            count += 1
            total += values[at]
    return total / count if count > 0 and count >= SHARE * window else math.nan


@compiled
def deviation_of(values: Floats, row: int, window: int) -> float:
    """Return the standard deviation (ddof 1) of the last `window` values up to `row`; NaN for too few."""
    count, total, first = 0, 0.0, max(0, row - window + 1)
    for at in range(first, row + 1):
        if not math.isnan(values[at]):
            count += 1
            total += values[at]
    if count < 2 or count < SHARE * window:
        return math.nan
    mean, squares = total / count, 0.0
    for at in range(first, row + 1):
        if not math.isnan(values[at]):
            moved = values[at] - mean
            squares += moved * moved
    return math.sqrt(squares / (count - 1))


@compiled
def volatilities_at(closes: Floats, row: int) -> Floats:
    """Return the deviation of the last 720 hourly log returns of each name at `row`; NaN for too few.

    `closes`: hours × names, NaN where there is no bar. The bits are those of `book_statistics`.
    """
    out = np.full(closes.shape[1], np.nan)
    for name in range(closes.shape[1]):
        moves = np.full(_MONTH, np.nan)
        for at in range(max(1, row - _MONTH + 1), row + 1):
            before, after = closes[at - 1, name], closes[at, name]
            if after > 0.0 and before > 0.0:
                moves[at - row + _MONTH - 1] = math.log(after) - math.log(before)
        out[name] = deviation_of(moves, _MONTH - 1, _MONTH)
    return out


@compiled
def _price_of(closes: Floats, volumes: Floats, row: int, window: int) -> float:
    """Return the volume-weighted mean close of the last `window` rows; NaN for too few, and where nothing traded."""
    count, traded, volume = 0, 0.0, 0.0
    for at in range(max(0, row - window + 1), row + 1):
        if not (math.isnan(closes[at]) or math.isnan(volumes[at])):
            count += 1
            traded += closes[at] * volumes[at]
            volume += volumes[at]
    return traded / volume if count >= SHARE * window and volume > 0.0 else math.nan


@compiled
def _skew_of(values: Floats, row: int, window: int, step: int) -> float:
    """Return m₃ / m₂^1.5 of `window` values `step` rows apart; NaN for too few, and where they do not differ."""
    mean = mean_of(values, row, window, step)
    count, squares, cubes = 0, 0.0, 0.0
    for at in range(row - step * (window - 1), row + 1, step):
        if at >= 0 and not math.isnan(values[at]):
            moved = values[at] - mean
            count += 1
            squares += moved * moved
            cubes += moved * moved * moved
    if math.isnan(mean) or not squares > 0.0:
        return math.nan
    deviation = math.sqrt(squares / count)
    cubed = deviation * deviation * deviation
    return cubes / count / cubed if cubed > 0.0 else math.nan


@compiled
def _ranges(closes: Floats, window: int, begin: int) -> Floats:
    """Return ln(highest/lowest close) of the last `window` rows, from row `begin` on; NaN where none has a close."""
    out = np.full(len(closes), np.nan)
    for row in range(begin, len(closes)):
        low, high = np.inf, -np.inf
        for at in range(max(0, row - window + 1), row + 1):
            if not math.isnan(closes[at]):
                low, high = min(low, closes[at]), max(high, closes[at])
        if high > 0.0 and low > 0.0 and high >= low:
            out[row] = math.log(high / low)
    return out


@compiled
def _log_moves(closes: Floats, back: int, begin: int) -> Floats:
    """Return ln(close/close `back` rows before) from row `begin` on; NaN where either is missing."""
    out = np.full(len(closes), np.nan)
    for row in range(max(begin, back), len(closes)):
        ratio = closes[row] / closes[row - back]
        if ratio > 0.0:
            out[row] = math.log(ratio)
    return out


@compiled
def _log_ratio(above: float, below: float) -> float:
    return math.log(above / below) if above > 0.0 and below > 0.0 else math.nan


@compiled
def book_statistics(closes: Floats, volumes: Floats, days: Ints, hours: Ints, rows: Ints) -> Floats:
    """Return `rows` × statistics of one asset on its whole hourly grid; `rows` ascend.

    `closes` (USDT) and `volumes` (coins): NaN where there is no bar. In order: notional, volatility and its shock; the
    return over each of `days`; the distance from VWAP over each of `hours`; the shocks of volume over a day and a week;
    drawdown, range and skew of thirty days. Formulas and units: the catalogue.
    """
    out = np.full((len(rows), 8 + len(days) + len(hours)), np.nan)
    if len(rows) == 0:
        return out
    count, first = len(closes), max(0, rows[0] - _MONTH)
    moves, worth = np.full(count, np.nan), closes * volumes
    for row in range(max(1, first), count):
        if closes[row] > 0.0 and closes[row - 1] > 0.0:
            moves[row] = math.log(closes[row]) - math.log(closes[row - 1])
    daily, ranges = _log_moves(closes, _DAY, first), _ranges(closes, _DAY, first)
    for place in range(len(rows)):
        row = rows[place]
        close, notional, volatility = closes[row], mean_of(worth, row, _MONTH, 1), deviation_of(moves, row, _MONTH)
        if math.isnan(close):
            continue
        out[place, 0], out[place, 1] = notional, volatility
        out[place, 2] = _log_ratio(deviation_of(moves, row, _WEEK), volatility)
        at = 3
        for span in days:
            before = row - _DAY * span
            if before >= 0:
                out[place, at] = _log_ratio(close, closes[before])
            at += 1
        for span in hours:
            out[place, at] = _log_ratio(close, _price_of(closes, volumes, row, span))
            at += 1
        out[place, at] = _log_ratio(mean_of(worth, row, _DAY, 1), notional)
        out[place, at + 1] = _log_ratio(mean_of(worth, row, _WEEK, 1), notional)
        seen, highest = 0, -np.inf
        for before in range(max(0, row - _MONTH + 1), row + 1):
            if not math.isnan(closes[before]):
                seen += 1
                highest = max(highest, closes[before])
        if seen >= SHARE * _MONTH:
            out[place, at + 2] = _log_ratio(close, highest)
        out[place, at + 3] = mean_of(ranges, row, _DAYS, _DAY)
        out[place, at + 4] = _skew_of(daily, row, _DAYS, _DAY)
    return out


@compiled
def score_of(spread: Floats, row: int, window: int) -> float:
    """Return the z-score of the value in `row` within the last `window`; NaN for too few, or where none differs."""
    deviation = deviation_of(spread, row, window)
    if not deviation > ROUNDING:
        return math.nan
    score: float = (spread[row] - mean_of(spread, row, window, 1)) / deviation
    return score


@compiled
def _spread_of(logs: Floats, first: int, second: int) -> Floats:
    """Return ln a − ln b of two columns of hours × names, an array of its own: its bits depend on no layout."""
    spread = np.empty(len(logs))
    for row in range(len(logs)):
        spread[row] = logs[row, first] - logs[row, second]
    return spread


@compiled
def pair_scores(closes: Floats, pairs: Ints) -> Floats:
    """Return the z-score of ln a − ln b of each pair in the last row, over all rows; NaN where it is not defined.

    `closes`: hours × names, NaN where there is no bar; `pairs`: pairs × (a, b), columns of `closes`.
    """
    count = len(closes)
    out, logs = np.full(len(pairs), np.nan), np.log(closes)
    for pair in range(len(pairs)):
        out[pair] = score_of(_spread_of(logs, pairs[pair, 0], pairs[pair, 1]), count - 1, count)
    return out


@compiled
def _changes(spread: Floats) -> Floats:
    out = np.full(len(spread), np.nan)
    out[1:] = spread[1:] - spread[:-1]
    return out


@compiled
def pair_changes(closes: Floats, pairs: Ints) -> Floats:
    """Return the deviation of the hourly changes of ln a − ln b of each pair over all rows; NaN for too few.

    `closes`: hours × names, NaN where there is no bar; `pairs`: pairs × (a, b), columns of `closes`.
    """
    count = len(closes)
    out, logs = np.full(len(pairs), np.nan), np.log(closes)
    for pair in range(len(pairs)):
        changes = _changes(_spread_of(logs, pairs[pair, 0], pairs[pair, 1]))
        out[pair] = deviation_of(changes, count - 1, count - 1)
    return out


@compiled
def spread_histories(closes: Floats, pairs: Ints, rows: Ints, window: int, month: int) -> Floats:
    """Return pairs × `rows` × statistics: the z-score over `window` rows, and the deviation of `month` hourly changes.

    Arguments are those of `pair_histories`; the bits are those of `pair_scores` and `pair_changes`.
    """
    out, logs = np.full((len(pairs), len(rows), 2), np.nan), np.log(closes)
    for pair in range(len(pairs)):
        spread = logs[pairs[pair, 0]] - logs[pairs[pair, 1]]
        changes = _changes(spread)
        for place in range(len(rows)):
            out[pair, place, 0] = score_of(spread, rows[place], window)
            out[pair, place, 1] = deviation_of(changes, rows[place], month)
    return out


@compiled
def pair_histories(closes: Floats, pairs: Ints, rows: Ints, windows: Ints, hedge: int, rounding: float) -> Floats:
    """Return pairs × `rows` × statistics: the z-score over each of `windows`, and the hedge ratio over `hedge` rows.

    `closes`: names × hours, NaN where there is no bar; `pairs`: pairs × (a, b), rows of `closes`.
    """
    out, logs = np.full((len(pairs), len(rows), len(windows) + 1), np.nan), np.log(closes)
    for pair in range(len(pairs)):
        log_a, log_b = logs[pairs[pair, 0]], logs[pairs[pair, 1]]
        spread = log_a - log_b
        for place in range(len(rows)):
            row = rows[place]
            for number in range(len(windows)):
                out[pair, place, number] = score_of(spread, row, windows[number])
            first, needed = max(0, row - hedge + 1), math.ceil(SHARE * hedge)
            a, b = log_a[first : row + 1], log_b[first : row + 1]
            slopes, _ = reversions(a, b, hedge, needed, rounding, row - first)
            out[pair, place, len(windows)] = slopes[row - first]
    return out
