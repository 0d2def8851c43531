"""Private endpoints of orders: placing, cancelling, amending, and everything that is asked about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from paper_exchange.account import amending, matching
from paper_exchange.account.account import Engine
from paper_exchange.account.orders import Order, Side
from paper_exchange.account.placing import checked_client_id, place
from paper_exchange.http.envelope import Json, WireError
from paper_exchange.http.lookup import limit_of
from paper_exchange.http.refusals import Refused, refused_row
from paper_exchange.http.request import Call, Params, Routes
from paper_exchange.http.routes.public import state_of

MAX_BATCH = 20
MAX_TIMER_TAGS = 20
T = TypeVar("T")


def place_order(call: Call) -> dict[str, Json]:
    """POST trade/order."""
    _check_expiry(call)
    return elements(call, [call.params], _place, "Order placed")


def place_orders(call: Call) -> dict[str, Json]:
    """POST trade/batch-orders: up to 20, each on its own."""
    _check_expiry(call)
    return elements(call, _batch(call), _place, "Order placed")


def cancel_order(call: Call) -> dict[str, Json]:
    """POST trade/cancel-order."""
    return elements(call, [call.params], _cancel, "")


def cancel_orders(call: Call) -> dict[str, Json]:
    """POST trade/cancel-batch-orders."""
    return elements(call, _batch(call), _cancel, "")


def amend_order(call: Call) -> dict[str, Json]:
    """POST trade/amend-order: new total size, price and attached legs."""
    _check_expiry(call)
    return elements(call, [call.params], _amend, "")


def get_order(call: Call) -> list[Json]:
    """GET trade/order by ordId or clOrdId (the newest of that client id)."""
    order = find(call, call.params)
    if order is None:
        raise WireError("51603", "Order does not exist")
    return [order.row()]


def pending_orders(call: Call) -> list[Json]:
    """GET trade/orders-pending."""
    orders = [o for o in _orders(call) if o.live and call.params.text("state") in ("", o.state)]
    return [o.row() for o in paged(call, orders, lambda o: int(o.ord_id))]


def order_history(call: Call) -> list[Json]:
    """GET trade/orders-history and its archive."""
    state = call.params.text("state")
    orders = [o for o in _orders(call) if not o.live and state in ("", o.state)]
    orders = [o for o in orders if _within(call, o.created_ms)]
    return [o.row() for o in paged(call, orders, lambda o: int(o.ord_id))]


def fills(call: Call) -> list[Json]:
    """GET trade/fills and fills-history."""
    params = call.params
    wanted = [
        fill
        for fill in call.engine.ledger.fills
        if not other_type(params)
        and params.text("instId") in ("", fill.bill.inst_id)
        and params.text("ordId") in ("", fill.bill.ord_id)
        and _within(call, fill.bill.ts_ms)
    ]
    return [fill.row() for fill in paged(call, wanted, lambda fill: int(fill.bill.bill_id))]


def close_position(call: Call) -> list[Json]:
    """POST trade/close-position: the whole position at market."""
    params, engine = call.params, call.engine
    inst_id = params.required("instId")
    params.choice("mgnMode", ("cross",))
    client_id = _close_client_id(engine, params)
    position = engine.positions.get(inst_id)
    if position is None:
        raise WireError("51023", "Position doesn't exist.")
    closing = [o for o in engine.pending(inst_id) if o.reduce_only]
    if closing and not params.flag("autoCxl"):
        raise WireError("51115", "Cancel all pending close orders before closing the position.")
    for order in closing:
        engine.cancel(order, "17")
    side: Side = "sell" if position.size > 0 else "buy"
    order = Order(engine.ids.next(), client_id, inst_id, side, "market", abs(position.size), None, True,
                  engine.now_ms, tag=params.text("tag"), leverage=engine.lever(inst_id))  # fmt: skip
    matching.enter(engine, order)
    return [{"clOrdId": order.client_id, "instId": inst_id, "posSide": "net", "tag": order.tag}]


def cancel_all_after(call: Call) -> list[Json]:
    """POST trade/cancel-all-after: the dead man's switch; 0 disarms, else 10 to 120 seconds."""
    seconds = call.params.whole("timeOut")
    if seconds is None or (seconds != 0 and not 10 <= seconds <= 120):
        raise WireError("51000", "Parameter timeOut error")
    tag, armed = call.params.text("tag"), call.engine.cancel_all_at
    if seconds == 0:
        armed.pop(tag, None)
        return [{"triggerTime": "0", "tag": tag, "ts": str(call.now_ms)}]
    if tag not in armed and len(armed) >= MAX_TIMER_TAGS:
        raise WireError("51071", f"The number of tags with a running timer has reached {MAX_TIMER_TAGS}.")
    armed[tag] = call.now_ms + seconds * 1000
    return [{"triggerTime": str(armed[tag]), "tag": tag, "ts": str(call.now_ms)}]


def elements(
    call: Call, rows: Sequence[Params], act: Callable[[Call, Params], dict[str, Json]], message: str
) -> dict[str, Json]:
    """Act on each element; code 0 if all went well, 1 if none did, 2 otherwise."""
    answers, failed = [], 0
    for row in rows:
        try:
            answers.append({**act(call, row), "sCode": "0", "sMsg": message, "subCode": "", "ts": str(call.now_ms)})
        except Refused as refusal:
            failed += 1
            answers.append(refused_row(row, refusal, call.now_ms))
    code = "0" if not failed else ("1" if failed == len(rows) else "2")
    texts = {"0": "", "1": "All operations failed", "2": "Bulk operation partially succeeded."}
    stamp = str(call.now_ms * 1000)
    return {"code": code, "data": answers, "inTime": stamp, "msg": texts[code], "outTime": stamp}


