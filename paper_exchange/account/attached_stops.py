"""Stop-loss and take-profit legs as requests carry them, and the side on which their triggers must lie."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from paper_exchange.account.orders import Algo, Attached, Order
from paper_exchange.account.triggers import misplaced
from paper_exchange.http.refusals import Refused
from paper_exchange.http.request import Params
from paper_exchange.market.prices import price_at

if TYPE_CHECKING:
    from paper_exchange.account.account import Engine

TRIGGER_KINDS = ("last", "index", "mark")
_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_MISPLACED = {
    "limit": ("51046", "51047", "51048", "51049"),
    "last": ("51279", "51280", "51277", "51278"),
    "mark": ("51302", "51303", "51300", "51301"),
    "index": ("51307", "51308", "51305", "51306"),
}
"""Codes for a target below a long entry, a stop above one, a target above a short entry, a stop below one. Those
against the last price are documented; mark and index are taken to follow the same order."""


def attached_legs(engine: Engine, params: Params, order: Order) -> list[Attached]:
    """The legs that travel with an order, checked; a reduce-only order cannot carry any."""
    rows = params.rows("attachAlgoOrds")
    if rows and order.reduce_only:
        raise Refused("51100", "Reduce-only orders cannot carry take-profit or stop-loss.")
    legs = [_legs(engine, row) for row in rows]
    taken = _client_ids(engine, order)
    for leg in legs:
        if leg.client_id and leg.client_id in taken:
            raise Refused("51068", "attachAlgoClOrdId already exists.")
        taken.add(leg.client_id)
        check_sides(engine, order.inst_id, order.side, leg, order.price)
    return legs


def check_sides(
    engine: Engine, inst_id: str, side: str, legs: Attached | Algo, entry_price: Decimal | None = None
) -> None:
    """Refuse a leg that would be met at once, seen from the limit price, else the price that it watches."""
    stop = entry_price if entry_price is not None else _reference(engine, inst_id, legs.sl_type)
    target = entry_price if entry_price is not None else _reference(engine, inst_id, legs.tp_type)
    wrong = misplaced(side, legs, stop, target)
    if wrong is None:
        return
    kind = "limit" if entry_price is not None else (legs.sl_type if wrong == "sl" else legs.tp_type)
    code = _MISPLACED[kind][(0 if side == "buy" else 2) + (1 if wrong == "sl" else 0)]
    name = "Stop-loss" if wrong == "sl" else "Take-profit"
    relation = "lower" if (wrong == "sl") == (side == "buy") else "higher"
    raise Refused(code, f"{name} trigger price must be {relation} than the {kind} price")


def _legs(engine: Engine, row: Params) -> Attached:
    client_id = row.text("attachAlgoClOrdId")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Refused("51000", "Parameter attachAlgoClOrdId error")
    stop, target = positive(row, "slTriggerPx"), positive(row, "tpTriggerPx")
    if stop is None and target is None:
        raise Refused("51000", "Parameter attachAlgoOrds error")
    return Attached(
        engine.ids.next(), client_id, stop, order_price(row, "slOrdPx"),
        row.choice("slTriggerPxType", TRIGGER_KINDS, "last"), target,
        order_price(row, "tpOrdPx"), row.choice("tpTriggerPxType", TRIGGER_KINDS, "last"),
    )  # fmt: skip


def positive(params: Params, name: str) -> Decimal | None:
    """A price above zero, or None where absent."""
    price = params.number(name)
    if price is not None and price <= 0:
        raise Refused("51000", f"Parameter {name} error")
    return price


def order_price(params: Params, name: str) -> Decimal | None:
    """A price above zero, −1 for market, or None where absent."""
    price = params.number(name)
    if price is not None and price <= 0 and price != -1:
        raise Refused("51000", f"Parameter {name} error")
    return price


def _client_ids(engine: Engine, order: Order) -> set[str]:
    """Client ids of live algo orders and of legs that still wait for their parent, except this order's own."""
    travelling = (legs for other in engine.pending() if other.ord_id != order.ord_id for legs in other.attached)
    return {algo.client_id for algo in engine.live_algos()} | {legs.client_id for legs in travelling}


def _reference(engine: Engine, inst_id: str, kind: str) -> Decimal:
    if kind == "mark":
        return engine.mark(inst_id)
    index = price_at(engine.market, inst_id, engine.now_ms, "index") if kind == "index" else None
    return engine.last(inst_id) if index is None else index
