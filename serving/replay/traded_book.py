"""What a finished replay traded of a book, as frames that the backtest of the book can be laid beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import polars as pl

from pairity.timeline import HOUR, floor_to
from pairity.universe import ContractSpec, exact, short_name
from serving.journal import BookRecord, Fill, Purpose
from serving.journal.reading import ReadingJournal

INSTANT = pl.Datetime("us", "UTC")
REBALANCE, STOP, OUTSIDE = "rebalance", "stop", "outside"

EXECUTION_SCHEMA: dict[str, pl.DataType] = {
    "close": INSTANT,
    "name": pl.String(),
    "origin": pl.String(),
    "side": pl.String(),
    "contracts": pl.String(),
    "size_base": pl.Float64(),
    "opened": INSTANT,
    "price": pl.Float64(),
    "fee": pl.Float64(),
}
"""One row per name that is traded after a decision: the decision's close, what brought it about, `opened`: open of the
hour of the first execution, the average price over all, `fee` > 0 was paid, USDT (null where it is not known)."""

NAME_SCHEMA: dict[str, pl.DataType] = {
    "close": INSTANT,
    "name": pl.String(),
    "held": pl.String(),
    "contracts": pl.String(),
}
"""One row per decision and name: contracts (signed) before and after; those that stay at none are left out."""

ACCOUNT_SCHEMA: dict[str, pl.DataType] = {
    "close": INSTANT,
    "decided": INSTANT,
    "equity": pl.Float64(),
    "funding": pl.Float64(),
}
"""One row per decision: the hour in which it was made, the equity at its bar's closes, and the funding that was paid
since the decision before (> 0), USDT: what equity, executions, fees and the value of what is held leave of the balance.
Null where a fee is not known."""


class TradedBook(NamedTuple):
    """What was traded of a book from decisions before an instant on."""

    executions: pl.DataFrame
    names: pl.DataFrame
    account: pl.DataFrame


def read_traded_book(
    journal: ReadingJournal, contracts: Mapping[str, ContractSpec], until: datetime, balance: Decimal
) -> TradedBook:
    """Return what a journal says of the decisions before `until`; `balance`: what the account began with, USDT.

    Contracts are by name.
    """
    books = [book for book in journal.books.all() if book.close < until]
    fills = [fill for fill in journal.fills() if fill.at <= until]
    made = {record.decision_id: record.decision_time for record in journal.decisions()}
    decided = [floor_to(made[book.decision_id], HOUR) for book in books]
    rows = [
        (book.close, one.name, str(one.held), str(one.contracts))
        for book in books
        for one in book.names
        if one.held or one.contracts
    ]
    return TradedBook(
        executions=pl.DataFrame(_group(journal, books, fills, contracts), EXECUTION_SCHEMA, orient="row"),
        names=pl.DataFrame(rows, NAME_SCHEMA, orient="row"),
        account=pl.DataFrame(_list_account(books, decided, fills, contracts, balance), ACCOUNT_SCHEMA, orient="row"),
    )


def _group(
    journal: ReadingJournal,
    books: Sequence[BookRecord],
    fills: Sequence[Fill],
    contracts: Mapping[str, ContractSpec],
) -> list[tuple[object, ...]]:
    """Put the executions of one origin, name and decision together: a venue may part an order."""
    closes = [book.close for book in books]
    groups: dict[tuple[datetime, str, str, str], list[Fill]] = {}
    for fill in fills:
        before = [close for close in closes if close <= fill.at]
        if before:
            key = (before[-1], short_name(fill.instrument), _find_origin(journal, fill), fill.side.value)
            groups.setdefault(key, []).append(fill)
    rows: list[tuple[object, ...]] = []
    for (close, name, origin, side), own in sorted(groups.items()):
        count = sum((fill.contracts for fill in own), Decimal(0))
        fees = [fill.fee_usdt for fill in own]
        rows.append(
            (
                close,
                name,
                origin,
                side,
                str(count),
                float(count * contracts[name].ct_val),
                min(floor_to(fill.at, HOUR) for fill in own),
                float(sum((fill.contracts * fill.price for fill in own), Decimal(0)) / count),
                None if None in fees else -float(sum((fee for fee in fees if fee is not None), Decimal(0))),
            )
        )
    return rows


def _find_origin(journal: ReadingJournal, fill: Fill) -> str:
    intent = journal.intent(fill.client_order_id) if fill.client_order_id else None
    if intent is None:
        return OUTSIDE
    return STOP if intent.purpose is Purpose.PROTECT else REBALANCE


def _list_account(
    books: Sequence[BookRecord],
    decided: Sequence[datetime],
    fills: Sequence[Fill],
    contracts: Mapping[str, ContractSpec],
    balance: Decimal,
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    cash, paid_before, place, known = balance, Decimal(0), 0, True
    for book, hour in zip(books, decided, strict=True):
        # What a decision brings about comes after its close, and what a stop does before the next one.
        while place < len(fills) and fills[place].at <= book.close:
            fill = fills[place]
            cash -= fill.side.sign * fill.contracts * contracts[short_name(fill.instrument)].ct_val * fill.price
            known = known and fill.fee_usdt is not None
            cash += fill.fee_usdt or Decimal(0)
            place += 1
        held = sum(
            (one.held * contracts[one.name].ct_val * exact(one.price or 0.0) for one in book.names if one.held),
            Decimal(0),
        )
        paid = cash + held - exact(book.equity_usdt)
        rows.append((book.close, hour, book.equity_usdt, float(paid - paid_before) if known else None))
        paid_before = paid
    return rows
