"""Spread of one pair by loops over plain dicts of hour → close, from the words of docs/formulas.md alone."""

import math
import statistics


def describe(a, b, hour):
    """Return name → value (None: null) of the row at `hour`, which both have."""

    def spread(at):
        return math.log(a[at]) - math.log(b[at]) if at in a and at in b else None

    window = [one for at in range(hour - 335, hour + 1) if (one := spread(at)) is not None]
    z_score = None
    if len(window) >= 0.9 * 336 and (deviation := statistics.stdev(window)) > 1e-12:
        z_score = (window[-1] - statistics.fmean(window)) / deviation
    both = [(spread(at - 1), spread(at)) for at in range(hour - 719, hour + 1)]
    changes = [after - before for before, after in both if before is not None and after is not None]
    return {
        "z_336h": z_score,
        "spread_volatility_720h": statistics.stdev(changes) if len(changes) >= 648 else None,
    }