def suspended(call: Call, params: Params) -> bool:
    """Whether the named instrument exists but does not trade at present."""
    instrument = call.market.instruments.get(params.text("instId"))
    return instrument is not None and state_of(call, instrument) != "live"


def find(call: Call, params: Params) -> Order | None:
    """The order named by ordId, else the newest with the clOrdId; 51003 where neither is given."""
    ord_id, client_id = params.text("ordId"), params.text("clOrdId")
    if not ord_id and not client_id:
        raise WireError("51003", "Either client order ID or order ID is required.")
    orders: dict[str, Order] = call.engine.orders
    if ord_id:
        found = orders.get(ord_id)
        return found if found is not None and params.text("instId") in ("", found.inst_id) else None
    return next((o for o in reversed(orders.values()) if o.client_id == client_id), None)


def other_type(params: Params) -> bool:
    """Whether a query asks for instruments of another type than swaps: the account has none."""
    return params.text("instType", "SWAP") not in ("SWAP", "ANY")


def paged(call: Call, rows: Sequence[T], cursor: Callable[[T], int]) -> list[T]:
    """Newest first; `after` is older, `before` newer, both exclusive; at most `limit`."""
    after, before = call.params.whole("after"), call.params.whole("before")
    wanted = [
        row
        for row in sorted(rows, key=cursor, reverse=True)
        if (after is None or cursor(row) < after) and (before is None or cursor(row) > before)
    ]
    return wanted[: limit_of(call, 100)]


def _check_expiry(call: Call) -> None:
    """The optional header `expTime` (ms): a request that arrives after it is refused."""
    expires = Params({"expTime": call.headers.get("expTime")}).whole("expTime")
    if expires is not None and expires < call.now_ms:
        raise WireError("50036", "The expTime can't be earlier than the current system time.")


def _place(call: Call, params: Params) -> dict[str, Json]:
    order = place(call.engine, params, suspended=suspended(call, params))
    return {"clOrdId": order.client_id, "ordId": order.ord_id, "tag": order.tag}


def _cancel(call: Call, params: Params) -> dict[str, Json]:
    order = _named(call, params, "51407")
    if call.faults.consume("cancel_pending", call.method, call.path) is not None:
        raise Refused("51410", "Cancellation failed as the order is already under cancelling status")
    if order is None or not order.live:
        raise Refused("51400", "Cancellation failed as the order has been filled, canceled or does not exist.")
    call.engine.cancel(order, "1")
    return {"clOrdId": order.client_id, "ordId": order.ord_id}


def _amend(call: Call, params: Params) -> dict[str, Json]:
    order = _named(call, params, "51003")
    if order is None or not order.live:
        raise Refused("51503", "Your order has already been filled or canceled.")
    amending.amend(call.engine, order, params)
    return {"clOrdId": order.client_id, "ordId": order.ord_id, "reqId": params.text("reqId")}


def _close_client_id(engine: Engine, params: Params) -> str:
    """The `clOrdId` of a close; ccxt also sends a stray `clientOrderId`, which the venue does not know."""
    try:
        client_id = checked_client_id(params, "clOrdId")
    except Refused as refusal:
        raise WireError(refusal.code, refusal.message) from None
    if client_id and any(order.client_id == client_id for order in engine.pending()):
        raise WireError("51016", "Client order ID already exists.")
    return client_id


def _named(call: Call, params: Params, code: str) -> Order | None:
    try:
        return find(call, params)
    except WireError as error:
        raise Refused(code, error.msg) from None


def _batch(call: Call) -> Sequence[Params]:
    if len(call.rows) > MAX_BATCH:
        raise WireError("51111", f"Maximum {MAX_BATCH} orders can be placed in bulk.")
    return call.rows


def _orders(call: Call) -> list[Order]:
    params = call.params
    return [
        o
        for o in call.engine.orders.values()
        if not other_type(params)
        and params.text("instId") in ("", o.inst_id)
        and params.text("ordType") in ("", o.kind)
    ]


def _within(call: Call, at_ms: int) -> bool:
    begin, end = call.params.whole("begin"), call.params.whole("end")
    return (begin is None or at_ms >= begin) and (end is None or at_ms <= end)


ROUTES: Routes = {
    ("POST", "/api/v5/trade/order"): place_order,
    ("POST", "/api/v5/trade/batch-orders"): place_orders,
    ("POST", "/api/v5/trade/cancel-order"): cancel_order,
    ("POST", "/api/v5/trade/cancel-batch-orders"): cancel_orders,
    ("POST", "/api/v5/trade/amend-order"): amend_order,
    ("GET", "/api/v5/trade/order"): get_order,
    ("GET", "/api/v5/trade/orders-pending"): pending_orders,
    ("GET", "/api/v5/trade/orders-history"): order_history,
    ("GET", "/api/v5/trade/orders-history-archive"): order_history,
    ("GET", "/api/v5/trade/fills"): fills,
    ("GET", "/api/v5/trade/fills-history"): fills,
    ("POST", "/api/v5/trade/close-position"): close_position,
    ("POST", "/api/v5/trade/cancel-all-after"): cancel_all_after,
}
