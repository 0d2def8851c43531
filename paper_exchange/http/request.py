"""One request as a handler sees it, and the table of handlers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from paper_exchange.account.account import Account
from paper_exchange.events.venue_state import VenueState
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.sight import Sight
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
    sight: Sight = field(default_factory=Sight)
    """What answers show of the account."""
    venue: VenueState = field(default_factory=VenueState)
    """What the venue announces."""


Handler = Callable[[Request], list[Json] | dict[str, Json]]
"""A list becomes the rows of a success; a dict is the whole envelope (batch answers bring code, inTime and outTime)."""

Routes = Mapping[tuple[str, str], Handler]
"""Handlers by (METHOD, path), e.g. ("GET", "/api/v5/public/time")."""


BATCHES = frozenset(
    f"/api/v5/trade/{name}" for name in ("batch-orders", "cancel-batch-orders", "amend-batch-orders", "cancel-algos")
)
"""Paths whose body is an array; every other body is one object."""


def parse_body(path: str, body: bytes) -> list[dict[str, Json]]:
    """Return the objects of a POST body: many for a batch, one otherwise.

    50000 for no body or an empty array, 50002 for what is not JSON, or an array where an object belongs.
    """
    if not body:
        raise WireError("50000", "Body for POST request cannot be empty.", http_status=400)
    try:
        # Numbers stay text, exactly as written: sizes and prices become Decimals without passing through a float.
        parsed = json.loads(body, parse_float=str, parse_int=str)
    except (RecursionError, ValueError):
        raise _refuse_syntax() from None
    if isinstance(parsed, list) != (path in BATCHES):
        raise _refuse_syntax()
    rows = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(row, dict) for row in rows):
        raise _refuse_syntax()
    if not rows:
        raise WireError("50000", "Body for POST request cannot be empty.", http_status=400)
    return rows


def _refuse_syntax() -> WireError:
    return WireError("50002", "JSON syntax error", http_status=400)
