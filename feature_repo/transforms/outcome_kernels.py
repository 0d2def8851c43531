"""What a holding earned after costs and funding: one definition for stored labels and for the models of books.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled

Floats = NDArray[np.float64]
LEAST_FUNDED = 0.9
"""Share of a holding's hours whose funding must be known."""


@compiled
def leg_outcomes(
    opens: Floats, closes: Floats, rates: Floats, covered: Floats, begin: int, hours: int, fee: float, slippage: float
) -> Floats:
    """Return 2 × names: the net outcome of 1 USDT long, and short, entered at the open of row `begin`, `hours` held.

    Hours × names: `opens` and `closes` (USDT, NaN: no bar), `rates` settled at the hour's end (NaN: none) and the hours
    that each stands for. `fee` and `slippage` are fractions of the notional, paid at entry and exit. NaN where an open
    is missing, or the funding of less than `LEAST_FUNDED` of the hours is known. Sums are added in the order of time.
    """
    count = opens.shape[1]
    out = np.full((2, count), np.nan)
    bought, sold = (1.0 + slippage) * (1.0 + fee), (1.0 - slippage) * (1.0 - fee)
    for name in range(count):
        entry, leave = opens[begin, name], opens[begin + hours, name]
        paid, funded = 0.0, 0.0
        for row in range(begin, begin + hours):
            settled = rates[row, name] * closes[row, name]
            if not math.isnan(settled):
                paid += settled
                funded += covered[row, name]
        if funded < LEAST_FUNDED * hours:
            continue
        funding, moved = paid / entry, leave / entry
        out[0, name] = moved * sold - bought - funding
        out[1, name] = sold - moved * bought + funding
    return out


def weigh_legs(long: Floats, short: Floats) -> tuple[Floats, Floats]:
    """Return the weights (> 0) of both legs of a gross of 1, ∝ 1/volatility."""
    part = (1.0 / long) / (1.0 / long + 1.0 / short)
    return part, 1.0 - part


def net_outcomes(legs: Floats, volatilities: Floats, long: NDArray[np.int64], short: NDArray[np.int64]) -> Floats:
    """Return the net outcome of each pair, a fraction of its gross: `long` and `short` are places of `leg_outcomes`."""
    parts = weigh_legs(volatilities[long], volatilities[short])
    total: Floats = parts[0] * legs[0, long] + parts[1] * legs[1, short]
    return total
