"""View of orders: intended, sent, acknowledged, filled, with what was expected and what came."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pydantic import Field

from pairity.universe import exact, short_name
from serving.journal.reading import Row, bind_list
from serving.views.base import Amount, Cut, Inputs, Page, View, parse_time

_PRICE_SERVICE = "market_state_v1"


class OrderStep(View):
    """One transition of an order, with what the venue said."""

    at: datetime
    state: str
    answer: str


class FillView(View):
    """One execution. `fee_usdt` is negative where charged, null where the venue has no price of its currency."""

    trade_id: str
    at: datetime
    contracts: Amount
    price: Amount
    fee_usdt: Amount | None


class OrderView(View):
    """One order with everything that became of it."""

    client_order_id: str
    order_id: str | None
    position_id: str
    decision_id: str | None
    purpose: str
    leg: int
    attempt: int
    instrument: str
    side: str
    contracts: Amount
    order_type: str
    reduce_only: bool
    stop_price: Amount | None
    target_price: Amount | None
    state: str
    created_at: datetime
    filled_contracts: Amount
    average_price: Amount | None
    expected_price: Amount | None = Field(
        description="Close of the bar that was decided on; of a protective order its trigger. Null where not known."
    )
    slippage_bps: float | None = Field(description="Positive where the price was worse than expected.")
    events: list[OrderStep]
    fills: list[FillView]


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are wanted; None stands for all."""

    position_id: str | None = None
    decision_id: str | None = None
    instrument: str | None = None
    purpose: str | None = None
    state: str | None = None


def view_orders(seen: Inputs, cut: Cut, wanted: OrderFilter | None = None) -> Page[OrderView]:
    """Return a page of orders, newest first."""
    wanted = wanted or OrderFilter()
    named = {name: getattr(wanted, name) for name in OrderFilter.__slots__ if getattr(wanted, name) is not None}
    conditions = [f"{name} = :{name}" for name in named]
    if keys := cut.keys(2):
        conditions.append("(created_at, client_order_id) < (:at, :id)")
        named |= {"at": keys[0], "id": keys[1]}
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "ORDER BY created_at DESC, client_order_id DESC LIMIT :limit"
    rows = seen.journal.ask(f"SELECT * FROM intents {where} {order}", limit=cut.limit + 1, **named)
    return cut.page(view_rows(seen, rows), [(row["created_at"], row["client_order_id"]) for row in rows])


def view_rows(seen: Inputs, rows: Sequence[Row]) -> list[OrderView]:
    """Return the orders of rows of the table `intents`, in their order."""
    events = _group(_ask_for(seen, "order_events", "client_order_id", (row["client_order_id"] for row in rows), "seq"))
    fills = _read_fills(seen, rows)
    closes = _read_closes(seen, {row["decision_id"] for row in rows if row["decision_id"]})
    return [_view_order(row, events[row["client_order_id"]], fills[row["client_order_id"]], closes) for row in rows]


def _view_order(row: Row, events: list[Row], fills: list[Row], closes: dict[tuple[str, str], Decimal]) -> OrderView:
    expected = _expect(row, closes)
    plain = {name: row[name] for name in OrderView.model_fields if name in row}
    return OrderView(
        **{**plain, "created_at": parse_time(row["created_at"]), "reduce_only": bool(row["reduce_only"])},
        expected_price=None if expected is None else format(expected, "f"),
        slippage_bps=compute_slippage(row["side"], expected, row["average_price"]),
        events=[
            OrderStep(at=parse_time(event["at"]), state=event["state"], answer=event["answer"]) for event in events
        ],
        fills=[
            FillView(
                trade_id=fill["trade_id"],
                at=parse_time(fill["at"]),
                contracts=fill["contracts"],
                price=fill["price"],
                fee_usdt=fill["fee_usdt"] or None,
            )
            for fill in fills
        ],
    )


def compute_slippage(side: str, expected: Decimal | None, average: str | None) -> float | None:
    """Return by how many basis points an average price is worse than the expected one, negative where better.

    >>> compute_slippage("buy", Decimal(100), "100.1"), compute_slippage("sell", Decimal(100), "100.1")
    (10.0, -10.0)
    """
    if expected is None or not expected or average is None:
        return None
    sign = 1 if side == "buy" else -1
    return float(round(sign * (Decimal(average) - expected) / expected * 10_000, 4))


def _expect(row: Row, closes: dict[tuple[str, str], Decimal]) -> Decimal | None:
    if row["purpose"] == "protect":
        return None if row["stop_price"] is None else Decimal(row["stop_price"])
    return closes.get((row["decision_id"], short_name(row["instrument"])))


def _read_closes(seen: Inputs, decisions: set[str]) -> dict[tuple[str, str], Decimal]:
    """Return the close of each asset at each decision, by decision id and asset."""
    rows = _ask_for(seen, "feature_vectors", "decision_id", decisions, "entity")
    closes = {}
    for row in rows:
        if row["service"] == _PRICE_SERVICE and isinstance(close := json.loads(row["values_json"]).get("close"), float):
            closes[row["decision_id"], row["entity"]] = exact(close)
    return closes


def _read_fills(seen: Inputs, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the executions of each order: by its own id, and for a stop by the order that its trigger sent."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    by_order = {row["order_id"]: row["client_order_id"] for row in rows if row["order_id"]}
    names = {row["client_order_id"] for row in rows}
    positions = {row["position_id"] for row in rows}
    for fill in _ask_for(seen, "fills", "position_id", positions, "at, trade_id"):
        owner = fill["client_order_id"] if fill["client_order_id"] in names else by_order.get(fill["order_id"])
        if owner is not None:
            found[owner].append(fill)
    return found


def _group(rows: Iterable[Row]) -> dict[str, list[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["client_order_id"]].append(row)
    return grouped


def _ask_for(seen: Inputs, table: str, column: str, values: Iterable[str], order: str) -> list[Row]:
    """Return the rows of a table whose column is one of some values."""
    within, bound = bind_list("v", values)
    return seen.journal.ask(f"SELECT * FROM {table} WHERE {column} IN {within} ORDER BY {order}", **bound)
