"""Stop-loss and take-profit as requests carry them, and the side on which their triggers must lie.

See docs/okx-protocol.md, Attached stops.
"""

from __future__ import annotations

import re
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
    "mark": ("51302", "51303", "51300", "51301"),
    "index": ("51307", "51308", "51305", "51306"),
}
"""Codes for a target below a long entry, a stop above one, a target above a short entry, a stop below one.

The order is documented for the limit and the last price; mark and index are assumed to follow it.
"""


def read_attached_stops(account: Account, params: Params, order: Order) -> list[AttachedStops]:
    """Return the stops that travel with an order, checked; Refused for a reduce-only order with stops."""
    rows = params.rows("attachAlgoOrds")
    if rows and order.reduce_only:
        raise Refused("51100", "Reduce-only orders cannot carry take-profit or stop-loss.")
    attached = [_read_stops(account, row) for row in rows]
    taken = _list_client_ids(account, order)
    for stops in attached:
        if stops.client_id and stops.client_id in taken:
            raise Refused("51068", "attachAlgoClOrdId already exists.")
        taken.add(stops.client_id)
        check_sides(account, order.inst_id, order.side, stops, order.price)
    return attached


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
    if stop is None and target is None:
        raise Refused("51000", "Parameter attachAlgoOrds error")
    return AttachedStops(
        attach_id=account.ids.next(),
        client_id=client_id,
        sl_trigger=stop,
        sl_price=read_order_price(row, "slOrdPx"),
        sl_type=row.choice("slTriggerPxType", TRIGGER_KINDS, "last"),
        tp_trigger=target,
        tp_price=read_order_price(row, "tpOrdPx"),
        tp_type=row.choice("tpTriggerPxType", TRIGGER_KINDS, "last"),
    )


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
