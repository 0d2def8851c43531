"""Taking in of orders: every check that the venue makes, with its codes (docs/okx-protocol.md, Refusals to produce)."""

from __future__ import annotations

import re
from decimal import Decimal

from paper_exchange.account import matching
from paper_exchange.account.account import Account
from paper_exchange.account.attached_stops import read_attached_stops
from paper_exchange.account.ledger import ZERO
from paper_exchange.account.margin import BEYOND_TIERS, find_tier_breach, list_rivals
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import MarginMode, PositionSide, count_opening
from paper_exchange.account.refusals import Refused, convert_to_refusals
from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import price_at, price_band
from paper_exchange.params import Params
from paper_exchange.wire import format_number, unknown_instrument

CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG = re.compile(r"[A-Za-z0-9]{1,16}")
KINDS = ("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc")
PRICED = ("limit", "post_only", "fok", "ioc")
MAX_PENDING = 500


def place(account: Account, params: Params) -> Order:
    """Check an order, take it in and match it; Refused says why not."""
    with convert_to_refusals():
        order = _make_order(account, params)
    matching.enter(account, order)
    return order


def _make_order(account: Account, params: Params) -> Order:
    instrument = find_tradable(account, params)
    margin_mode, pos_side = read_modes(account, params)
    side = params.choice("side", ("buy", "sell"))
    kind = params.choice("ordType", KINDS)
    price = params.number("px") if kind in PRICED else None
    order = Order(
        ord_id="",
        client_id=read_client_id(params, "clOrdId"),
        inst_id=instrument.inst_id,
        side="buy" if side == "buy" else "sell",
        kind=kind,
        size=check_size(instrument, params.number("sz"), kind),
        price=price,
        reduce_only=params.flag("reduceOnly") and pos_side == "net",  # hedge mode ignores the flag
        created_ms=account.now_ms,
        margin_mode=margin_mode,
        pos_side=pos_side,
        resting_since_ms=account.now_ms,
        tag=read_tag(params),
        leverage=account.lever(instrument.inst_id, margin_mode, pos_side),
    )
    if order.client_id and any(other.client_id == order.client_id for other in account.pending()):
        raise Refused("51016", "Client order ID already exists.")
    if len(account.pending(instrument.inst_id)) >= MAX_PENDING:
        raise Refused("51174", f"The number of pending orders on {instrument.inst_id} has reached {MAX_PENDING}.")
    if params.text("pxAmendType") == "1":
        _move_into_band(account, instrument, order)
    check_price(account, instrument, order)
    order.attached = read_attached_stops(account, params, order)
    check_reduce_only(account, order)
    check_position_limit(account, order)
    check_margin(account, order)
    order.ord_id = account.ids.next()
    return order


def find_tradable(account: Account, params: Params) -> Instrument:
    """Return the instrument named by `instId`; Refused if it is unknown or has no price yet."""
    inst_id = params.required("instId")
    instrument = account.market.instruments.get(inst_id)
    if instrument is None:
        raise unknown_instrument(inst_id)
    if price_at(account.market, inst_id, account.now_ms) is None:
        raise Refused("51021", "Contract to be listed: it has not traded yet.")
    return instrument


def read_modes(account: Account, params: Params) -> tuple[MarginMode, PositionSide]:
    """Return margin mode and position side of an order; net mode needs no side, hedge mode long or short.

    Isolated swaps: docs/okx-protocol.md, Isolated margin.
    """
    margin_mode: MarginMode = "isolated" if params.choice("tdMode", ("cross", "isolated")) == "isolated" else "cross"
    return margin_mode, read_pos_side(account, params)


def read_pos_side(account: Account, params: Params) -> PositionSide:
    """Return the side of the position that a request names; 51000 where it does not fit the position mode."""
    if account.position_mode == "net_mode":
        params.choice("posSide", ("net",), "net")
        return "net"
    return "long" if params.choice("posSide", ("long", "short"), "") == "long" else "short"


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
    if kind not in KINDS and size > instrument.largest_stop:
        raise Refused("51275", "The amount of single stop-market order cannot exceed the upper limit.")
    if kind in KINDS and kind not in PRICED and size > instrument.max_market_sz:
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
    band = price_band(account.market, instrument, account.now_ms)
    if band is None:
        return
    highest, lowest = band
    closing = count_opening(account.held(order.holding), order.left * order.sign) == 0
    if order.side == "buy" and order.price > highest:
        code, text = ("51135", "Your closing price has triggered the limit price, and the max buy price is")
        if not closing:
            code, text = "51137", "The highest price limit for buy orders is"
        raise Refused(code, f"{text} {format_number(highest)}.")
    if order.side == "sell" and order.price < lowest:
        code, text = ("51136", "Your closing price has triggered the limit price, and the min sell price is")
        if not closing:
            code, text = "51138", "The lowest price limit for sell orders is"
        raise Refused(code, f"{text} {format_number(lowest)}.")


def _move_into_band(account: Account, instrument: Instrument, order: Order) -> None:
    """Set a price that lies outside of the band to its edge, as `pxAmendType` 1 asks."""
    band = price_band(account.market, instrument, account.now_ms)
    if band is not None and order.price is not None and order.price > 0:
        order.price = min(order.price, band[0]) if order.side == "buy" else max(order.price, band[1])


def check_reduce_only(account: Account, order: Order) -> None:
    """Refuse an order that only closes without an opposite position.

    Whether a reduce-only one that is larger than the position is refused or cut is a switch of the account. In hedge
    mode, what other closing orders have taken is no longer there to close.
    """
    if not order.closes:
        return
    held = account.held(order.holding)
    if held == 0:
        raise Refused("51169", "Order failed because you have no position to reduce.")
    if held * order.sign > 0:
        raise Refused("51170", "Reduce-only orders must be opposite to the position.")
    free = abs(held)
    if order.pos_side != "net":
        free -= sum((o.left for o in list_rivals(account, order) if o.closes), ZERO)
    if order.left > free:
        if order.pos_side != "net" or account.reduce_only_oversize == "reject":
            raise Refused("51112", "Close order size exceeds your available size.")
        order.size = order.filled + free


def check_position_limit(account: Account, order: Order) -> None:
    """Refuse an order that would bring position and pending orders beyond the tiers, or the tier of its leverage."""
    code = find_tier_breach(account, order)
    if code == BEYOND_TIERS:
        limit = format_number(account.market.instruments[order.inst_id].tiers[-1].max_sz)
        text = "the maximal sum of position quantity and pending orders quantity with the same direction"
        raise Refused(code, f"Order failed, {text} can't be more than {limit} (contracts)")
    if code is not None:
        raise Refused(code, "Order failed. Order amount exceeds current tier limit.")


def check_margin(account: Account, order: Order) -> None:
    """Refuse an order that would bring free equity below zero."""
    if not matching.can_carry(account, order):
        raise Refused("51008", "Order failed. Insufficient USDT margin in account")
