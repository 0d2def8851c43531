"""A trigger that follows the best price since the order became active (docs/okx-protocol.md, Trailing stops).

A sale triggers where the price has fallen from its highest by the callback, a purchase where it has risen from its
lowest. Of a closed bar the open is known to come first; of its extremes the adverse one is taken to come first, as for
every other stop; the close comes last. An order with an activation price follows nothing before the price was there.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from pairity.universe import exact
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.market.market import Bar


class TrailHit(NamedTuple):
    """Where a trailing stop was met: the price, and whether at the bar's open."""

    price: Decimal
    at_open: bool


def start(algo: AlgoOrder, last: Decimal) -> None:
    """Let a new order follow from the present price on, or wait for its activation price."""
    if algo.active_price is None:
        algo.best = last
        algo.move_trigger = compute_trigger(algo, last)


def compute_trigger(algo: AlgoOrder, best: Decimal) -> Decimal:
    """Return the trigger price that belongs to the best price so far; a sale's lies below it."""
    away = -algo.sign
    if algo.callback_spread is not None:
        return best - away * algo.callback_spread
    assert algo.callback_ratio is not None
    return best * (1 - away * algo.callback_ratio)


def follow(algo: AlgoOrder, bar: Bar) -> TrailHit | None:
    """Let a closed bar move the trigger, and return where it was met; None where it was not."""
    favourable, adverse = (bar.low, bar.high) if algo.side == "buy" else (bar.high, bar.low)
    opened, closed = exact(bar.open), exact(bar.close)
    was_active = algo.best is not None
    if was_active or _activates(algo, opened):
        if was_active and _is_met(algo, opened):
            return TrailHit(opened, True)
        _improve(algo, opened)
        if _is_met(algo, exact(adverse)):
            return _meet(algo)
    if algo.best is None and not _activates(algo, exact(favourable)):
        return None
    _improve(algo, exact(favourable))
    return _meet(algo) if _is_met(algo, closed) else None


def _activates(algo: AlgoOrder, price: Decimal) -> bool:
    """Whether a price reaches the activation price: from below for a sale, from above for a purchase."""
    return algo.active_price is not None and (price - algo.active_price) * -algo.sign >= 0


def _improve(algo: AlgoOrder, price: Decimal) -> None:
    if algo.best is None or (price - algo.best) * -algo.sign > 0:
        algo.best = price
        algo.move_trigger = compute_trigger(algo, price)


def _is_met(algo: AlgoOrder, price: Decimal) -> bool:
    return algo.move_trigger is not None and (price - algo.move_trigger) * algo.sign >= 0


def _meet(algo: AlgoOrder) -> TrailHit:
    assert algo.move_trigger is not None
    return TrailHit(algo.move_trigger, False)
