"""Triggers of algo orders: whether a bar that has closed met them, and at which price.

The bar's open is known to come first: whatever lies beyond a trigger there is met at the open. Of the two extremes the
adverse one is taken to have come first: a stop-loss goes before a take-profit. Touching a trigger meets it. Triggers on
the mark or the index watch that price's bar; the order that they bring about trades at the nearest last price of the
bar (docs/okx-protocol.md, How the paper exchange triggers).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

from pairity.universe import exact
from paper_exchange.account import trailing
from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import TRAILING, AlgoOrder
from paper_exchange.account.orders import AttachedStops
from paper_exchange.account.positions import Position
from paper_exchange.market.market import Bar, PriceKind

Leg = Literal["sl", "tp", ""]


class Hit(NamedTuple):
    """A trigger that was met: its leg ("" for a trigger order), the last price, and whether at the bar's open."""

    leg: Leg
    price: Decimal
    at_open: bool


def find_hit(account: Account, algo: AlgoOrder, bar: Bar) -> Hit | None:
    """Return what a bar does to an algo order that waited for the whole of it; None where no trigger is met."""
    if algo.kind == TRAILING:
        met = trailing.follow(algo, bar)
        return None if met is None else Hit("", met.price, met.at_open)
    if algo.trigger is not None:
        return _find_leg_hit(account, algo, "", bar)
    stop, target = _find_leg_hit(account, algo, "sl", bar), _find_leg_hit(account, algo, "tp", bar)
    if stop and target and target.at_open and not stop.at_open:
        return target
    return stop or target


def find_hit_after_fill(account: Account, algo: AlgoOrder, bar: Bar) -> Hit | None:
    """Return what a bar does to stops that one of its own fills armed: only what certainly came after the fill.

    A resting order is met on the way to the bar's adverse extreme, so a stop beyond it is certain. Anything else is
    certain only where the bar also closed beyond it.
    """
    stop, target = _find_leg_hit(account, algo, "sl", bar), _find_leg_hit(account, algo, "tp", bar)
    if stop and (_has_rested(account, algo.parent_id) or _is_closed_beyond(account, algo, "sl", bar)):
        return stop
    if target and _is_closed_beyond(account, algo, "tp", bar):
        return Hit("tp", _find_traded_price(algo, "tp", bar), False)
    return None


def find_nearest_stop(account: Account, position: Position) -> Decimal | None:
    """Return the stop-loss on the last price that an adverse move of the position meets first; None without one."""
    held = position.size
    stops = [
        algo.sl_trigger
        for algo in account.live_algos(position.inst_id)
        if algo.sl_trigger is not None
        and algo.sl_type == "last"
        and algo.holding == position.holding
        and algo.sign * held < 0
    ]
    return (max(stops) if held > 0 else min(stops)) if stops else None


def find_misplaced_leg(
    side: str, stops: AttachedStops | AlgoOrder, stop_reference: Decimal, target_reference: Decimal
) -> Leg | None:
    """Return the leg protecting an entry on `side` that would be met at once: `tp`, `sl` or None."""
    sign = 1 if side == "buy" else -1
    target = stops.tp_price if isinstance(stops, AttachedStops) and stops.tp_limit else stops.tp_trigger
    if target is not None and (target - target_reference) * sign <= 0:
        return "tp"
    if stops.sl_trigger is not None and (stop_reference - stops.sl_trigger) * sign <= 0:
        return "sl"
    return None


def is_met_from_below(algo: AlgoOrder, leg: Leg) -> bool:
    """Whether the trigger of a leg is met by a price that rises."""
    return _read_level(algo, leg)[2]


def _read_level(algo: AlgoOrder, leg: Leg) -> tuple[Decimal | None, str, bool]:
    """Return trigger price, the kind of price that it watches, and whether it is met from below."""
    if leg == "sl":
        return algo.sl_trigger, algo.sl_type, algo.side == "buy"
    if leg == "tp":
        return algo.tp_trigger, algo.tp_type, algo.side == "sell"
    return algo.trigger, algo.trigger_type, algo.trigger_up


def _find_leg_hit(account: Account, algo: AlgoOrder, leg: Leg, bar: Bar) -> Hit | None:
    trigger, kind, upward = _read_level(algo, leg)
    watched = _find_watched_bar(account, algo.inst_id, kind, bar)
    if trigger is None or watched is None:
        return None
    if _is_beyond(exact(watched.open), trigger, upward):
        return Hit(leg, exact(bar.open), True)
    if _is_beyond(exact(watched.high if upward else watched.low), trigger, upward):
        return Hit(leg, _find_traded_price(algo, leg, bar), False)
    return None


def _find_traded_price(algo: AlgoOrder, leg: Leg, bar: Bar) -> Decimal:
    """Return the trigger price, or the last price of the bar that is nearest to it."""
    trigger, _, _ = _read_level(algo, leg)
    assert trigger is not None
    # A trigger on the mark or the index can lie where the traded price never was.
    return min(max(trigger, exact(bar.low)), exact(bar.high))


def _is_closed_beyond(account: Account, algo: AlgoOrder, leg: Leg, bar: Bar) -> bool:
    trigger, kind, upward = _read_level(algo, leg)
    watched = _find_watched_bar(account, algo.inst_id, kind, bar)
    return trigger is not None and watched is not None and _is_beyond(exact(watched.close), trigger, upward)


def _find_watched_bar(account: Account, inst_id: str, kind: str, bar: Bar) -> Bar | None:
    """Return the bar of the price that a trigger watches; None where that price has a hole."""
    if kind == "last":
        return bar
    watched: PriceKind = "mark" if kind == "mark" else "index"
    newest = account.market.bar_at(inst_id, bar.open_ms, watched)
    return newest if newest is not None and newest.open_ms == bar.open_ms else None


def _is_beyond(price: Decimal, trigger: Decimal, upward: bool) -> bool:
    return price >= trigger if upward else price <= trigger


def _has_rested(account: Account, ord_id: str) -> bool:
    """Whether an order was a resting one: a priced order that fills inside a bar is."""
    order = account.orders.get(ord_id)
    return order is not None and order.price is not None
