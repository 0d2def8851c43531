"""Private endpoints that show orders and fills (docs/okx-protocol.md, Looking up and listing)."""

from __future__ import annotations

from paper_exchange.account.orders import Order
from paper_exchange.http.lookup import find_order, fits_instrument, require_account
from paper_exchange.http.paging import is_within, take_page
from paper_exchange.http.request import Handler, Request, Routes
from paper_exchange.http.retention import ARCHIVE_MS, FILLS_MS, RECENT_MS, is_remembered, keep_recent
from paper_exchange.wire import Json, WireError


def get_order(request: Request) -> list[Json]:
    """Answer GET trade/order by ordId or clOrdId (the newest of that client id); 51603 for one that is forgotten."""
    order = find_order(require_account(request), request.params)
    if order is None or not is_remembered(order, request.now_ms):
        raise WireError("51603", "Order does not exist")
    return [request.sight.show_order(order).row()]


def list_pending_orders(request: Request) -> list[Json]:
    """Answer GET trade/orders-pending."""
    state = request.params.text("state")
    orders = [o for o in _list_orders(request) if o.live and state in ("", o.state)]
    return [o.row() for o in take_page(request, orders, lambda o: int(o.ord_id))]


def list_recent_orders(request: Request) -> list[Json]:
    """Answer GET trade/orders-history: seven days, and two hours of what was cancelled without a fill."""
    return _list_past_orders(request, [o for o in _list_orders(request) if is_remembered(o, request.now_ms, RECENT_MS)])


def list_archived_orders(request: Request) -> list[Json]:
    """Answer GET trade/orders-history-archive: three months, without what was cancelled without a fill."""
    return _list_past_orders(
        request, [o for o in _list_orders(request) if o.filled and is_remembered(o, request.now_ms)]
    )


def _list_past_orders(request: Request, known: list[Order]) -> list[Json]:
    params = request.params
    orders = [
        o
        for o in known
        if not o.live
        and params.text("state") in ("", o.state)
        and params.text("category") in ("", o.category)
        and is_within(request, o.created_ms)
    ]
    return [o.row() for o in take_page(request, orders, lambda o: int(o.ord_id))]


def _list_orders(request: Request) -> list[Order]:
    params = request.params
    kinds = params.text("ordType").split(",")
    shown = (request.sight.show_order(o) for o in require_account(request).orders.values())
    return [o for o in shown if fits_instrument(params, o.inst_id) and (kinds == [""] or o.kind in kinds)]


def _make_fills_handler(kept_ms: int) -> Handler:
    def list_fills(request: Request) -> list[Json]:
        params = request.params
        known = keep_recent(
            request, request.sight.list_executions(require_account(request)), kept_ms, lambda fill: fill.bill.ts_ms
        )
        wanted = [
            fill
            for fill in known
            if fits_instrument(params, fill.bill.inst_id)
            and params.text("ordId") in ("", fill.bill.ord_id)
            and params.text("subType") in ("", fill.bill.sub_kind)
            and is_within(request, fill.bill.ts_ms)
        ]
        return [fill.row() for fill in take_page(request, wanted, lambda fill: int(fill.bill.bill_id))]

    return list_fills


ROUTES: Routes = {
    ("GET", "/api/v5/trade/order"): get_order,
    ("GET", "/api/v5/trade/orders-pending"): list_pending_orders,
    ("GET", "/api/v5/trade/orders-history"): list_recent_orders,
    ("GET", "/api/v5/trade/orders-history-archive"): list_archived_orders,
    ("GET", "/api/v5/trade/fills"): _make_fills_handler(FILLS_MS),
    ("GET", "/api/v5/trade/fills-history"): _make_fills_handler(ARCHIVE_MS),
}
