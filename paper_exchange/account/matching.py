"""What fills an order: the quotes of the moment, or a bar that has closed (see `triggers.py` for stops)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from pairity.universe import exact
from paper_exchange.account import triggers
from paper_exchange.account.margin import affordable
from paper_exchange.account.orders import Algo, Order
from paper_exchange.account.triggers import Met
from paper_exchange.market.market import Bar
from paper_exchange.market.prices import best_quotes

if TYPE_CHECKING:
    from paper_exchange.account.account import Engine

MARKET_PRICE = Decimal(-1)
_AT_ONCE = ("market", "optimal_limit_ioc", "ioc", "fok")
_CANCEL_SOURCE = {"post_only": "31", "fok": "13"}
_NOTHING_TO_CLOSE, _NO_MARGIN = "51023", "51008"


def fill_price_now(engine: Engine, order: Order, last: Decimal | None = None) -> Decimal | None:
    """The quote that an order would take at `last` (default: the present price); None if it would not be filled."""
    return None if order.kind == "post_only" else _crossed(engine, order, last)


def enter(engine: Engine, order: Order) -> None:
    """Take in an accepted order and let it meet the market."""
    engine.take(order)
    meet(engine, order)


def meet(engine: Engine, order: Order, last: Decimal | None = None) -> None:
    """Fill an order against the quotes around `last`, let it rest, or end it, as its type demands."""
    price = _crossed(engine, order, last)
    if price is not None and order.kind == "post_only":
        engine.cancel(order, _CANCEL_SOURCE["post_only"])
    elif price is not None:
        engine.fill(order, price, taker=True)
    elif order.kind in _AT_ONCE:
        engine.cancel(order, _CANCEL_SOURCE.get(order.kind, "14"))


def bar_closed(engine: Engine, inst_id: str, bar: Bar) -> None:
    """The bar takes effect: what waited for a trigger, then resting orders, then the legs that those fills armed."""
    waiting, resting = engine.live_algos(inst_id), engine.pending(inst_id)
    for algo in waiting:
        if algo.live and (met := triggers.met(engine, algo, bar)):
            _fire(engine, algo, met)
    for order in resting:
        if order.live and order.price is not None and _traded_through(order, order.price, bar):
            _fill_or_shrink(engine, order, order.price)
    known = {algo.algo_id for algo in waiting}
    for algo in engine.live_algos(inst_id):
        if algo.algo_id not in known and (met := triggers.met_after_fill(engine, algo, bar)):
            _fire(engine, algo, met)


def arm_attached(engine: Engine, order: Order) -> None:
    """A filled order's attached legs become algo orders of their own, if it left a position for them to protect."""
    for legs in order.attached:
        if engine.size(order.inst_id) * order.sign <= 0:
            legs.fail_code = _NOTHING_TO_CLOSE
            continue
        both = legs.sl_trigger is not None and legs.tp_trigger is not None
        engine.wait(Algo(
            engine.ids.next(), legs.client_id, order.inst_id, "sell" if order.side == "buy" else "buy",
            "oco" if both else "conditional", order.filled, None, True, engine.now_ms, legs.sl_trigger, legs.sl_price,
            legs.sl_type, legs.tp_trigger, legs.tp_price, legs.tp_type, is_attached=True, parent_id=order.ord_id,
            tag=order.tag,
        ))  # fmt: skip


def _traded_through(order: Order, price: Decimal, bar: Bar) -> bool:
    return exact(bar.low) < price if order.side == "buy" else exact(bar.high) > price


def _crossed(engine: Engine, order: Order, last: Decimal | None) -> Decimal | None:
    """The opposite quote if the order's price reaches it."""
    reference = engine.last(order.inst_id) if last is None else last
    bid, ask = best_quotes(engine.market.instruments[order.inst_id], reference)
    touch = ask if order.side == "buy" else bid
    return touch if order.price is None or (order.price - touch) * order.sign >= 0 else None


def _fire(engine: Engine, algo: Algo, met: Met) -> None:
    """Turn a triggered algo into its order at the price where the trigger was met."""
    algo.updated_ms = algo.triggered_ms = engine.now_ms
    algo.actual_side, algo.actual_price = met.leg, met.price
    order = _spawned(engine, algo, met)
    if order.size == 0:
        algo.state, algo.fail_code = "order_failed", _NOTHING_TO_CLOSE
    elif not algo.reduce_only and not affordable(engine, order, fill_price_now(engine, order, met.price)):
        algo.state, algo.fail_code = "order_failed", _NO_MARGIN
    else:
        algo.state, algo.spawned, algo.actual_size = "effective", order.ord_id, order.size
        engine.take(order)
        meet(engine, order, met.price)


def _spawned(engine: Engine, algo: Algo, met: Met) -> Order:
    held = engine.size(algo.inst_id)
    size = algo.size if algo.size is not None else abs(held)
    if algo.reduce_only:
        size = min(size, abs(held)) if held * algo.sign < 0 else Decimal(0)
    price = {"sl": algo.sl_price, "tp": algo.tp_price}.get(met.leg, algo.trigger_price)
    at_market = price is None or price == MARKET_PRICE
    return Order(
        engine.ids.next(), "", algo.inst_id, algo.side, "market" if at_market else "limit", size,
        None if at_market else price, algo.reduce_only, engine.now_ms, tag=algo.tag, source="7" if met.leg else "6",
        leverage=engine.lever(algo.inst_id), algo_id=algo.algo_id, algo_client_id=algo.client_id,
        attached=list(algo.attached),
    )  # fmt: skip


def _fill_or_shrink(engine: Engine, order: Order, price: Decimal) -> None:
    """Fill a resting order as maker; a reduce-only one never beyond what is left of the position."""
    if order.reduce_only:
        held = engine.size(order.inst_id)
        if held * order.sign >= 0:
            engine.cancel(order, "2")
            return
        order.size = min(order.size, order.filled + abs(held))
    engine.fill(order, price, taker=False)
