"""What feeds see of the exchange at one instant: rows of its own endpoints, and what changed since the last look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from paper_exchange.account.ledger import Bill
from paper_exchange.account.positions import Position
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.exchange import Exchange
from paper_exchange.http.request import Request
from paper_exchange.params import Params
from paper_exchange.wire import Json, WireError

Payload = dict[str, Json]
"""What a message holds beside its `arg`: `data`, and for some channels `action` or `eventType`."""
_LASTING_FAULTS = ("suspend",)
"""Faults of state that no answer uses up: pushes show them, too."""


@dataclass(frozen=True, slots=True)
class View:
    """The exchange at `now_ms`, to which it is settled; `at_s` is the machine's monotonic clock.

    `order_rows` and `algo_rows` are the messages of orders since the last view, in the order in which things happened;
    `bills` and `closed` what was booked and closed since then.
    """

    exchange: Exchange
    now_ms: int
    at_s: float
    order_rows: Sequence[dict[str, Json]] = ()
    algo_rows: Sequence[dict[str, Json]] = ()
    bills: Sequence[Bill] = ()
    closed: Sequence[Position] = ()
    _asked: dict[tuple[str, tuple[tuple[str, str], ...]], list[Json]] = field(default_factory=dict)

    def ask(self, path: str, **params: str) -> list[Json]:
        """Return the rows of an endpoint, as a GET would have them now; none where it refuses."""
        key = (path, tuple(params.items()))
        if key not in self._asked:
            self._asked[key] = self._read(path, params)
        return self._asked[key]

    def write(self, rows: list[Json]) -> list[Json]:
        """Return rows of the account with their numbers in the forms that this exchange writes."""
        forms = self.exchange.forms
        return rows if forms is None else [forms.rewrite(row) for row in rows]

    def _read(self, path: str, params: dict[str, str]) -> list[Json]:
        exchange = self.exchange
        route = ("GET", f"/api/v5/{path}")
        handler = exchange.public.get(route) or exchange.private.get(route)
        if handler is None:
            return []
        faults = FaultPlan()
        # Copies: a push must not use up a fault that waits for a request.
        faults.waiting = [replace(fault) for fault in exchange.faults.waiting if fault.kind in _LASTING_FAULTS]
        try:
            answer = handler(
                Request(
                    method="GET",
                    path=route[1],
                    params=Params(params),
                    rows=[Params(params)],
                    headers={},
                    now_ms=self.now_ms,
                    market=exchange.market,
                    account=exchange.account,
                    faults=faults,
                    sight=exchange.sight,
                    venue=exchange.venue,
                )
            )
        except WireError:
            return []
        return answer if isinstance(answer, list) else []


class Feed(Protocol):
    """What one subscription pushes."""

    def open(self, view: View) -> list[Payload]:
        """Return what is pushed right after the subscription."""
        ...

    def update(self, view: View) -> list[Payload]:
        """Return what is to be pushed now, oldest first."""
        ...
