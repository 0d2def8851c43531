"""Stop-loss and take-profit as requests carry them, and the side on which their triggers must lie.

See docs/okx-protocol.md, Attached stops.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.orders import MARKET_PRICE, AttachedStops, Order
from paper_exchange.account.refusals import Refused
from paper_exchange.account.triggers import find_misplaced_leg
from paper_exchange.market.prices import price_at
from paper_exchange.params import Params

TRIGGER_KINDS = ("last", "index", "mark")
_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_MISPLACED = {
    "limit": ("51046", "51047", "51048", "51049"),
    "last": ("51279", "51280", "51277", "51278"),
    "mark": ("51303", "51304", "51300", "51302"),
    "index": ("51307", "51308", "51305", "51306"),
}
"""Codes for a target below a long entry, a stop above one, a target above a short entry, a stop below one."""
MAX_SPLIT_TARGETS = 10


def read_attached_stops(account: Account, params: Params, order: Order) -> list[AttachedStops]:
    """Return the stops that travel with an order, checked; Refused for an order that closes and has stops."""
    rows = params.rows("attachAlgoOrds")
    if rows and order.closes and not order.reduce_only:
        raise Refused("51333", "Close position order in hedge-mode cannot attach TPSL.")
    if rows and order.reduce_only:
        raise Refused("51100", "Reduce-only orders cannot carry take-profit or stop-loss.")
    attached = [_read_stops(account, row) for row in rows]
    taken = _list_client_ids(account, order)
    for stops in attached:
        if stops.client_id and stops.client_id in taken:
            raise Refused("51068", "attachAlgoClOrdId already exists.")
        taken.add(stops.client_id)
        check_sides(account, order.inst_id, order.side, stops, order.price)
    check_split(attached, order.size)
    return attached


def check_split(attached: Sequence[AttachedStops], order_size: Decimal) -> None:
    """Refuse several legs that do not split an order as the venue wants it (docs/okx-protocol.md, Split targets)."""
    targets = [stops for stops in attached if _has_target(stops)]
    stops_only = [stops for stops in attached if not _has_target(stops)]
    if len(attached) > 1 and any(_has_target(stops) and stops.sl_trigger is not None for stops in attached):
        raise Refused("51076", "TP/SL orders in Split TPs only support one-way TP/SL.")
    if len(stops_only) > 1:
        raise Refused("51084", "The number of SL orders with Split TPs attached in a same order cannot exceed 1")
    if len(targets) > 1:
        _check_targets(targets, order_size)


def _check_targets(targets: Sequence[AttachedStops], order_size: Decimal) -> None:
    limits = [stops.tp_limit for stops in targets]
    prices = [stops.tp_price if stops.tp_limit else stops.tp_trigger for stops in targets]
    if len(targets) > MAX_SPLIT_TARGETS:
        raise Refused("51079", f"The number of TP orders with Split TPs cannot exceed {MAX_SPLIT_TARGETS}")
    if len(set(limits)) > 1:
        raise Refused("51091", "All TP orders in one order must be of the same type.")
    if len({stops.tp_type for stops in targets}) > 1:
        raise Refused("51080", "Take-profit trigger price types (tpTriggerPxType) must be the same.")
    if len(set(prices)) < len(prices):
        if all(limits):
            raise Refused("51092", "TP order prices (tpOrdPx) in one order must be different.")
        raise Refused("51081", "Take-profit trigger prices (tpTriggerPx) cannot be the same.")
    if not all(limits) and any(stops.tp_price != MARKET_PRICE for stops in targets):
        raise Refused("51082", "TP trigger prices (tpOrdPx) in one order with multiple TPs must be market prices.")
    if any(stops.size is None for stops in targets):
        raise Refused("51089", "The size of the TP order among split TPs attached cannot be empty")
    if sum((stops.size or Decimal(0) for stops in targets), Decimal(0)) != order_size:
        raise Refused("51083", "The total size of TP orders with Split TPs should equal the size of this order")


def _has_target(stops: AttachedStops) -> bool:
    return stops.tp_trigger is not None or stops.tp_limit


def check_sides(
    account: Account, inst_id: str, side: str, stops: AttachedStops | AlgoOrder, entry_price: Decimal | None = None
) -> None:
    """Refuse a leg that would be met at once: compared with the limit price, else the price that it watches."""
    stop = entry_price if entry_price is not None else _find_reference(account, inst_id, stops.sl_type)
    target = entry_price if entry_price is not None else _find_reference(account, inst_id, stops.tp_type)
    # Both references are the limit price if the order has one: the position will begin there.
    wrong = find_misplaced_leg(side, stops, stop, target)
    if wrong is None:
        return
    kind = "limit" if entry_price is not None else (stops.sl_type if wrong == "sl" else stops.tp_type)
    code = _MISPLACED[kind][(0 if side == "buy" else 2) + (1 if wrong == "sl" else 0)]
    name = "Stop-loss" if wrong == "sl" else "Take-profit"
    relation = "lower" if (wrong == "sl") == (side == "buy") else "higher"
    raise Refused(code, f"{name} trigger price must be {relation} than the {kind} price")


def _read_stops(account: Account, row: Params) -> AttachedStops:
    client_id = row.text("attachAlgoClOrdId")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Refused("51000", "Parameter attachAlgoClOrdId error")
    stop, target = read_positive_price(row, "slTriggerPx"), read_positive_price(row, "tpTriggerPx")
    limit = row.choice("tpOrdKind", ("condition", "limit"), "condition") == "limit"
    if stop is None and target is None and not limit:
        raise Refused("51000", "Parameter attachAlgoOrds error")
    stops = AttachedStops(
        attach_id=account.ids.next(),
        client_id=client_id,
        sl_trigger=stop,
        sl_price=read_order_price(row, "slOrdPx"),
        sl_type=row.choice("slTriggerPxType", TRIGGER_KINDS, "last"),
        tp_trigger=target,
        tp_price=read_order_price(row, "tpOrdPx"),
        tp_type=row.choice("tpTriggerPxType", TRIGGER_KINDS, "last"),
        size=read_positive_price(row, "sz"),
        tp_limit=limit,
    )
    check_order_prices(stops)
    if limit and stops.tp_price == MARKET_PRICE:
        raise Refused("51093", "TP limit order prices (tpOrdPx) in one order can't be -1 (market price).")
    return stops


def check_order_prices(stops: AttachedStops | AlgoOrder) -> None:
    """Refuse a trigger without the price of its order, which −1 would say is the market's, and the other way round."""
    limit = isinstance(stops, AttachedStops) and stops.tp_limit
    if (stops.sl_trigger is None) != (stops.sl_price is None):
        raise Refused("51000", "Parameter slOrdPx error" if stops.sl_price is None else "Parameter slTriggerPx error")
    if stops.tp_price is None and (limit or stops.tp_trigger is not None):
        raise Refused("51000", "Parameter tpOrdPx error")
    if stops.tp_price is not None and stops.tp_trigger is None and not limit:
        raise Refused("51000", "Parameter tpTriggerPx error")


def read_positive_price(params: Params, name: str) -> Decimal | None:
    """Return a price above zero, or None where it is absent."""
    price = params.number(name)
    if price is not None and price <= 0:
        raise Refused("51000", f"Parameter {name} error")
    return price


def read_order_price(params: Params, name: str) -> Decimal | None:
    """Return a price above zero, −1 for market, or None where it is absent."""
    price = params.number(name)
    if price is not None and price <= 0 and price != MARKET_PRICE:
        raise Refused("51000", f"Parameter {name} error")
    return price


def _list_client_ids(account: Account, order: Order) -> set[str]:
    """Return client ids of live algo orders and of stops whose parent has not filled, except this order's own."""
    travelling = (stops for other in account.pending() if other.ord_id != order.ord_id for stops in other.attached)
    return {algo.client_id for algo in account.live_algos()} | {stops.client_id for stops in travelling}


def _find_reference(account: Account, inst_id: str, kind: str) -> Decimal:
    if kind == "mark":
        return account.mark(inst_id)
    index = price_at(account.market, inst_id, account.now_ms, "index") if kind == "index" else None
    return account.last(inst_id) if index is None else index
