"""Taking in of orders: every check that the venue makes, with its codes (docs/okx-protocol.md, Refusals to produce)."""

from __future__ import annotations

import re
from decimal import Decimal

from paper_exchange.account import matching
from paper_exchange.account.account import Account
from paper_exchange.account.attached_stops import read_attached_stops
from paper_exchange.account.margin import is_affordable
from paper_exchange.account.orders import Order
from paper_exchange.account.refusals import Refused, convert_to_refusals
from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import price_at, price_band
from paper_exchange.params import Params
from paper_exchange.wire import format_number, unknown_instrument

CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG = re.compile(r"[A-Za-z0-9]{1,16}")
_KINDS = ("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc")
PRICED = ("limit", "post_only", "fok", "ioc")
MAX_PENDING = 500


def place(account: Account, params: Params, *, suspended: bool = False) -> Order:
    """Check an order, take it in and match it; Refused says why not."""
    with convert_to_refusals():
        order = _make_order(account, params, suspended)
    matching.enter(account, order)
    return order


def _make_order(account: Account, params: Params, suspended: bool) -> Order:
    instrument = find_tradable(account, params, suspended=suspended)
    check_modes(params)
    side = params.choice("side", ("buy", "sell"))
    kind = params.choice("ordType", _KINDS)
    price = params.number("px") if kind in PRICED else None
    order = Order(
        ord_id="",
        client_id=read_client_id(params, "clOrdId"),
        inst_id=instrument.inst_id,
        side="buy" if side == "buy" else "sell",
        kind=kind,
        size=check_size(instrument, params.number("sz"), kind),
        price=price,
        reduce_only=params.flag("reduceOnly"),
        created_ms=account.now_ms,
        tag=read_tag(params),
        leverage=account.lever(instrument.inst_id),
    )
    if order.client_id and any(other.client_id == order.client_id for other in account.pending()):
        raise Refused("51016", "Client order ID already exists.")
    if len(account.pending(instrument.inst_id)) >= MAX_PENDING:
        raise Refused("51174", f"The number of pending orders on {instrument.inst_id} has reached {MAX_PENDING}.")
    check_price(account, instrument, order)
    order.attached = read_attached_stops(account, params, order)
    check_reduce_only(account, order)
    check_margin(account, order)
    order.ord_id = account.ids.next()
    return order


def find_tradable(account: Account, params: Params, *, suspended: bool = False) -> Instrument:
    """Return the instrument named by `instId`; Refused if it is unknown, suspended or has no price yet."""
    inst_id = params.required("instId")
    instrument = account.market.instruments.get(inst_id)
    if instrument is None:
        raise unknown_instrument(inst_id)
    if suspended:
        raise Refused("51022", "Contract suspended.")
    if price_at(account.market, inst_id, account.now_ms) is None:
        raise Refused("51021", "Contract to be listed: it has not traded yet.")
    return instrument


def check_modes(params: Params) -> None:
    """Refuse all but cross margin and net positions (docs/okx-protocol.md, Isolated margin)."""
    params.choice("tdMode", ("cross",))
    params.choice("posSide", ("net",), "net")


def read_client_id(params: Params, name: str) -> str:
    """Return a client id of 1 to 32 letters and digits, or "" where it is absent."""
    client_id = params.text(name)
    if client_id and not CLIENT_ID.fullmatch(client_id):
        raise Refused("51000", f"Parameter {name} error")
    return client_id


def read_tag(params: Params) -> str:
    """Return a tag of 1 to 16 letters and digits, or "" where it is absent."""
    tag = params.text("tag")
    if tag and not _TAG.fullmatch(tag):
        raise Refused("51000", "Parameter tag error")
    return tag


def check_size(instrument: Instrument, size: Decimal | None, kind: str) -> Decimal:
    """Return a size if it is in whole lots and within the instrument's limits for this type of order."""
    if size is None or size <= 0:
        raise Refused("51000", "Parameter sz error")
    if size % instrument.lot_sz:
        raise Refused("51121", "Order quantity must be a multiple of the lot size.")
    if size < instrument.min_sz:
        raise Refused("51020", "Your order should meet or exceed the minimum order amount.")
    if kind in PRICED and size > instrument.max_limit_sz:
        raise Refused("51101", f"The maximum amount per order is {format_number(instrument.max_limit_sz)} contracts.")
    if kind not in PRICED and size > instrument.max_market_sz:
        raise Refused("51202", "Market order amount exceeds the maximum amount.")
    return size


def check_price(account: Account, instrument: Instrument, order: Order) -> None:
    """Refuse a priced order without a price, off the tick, or outside of the band around the index."""
    if order.kind not in PRICED:
        return
    if order.price is None:
        raise Refused("51204", "The price for the limit order cannot be empty.")
    if order.price <= 0 or order.price % instrument.tick_sz:
        raise Refused("51006", "Order price is not on the tick of the instrument.")
    index = price_at(account.market, instrument.inst_id, account.now_ms, "index")
    highest, lowest = price_band(instrument, index if index is not None else account.last(instrument.inst_id))
    if order.price > highest if order.side == "buy" else order.price < lowest:
        band = f"(max buy price: {format_number(highest)}, min sell price: {format_number(lowest)})"
        raise Refused("51006", f"Order price is not within the price limit {band}")


def check_reduce_only(account: Account, order: Order) -> None:
    """Refuse a reduce-only order without an opposite position.

    Whether one that is larger than the position is refused or cut is a switch of the account.
    """
    if not order.reduce_only:
        return
    held = account.size(order.inst_id)
    if held == 0:
        raise Refused("51169", "Order failed because you have no position to reduce.")
    if held * order.sign > 0:
        raise Refused("51170", "Reduce-only orders must be opposite to the position.")
    if order.left > abs(held):
        if account.reduce_only_oversize == "reject":
            raise Refused("51112", "Close order size exceeds your available size.")
        order.size = order.filled + abs(held)


def check_margin(account: Account, order: Order) -> None:
    """Refuse an order that would bring free equity below zero."""
    if not is_affordable(account, order, matching.find_fill_price(account, order)):
        raise Refused("51008", "Order failed. Insufficient USDT margin in account")
