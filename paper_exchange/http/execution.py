"""Carrying out of a request that was let in, whichever way it came: over HTTP, or as an operation of WebSocket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paper_exchange.answers import wrap_rows
from paper_exchange.faults.catalogue import Fault
from paper_exchange.faults.fault_delivery import join_batch, split_batch
from paper_exchange.http.exchange import Exchange
from paper_exchange.http.request import Request
from paper_exchange.http.rules.tables import check_request
from paper_exchange.params import Params
from paper_exchange.wire import Json, WireError

Route = tuple[str, str]
OPEN_IN_MAINTENANCE = ("/api/v5/public/time", "/api/v5/system/status")


def carry_out(
    exchange: Exchange,
    route: Route,
    rows: Sequence[Mapping[str, Json]],
    headers: Mapping[str, str],
    fault: Fault | None = None,
) -> dict[str, Json]:
    """Settle the account, carry out a request and return its envelope; WireError where it is refused as a whole.

    A batch fault withholds one element from the handler.
    """
    handler = exchange.public.get(route) or exchange.private[route]
    now_ms = exchange.settle()
    if exchange.venue.refuses(now_ms) and route[1] not in OPEN_IN_MAINTENANCE:
        raise WireError("50001", "Service temporarily unavailable. Please try again later.", http_status=503)
    check_request(route, Params(rows[0]), exchange.market)

    def handle(elements: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
        answer = handler(_make_request(exchange, route, elements, headers, now_ms))
        if exchange.account is not None:
            exchange.sight.observe(exchange.account)
        exchange.notify()
        envelope = answer if isinstance(answer, dict) else wrap_rows(answer)
        return envelope if exchange.forms is None else exchange.forms.rewrite(envelope)

    if fault is None:
        return handle(rows)
    others, index = split_batch(fault, [dict(row) for row in rows])
    return join_batch(fault, handle(others) if others else wrap_rows([]), dict(rows[index]), index)


def _make_request(
    exchange: Exchange, route: Route, elements: Sequence[Mapping[str, Json]], headers: Mapping[str, str], now_ms: int
) -> Request:
    rows = [Params(element) for element in elements]
    return Request(
        method=route[0],
        path=route[1],
        params=rows[0] if rows else Params({}),
        rows=rows,
        headers=headers,
        now_ms=now_ms,
        market=exchange.market,
        account=exchange.account,
        faults=exchange.faults,
        sight=exchange.sight,
        venue=exchange.venue,
    )
