"""What fills an order: the quotes of the moment, or the extremes of a bar that has closed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from pairity.universe import exact
from serving.paper_exchange.market import Bar
from serving.paper_exchange.orders import Algo, Attached, Order
from serving.paper_exchange.prices import best_quotes

if TYPE_CHECKING:
    from serving.paper_exchange.engine import Engine

MARKET_PRICE = Decimal(-1)
_AT_ONCE = ("market", "optimal_limit_ioc", "ioc", "fok")
_CANCEL_SOURCE = {"post_only": "31", "fok": "13"}


def enter(engine: Engine, order: Order) -> None:
    """Take in an accepted order: fill it against the present quotes, let it rest, or end it as its type demands."""
    bid, ask = best_quotes(engine.market.instruments[order.inst_id], engine.last(order.inst_id))
    touch = ask if order.side == "buy" else bid
    crosses = order.price is None or (order.price - touch) * order.sign >= 0
    engine.orders[order.ord_id] = order
    if crosses and order.kind == "post_only":
        engine.cancel(order, _CANCEL_SOURCE["post_only"])
    elif crosses:
        engine.fill(order, touch, taker=True)
    elif order.kind in _AT_ONCE:
        engine.cancel(order, _CANCEL_SOURCE.get(order.kind, "14"))


def bar_closed(engine: Engine, inst_id: str, bar: Bar) -> None:
    """The bar's extremes take effect: first what hurts (stops), then targets, then resting orders."""
    for algo in engine.live_algos(inst_id):
        if algo.live:
            _try_algo(engine, algo, bar)
    low, high = exact(bar.low), exact(bar.high)
    for order in engine.pending(inst_id):
        if order.live and order.price is not None:
            traded_through = low < order.price if order.side == "buy" else high > order.price
            if traded_through:
                _fill_or_shrink(engine, order, order.price, taker=False)


def arm_attached(engine: Engine, order: Order) -> None:
    """A filled order's attached legs become algo orders of their own."""
    for legs in order.attached:
        both = legs.sl_trigger is not None and legs.tp_trigger is not None
        algo = Algo(
            engine.ids.next(), legs.client_id, order.inst_id, "sell" if order.side == "buy" else "buy",
            "oco" if both else "conditional", order.filled, None, True, engine.now_ms, legs.sl_trigger, legs.sl_price,
            legs.sl_type, legs.tp_trigger, legs.tp_price, legs.tp_type, attached=True, tag=order.tag,
        )  # fmt: skip
        engine.algos[algo.algo_id] = algo


def misplaced(order_side: str, legs: Attached, reference: Decimal) -> str | None:
    """Which leg of an order would trigger at once at `reference`: `tp`, `sl` or None."""
    sign = 1 if order_side == "buy" else -1
    if legs.tp_trigger is not None and (legs.tp_trigger - reference) * sign <= 0:
        return "tp"
    if legs.sl_trigger is not None and (reference - legs.sl_trigger) * sign <= 0:
        return "sl"
    return None


def _try_algo(engine: Engine, algo: Algo, bar: Bar) -> None:
    """Stop-loss before take-profit: of two extremes in one bar the adverse one is taken to have come first."""
    closing = -algo.sign  # the sign of the position that the algo protects
    adverse, favourable = (bar.low, bar.high) if closing > 0 else (bar.high, bar.low)
    if algo.sl_trigger is not None and (algo.sl_trigger - exact(adverse)) * closing >= 0:
        _fire(engine, algo, "sl", _reached(algo.sl_trigger, exact(bar.open), -closing), algo.sl_price, algo.sl_trigger)
    elif algo.tp_trigger is not None and (exact(favourable) - algo.tp_trigger) * closing >= 0:
        _fire(engine, algo, "tp", _reached(algo.tp_trigger, exact(bar.open), closing), algo.tp_price, algo.tp_trigger)
    elif algo.trigger is not None:
        extreme = exact(bar.high if algo.trigger_up else bar.low)
        direction = 1 if algo.trigger_up else -1
        if (extreme - algo.trigger) * direction >= 0:
            at = _reached(algo.trigger, exact(bar.open), direction)
            _fire(engine, algo, "", at, algo.trigger_price, algo.trigger)


def _reached(trigger: Decimal, opened: Decimal, direction: int) -> Decimal:
    """Price at which the trigger was met: the trigger, or the open where the market gapped through it."""
    return opened if (opened - trigger) * direction > 0 else trigger


def _fire(engine: Engine, algo: Algo, actual: str, at: Decimal, order_price: Decimal | None, trigger: Decimal) -> None:
    """Turn a triggered algo into its order: market at half the spread from `at`, or a limit order."""
    algo.state, algo.updated_ms, algo.triggered_ms = "effective", engine.now_ms, engine.now_ms
    algo.actual_side, algo.actual_price = actual, at
    held = engine.positions.get(algo.inst_id)
    size = algo.size if algo.size is not None else (abs(held.size) if held else Decimal(0))
    if algo.reduce_only:
        opposite = held is not None and (held.size > 0) == (algo.sign < 0)
        size = min(size, abs(held.size)) if held is not None and opposite else Decimal(0)
    if size == 0:
        algo.state, algo.fail_code = "order_failed", "51023"
        return
    market = order_price is None or order_price == MARKET_PRICE
    order = Order(
        engine.ids.next(), "", algo.inst_id, algo.side, "market" if market else "limit", size,
        None if market else order_price, algo.reduce_only, engine.now_ms, tag=algo.tag, source="7" if actual else "6",
        leverage=engine.lever(algo.inst_id), algo_id=algo.algo_id, algo_client_id=algo.client_id,
    )  # fmt: skip
    algo.spawned, algo.actual_size = order.ord_id, size
    engine.orders[order.ord_id] = order
    if market:
        bid, ask = best_quotes(engine.market.instruments[algo.inst_id], at)
        engine.fill(order, ask if algo.side == "buy" else bid, taker=True)


def _fill_or_shrink(engine: Engine, order: Order, price: Decimal, *, taker: bool) -> None:
    """Fill a resting order; a reduce-only one never beyond what is left of the position."""
    if order.reduce_only:
        held = engine.positions.get(order.inst_id)
        if held is None or (held.size > 0) == (order.sign > 0):
            engine.cancel(order, "2")
            return
        order.size = min(order.size, order.filled + abs(held.size))
    engine.fill(order, price, taker=taker)
