"""What pairs went on to earn after costs and funding: the target of their models, known only when a holding is over.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.outcome_kernels import leg_outcomes, net_outcomes
from model_registry.outcome_fits import place_pairs
from training.books.account import BookCosts
from training.books.panel import BookPanel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Net outcomes of the pairs of one decision, a fraction of the gross, in the rows of `place_pairs`.

    NaN where a bar of entry or exit or too much funding is not known. `known` is the row at whose close the last bar of
    each outcome had come.
    """

    net: Floats
    known: Floats


def measure_outcomes(
    panel: BookPanel, hour: int, names: Sequence[str], volatilities: Floats, hours: int, costs: BookCosts
) -> Outcomes:
    """Return what each pair of `names` earned, decided at row `hour` and held for `hours`, both ways.

    Filled at the next open, closed at the open `hours` later; the legs of a gross of 1 are ∝ 1/`volatilities`. Both
    legs pay taker fee and slippage at entry and exit, and the settlements of the hours between, at the closes: longs
    pay a rate above 0. Impact of size is not in it. NaN where the panel ends before.
    """
    long, short = place_pairs(len(names))
    begin, end = hour + 1, hour + 1 + hours
    if end >= panel.hours:
        return Outcomes(np.full(len(long), np.nan), np.full(len(long), np.inf))
    columns = [panel.names.index(name) for name in names]
    place = np.ix_(np.arange(begin, end + 1), np.array(columns, np.int64))
    legs = leg_outcomes(
        panel.opens[place],
        panel.closes[place],
        panel.rates[place],
        panel.covered[place],
        0,
        hours,
        costs.fee_bps / 1e4,
        costs.slippage_bps / 1e4,
    )
    net = net_outcomes(legs, volatilities, long, short)
    rows = np.arange(begin, end + 1)[:, None] + panel.late[begin : end + 1, columns]
    # An hour without a bar is nothing to wait for.
    known = np.where(np.isnan(rows), -1.0, rows).max(axis=0)
    return Outcomes(net, np.maximum(known[long], known[short]))


def compute_round_trip(costs: BookCosts) -> float:
    """Return what entering and leaving costs, as a fraction of the gross, impact aside."""
    return 2.0 * (costs.fee_bps + costs.slippage_bps) / 1e4
