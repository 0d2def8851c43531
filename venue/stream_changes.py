"""What a message of the private WebSocket is about: a kind of change, and an instrument. Nothing else is read of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pairity.bounded_numbers import OutOfBoundsError
from venue.okx_values import read_amount, read_id

ORDERS, STOPS, POSITIONS, BALANCE, LIQUIDATION = "orders", "stops", "positions", "balance", "liquidation"
CONNECTION = "connection"
"""The stream was lost or is back: anything may have changed while nobody listened."""
KINDS: Mapping[str, str] = {
    "orders": ORDERS,
    "orders-algo": STOPS,
    "algo-advance": STOPS,
    "positions": POSITIONS,
    "account": BALANCE,
    "liquidation-warning": LIQUIDATION,
}
"""Kinds by channel."""
MOST_WAITING = 256
_REGULAR = "snapshot"
Content = tuple[tuple[str, ...], ...]


class Change(NamedTuple):
    """Something of the account changed: its kind, and the instrument ("" for all, or where it is not known)."""

    kind: str
    instrument: str


class Changes:
    """Changes that nobody has taken yet. However many messages come, few changes wait."""

    def __init__(self) -> None:
        self._waiting: dict[Change, None] = {}
        self._contents: dict[str, Content | None] = {}

    def forget_contents(self) -> None:
        """Take the next regular message of a channel as the first one: a new connection begins."""
        self._contents.clear()

    def add(self, change: Change) -> None:
        """Let a change wait, once; where too many do, for all instruments."""
        few = len(self._waiting) < MOST_WAITING
        self._waiting[change if few else Change(change.kind, "")] = None

    def take(self) -> frozenset[Change]:
        """Return what waits, and forget it."""
        taken = frozenset(self._waiting)
        self._waiting.clear()
        return taken

    def read(self, message: Mapping[str, Any]) -> bool:
        """Note what a message says; return whether that is news.

        Balance and positions also come regularly, changed or not. Such a message is news if its amounts are others than
        those of the one before; the first one of a connection is not.
        """
        channel = message["arg"].get("channel")
        kind = KINDS.get(channel) if isinstance(channel, str) else None
        if kind is None:
            return False
        rows = [row for row in message.get("data") or () if isinstance(row, dict)]
        if message.get("eventType") == _REGULAR and channel is not None:
            is_first = channel not in self._contents
            before, now = self._contents.get(channel), _read_content(kind, rows)
            self._contents[channel] = now
            if is_first or (now is not None and now == before):
                return False
        for instrument in {_read_instrument(row) for row in rows} or {""}:
            self.add(Change(kind, instrument))
        return True


def _read_instrument(row: Mapping[str, Any]) -> str:
    try:
        return read_id(row.get("instId"))
    except OutOfBoundsError:
        return ""


def _read_content(kind: str, rows: list[dict[str, Any]]) -> Content | None:
    """Return what a change would change; None where it cannot be read, which never equals anything."""
    try:
        return tuple(sorted(_list_amounts(kind, rows)))
    except (OutOfBoundsError, KeyError, TypeError, ValueError):
        return None


def _list_amounts(kind: str, rows: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        if kind == POSITIONS:
            yield read_id(row["posId"]), read_id(row["instId"]), str(read_amount(row["pos"]))
        else:
            for detail in row["details"]:
                yield read_id(detail["ccy"]), str(read_amount(detail["cashBal"]))
