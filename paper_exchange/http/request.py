"""One request as a handler sees it, and the table of handlers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from paper_exchange.account.account import Account
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.market.market import Market
from paper_exchange.params import Params
from paper_exchange.wire import Json, WireError


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `params` is the query or the body object; `rows` the elements of the body, one for an object."""

    method: str
    path: str
    params: Params
    rows: Sequence[Params]
    headers: Mapping[str, str]
    now_ms: int
    """The exchange's instant, to which the account is settled."""
    market: Market
    account: Account | None
    """None where the exchange serves public endpoints only; private handlers use `lookup.require_account`."""
    faults: FaultPlan


Handler = Callable[[Request], list[Json] | dict[str, Json]]
"""A list becomes the rows of a success; a dict is the whole envelope (batch answers bring code, inTime and outTime)."""

Routes = Mapping[tuple[str, str], Handler]
"""Handlers by (METHOD, path), e.g. ("GET", "/api/v5/public/time")."""


def parse_body(body: bytes) -> list[dict[str, Json]]:
    """Return the objects of a POST body (object or array); 50002 where it is not JSON."""
    if not body:
        return [{}]
    try:
        # Numbers stay text, exactly as written: sizes and prices become Decimals without passing through a float.
        parsed = json.loads(body, parse_float=str, parse_int=str)
    except (RecursionError, ValueError):
        raise WireError("50002", "JSON syntax error", http_status=400) from None
    rows = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(row, dict) for row in rows):
        raise WireError("50002", "JSON syntax error", http_status=400)
    return rows
