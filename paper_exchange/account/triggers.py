"""When the triggers of algo orders are met by a bar that has closed, and at which price.

The bar's open is known to come first: whatever lies beyond a trigger there is met at the open. Of the two extremes the
adverse one is taken to have come first: a stop-loss goes before a take-profit. Touching a trigger meets it. Triggers on
the mark or the index watch that price's bar; the order they bring about trades at the nearest last price of the bar.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple

from pairity.universe import exact
from paper_exchange.account.orders import Algo, Attached
from paper_exchange.market.market import Bar, PriceKind

if TYPE_CHECKING:
    from paper_exchange.account.account import Engine

Leg = Literal["sl", "tp", ""]


class Met(NamedTuple):
    """Which leg was met ("" for a trigger order), at which last price, and whether already at the bar's open."""

    leg: Leg
    price: Decimal
    at_open: bool


def met(engine: Engine, algo: Algo, bar: Bar) -> Met | None:
    """What a bar does to an algo order that waited for the whole of it."""
    if algo.trigger is not None:
        return _met(engine, algo, "", bar)
    stop, target = _met(engine, algo, "sl", bar), _met(engine, algo, "tp", bar)
    if stop and target and target.at_open and not stop.at_open:
        return target
    return stop or target


def met_after_fill(engine: Engine, algo: Algo, bar: Bar) -> Met | None:
    """What a bar does to a leg that one of its own fills armed: only what is certain to have come after the fill.

    A resting order is met on the way to the bar's adverse extreme, so a stop beyond it is certain. Anything else is
    certain only where the bar also closed beyond it.
    """
    stop, target = _met(engine, algo, "sl", bar), _met(engine, algo, "tp", bar)
    if stop and (_parent_rested(engine, algo) or _closed_beyond(engine, algo, "sl", bar)):
        return stop
    if target and _closed_beyond(engine, algo, "tp", bar):
        return Met("tp", _traded(algo, "tp", bar), False)
    return None


def nearest_stop(engine: Engine, inst_id: str) -> Decimal | None:
    """The stop-loss on the last price that an adverse move of the held position meets first; None without one."""
    held = engine.size(inst_id)
    stops = [
        algo.sl_trigger
        for algo in engine.live_algos(inst_id)
        if algo.sl_trigger is not None and algo.sl_type == "last" and algo.sign * held < 0
    ]
    return (max(stops) if held > 0 else min(stops)) if stops else None


def misplaced(side: str, legs: Attached | Algo, stop_reference: Decimal, target_reference: Decimal) -> Leg | None:
    """Which leg protecting an entry on `side` would be met at once: `tp`, `sl` or None."""
    sign = 1 if side == "buy" else -1
    if legs.tp_trigger is not None and (legs.tp_trigger - target_reference) * sign <= 0:
        return "tp"
    if legs.sl_trigger is not None and (stop_reference - legs.sl_trigger) * sign <= 0:
        return "sl"
    return None


def _level(algo: Algo, leg: Leg) -> tuple[Decimal | None, str, bool]:
    """Trigger price, its kind, and whether it is met from below."""
    if leg == "sl":
        return algo.sl_trigger, algo.sl_type, algo.side == "buy"
    if leg == "tp":
        return algo.tp_trigger, algo.tp_type, algo.side == "sell"
    return algo.trigger, algo.trigger_type, algo.trigger_up


def _met(engine: Engine, algo: Algo, leg: Leg, bar: Bar) -> Met | None:
    trigger, kind, upward = _level(algo, leg)
    watched = _watched(engine, algo.inst_id, kind, bar)
    if trigger is None or watched is None:
        return None
    if _beyond(exact(watched.open), trigger, upward):
        return Met(leg, exact(bar.open), True)
    if _beyond(exact(watched.high if upward else watched.low), trigger, upward):
        return Met(leg, _traded(algo, leg, bar), False)
    return None


def _traded(algo: Algo, leg: Leg, bar: Bar) -> Decimal:
    """The trigger price, or the last price nearest to it within the bar."""
    trigger, _, _ = _level(algo, leg)
    assert trigger is not None
    return min(max(trigger, exact(bar.low)), exact(bar.high))


def _closed_beyond(engine: Engine, algo: Algo, leg: Leg, bar: Bar) -> bool:
    trigger, kind, upward = _level(algo, leg)
    watched = _watched(engine, algo.inst_id, kind, bar)
    return trigger is not None and watched is not None and _beyond(exact(watched.close), trigger, upward)


def _watched(engine: Engine, inst_id: str, kind: str, bar: Bar) -> Bar | None:
    """The bar of the price that a trigger watches; None where that price has a hole."""
    if kind == "last":
        return bar
    watched: PriceKind = "mark" if kind == "mark" else "index"
    found = engine.market.bar_at(inst_id, bar.open_ms, watched)
    return found if found is not None and found.open_ms == bar.open_ms else None


def _beyond(price: Decimal, trigger: Decimal, upward: bool) -> bool:
    return price >= trigger if upward else price <= trigger


def _parent_rested(engine: Engine, algo: Algo) -> bool:
    parent = engine.orders.get(algo.parent_id)
    return parent is not None and parent.price is not None
