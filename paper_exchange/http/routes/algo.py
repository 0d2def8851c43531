"""Private endpoints of algo orders: stop-loss, take-profit and trigger orders (docs/okx-protocol.md, Algo orders)."""

from __future__ import annotations

from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.algo_placing import amend_algo, place_algo
from paper_exchange.account.refusals import Refused
from paper_exchange.http.elements import ALGO, ALGO_AMENDED, answer_elements
from paper_exchange.http.lookup import check_tradable, fits_instrument, require_account
from paper_exchange.http.paging import take_page
from paper_exchange.http.request import Request, Routes
from paper_exchange.http.retention import ARCHIVE_MS, keep_recent
from paper_exchange.params import Params
from paper_exchange.wire import Json, WireError

MAX_CANCELLED = 10


def place_order(request: Request) -> dict[str, Json]:
    """Answer POST trade/order-algo."""
    return _drop_times(answer_elements(request, [request.params], _place, ALGO))


def cancel_orders(request: Request) -> dict[str, Json]:
    """Answer POST trade/cancel-algos, up to 10."""
    if len(request.rows) > MAX_CANCELLED:
        raise WireError("51111", f"Maximum {MAX_CANCELLED} orders can be cancelled in bulk.")
    return _drop_times(answer_elements(request, request.rows, _cancel, ALGO))


def amend_order(request: Request) -> dict[str, Json]:
    """Answer POST trade/amend-algos: size and trigger prices of one algo order."""
    return _drop_times(answer_elements(request, [request.params], _amend, ALGO_AMENDED))


def get_algo(request: Request) -> list[Json]:
    """Answer GET trade/order-algo by algoId or algoClOrdId."""
    algo = _find_algo(request, request.params)
    if algo is None or not request.sight.shows_algo(require_account(request), algo):
        raise WireError("51603", "Order does not exist")
    return [algo.row()]


def list_pending(request: Request) -> list[Json]:
    """Answer GET trade/orders-algo-pending; `ordType` names one type, or several with commas."""
    return [a.row() for a in take_page(request, [a for a in _list_algos(request) if a.live], lambda a: int(a.algo_id))]


def list_past(request: Request) -> list[Json]:
    """Answer GET trade/orders-algo-history; one of `state` and `algoId` is required."""
    params = request.params
    if "state" not in params and "algoId" not in params:
        raise WireError("51000", "Parameter state error")
    known = keep_recent(request, _list_algos(request), ARCHIVE_MS, lambda a: a.updated_ms or a.created_ms)
    done = [a for a in known if not a.live and params.text("state") in ("", a.state)]
    return [a.row() for a in take_page(request, done, lambda a: int(a.algo_id))]


def _place(request: Request, params: Params) -> dict[str, Json]:
    check_tradable(request, params)
    return _name_algo(place_algo(require_account(request), params))


def _cancel(request: Request, params: Params) -> dict[str, Json]:
    algo = _find_live_algo(request, params, "51400")
    require_account(request).cancel_algo(algo)
    return _name_algo(algo)


def _amend(request: Request, params: Params) -> dict[str, Json]:
    algo = _find_live_algo(request, params, "51503")
    amend_algo(require_account(request), algo, params)
    return {**_name_algo(algo), "reqId": params.text("reqId")}


def _find_algo(request: Request, params: Params) -> AlgoOrder | None:
    algo_id = params.text("algoId")
    client_id = params.text("algoClOrdId") or params.text("clOrdId")
    if not algo_id and not client_id:
        raise WireError("51003", "Either algoId or algoClOrdId is required.")
    algos = require_account(request).algos
    named = [algos[algo_id]] if algo_id in algos else []
    if not algo_id:
        named = [a for a in reversed(algos.values()) if a.client_id == client_id]
    # An id counts only together with its instrument, where one is named.
    return next((a for a in named if params.text("instId") in ("", a.inst_id)), None)


def _find_live_algo(request: Request, params: Params, code: str) -> AlgoOrder:
    try:
        algo = _find_algo(request, params)
    except WireError as error:
        raise Refused(error.code, error.msg) from None
    if algo is None or not algo.live:
        raise Refused(code, "The algo order has been triggered, canceled or does not exist.")
    return algo


def _list_algos(request: Request) -> list[AlgoOrder]:
    params, account = request.params, require_account(request)
    kinds = params.required("ordType").split(",")
    return [
        a
        for a in account.algos.values()
        if a.kind in kinds
        and request.sight.shows_algo(account, a)
        and fits_instrument(params, a.inst_id)
        and params.text("algoId") in ("", a.algo_id)
        and (params.text("algoClOrdId") in ("", a.client_id))
    ]


def _name_algo(algo: AlgoOrder) -> dict[str, Json]:
    return {"algoId": algo.algo_id, "algoClOrdId": algo.client_id, "clOrdId": algo.client_id, "tag": algo.tag}


def _drop_times(answer: dict[str, Json]) -> dict[str, Json]:
    """Return an envelope without inTime and outTime, as the venue answers for algo orders."""
    return {name: value for name, value in answer.items() if name not in ("inTime", "outTime")}


ROUTES: Routes = {
    ("POST", "/api/v5/trade/order-algo"): place_order,
    ("POST", "/api/v5/trade/cancel-algos"): cancel_orders,
    ("POST", "/api/v5/trade/amend-algos"): amend_order,
    ("GET", "/api/v5/trade/order-algo"): get_algo,
    ("GET", "/api/v5/trade/orders-algo-pending"): list_pending,
    ("GET", "/api/v5/trade/orders-algo-history"): list_past,
}
