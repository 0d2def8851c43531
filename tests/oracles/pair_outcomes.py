"""Signed outcomes of one pair by loops over plain dicts, from the words of docs/formulas.md alone."""

import math
import statistics

HORIZONS = (24, 72, 168, 720)
FEE, SLIPPAGE = 5e-4, 1e-4


def volatility(closes, hour):
    """Return the deviation of the log returns of the 720 hours up to `hour`; None with fewer than 648."""
    moves = [
        math.log(closes[at] / closes[at - 1]) for at in range(hour - 719, hour + 1) if at in closes and at - 1 in closes
    ]
    return statistics.stdev(moves) if len(moves) >= 648 else None


def leg(opens, closes, paid, entry, hours, side):
    """Return what 1 USDT of one asset earned, entered at the open of the bar that closes at `entry`; None: not known.

    `paid`: hour → (rate, hours that it stands for, 0 where these are not known).
    """
    end = entry + hours
    if entry not in opens or end not in opens:
        return None
    settled = [at for at in range(entry, end) if at in paid and at in closes]
    if sum(paid[at][1] for at in settled) < 0.9 * hours:
        return None
    coins = side / opens[entry]
    bought, sold = opens[entry] * (1 + side * SLIPPAGE), opens[end] * (1 - side * SLIPPAGE)
    funding = math.fsum(coins * closes[at] * paid[at][0] for at in settled)
    return coins * (sold - bought) - abs(coins) * FEE * (bought + sold) - funding


def describe(a, b, hour):
    """Return name → value (None: null) of the row at `hour`; each asset is (opens, closes, settlements) by hour."""
    row = {}
    for hours in HORIZONS:
        decided = hour - hours - 8
        risks = [volatility(asset[1], decided) for asset in (a, b)]
        for name, sides in (("long", (1, -1)), ("short", (-1, 1))):
            legs = [leg(*asset, decided + 1, hours, side) for asset, side in zip((a, b), sides, strict=True)]
            if None in legs or None in risks or 0.0 in risks:
                row[f"{name}_{hours}h"] = None
            else:
                weights = [1 / risk / sum(1 / each for each in risks) for risk in risks]
                row[f"{name}_{hours}h"] = math.fsum(w * one for w, one in zip(weights, legs, strict=True))
    return row
