"""Filling of orders: by the quotes of the moment, or by a bar that has closed (see `triggers.py` for stops)."""

from __future__ import annotations

from decimal import Decimal

from pairity.universe import exact
from paper_exchange.account import triggers
from paper_exchange.account.account import NOTHING_TO_CLOSE, Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.margin import is_affordable
from paper_exchange.account.orders import MARKET_PRICE, Order
from paper_exchange.account.triggers import Hit
from paper_exchange.market.market import Bar
from paper_exchange.market.prices import best_quotes

_AT_ONCE = ("market", "optimal_limit_ioc", "ioc", "fok")
_CANCEL_SOURCE = {"post_only": "31", "fok": "13"}
_NO_MARGIN = "51008"


def find_fill_price(account: Account, order: Order, last: Decimal | None = None) -> Decimal | None:
    """Return the quote that an order would take at `last` (default: the present price); None if it would not fill."""
    return None if order.kind == "post_only" else _find_crossed_quote(account, order, last)


def enter(account: Account, order: Order) -> None:
    """Take in an accepted order and let it meet the market."""
    account.take(order)
    meet_quotes(account, order)


def meet_quotes(account: Account, order: Order, last: Decimal | None = None) -> None:
    """Fill an order against the quotes around `last`, let it rest, or end it, as its type demands."""
    price = _find_crossed_quote(account, order, last)
    if price is not None and order.kind == "post_only":
        account.cancel(order, _CANCEL_SOURCE["post_only"])
    elif price is not None:
        account.fill(order, price, taker=True)
    elif order.kind in _AT_ONCE:
        account.cancel(order, _CANCEL_SOURCE.get(order.kind, "14"))


def apply_bar(account: Account, inst_id: str, bar: Bar) -> None:
    """Let a closed bar take effect: on waiting algo orders, on resting orders, then on stops that those fills armed."""
    # Both lists are taken before anything fills: an order that the bar itself brings about has not seen the whole bar.
    waiting, resting = account.live_algos(inst_id), account.pending(inst_id)
    for algo in waiting:
        if algo.live and (hit := triggers.find_hit(account, algo, bar)):
            _fire(account, algo, hit)
    for order in resting:
        if order.live and order.price is not None and _is_traded_through(order, order.price, bar):
            _fill_or_shrink(account, order, order.price)
    known = {algo.algo_id for algo in waiting}
    for algo in account.live_algos(inst_id):
        if algo.algo_id not in known and (hit := triggers.find_hit_after_fill(account, algo, bar)):
            _fire(account, algo, hit)


def _is_traded_through(order: Order, price: Decimal, bar: Bar) -> bool:
    """Whether the bar went beyond the price: a touch alone leaves open whether the queue came to this order."""
    return exact(bar.low) < price if order.side == "buy" else exact(bar.high) > price


def _find_crossed_quote(account: Account, order: Order, last: Decimal | None) -> Decimal | None:
    """Return the opposite quote if the order's price reaches it, else None."""
    reference = account.last(order.inst_id) if last is None else last
    bid, ask = best_quotes(account.market.instruments[order.inst_id], reference)
    touch = ask if order.side == "buy" else bid
    return touch if order.price is None or (order.price - touch) * order.sign >= 0 else None


def _fire(account: Account, algo: AlgoOrder, hit: Hit) -> None:
    """Turn a triggered algo order into its order, at the price at which the trigger was met."""
    algo.updated_ms = algo.triggered_ms = account.now_ms
    algo.actual_side, algo.actual_price = hit.leg, hit.price
    order = _make_order(account, algo, hit)
    if order.size == 0:
        algo.state, algo.fail_code = "order_failed", NOTHING_TO_CLOSE
    elif not algo.reduce_only and not is_affordable(account, order, find_fill_price(account, order, hit.price)):
        algo.state, algo.fail_code = "order_failed", _NO_MARGIN
    else:
        algo.state, algo.spawned, algo.actual_size = "effective", order.ord_id, order.size
        account.take(order)
        meet_quotes(account, order, hit.price)


def _make_order(account: Account, algo: AlgoOrder, hit: Hit) -> Order:
    """Return the order of a triggered algo order; its size is 0 where a reduce-only one has nothing to close."""
    held = account.size(algo.inst_id)
    size = algo.size if algo.size is not None else abs(held)
    if algo.reduce_only:
        size = min(size, abs(held)) if held * algo.sign < 0 else Decimal(0)
    price = {"sl": algo.sl_price, "tp": algo.tp_price}.get(hit.leg, algo.trigger_price)
    at_market = price is None or price == MARKET_PRICE
    return Order(
        ord_id=account.ids.next(),
        client_id="",
        inst_id=algo.inst_id,
        side=algo.side,
        kind="market" if at_market else "limit",
        size=size,
        price=None if at_market else price,
        reduce_only=algo.reduce_only,
        created_ms=account.now_ms,
        tag=algo.tag,
        source="7" if hit.leg else algo.source,
        leverage=account.lever(algo.inst_id),
        algo_id=algo.algo_id,
        algo_client_id=algo.client_id,
        attached=list(algo.attached),
    )


def _fill_or_shrink(account: Account, order: Order, price: Decimal) -> None:
    """Fill a resting order as maker; a reduce-only one never beyond what is left of the position."""
    if order.reduce_only:
        held = account.size(order.inst_id)
        if held * order.sign >= 0:
            account.cancel(order, "2")
            return
        order.size = min(order.size, order.filled + abs(held))
    account.fill(order, price, taker=False)
