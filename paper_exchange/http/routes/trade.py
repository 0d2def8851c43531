"""Private endpoints that change orders: placing, cancelling, amending, closing (docs/okx-protocol.md, Orders)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from paper_exchange.account import amending, matching
from paper_exchange.account.account import Account
from paper_exchange.account.orders import Order
from paper_exchange.account.placing import place, read_client_id, read_pos_side
from paper_exchange.account.positions import MarginMode, name_holding
from paper_exchange.account.refusals import Refused
from paper_exchange.account.resting_orders import fill_share
from paper_exchange.http.elements import AMENDED, CANCELLED, PLACED, answer_elements
from paper_exchange.http.lookup import check_tradable, find_instrument, find_order, require_account
from paper_exchange.http.request import Request, Routes
from paper_exchange.http.row_faults import consume_fault
from paper_exchange.params import Params
from paper_exchange.wire import Json, WireError, bad_parameter

MAX_BATCH = 20
MAX_TIMER_TAGS = 20


def place_order(request: Request) -> dict[str, Json]:
    """Answer POST trade/order."""
    _check_expiry(request)
    return answer_elements(request, [request.params], _place, PLACED, message="Order placed")


def place_orders(request: Request) -> dict[str, Json]:
    """Answer POST trade/batch-orders: up to 20, each on its own."""
    _check_expiry(request)
    return answer_elements(request, _read_batch(request), _place, PLACED, message="Order placed")


def cancel_order(request: Request) -> dict[str, Json]:
    """Answer POST trade/cancel-order."""
    return answer_elements(request, [request.params], _cancel, CANCELLED)


def cancel_orders(request: Request) -> dict[str, Json]:
    """Answer POST trade/cancel-batch-orders."""
    return answer_elements(request, _read_batch(request), _cancel, CANCELLED)


def amend_order(request: Request) -> dict[str, Json]:
    """Answer POST trade/amend-order: new total size, price and attached stops."""
    _check_expiry(request)
    return answer_elements(request, [request.params], _amend, AMENDED)


def amend_orders(request: Request) -> dict[str, Json]:
    """Answer POST trade/amend-batch-orders: up to 20, each on its own."""
    _check_expiry(request)
    return answer_elements(request, _read_batch(request), _amend, AMENDED)


def close_position(request: Request) -> list[Json]:
    """Answer POST trade/close-position: the whole position at market, if one order may be so large."""
    params, account = request.params, require_account(request)
    instrument = find_instrument(request, params.required("instId"))
    margin_mode: MarginMode = "isolated" if params.choice("mgnMode", ("cross", "isolated")) == "isolated" else "cross"
    pos_side = read_pos_side(account, params)
    client_id = _read_close_client_id(account, params)
    position = account.positions.get(name_holding(instrument.inst_id, margin_mode, pos_side))
    if position is None:
        raise WireError("51023", "Position doesn't exist.")
    if abs(position.size) > instrument.max_market_sz:
        raise WireError("51108", "Positions exceed the limit for closing out with the market price.")
    closing = [o for o in account.pending(instrument.inst_id) if o.closes and o.holding == position.holding]
    if closing and not params.flag("autoCxl"):
        raise WireError("51115", "Cancel all pending close orders before closing the position.")
    for order in closing:
        account.cancel(order, "17")
    order = Order(
        ord_id=account.ids.next(),
        client_id=client_id,
        inst_id=instrument.inst_id,
        side="sell" if position.size > 0 else "buy",
        kind="market",
        size=abs(position.size),
        price=None,
        reduce_only=True,
        created_ms=account.now_ms,
        margin_mode=margin_mode,
        pos_side=pos_side,
        tag=params.text("tag"),
        leverage=account.lever_of(position),
    )
    matching.enter(account, order)
    return [{"clOrdId": order.client_id, "instId": order.inst_id, "posSide": pos_side, "tag": order.tag}]


def cancel_all_after(request: Request) -> list[Json]:
    """Answer POST trade/cancel-all-after: the dead man's switch; 0 disarms, else 10 to 120 seconds."""
    seconds = request.params.whole("timeOut")
    if seconds is None or (seconds != 0 and not 10 <= seconds <= 120):
        raise bad_parameter("timeOut")
    tag, armed = request.params.text("tag"), require_account(request).cancel_all_at
    if seconds == 0:
        armed.pop(tag, None)
        return [{"triggerTime": "0", "tag": tag, "ts": str(request.now_ms)}]
    if tag not in armed and len(armed) >= MAX_TIMER_TAGS:
        raise WireError("51071", f"The number of tags with a running timer has reached {MAX_TIMER_TAGS}.")
    armed[tag] = request.now_ms + seconds * 1000
    return [{"triggerTime": str(armed[tag]), "tag": tag, "ts": str(request.now_ms)}]


