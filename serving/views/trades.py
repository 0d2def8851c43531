"""Views of closed positions: the list with filters, one row each as CSV, and sums per day, week or month."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field

from pairity.csv_files import escape_formulas
from pairity.strategy.codec import position_from_json
from pairity.universe import exact
from serving.journal.codec import time_to_text
from serving.journal.reading import Row
from serving.views.base import Amount, Cut, Inputs, Page, View, amount, hours_between, parse_time

Period = Literal["day", "week", "month"]
Result = Literal["won", "lost"]
_MOST_ROWS = 100_000


class TradeLeg(View):
    """One leg of a closed position, with the contracts that it had at last."""

    asset: str
    side: Literal["buy", "sell"]
    contracts: Amount
    entry_price: float


class TradeView(View):
    """One closed position. A result is null where the venue did not say a part of it (yet)."""

    position_id: str
    pair: str
    direction: Literal["long", "short"]
    opened_at: datetime
    closed_at: datetime
    exit_reason: str
    result_usdt: Amount | None = Field(description="After fees and funding.")
    fees_usdt: Amount | None
    funding_usdt: Amount | None
    price_usdt: Amount | None = Field(description="Gross result of the prices.")
    exit_price: Amount | None
    hours_held: float
    legs: list[TradeLeg]


class CalendarItem(View):
    """Sum of the positions that were closed in a period; what has no result yet counts as a trade only."""

    period: str = Field(description="2026-01-31, 2026-W05 or 2026-01, in UTC.")
    trades: int
    result_usdt: Amount
    won: int
    lost: int


@dataclass(frozen=True, slots=True)
class TradeFilter:
    """Which closed positions are wanted; None stands for all. `since` and `until` are times of closing."""

    pair: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    result: Result | None = None


def view_trades(seen: Inputs, cut: Cut, wanted: TradeFilter | None = None) -> Page[TradeView]:
    """Return a page of closed positions, the one that was closed last first."""
    rows = _read_rows(seen, cut.limit + 1, cut.keys(2), wanted or TradeFilter())
    return cut.page([_view_trade(row) for row in rows], [(row["closed_at"], row["position_id"]) for row in rows])


def write_trades_csv(seen: Inputs, wanted: TradeFilter | None = None) -> str:
    """Return closed positions as CSV with a line of names; numbers are exact, what is not known is empty."""
    import polars as pl

    names = [name for name in TradeView.model_fields if name != "legs"]
    lines: dict[str, list[str | None]] = {name: [] for name in [*names, "legs"]}
    for row in _read_rows(seen, _MOST_ROWS, None, wanted or TradeFilter()):
        trade = _view_trade(row)
        shown = trade.model_dump(mode="json")
        for name in names:
            lines[name].append(None if shown[name] is None else str(shown[name]))
        legs = (f"{leg.side} {leg.contracts} {leg.asset} at {exact(leg.entry_price):f}" for leg in trade.legs)
        lines["legs"].append("; ".join(legs))
    return escape_formulas(pl.DataFrame(lines, schema=dict.fromkeys(lines, pl.String))).write_csv()


def view_calendar(seen: Inputs, by: Period) -> Page[CalendarItem]:
    """Return the sums of all periods in which a position was closed, newest first, in one page."""
    query = "SELECT closed_at, pnl_usdt, fees_usdt, funding_usdt FROM positions WHERE closed_at IS NOT NULL"
    results: defaultdict[str, list[Decimal | None]] = defaultdict(list)
    for row in seen.journal.ask(query):
        closed = parse_time(row["closed_at"])
        assert closed is not None
        results[name_period(closed, by)].append(_net(row))
    return Page(items=[_sum_up(period, results[period]) for period in sorted(results, reverse=True)])


def name_period(at: datetime, by: Period) -> str:
    """Return the name of the day, ISO week or month of an instant in UTC; names sort as time does.

    >>> from datetime import UTC
    >>> [name_period(datetime(2027, 1, 1, tzinfo=UTC), by) for by in ("day", "week", "month")]
    ['2027-01-01', '2026-W53', '2027-01']
    """
    if by == "week":
        year, week, _ = at.isocalendar()
        return f"{year:04d}-W{week:02d}"
    return f"{at:%Y-%m-%d}" if by == "day" else f"{at:%Y-%m}"


def _sum_up(period: str, results: list[Decimal | None]) -> CalendarItem:
    known = [result for result in results if result is not None]
    return CalendarItem(
        period=period,
        trades=len(results),
        result_usdt=format(sum(known, Decimal(0)), "f"),
        won=sum(result > 0 for result in known),
        lost=sum(result < 0 for result in known),
    )


def _read_rows(seen: Inputs, limit: int, keys: tuple[str, ...] | None, wanted: TradeFilter) -> list[Row]:
    conditions = ["closed_at IS NOT NULL"]
    values: dict[str, str] = {}
    if wanted.pair is not None:
        base, _, quote = wanted.pair.partition("__")
        conditions.append("json_extract(position_json, '$.pair.base') = :base")
        conditions.append("json_extract(position_json, '$.pair.quote') = :quote")
        values |= {"base": base, "quote": quote}
    if wanted.reason is not None:
        conditions.append("exit_reason = :reason")
        values["reason"] = wanted.reason
    for name, sign in (("since", ">="), ("until", "<")):
        if (instant := getattr(wanted, name)) is not None:
            conditions.append(f"closed_at {sign} :{name}")
            values[name] = time_to_text(instant)
    if keys is not None:
        conditions.append("(closed_at, position_id) < (:at, :id)")
        values |= {"at": keys[0], "id": keys[1]}
    query = f"SELECT * FROM positions WHERE {' AND '.join(conditions)} ORDER BY closed_at DESC, position_id DESC"
    if wanted.result is None:
        return seen.journal.ask(f"{query} LIMIT :limit", limit=limit, **values)
    # Exactly, and so not in SQL: 0.1 + 0.2 − 0.3 is neither a gain nor a loss.
    chosen = []
    for row in seen.journal.ask(query, **values):
        net = _net(row)
        if net is not None and (net > 0 if wanted.result == "won" else net < 0):
            chosen.append(row)
            if len(chosen) == limit:
                break
    return chosen


def _net(row: Row) -> Decimal | None:
    parts = [row[name] for name in ("pnl_usdt", "fees_usdt", "funding_usdt")]
    return None if None in parts else sum(map(Decimal, parts), Decimal(0))


def _view_trade(row: Row) -> TradeView:
    position = position_from_json(row["position_json"])
    closed = parse_time(row["closed_at"])
    assert closed is not None
    return TradeView(
        position_id=position.position_id,
        pair=position.pair.pair_id,
        direction="long" if position.direction > 0 else "short",
        opened_at=position.opened_at,
        closed_at=closed,
        exit_reason=row["exit_reason"],
        result_usdt=amount(_net(row)),
        fees_usdt=row["fees_usdt"],
        funding_usdt=row["funding_usdt"],
        price_usdt=row["pnl_usdt"],
        exit_price=row["exit_price"],
        hours_held=hours_between(position.opened_at, max(closed, position.opened_at)),
        legs=[
            TradeLeg(
                asset=leg.asset,
                side=leg.side.value,
                contracts=format(leg.contracts, "f"),
                entry_price=leg.entry_price,
            )
            for leg in position.legs
        ],
    )
