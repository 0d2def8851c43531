"""Private endpoints of algo orders: stop-loss, take-profit and trigger orders."""

from __future__ import annotations

from paper_exchange.account.algo_placing import amend_algo, place_algo
from paper_exchange.account.orders import Algo
from paper_exchange.http.envelope import Json, WireError
from paper_exchange.http.refusals import Refused
from paper_exchange.http.request import Call, Params, Routes
from paper_exchange.http.routes.trade import elements, paged, suspended

MAX_CANCELLED = 10


def place(call: Call) -> dict[str, Json]:
    """POST trade/order-algo."""
    return _plain(elements(call, [call.params], _place, ""))


def cancel(call: Call) -> dict[str, Json]:
    """POST trade/cancel-algos, up to 10."""
    if len(call.rows) > MAX_CANCELLED:
        raise WireError("51111", f"Maximum {MAX_CANCELLED} orders can be cancelled in bulk.")
    return _plain(elements(call, call.rows, _cancel, ""))


def amend(call: Call) -> dict[str, Json]:
    """POST trade/amend-algos: size and trigger prices of one algo order."""
    return _plain(elements(call, [call.params], _amend, ""))


def get(call: Call) -> list[Json]:
    """GET trade/order-algo by algoId or algoClOrdId."""
    algo = _find(call, call.params)
    if algo is None:
        raise WireError("51603", "Order does not exist")
    return [algo.row()]


def pending(call: Call) -> list[Json]:
    """GET trade/orders-algo-pending; `ordType` names one type, or several with commas."""
    return [a.row() for a in paged(call, [a for a in _listed(call) if a.live], lambda a: int(a.algo_id))]


def history(call: Call) -> list[Json]:
    """GET trade/orders-algo-history; one of `state` and `algoId` is required."""
    params = call.params
    if "state" not in params and "algoId" not in params:
        raise WireError("51000", "Parameter state error")
    done = [a for a in _listed(call) if not a.live and params.text("state") in ("", a.state)]
    return [a.row() for a in paged(call, done, lambda a: int(a.algo_id))]


def _place(call: Call, params: Params) -> dict[str, Json]:
    return _named(place_algo(call.engine, params, suspended=suspended(call, params)))


def _cancel(call: Call, params: Params) -> dict[str, Json]:
    algo = _find_live(call, params, "51400")
    call.engine.cancel_algo(algo)
    return _named(algo)


def _amend(call: Call, params: Params) -> dict[str, Json]:
    algo = _find_live(call, params, "51503")
    amend_algo(call.engine, algo, params)
    return {**_named(algo), "reqId": params.text("reqId")}


def _find(call: Call, params: Params) -> Algo | None:
    algo_id = params.text("algoId")
    client_id = params.text("algoClOrdId") or params.text("clOrdId")
    if not algo_id and not client_id:
        raise WireError("51003", "Either algoId or algoClOrdId is required.")
    algos: dict[str, Algo] = call.engine.algos
    if algo_id:
        return algos.get(algo_id)
    return next((a for a in reversed(algos.values()) if a.client_id == client_id), None)


def _find_live(call: Call, params: Params, code: str) -> Algo:
    try:
        algo = _find(call, params)
    except WireError as error:
        raise Refused(error.code, error.msg) from None
    if algo is None or not algo.live:
        raise Refused(code, "The algo order has been triggered, canceled or does not exist.")
    return algo


def _listed(call: Call) -> list[Algo]:
    params = call.params
    kinds = params.required("ordType").split(",")
    return [
        a
        for a in call.engine.algos.values()
        if a.kind in kinds
        and params.text("instId") in ("", a.inst_id)
        and params.text("algoId") in ("", a.algo_id)
        and (params.text("algoClOrdId") in ("", a.client_id))
    ]


def _named(algo: Algo) -> dict[str, Json]:
    return {"algoId": algo.algo_id, "algoClOrdId": algo.client_id, "clOrdId": algo.client_id, "tag": algo.tag}


def _plain(answer: dict[str, Json]) -> dict[str, Json]:
    """Recorded algo answers carry no inTime and outTime."""
    return {name: value for name, value in answer.items() if name not in ("inTime", "outTime")}


ROUTES: Routes = {
    ("POST", "/api/v5/trade/order-algo"): place,
    ("POST", "/api/v5/trade/cancel-algos"): cancel,
    ("POST", "/api/v5/trade/amend-algos"): amend,
    ("GET", "/api/v5/trade/order-algo"): get,
    ("GET", "/api/v5/trade/orders-algo-pending"): pending,
    ("GET", "/api/v5/trade/orders-algo-history"): history,
}
