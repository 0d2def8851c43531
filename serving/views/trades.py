"""Views of closed trades: the list with filters, one row each as CSV, and sums per day, week or month.

Trades are positions of pairs, and round trips of a book's names.
"""

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
from serving.books.round_trips import RoundTrip
from serving.journal.codec import time_to_text
from serving.journal.reading import ReadingJournal, Row
from serving.views.base import Amount, Cut, Inputs, Page, View, amount, hours_between, parse_time
from serving.views.name_trades import list_closed_trips, name_place, view_trip
from serving.views.trade_records import TradeLeg, TradeView

Period = Literal["day", "week", "month"]
Result = Literal["won", "lost"]
_MOST_ROWS = 100_000


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
    found = _list_trades(seen.journal, cut.limit + 1, cut.keys(2), wanted or TradeFilter())
    return cut.page([trade for _, trade in found], [keys for keys, _ in found])


def list_trades(journal: ReadingJournal, wanted: TradeFilter) -> list[TradeView]:
    """Return all closed trades that fit, the one that was closed last first."""
    return [trade for _, trade in _list_trades(journal, _MOST_ROWS, None, wanted)]


def write_trades_csv(seen: Inputs, wanted: TradeFilter | None = None) -> str:
    """Return closed trades as CSV with a line of names; numbers are exact, what is not known is empty."""
    return render_csv(seen.journal, wanted or TradeFilter())


def render_csv(journal: ReadingJournal, wanted: TradeFilter) -> str:
    """Return the same of a journal."""
    import polars as pl

    names = [name for name in TradeView.model_fields if name != "legs"]
    lines: dict[str, list[str | None]] = {name: [] for name in [*names, "legs"]}
    for trade in list_trades(journal, wanted):
        shown = trade.model_dump(mode="json")
        for name in names:
            lines[name].append(None if shown[name] is None else str(shown[name]))
        legs = (f"{leg.side} {leg.contracts} {leg.asset} at {exact(leg.entry_price):f}" for leg in trade.legs)
        lines["legs"].append("; ".join(legs))
    return escape_formulas(pl.DataFrame(lines, schema=dict.fromkeys(lines, pl.String))).write_csv()


def view_calendar(seen: Inputs, by: Period) -> Page[CalendarItem]:
    """Return the sums of all periods in which a position or a name was closed, newest first, in one page."""
    query = "SELECT closed_at, pnl_usdt, fees_usdt, funding_usdt FROM positions WHERE closed_at IS NOT NULL"
    results: defaultdict[str, list[Decimal | None]] = defaultdict(list)
    for row in seen.journal.ask(query):
        closed = parse_time(row["closed_at"])
        assert closed is not None
        results[name_period(closed, by)].append(_net(row))
    for trip in list_closed_trips(seen.journal):
        assert trip.closed_at is not None
        results[name_period(trip.closed_at, by)].append(trip.realised_usdt)
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


def _select_with_orders() -> str:
    """Return the SELECT of positions with the first order that opened each, and the last that closed any of it."""
    ends = (("entry", "('entry')", "created_at, leg"), ("exit", "('exit', 'protect')", "created_at DESC, leg"))
    own = [
        f"(SELECT {column} FROM intents WHERE intents.position_id = positions.position_id AND purpose IN {purposes} "
        f"AND CAST(filled_contracts AS DOUBLE PRECISION) > 0 ORDER BY {order} LIMIT 1) AS {end}_{name}"
        for end, purposes, order in ends
        for name, column in (("order_id", "client_order_id"), ("decision_id", "decision_id"))
    ]
    return f"SELECT positions.*, {', '.join(own)} FROM positions"


_SELECT = _select_with_orders()


def _list_trades(
    journal: ReadingJournal, limit: int, keys: tuple[str, ...] | None, wanted: TradeFilter
) -> list[tuple[tuple[str, str], TradeView]]:
    """Return up to `limit` trades with the keys by which they are sorted, the last one closed first."""
    rows = _read_rows(journal, limit, keys, wanted)
    found = [((row["closed_at"], row["position_id"]), _view_trade(row)) for row in rows]
    for trip in list_closed_trips(journal):
        own = name_place(trip)
        if (keys is None or own < keys) and _fits(trip, wanted):
            found.append((own, view_trip(trip)))
    return sorted(found, key=lambda one: one[0], reverse=True)[:limit]


def _fits(trip: RoundTrip, wanted: TradeFilter) -> bool:
    closed, net = trip.closed_at, trip.realised_usdt
    assert closed is not None
    if wanted.result is not None and (net is None or not (net > 0 if wanted.result == "won" else net < 0)):
        return False
    return (
        wanted.pair in (None, trip.name)
        and wanted.reason in (None, trip.reason)
        and (wanted.since is None or closed >= wanted.since)
        and (wanted.until is None or closed < wanted.until)
    )


def _read_rows(journal: ReadingJournal, limit: int, keys: tuple[str, ...] | None, wanted: TradeFilter) -> list[Row]:
    conditions = ["closed_at IS NOT NULL"]
    values: dict[str, str] = {}
    if wanted.pair is not None:
        base, _, quote = wanted.pair.partition("__")
        text_at = journal.expressions.text_at
        conditions += [f"{text_at('position_json', 'pair', leg)} = :{leg}" for leg in ("base", "quote")]
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
    query = f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY closed_at DESC, position_id DESC"
    if wanted.result is None:
        return journal.ask(f"{query} LIMIT :limit", limit=limit, **values)
    # Exactly, and so not in SQL: 0.1 + 0.2 − 0.3 is neither a gain nor a loss.
    chosen = []
    for row in journal.ask(query, **values):
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
        entry_order_id=row["entry_order_id"],
        exit_order_id=row["exit_order_id"],
        entry_decision_id=row["entry_decision_id"],
        exit_decision_id=row["exit_decision_id"],
    )
