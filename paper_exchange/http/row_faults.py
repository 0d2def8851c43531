"""State faults that disturb the rows of an answer (docs/okx-protocol.md, State faults)."""

from __future__ import annotations

from paper_exchange.faults.catalogue import Fault
from paper_exchange.http.request import Request
from paper_exchange.wire import Json


def consume_fault(request: Request, kind: str) -> Fault | None:
    """Return the state fault that disturbs this answer, one strike used up; None without one."""
    return request.faults.consume(kind, request.method, request.path)


def disturb_candles(request: Request, rows: list[Json]) -> list[Json]:
    """Return candle rows as the waiting faults let them through (rows are lists that begin with their time)."""
    if gap := consume_fault(request, "candle_gap"):
        since, until = gap.params.get("from"), gap.params.get("to")
        if since is None or until is None:
            del rows[len(rows) // 2 : len(rows) // 2 + 1]
        else:
            rows = [row for row in rows if not int(since) <= int(row[0]) < int(until)]
    if consume_fault(request, "unconfirmed_last") and (closed := next((row for row in rows if row[-1] == "1"), None)):
        closed[-1] = "0"
    return disturb_order(request, rows)


def disturb_order(request: Request, rows: list[Json]) -> list[Json]:
    """Return rows with duplicates or out of order where a fault says so."""
    if consume_fault(request, "duplicate_rows"):
        rows = [row for place, original in enumerate(rows) for row in [original] * (2 if place % 3 == 0 else 1)]
    if consume_fault(request, "unsorted_rows"):
        rows = rows[1::2] + rows[::2]
    return rows
