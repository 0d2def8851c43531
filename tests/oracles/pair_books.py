"""Slow features of one pair by loops over plain dicts of hour → close, from the words of docs/formulas.md alone."""

import math
import statistics

Z_HOURS = (72, 168, 360, 720, 1080)


def describe(a, b, hour):
    """Return name → value (None: null) of the row at `hour`, which both have."""
    row = {}
    for window in Z_HOURS:
        spread = [math.log(a[at]) - math.log(b[at]) for at in range(hour - window + 1, hour + 1) if at in a and at in b]
        known = len(spread) >= 0.9 * window
        mean = math.fsum(spread) / max(1, len(spread))
        deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in spread) / (len(spread) - 1)) if known else 0.0
        row[f"z_{window}h"] = (spread[-1] - mean) / deviation if deviation > 1e-12 else None
    both = [at for at in range(hour - 719, hour + 1) if at in a and at in b]
    row["hedge_ratio_720h"] = None
    if len(both) >= 648:
        base, quote = [math.log(a[at]) for at in both], [math.log(b[at]) for at in both]
        row["hedge_ratio_720h"] = statistics.linear_regression(quote, base).slope
    return row
