"""A venue whose lists lag behind: acknowledged is not yet filled, and filled is not yet in the list of positions.

Requests act on the account as it is; only what is read is late. Each fill, end and amendment of an order shows after
`most_ms` at most, and the position that it changed up to `most_ms` after that. Delays are drawn from the seed and from
the count of changes, so the same requests give the same delays. They pass on the wall clock, as a venue's do: a
stepped clock must not hold an answer back for ever.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Generic, TypeVar

from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.ledger import Execution
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import Position
from paper_exchange.http.sight import Closed, Sight

MOST_MS = 400
T = TypeVar("T")


class _Timeline(Generic[T]):
    """A value that is shown, and those that will be, in the order in which they came about."""

    def __init__(self, shown: T) -> None:
        self._shown = shown
        self._coming: deque[tuple[float, T]] = deque()

    @property
    def newest(self) -> T:
        """The value that will be shown in the end."""
        return self._coming[-1][1] if self._coming else self._shown

    def put(self, value: T, from_s: float) -> None:
        """Show a value from an instant on, but not before the one before it."""
        self._coming.append((max(from_s, self._coming[-1][0] if self._coming else from_s), value))

    def read(self, now_s: float) -> T:
        """Return what is shown now."""
        while self._coming and self._coming[0][0] <= now_s:
            self._shown = self._coming.popleft()[1]
        return self._shown

    @property
    def settled(self) -> bool:
        """Whether nothing is coming any more."""
        return not self._coming


class LateSight(Sight):
    """Lists that lag by up to `most_ms`, drawn from `seed`; `clock_s` is a monotonic clock in seconds."""

    def __init__(self, seed: int, most_ms: int = MOST_MS, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._seed, self._most_ms, self._clock_s = seed, most_ms, clock_s
        self._draws = 0
        self._seen_orders = 0
        self._watched: dict[str, Order] = {}
        self._orders: dict[str, _Timeline[Order]] = {}
        self._positions: _Timeline[dict[str, Position]] = _Timeline({})
        self._closed = _Timeline(0)
        self._executions = _Timeline(0)

    def observe(self, account: Account) -> None:
        """Note every change since the last call, and draw when each will show."""
        self._watch_new_orders(account)
        changed = [order for order in self._watched.values() if _differs(order, self._orders[order.ord_id].newest)]
        held = {inst_id: replace(position) for inst_id, position in account.positions.items()}
        executed, closed = len(account.ledger.executions), len(account.closed_positions)
        if changed or executed != self._executions.newest or held != self._positions.newest:
            shown_s = self._clock_s() + self._draw_s()
            for order in changed:
                self._orders[order.ord_id].put(replace(order, attached=list(order.attached)), shown_s)
            self._executions.put(executed, shown_s)
            listed_s = shown_s + self._draw_s()
            self._positions.put(held, listed_s)
            self._closed.put(closed, listed_s)
        self._forget_settled()

    def show_order(self, order: Order) -> Order:
        """Return an order as it was a moment ago."""
        timeline = self._orders.get(order.ord_id)
        return order if timeline is None else timeline.read(self._clock_s())

    def list_positions(self, account: Account) -> Sequence[Position]:
        """Return the positions as they were a moment ago."""
        return list(self._positions.read(self._clock_s()).values())

    def list_closed(self, account: Account) -> Sequence[Closed]:
        """Return the closed positions that have arrived in the history."""
        return account.closed_positions[: self._closed.read(self._clock_s())]

    def list_executions(self, account: Account) -> Sequence[Execution]:
        """Return the fills that have arrived in the list."""
        return account.ledger.executions[: self._executions.read(self._clock_s())]

    def shows_algo(self, account: Account, algo: AlgoOrder) -> bool:
        """Whether an algo order shows: an attached one only after the fill of its parent does."""
        parent = account.orders.get(algo.parent_id) if algo.is_attached else None
        return parent is None or self.show_order(parent).filled > 0

    def _watch_new_orders(self, account: Account) -> None:
        for order in islice(account.orders.values(), self._seen_orders, None):
            self._watched[order.ord_id] = order
            self._orders[order.ord_id] = _Timeline(_as_acknowledged(order))
        self._seen_orders = len(account.orders)

    def _forget_settled(self) -> None:
        """Drop what is kept of finished orders that show as they are."""
        now_s = self._clock_s()
        for ord_id, order in list(self._watched.items()):
            timeline = self._orders[ord_id]
            timeline.read(now_s)
            if not order.live and timeline.settled:
                del self._watched[ord_id], self._orders[ord_id]

    def _draw_s(self) -> float:
        self._draws += 1
        return zlib.crc32(f"{self._seed} {self._draws}".encode()) % (self._most_ms + 1) / 1000


def _as_acknowledged(order: Order) -> Order:
    """Return an order as it is right after its placement: resting, nothing filled."""
    return replace(
        order,
        state="live",
        filled=Decimal(0),
        filled_notional=Decimal(0),
        fill_size=Decimal(0),
        fee=Decimal(0),
        pnl=Decimal(0),
        updated_ms=order.created_ms,
        fill_ms=None,
        fill_px=None,
        trade_id="",
        cancel_source="",
        attached=[replace(stops, fail_code="") for stops in order.attached],
    )


def _differs(order: Order, known: Order) -> bool:
    """Whether an order changed; its attached stops are not looked into, they change with it."""
    fields = ("state", "filled", "size", "price", "fee")
    return any(getattr(order, name) != getattr(known, name) for name in fields)
