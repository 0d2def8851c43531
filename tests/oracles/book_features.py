"""Slow features of one name by loops over plain lists, from the words of docs/formulas.md alone.

A market of a name is a dict of hour → (close, volume) and a dict of hour → rate; an hour is counted from any origin.
"""

import math
import statistics
from fractions import Fraction
from itertools import pairwise

RETURNS = (1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 60, 90)
FUNDINGS = (3, 7, 30)
VWAPS = (24, 72, 168, 720)


def describe(bars, rates, hour):
    """Return name → value (None: null) of all columns of the row at `hour`."""
    close = bars[hour][0]
    span = {hours: [at for at in range(hour - hours + 1, hour + 1) if at in bars] for hours in (24, 72, 168, 720)}
    moves = {
        at: math.log(bars[at][0]) - math.log(bars[at - 1][0])
        for at in range(hour - 719, hour + 1)
        if at in bars and at - 1 in bars
    }
    sigma = stdev(list(moves.values()), 720)
    week = stdev([move for at, move in moves.items() if at > hour - 168], 168)
    notional = mean([bars[at][0] * bars[at][1] for at in span[720]], 720)
    row = {
        "bars": sum(1 for at in bars if hour - 2400 < at <= hour),
        "notional": notional,
        "volatility": sigma,
        "volatility_shock": log_ratio(week, sigma),
        "drawdown_30d": log_ratio(close, max(bars[at][0] for at in span[720])) if len(span[720]) >= 648 else None,
    }
    for days in RETURNS:
        row[f"return_{days}d"] = log_ratio(close, bars[hour - 24 * days][0]) if hour - 24 * days in bars else None
    for hours in VWAPS:
        volume = sum(bars[at][1] for at in span[hours])
        known = len(span[hours]) >= 0.9 * hours and volume > 0
        worth = sum(bars[at][0] * bars[at][1] for at in span[hours])
        row[f"vwap_distance_{hours}h"] = log_ratio(close, worth / volume) if known else None
    for days in (1, 7):
        recent = mean([bars[at][0] * bars[at][1] for at in span[24 * days]], 24 * days)
        row[f"volume_shock_{days}d"] = log_ratio(recent, notional)
    row |= funding(rates, hour)
    ranges, returns = [], []
    for day in range(30):
        inside = [bars[at][0] for at in range(hour - 24 * day - 23, hour - 24 * day + 1) if at in bars]
        if inside:
            ranges.append(math.log(max(inside) / min(inside)))
        last, first = hour - 24 * day, hour - 24 * day - 24
        if last in bars and first in bars:
            returns.append(math.log(bars[last][0] / bars[first][0]))
    row["daily_range_30d"] = mean(ranges, 30)
    row["daily_skew_30d"] = None
    if len(returns) >= 27:
        middle = sum(returns) / len(returns)
        second, third = (sum((one - middle) ** power for one in returns) / len(returns) for power in (2, 3))
        row["daily_skew_30d"] = third / second**1.5 if second > 0 else None
    return row


def funding(rates, hour):
    row, times = {}, sorted(rates)
    stands_for = {}
    for before, at in pairwise(times):
        stands_for[at] = at - before if at - before in (1, 2, 4, 8) else 0
    for days in FUNDINGS:
        window = 24 * days
        used = [at for at in times if hour - window < at <= hour and stands_for.get(at, 0) > 0]
        known = sum(stands_for[at] for at in used)
        share = min(1.0, known / window)
        row[f"funding_share_{days}d"] = share
        exact = float(sum(Fraction(rates[at]) for at in used))
        row[f"funding_{days}d"] = exact / known if share >= 0.9 else None
    return row


def universe(rows):
    """Return name → place (None without one) of name → (bars, notional, volatility)."""
    able = [
        name
        for name, (bars, notional, sigma) in rows.items()
        if bars >= 2160 and (notional or 0) > 0 and (sigma or 0) > 0
    ]
    able.sort(key=lambda name: (-rows[name][1], name))
    return {name: able.index(name) + 1 if name in able else None for name in rows}


def mean(values, window):
    return sum(values) / len(values) if len(values) >= 0.9 * window else None


def stdev(values, window):
    return statistics.stdev(values) if len(values) >= max(2, 0.9 * window) else None


def log_ratio(above, below):
    return math.log(above / below) if above and below and above > 0 and below > 0 else None
