"""State faults that disturb the rows of an answer (docs/okx-protocol.md, State faults)."""

from __future__ import annotations

from decimal import Decimal

from pairity.bounded_numbers import parse_decimal
from paper_exchange.faults.catalogue import Fault
from paper_exchange.http.request import Request
from paper_exchange.wire import Json, format_number


def consume_fault(request: Request, kind: str, inst_id: str = "") -> Fault | None:
    """Return the state fault that disturbs this answer, one strike used up; None without one."""
    return request.faults.consume(kind, request.method, request.path, inst_id)


def _scale(row: Json, factor: Decimal) -> Json:
    """Return a candle with its four prices multiplied: whole in itself, and not what was traded."""
    time, *prices = row[:5]
    return [time, *(format_number(Decimal(price) * factor) for price in prices), *row[5:]]


def disturb_candles(request: Request, rows: list[Json]) -> list[Json]:
    """Return candle rows as the waiting faults let them through (rows are lists that begin with their time)."""
    if gap := consume_fault(request, "candle_gap", request.params.text("instId")):
        since, until = gap.params.get("from"), gap.params.get("to")
        if since is None or until is None:
            del rows[len(rows) // 2 : len(rows) // 2 + 1]
        else:
            rows = [row for row in rows if not int(since) <= int(row[0]) < int(until)]
    if wrong := consume_fault(request, "wrong_candle", request.params.text("instId")):
        since, until = int(wrong.params.get("from", 0)), int(wrong.params.get("to", 2**63))
        factor = 1 + parse_decimal(wrong.params.get("share", "0.01"))
        rows = [_scale(row, factor) if since <= int(row[0]) < until else row for row in rows]
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
