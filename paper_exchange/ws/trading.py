"""Orders over WebSocket: the same requests as over HTTP, answered by the id of their operation.

An operation is one request to the endpoint of HTTP that does the same, with its limits, checks and codes. Instruments
may go by their `instIdCode`, as some clients send it.
"""

from __future__ import annotations

from collections.abc import Mapping

from paper_exchange.http.exchange import Exchange
from paper_exchange.http.execution import Route, carry_out
from paper_exchange.http.routes.reference import FIRST_CODE
from paper_exchange.params import Params
from paper_exchange.wire import Json, WireError
from paper_exchange.ws.protocol import MASS_CANCEL, Operation, StreamRefusedError

_ROUTES: Mapping[str, Route] = {
    "order": ("POST", "/api/v5/trade/order"),
    "batch-orders": ("POST", "/api/v5/trade/batch-orders"),
    "cancel-order": ("POST", "/api/v5/trade/cancel-order"),
    "batch-cancel-orders": ("POST", "/api/v5/trade/cancel-batch-orders"),
    "amend-order": ("POST", "/api/v5/trade/amend-order"),
    "batch-amend-orders": ("POST", "/api/v5/trade/amend-batch-orders"),
}
"""The endpoint of each operation that trades."""


def trade(exchange: Exchange, operation: Operation) -> dict[str, Json]:
    """Carry out an operation and return the message that answers it; a refusal is an answer, too."""
    named = {"id": operation.request_id, "op": operation.name}
    try:
        return {**named, **_carry_out(exchange, operation)}
    except WireError as refusal:
        return {**named, "data": list(refusal.data or ()), "code": refusal.code, "msg": refusal.msg}


def _carry_out(exchange: Exchange, operation: Operation) -> dict[str, Json]:
    if operation.name == MASS_CANCEL:
        raise WireError("51010", "You can't complete this request under your current account mode.")
    route, rows = _ROUTES[operation.name], [_name_instrument(exchange, row) for row in operation.arguments]
    if route not in exchange.private:
        raise StreamRefusedError("60019", f"Invalid op: {operation.name}", operation.request_id)
    if not operation.name.startswith("batch-") and len(rows) != 1:
        raise WireError("60013", "Invalid args")
    if exchange.limiter is not None:
        exchange.limiter.check(*route, exchange.credentials.api_key, [Params(row) for row in rows])
    headers = {"expTime": operation.expires} if operation.expires else {}
    return carry_out(exchange, route, rows, headers)


def _name_instrument(exchange: Exchange, row: Mapping[str, Json]) -> dict[str, Json]:
    """Return an element with its `instId`, where it names the instrument by its code."""
    code = row.get("instIdCode")
    if code is None or row.get("instId"):
        return dict(row)
    listed = list(exchange.market.instruments)
    place = int(code) - FIRST_CODE if str(code).isdecimal() and len(str(code)) < 10 else -1
    if not 0 <= place < len(listed):
        raise WireError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
    return {**row, "instId": listed[place]}
