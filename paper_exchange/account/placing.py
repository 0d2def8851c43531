"""Taking in orders: every check that the venue makes, with its codes."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from paper_exchange.account import matching
from paper_exchange.account.attached_stops import attached_legs
from paper_exchange.account.margin import affordable
from paper_exchange.account.orders import Order
from paper_exchange.http.envelope import text
from paper_exchange.http.refusals import Refused, refusing
from paper_exchange.http.request import Params
from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import price_at, price_band

if TYPE_CHECKING:
    from paper_exchange.account.account import Engine

CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG = re.compile(r"[A-Za-z0-9]{1,16}")
_KINDS = ("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc")
PRICED = ("limit", "post_only", "fok", "ioc")
MAX_PENDING = 500


def place(engine: Engine, params: Params, *, suspended: bool = False) -> Order:
    """Check an order, take it in and match it; Refused says why not."""
    with refusing():
        order = _order(engine, params, suspended)
    matching.enter(engine, order)
    return order


def _order(engine: Engine, params: Params, suspended: bool) -> Order:
    instrument = tradable(engine, params, suspended=suspended)
    check_modes(params)
    side = params.choice("side", ("buy", "sell"))
    kind = params.choice("ordType", _KINDS)
    price = params.number("px") if kind in PRICED else None
    order = Order(
        ord_id="", client_id=checked_client_id(params, "clOrdId"), inst_id=instrument.inst_id,
        side="buy" if side == "buy" else "sell", kind=kind, size=checked_size(instrument, params.number("sz"), kind),
        price=price, reduce_only=params.flag("reduceOnly"), created_ms=engine.now_ms, tag=checked_tag(params),
        leverage=engine.lever(instrument.inst_id),
    )  # fmt: skip
    if order.client_id and any(other.client_id == order.client_id for other in engine.pending()):
        raise Refused("51016", "Client order ID already exists.")
    if len(engine.pending(instrument.inst_id)) >= MAX_PENDING:
        raise Refused("51174", f"The number of pending orders on {instrument.inst_id} has reached {MAX_PENDING}.")
    check_price(engine, instrument, order)
    order.attached = attached_legs(engine, params, order)
    check_reduce_only(engine, order)
    check_margin(engine, order)
    order.ord_id = engine.ids.next()
    return order


def tradable(engine: Engine, params: Params, *, suspended: bool = False) -> Instrument:
    """The instrument named by `instId`: known, not suspended, and with a price at which it could trade."""
    inst_id = params.required("instId")
    instrument = engine.market.instruments.get(inst_id)
    if instrument is None:
        raise Refused("51001", f"Instrument ID, Instrument ID code, or Spread ID {inst_id} doesn't exist.")
    if suspended:
        raise Refused("51022", "Contract suspended.")
    if price_at(engine.market, inst_id, engine.now_ms) is None:
        raise Refused("51021", "Contract to be listed: it has not traded yet.")
    return instrument


def check_modes(params: Params) -> None:
    """Cross margin and net positions only, as the guide now lists for swaps."""
    params.choice("tdMode", ("cross",))
    params.choice("posSide", ("net",), "net")


def checked_client_id(params: Params, name: str) -> str:
    """A client id of 1 to 32 letters and digits, or ""."""
    client_id = params.text(name)
    if client_id and not CLIENT_ID.fullmatch(client_id):
        raise Refused("51000", f"Parameter {name} error")
    return client_id


def checked_tag(params: Params) -> str:
    """A tag of 1 to 16 letters and digits, or ""."""
    tag = params.text("tag")
    if tag and not _TAG.fullmatch(tag):
        raise Refused("51000", "Parameter tag error")
    return tag


def checked_size(instrument: Instrument, size: Decimal | None, kind: str) -> Decimal:
    """Contracts in whole lots within the limits of the instrument for this type of order."""
    if size is None or size <= 0:
        raise Refused("51000", "Parameter sz error")
    if size % instrument.lot_sz:
        raise Refused("51121", "Order quantity must be a multiple of the lot size.")
    if size < instrument.min_sz:
        raise Refused("51020", "Your order should meet or exceed the minimum order amount.")
    if kind in PRICED and size > instrument.max_limit_sz:
        raise Refused("51101", f"The maximum amount per order is {text(instrument.max_limit_sz)} contracts.")
    if kind not in PRICED and size > instrument.max_market_sz:
        raise Refused("51202", "Market order amount exceeds the maximum amount.")
    return size


def check_price(engine: Engine, instrument: Instrument, order: Order) -> None:
    """A priced order needs a price, on the tick, within the band around the index."""
    if order.kind not in PRICED:
        return
    if order.price is None:
        raise Refused("51204", "The price for the limit order cannot be empty.")
    if order.price <= 0 or order.price % instrument.tick_sz:
        raise Refused("51006", "Order price is not on the tick of the instrument.")
    index = price_at(engine.market, instrument.inst_id, engine.now_ms, "index")
    highest, lowest = price_band(instrument, index if index is not None else engine.last(instrument.inst_id))
    if order.price > highest if order.side == "buy" else order.price < lowest:
        band = f"(max buy price: {text(highest)}, min sell price: {text(lowest)})"
        raise Refused("51006", f"Order price is not within the price limit {band}")


def check_reduce_only(engine: Engine, order: Order) -> None:
    """A reduce-only order needs an opposite position; whether a larger one is refused or cut is the engine's switch."""
    if not order.reduce_only:
        return
    held = engine.size(order.inst_id)
    if held == 0:
        raise Refused("51169", "Order failed because you have no position to reduce.")
    if held * order.sign > 0:
        raise Refused("51170", "Reduce-only orders must be opposite to the position.")
    if order.left > abs(held):
        if engine.reduce_only_oversize == "reject":
            raise Refused("51112", "Close order size exceeds your available size.")
        order.size = order.filled + abs(held)


def check_margin(engine: Engine, order: Order) -> None:
    """Free equity must stay at or above zero."""
    if not affordable(engine, order, matching.fill_price_now(engine, order)):
        raise Refused("51008", "Order failed. Insufficient USDT margin in account")