def _check_expiry(request: Request) -> None:
    """Refuse a request that arrives after its optional header `expTime` (Unix ms)."""
    expires = Params({"expTime": request.headers.get("expTime")}).whole("expTime")
    if expires is not None and expires < request.now_ms:
        raise WireError("50036", "The expTime can't be earlier than the current system time.")


def _place(request: Request, params: Params) -> dict[str, Json]:
    check_tradable(request, params)
    account = require_account(request)
    order = place(account, params)
    if order.live and order.kind == "post_only" and consume_fault(request, "would_cross"):
        account.cancel(order, matching.WOULD_TAKE)
    if order.live and (race := consume_fault(request, "partial_rest")):
        fill_share(account, order, Decimal(str(race.params.get("share", 0.5))))
    return {"clOrdId": order.client_id, "ordId": order.ord_id, "tag": order.tag}


def _cancel(request: Request, params: Params) -> dict[str, Json]:
    order = _find_order_or_refuse(request, params, "51407")
    if consume_fault(request, "cancel_pending"):
        raise Refused("51410", "Cancellation failed as the order is already under cancelling status")
    if order is not None and (race := consume_fault(request, "fill_before_cancel")):
        fill_share(require_account(request), order, Decimal(str(race.params.get("share", 1))))
    if order is None or not order.live:
        raise Refused("51400", "Cancellation failed as the order has been filled, canceled or does not exist.")
    require_account(request).cancel(order, "1")
    return {"clOrdId": order.client_id, "ordId": order.ord_id}


def _amend(request: Request, params: Params) -> dict[str, Json]:
    order = _find_order_or_refuse(request, params, "51003")
    if order is None or not order.live:
        raise Refused("51503", "Your order has already been filled or canceled.")
    amending.amend(require_account(request), order, params)
    return {"clOrdId": order.client_id, "ordId": order.ord_id, "reqId": params.text("reqId")}


def _read_close_client_id(account: Account, params: Params) -> str:
    """Return the `clOrdId` of a close; ccxt also sends a stray `clientOrderId`, which the venue does not know.

    A close is not answered by elements, so its refusals are those of the whole request.
    """
    try:
        client_id = read_client_id(params, "clOrdId")
    except Refused as refusal:
        raise WireError(refusal.code, refusal.message) from None
    if client_id and any(order.client_id == client_id for order in account.pending()):
        raise WireError("51016", "Client order ID already exists.")
    return client_id


def _find_order_or_refuse(request: Request, params: Params, code: str) -> Order | None:
    """Return the order that is there now, whatever lists show; Refused with `code` where no id is given."""
    try:
        return find_order(require_account(request), params)
    except WireError as error:
        raise Refused(code, error.msg) from None


def _read_batch(request: Request) -> Sequence[Params]:
    if len(request.rows) > MAX_BATCH:
        raise WireError("51111", f"Maximum {MAX_BATCH} orders can be placed in bulk.")
    return request.rows


ROUTES: Routes = {
    ("POST", "/api/v5/trade/order"): place_order,
    ("POST", "/api/v5/trade/batch-orders"): place_orders,
    ("POST", "/api/v5/trade/cancel-order"): cancel_order,
    ("POST", "/api/v5/trade/cancel-batch-orders"): cancel_orders,
    ("POST", "/api/v5/trade/amend-order"): amend_order,
    ("POST", "/api/v5/trade/amend-batch-orders"): amend_orders,
    ("POST", "/api/v5/trade/close-position"): close_position,
    ("POST", "/api/v5/trade/cancel-all-after"): cancel_all_after,
}
