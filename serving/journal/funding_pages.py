"""The journal's pages about the funding of a book's names: the settlements, and until when all of them are here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, Table, select

from serving.journal import tables
from serving.journal.codec import time_from_text, time_to_text
from serving.journal.conflicts import insert

_UNTIL, _GAPS = "book_funding_until", "book_funding_gaps"
"""Keys of the table `meta`."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One settlement of funding on an instrument; `amount_usdt` is negative where it was paid."""

    bill_id: str
    instrument: str
    at: datetime
    amount_usdt: Decimal


@dataclass(frozen=True, slots=True)
class KnownFunding:
    """What the journal knows of funding: settlements, oldest first, complete up to `until` but for the `gaps`."""

    settlements: tuple[Settlement, ...] = ()
    until: datetime | None = None
    """None: nothing was read yet."""
    gaps: tuple[tuple[datetime, datetime], ...] = ()
    """Times of which the venue said nothing any more when it was asked."""

    def covers(self, since: datetime, until: datetime) -> bool:
        """Return whether every settlement of a time is here."""
        if self.until is None or until > self.until:
            return False
        return not any(begin < until and since < end for begin, end in self.gaps)


class FundingPages:
    """Pages reached as `journal.funding`; every method is one transaction. Older journals do not have their table."""

    def __init__(
        self, begin: Callable[[], AbstractContextManager[Connection]], has_table: Callable[[Table], bool]
    ) -> None:
        self._begin = begin
        self._has = has_table

    def record(
        self, settlements: Sequence[Settlement], until: datetime, gap: tuple[datetime, datetime] | None = None
    ) -> None:
        """Write settlements, each once, and until when all of them are here, all or nothing.

        `gap`: a time of which nothing can be read.
        """
        rows = [
            {
                "bill_id": one.bill_id,
                "instrument": one.instrument,
                "at": time_to_text(one.at),
                "amount_usdt": str(one.amount_usdt),
            }
            for one in settlements
        ]
        with self._begin() as connection:
            if rows:
                connection.execute(insert(connection, tables.book_fundings).on_conflict_do_nothing(), rows)
            _keep(connection, _UNTIL, time_to_text(until))
            if gap is not None:
                known = json.loads(_find(connection, _GAPS) or "[]")
                _keep(connection, _GAPS, json.dumps([*known, [time_to_text(one) for one in gap]]))

    def read(self) -> KnownFunding:
        """Return everything that is known."""
        if not self._has(tables.book_fundings):
            return KnownFunding()
        table = tables.book_fundings
        with self._begin() as connection:
            rows = list(connection.execute(select(table).order_by(table.c.at, table.c.bill_id)).mappings())
            until, gaps = _find(connection, _UNTIL), json.loads(_find(connection, _GAPS) or "[]")
        return KnownFunding(
            settlements=tuple(
                Settlement(row["bill_id"], row["instrument"], time_from_text(row["at"]), Decimal(row["amount_usdt"]))
                for row in rows
            ),
            until=None if until is None else time_from_text(until),
            gaps=tuple((time_from_text(begin), time_from_text(end)) for begin, end in gaps),
        )

    def read_until(self) -> datetime | None:
        """Return until when all settlements are here; None before the first were read."""
        with self._begin() as connection:
            text = _find(connection, _UNTIL)
        return None if text is None else time_from_text(text)


def _find(connection: Connection, key: str) -> str | None:
    found: str | None = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == key)).scalar()
    return found


def _keep(connection: Connection, key: str, value: str) -> None:
    write = insert(connection, tables.meta).values(key=key, value=value)
    connection.execute(write.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
