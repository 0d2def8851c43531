"""The journal's pages about books: their decisions, and what their orders and executions leave in each instrument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, and_, func, insert, select, tuple_

from pairity.errors import JournalError
from pairity.strategy.types import Side
from pairity.timeline import format_instant
from serving.journal import codec, tables
from serving.journal.book_records import BookRecord, book_from_json, book_to_json
from serving.journal.order_pages import select_intents
from serving.journal.records import DecisionRecord, FeatureVector, Fill, Intent, IntentState, Purpose

TRADES = (Purpose.INCREASE, Purpose.REDUCE)
"""Purposes of the orders of a rebalance."""


class Execution(NamedTuple):
    """One execution of a book; purpose and decision are None where no order of ours brought it about."""

    fill: Fill
    purpose: Purpose | None
    decision_id: str | None


class BookPages:
    """Pages reached as `journal.books`; every method is one transaction."""

    def __init__(
        self, begin: Callable[[], AbstractContextManager[Connection]], has_table: Callable[[Table], bool]
    ) -> None:
        self._begin = begin
        self._has = has_table

    def record(self, record: DecisionRecord, book: BookRecord, vectors: Sequence[FeatureVector] = ()) -> None:
        """Write a decision with its names and the vectors that it was made on, all or nothing.

        JournalError where the bar was decided before.
        """
        with self._begin() as connection:
            known = select(tables.decisions.c.decision_id).where(tables.decisions.c.decision_id == record.decision_id)
            if connection.execute(known).first() is not None:
                raise JournalError(
                    f"the bar {format_instant(record.event_timestamp)} was decided before",
                    "carry out the recorded decision instead of deciding again",
                )
            connection.execute(insert(tables.decisions), codec.decision_to_row(record))
            row = {"decision_id": book.decision_id, "family": book.family, "book_json": book_to_json(book)}
            connection.execute(insert(tables.book_decisions), row)
            if vectors:
                connection.execute(insert(tables.feature_vectors), [codec.vector_to_row(one) for one in vectors])

    def newest(self) -> BookRecord | None:
        """Return the decision on the newest bar, None before the first."""
        found = self._read(self._select().order_by(tables.decisions.c.event_timestamp.desc()).limit(1))
        return found[0] if found else None

    def before(self, close: datetime) -> BookRecord | None:
        """Return the decision on the newest bar that closed before `close`, None without one."""
        bar = tables.decisions.c.event_timestamp
        found = self._read(self._select().where(bar < codec.time_to_text(close)).order_by(bar.desc()).limit(1))
        return found[0] if found else None

    def list_earned(self, family: str, after: datetime, until: datetime, count: int) -> dict[str, list[float]]:
        """Return what the members of a combination earned on paper, oldest first, by name.

        At the newest `count` of its decisions on bars that closed after `after` and before `until`.
        """
        bar = tables.decisions.c.event_timestamp
        query = self._select().where(
            bar > codec.time_to_text(after), bar < codec.time_to_text(until), tables.book_decisions.c.family == family
        )
        earned: dict[str, list[float]] = {}
        for book in reversed(self._read(query.order_by(bar.desc()).limit(count))):
            for name, member in book.members.items():
                if member.earned is not None:
                    earned.setdefault(name, []).append(member.earned)
        return earned

    def get(self, decision_id: str) -> BookRecord | None:
        """Return a decision, None where it is not one of a book."""
        found = self._read(self._select().where(tables.book_decisions.c.decision_id == decision_id))
        return found[0] if found else None

    def all(self) -> list[BookRecord]:
        """Return all decisions of books, oldest bar first."""
        return self._read(self._select().order_by(tables.decisions.c.event_timestamp))

    def orders(self) -> list[Intent]:
        """Return the orders of all rebalances, oldest first."""
        query = select_intents().where(tables.intents.c.purpose.in_([purpose.value for purpose in TRADES]))
        return [codec.intent_from_row(row) for row in self._rows(query.order_by(tables.intents.c.created_at))]

    def orders_short_of_executions(self) -> list[Intent]:
        """Return the orders of rebalances of which more was filled than their executions in the journal say.

        Orders with one execution of exactly what was filled, nearly all of a long history, are not read.
        """
        intents, fills = tables.intents.c, tables.fills.c
        only = func.max(fills.contracts)
        alone = select(fills.client_order_id, only).group_by(fills.client_order_id).having(func.count() == 1)
        query = select_intents().where(
            intents.purpose.in_([purpose.value for purpose in TRADES]),
            intents.filled_contracts != "0",
            tuple_(intents.client_order_id, intents.filled_contracts).not_in(alone),
        )
        read = [codec.intent_from_row(row) for row in self._rows(query.order_by(intents.created_at))]
        summed = self._sum_fills([one.client_order_id for one in read])
        return [one for one in read if one.filled_contracts not in (0, summed.get(one.client_order_id))]

    def stops(self) -> list[Intent]:
        """Return the stops of a book that are not over in the journal, oldest first."""
        table = tables.intents.c
        of_book = table.target_price.is_(None) & (table.purpose == Purpose.PROTECT.value)
        # Named one by one: an index finds them, however many stops are over.
        alive = table.state.in_([state.value for state in IntentState if not state.final])
        query = select_intents().where(of_book, alive).order_by(table.created_at, table.attempt)
        return [codec.intent_from_row(row) for row in self._rows(query)]

    def has_struck(self, instrument: str, since: datetime) -> bool:
        """Return whether a stop executed anything in an instrument since an instant, of whichever decision it was."""
        fills, intents = tables.fills.c, tables.intents.c
        query = (
            select(fills.client_order_id)
            .join(tables.intents, fills.client_order_id == intents.client_order_id)
            .where(
                intents.purpose == Purpose.PROTECT.value,
                fills.instrument == instrument,
                fills.at >= codec.time_to_text(since),
            )
        )
        return bool(self._rows(query.limit(1)))

    def executions(self) -> list[Execution]:
        """Return the executions of books, each with the purpose and the decision of its order, oldest first."""
        fills, fees, intents = tables.fills, tables.fees, tables.intents
        if not self._has(tables.book_decisions):
            return []
        same = [fills.c[name] == fees.c[name] for name in ("instrument", "trade_id", "order_id")]
        of_order = fills.c.client_order_id == intents.c.client_order_id
        query = (
            select(fills, fees.c.amount, fees.c.currency, intents.c.purpose, intents.c.decision_id)
            .select_from(fills.outerjoin(fees, and_(*same)).outerjoin(intents, of_order))
            .where(fills.c.position_id.not_in(select(tables.positions.c.position_id)))
            .order_by(fills.c.at, fills.c.trade_id)
        )
        read, own = [], [*fills.c.keys(), "amount", "currency"]
        for row in self._rows(query):
            fill = codec.fill_from_row({name: row[name] for name in own})
            purpose = None if row["purpose"] is None else Purpose(row["purpose"])
            read.append(Execution(fill, purpose, row["decision_id"]))
        return read

    def stamp_executions(self) -> tuple[int, str | None]:
        """Return what is another value once there is another execution: executions only come in."""
        fills = tables.fills.c
        (row,) = self._rows(select(func.count().label("count"), func.max(fills.at).label("newest")))
        return int(row["count"]), row["newest"]

    def find_first_execution(self) -> datetime | None:
        """Return when a book first executed something; None before that."""
        own = tables.fills.c.position_id.not_in(select(tables.positions.c.position_id))
        rows = self._rows(select(func.min(tables.fills.c.at).label("at")).where(own))
        return None if rows[0]["at"] is None else codec.time_from_text(rows[0]["at"])

    def list_instruments(self) -> set[str]:
        """Return the instruments that a book ever executed anything in."""
        own = tables.fills.c.position_id.not_in(select(tables.positions.c.position_id))
        return {row["instrument"] for row in self._rows(select(tables.fills.c.instrument).where(own).distinct())}

    def count_held(self) -> dict[str, Decimal]:
        """Return the contracts (signed) that a book holds by instrument, without those of which it holds none.

        Orders of a rebalance count by what was filled of them, as soon as the venue has said so; stops, and what
        others executed on a position of ours, by their executions.
        """
        intents, fills = tables.intents.c, tables.fills.c
        if not self._has(tables.book_decisions):
            return {}
        with self._begin() as connection:
            if connection.execute(select(tables.book_decisions.c.decision_id).limit(1)).first() is None:
                return {}
            trades = [purpose.value for purpose in TRADES]
            own = connection.execute(
                select(intents.instrument, intents.side, intents.filled_contracts).where(
                    intents.purpose.in_(trades), intents.filled_contracts != "0"
                )
            ).all()
            ids = select(intents.client_order_id).where(intents.purpose.in_(trades))
            # Fills of a pair's positions, from a time before the book, are none of its own.
            pairs = select(tables.positions.c.position_id)
            others = connection.execute(
                select(fills.instrument, fills.side, fills.contracts).where(
                    fills.client_order_id.not_in(ids), fills.position_id.not_in(pairs)
                )
            ).all()
        held: dict[str, Decimal] = {}
        for instrument, side, contracts in (*own, *others):
            held[instrument] = held.get(instrument, Decimal(0)) + Side(side).sign * Decimal(contracts)
        return {name: contracts for name, contracts in sorted(held.items()) if contracts}

    def _sum_fills(self, client_order_ids: Sequence[str]) -> dict[str, Decimal]:
        """Return the executed contracts that are journalled of orders."""
        fills = tables.fills.c
        summed: dict[str, Decimal] = {}
        own = fills.client_order_id.in_(client_order_ids)
        for row in self._rows(select(fills.client_order_id, fills.contracts).where(own)) if client_order_ids else ():
            name = row["client_order_id"]
            summed[name] = summed.get(name, Decimal(0)) + Decimal(row["contracts"])
        return summed

    def _select(self) -> Select[Any]:
        table = tables.book_decisions
        return select(table).join(tables.decisions, tables.decisions.c.decision_id == table.c.decision_id)

    def _read(self, query: Select[Any]) -> list[BookRecord]:
        if not self._has(tables.book_decisions):
            return []
        rows = self._rows(query)
        return [book_from_json(row["decision_id"], row["family"], row["book_json"]) for row in rows]

    def _rows(self, query: Any) -> Sequence[Any]:  # noqa: ANN401 - any SELECT
        with self._begin() as connection:
            return list(connection.execute(query).mappings())
