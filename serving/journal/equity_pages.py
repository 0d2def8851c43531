"""The journal's pages about equity: one mark per decision, from which losses and drawdowns are measured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from serving.journal import tables
from serving.journal.codec import time_from_text, time_to_text
from serving.journal.records import EquityMark


class EquityPages:
    """Pages reached as `journal.equity`; every method is one transaction, and nothing is ever changed."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def record(self, mark: EquityMark) -> None:
        """Write a mark; a second one of the same instant changes nothing."""
        row = {
            "at": time_to_text(mark.at),
            "equity_usdt": str(mark.equity_usdt),
            "paid_in_usdt": str(mark.paid_in_usdt),
            "peak_usdt": str(mark.peak_usdt),
        }
        with self._begin() as connection:
            table = tables.equity_marks
            if connection.execute(select(table.c.at).where(table.c.at == row["at"])).first() is None:
                connection.execute(insert(table), row)

    def last(self) -> EquityMark | None:
        """Return the newest mark, or None."""
        return self._first(tables.equity_marks.c.at.is_not(None), tables.equity_marks.c.at.desc())

    def first_since(self, instant: datetime) -> EquityMark | None:
        """Return the oldest mark at or after an instant, or None."""
        return self._first(tables.equity_marks.c.at >= time_to_text(instant), tables.equity_marks.c.at)

    def _first(self, which: Any, order: Any) -> EquityMark | None:  # noqa: ANN401 - SQL expressions
        query = select(tables.equity_marks).where(which).order_by(order).limit(1)
        with self._begin() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _from_row(row)


def _from_row(row: RowMapping) -> EquityMark:
    return EquityMark(
        at=time_from_text(row["at"]),
        equity_usdt=Decimal(row["equity_usdt"]),
        paid_in_usdt=Decimal(row["paid_in_usdt"]),
        peak_usdt=Decimal(row["peak_usdt"]),
    )
