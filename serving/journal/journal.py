"""The journal: what was decided, intended, sent, answered and filled. Written before the wire, read after a crash.

SQLite in WAL mode with `synchronous=FULL`: a transaction that returned survives `kill -9` and a power cut. One process
writes (a lock file keeps a second one out); any number may read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, Table, insert, select, update
from sqlalchemy.exc import DatabaseError

from pairity.errors import JournalError
from pairity.strategy.codec import position_to_json
from pairity.strategy.lifecycle import with_closed, with_opened
from pairity.strategy.types import PairPosition, StrategyState
from serving.journal import codec, tables
from serving.journal.database import RESTORE, create, lock_for_writing, open_engine, unreadable
from serving.journal.model_pages import ModelPages
from serving.journal.records import (
    TRANSITIONS,
    Closing,
    DecisionRecord,
    FeatureVector,
    Fill,
    Intent,
    IntentState,
    OrderEvent,
    PositionRecord,
    Purpose,
    Run,
    Trace,
)


class Journal:
    """An open journal. Every method is one transaction; JournalError where the file cannot be trusted."""

    def __init__(self, path: Path, engine: Engine, lock: IO[str] | None) -> None:
        self.path = path
        self._engine = engine
        self._lock = lock
        self.models = ModelPages(self._begin)
        self.scope = self._checked_scope()

    @classmethod
    def open(cls, path: Path, scope: str | None = None) -> Journal:
        """Open for writing, creating it if needed; only one process may do so at a time.

        `scope` names a new journal (default: random) and goes into every id; an existing journal keeps its own.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_for_writing(path)
        try:
            engine = open_engine(path)
            create(engine, path, scope or uuid.uuid4().hex)
            return cls(path, engine, lock)
        except BaseException:
            lock.close()
            raise

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Open beside a writer, to look things up; JournalError where there is none."""
        if not path.is_file():
            raise JournalError(f"there is no journal at {path}", "nothing was traded yet: run pairity serve")
        return cls(path, open_engine(path), None)

    def close(self) -> None:
        """Close the file and let the next writer in."""
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()

    # --- runs and decisions -------------------------------------------------------------------------------------

    def record_run(self, run: Run) -> None:
        """A start of the trading process."""
        self._insert(tables.runs, codec.run_row(run))

    def record_decision(self, record: DecisionRecord, vectors: Sequence[FeatureVector]) -> None:
        """A decision with all it saw, and the aged positions of its state; a second, different one is an error."""
        row = codec.decision_row(record)
        with self._begin() as connection:
            known = connection.execute(
                select(tables.decisions.c.decision_json).where(tables.decisions.c.decision_id == record.decision_id)
            ).scalar()
            if known is not None:
                if known != row["decision_json"]:
                    raise JournalError(
                        f"the bar {record.event_timestamp.isoformat()} was decided before, and differently",
                        "carry out the recorded decision instead of deciding again",
                    )
                return
            connection.execute(insert(tables.decisions), row)
            if vectors:
                connection.execute(insert(tables.feature_vectors), [codec.vector_row(vector) for vector in vectors])
            for position in record.decision.state.positions:
                _update_position(connection, position)

    def decision(self, decision_id: str) -> DecisionRecord | None:
        """A decision, or None."""
        row = self._one(select(tables.decisions).where(tables.decisions.c.decision_id == decision_id))
        return None if row is None else codec.decision_of(row)

    def last_decision(self) -> DecisionRecord | None:
        """The decision on the newest bar, or None."""
        rows = self._rows(select(tables.decisions).order_by(tables.decisions.c.event_timestamp.desc()).limit(1))
        return codec.decision_of(rows[0]) if rows else None

    def decisions(self) -> list[DecisionRecord]:
        """All decisions, oldest bar first."""
        return [
            codec.decision_of(row)
            for row in self._rows(select(tables.decisions).order_by(tables.decisions.c.event_timestamp))
        ]

    def vectors(self, decision_id: str) -> list[FeatureVector]:
        """The feature vectors of a decision, ordered by service and entity."""
        table = tables.feature_vectors
        query = select(table).where(table.c.decision_id == decision_id).order_by(table.c.service, table.c.entity)
        return [codec.vector_of(row) for row in self._rows(query)]

    def restore_state(self, available_usdt: float) -> StrategyState:
        """The state to go on with: that of the last decision, corrected by what happened to its positions since."""
        last = self.last_decision()
        state = StrategyState(available_usdt) if last is None else last.decision.state
        open_now = {record.position.position_id: record.position for record in self.open_positions()}
        for position in state.positions:
            if position.position_id not in open_now:
                state = with_closed(state, position.position_id)
        carried = {position.position_id for position in state.positions}
        state = replace(
            state,
            available_usdt=available_usdt,
            positions=tuple(open_now[position.position_id] for position in state.positions),
        )
        for position_id, position in open_now.items():
            if position_id not in carried:
                state = with_opened(state, position)
        return self._exit_since(state, last)

    def _exit_since(self, state: StrategyState, last: DecisionRecord | None) -> StrategyState:
        """A position opened and stopped out between two decisions was in neither state, but counts as an exit."""
        if last is None:
            return state
        closed = tables.positions.c.closed_at
        if self._rows(select(closed).where(closed >= codec.time_text(last.decision_time)).limit(1)):
            return replace(state, bars_since_exit=0)
        return state

    # --- orders -------------------------------------------------------------------------------------------------

    def intend(self, intent: Intent) -> Intent:
        """Write an intention before anything leaves; the same one again returns what has become of it.

        JournalError if the id is known for another order.
        """
        return self.intend_all([intent])[0]

    def intend_all(self, intents: Sequence[Intent]) -> list[Intent]:
        """`intend` for intentions that belong together: all are written, or none."""
        with self._begin() as connection:
            return [_intend(connection, intent) for intent in intents]

    def advance(
        self,
        client_order_id: str,
        state: IntentState,
        at: datetime,
        answer: str = "",
        *,
        order_id: str | None = None,
        filled_contracts: Decimal | None = None,
        average_price: Decimal | None = None,
    ) -> Intent:
        """Move an intent to `state` and append the event, with what the venue said; returns the new intent.

        JournalError for a transition that cannot be, and for fills that shrink.
        """
        with self._begin() as connection:
            known = _intent(connection, client_order_id)
            if known is None:
                raise JournalError(f"order {client_order_id} is not in the journal", "intend it before it is sent")
            if state not in TRANSITIONS[known.state]:
                raise JournalError(f"order {client_order_id} cannot go from {known.state} to {state} ({answer})")
            if filled_contracts is not None and filled_contracts < known.filled_contracts:
                raise JournalError(f"order {client_order_id} was filled {known.filled_contracts}, the venue now says "
                                   f"{filled_contracts}", "compare with the venue's fills by hand")  # fmt: skip
            moved = replace(
                known,
                state=state,
                order_id=order_id or known.order_id,
                filled_contracts=known.filled_contracts if filled_contracts is None else filled_contracts,
                average_price=average_price or known.average_price,
            )
            connection.execute(
                update(tables.intents)
                .where(tables.intents.c.client_order_id == client_order_id)
                .values(codec.intent_row(moved))
            )
            _append(connection, OrderEvent(client_order_id, at, state, answer))
        return moved

    def intent(self, client_order_id: str) -> Intent | None:
        """An intent by its client order id, or None."""
        with self._begin() as connection:
            return _intent(connection, client_order_id)

    def intents(self, position_id: str, leg: int | None = None, purpose: Purpose | None = None) -> list[Intent]:
        """All intents of a position, optionally of one leg and purpose, in order of attempt."""
        table = tables.intents
        query = select(table).where(table.c.position_id == position_id)
        if leg is not None:
            query = query.where(table.c.leg == leg)
        if purpose is not None:
            query = query.where(table.c.purpose == purpose.value)
        rows = self._rows(query.order_by(table.c.created_at, table.c.leg, table.c.purpose, table.c.attempt))
        return [codec.intent_of(row) for row in rows]

    def unsettled(self) -> list[Intent]:
        """Intents that are not final, oldest first."""
        table = tables.intents
        final = [state.value for state in IntentState if state.final]
        query = select(table).where(table.c.state.not_in(final)).order_by(table.c.created_at, table.c.client_order_id)
        return [codec.intent_of(row) for row in self._rows(query)]

    def filled_entries_without_position(self) -> list[Intent]:
        """Entries that were filled, wholly or partly, and of which the position was never written."""
        table = tables.intents
        known = select(tables.positions.c.position_id)
        query = select(table).where(
            table.c.purpose == Purpose.ENTRY.value,
            table.c.filled_contracts != "0",
            table.c.position_id.not_in(known),
        )
        return [codec.intent_of(row) for row in self._rows(query.order_by(table.c.created_at))]

    def events(self, client_order_id: str) -> list[OrderEvent]:
        """Events of an order in the order in which they happened."""
        table = tables.order_events
        query = select(table).where(table.c.client_order_id == client_order_id).order_by(table.c.seq)
        return [codec.event_of(row) for row in self._rows(query)]

    def record_fills(self, fills: Iterable[Fill]) -> None:
        """Executions; those already known are left as they are."""
        with self._begin() as connection:
            for fill in fills:
                table = tables.fills
                key = (table.c.instrument == fill.instrument) & (table.c.trade_id == fill.trade_id)
                if connection.execute(select(table.c.side).where(key & (table.c.order_id == fill.order_id))).first():
                    continue
                connection.execute(insert(table), codec.fill_row(fill))

    def fills(self, position_id: str | None = None) -> list[Fill]:
        """Executions in time order, of one position or of all."""
        query = select(tables.fills)
        if position_id is not None:
            query = query.where(tables.fills.c.position_id == position_id)
        return [codec.fill_of(row) for row in self._rows(query.order_by(tables.fills.c.at, tables.fills.c.trade_id))]

    # --- positions ----------------------------------------------------------------------------------------------

    def save_position(self, position: PairPosition) -> None:
        """Write an open position, new or changed; JournalError if it is closed already."""
        with self._begin() as connection:
            if not _update_position(connection, position):
                row = {
                    "position_id": position.position_id,
                    "opened_at": codec.time_text(position.opened_at),
                    "position_json": position_to_json(position),
                }
                connection.execute(insert(tables.positions), row)

    def close_position(self, position_id: str, closing: Closing) -> None:
        """Book the end of an open position; JournalError if there is none."""
        table = tables.positions
        values = {
            "closed_at": codec.time_text(closing.closed_at),
            "exit_reason": str(closing.exit_reason),
            "exit_price": codec.optional_text(closing.exit_price),
            "pnl_usdt": codec.optional_text(closing.pnl_usdt),
            "fees_usdt": codec.optional_text(closing.fees_usdt),
            "funding_usdt": codec.optional_text(closing.funding_usdt),
        }
        with self._begin() as connection:
            which = (table.c.position_id == position_id) & table.c.closed_at.is_(None)
            if connection.execute(update(table).where(which).values(values)).rowcount != 1:
                raise JournalError(f"{position_id} is not an open position of this journal")

    def position(self, position_id: str) -> PositionRecord | None:
        """A position, or None."""
        row = self._one(select(tables.positions).where(tables.positions.c.position_id == position_id))
        return None if row is None else codec.position_of(row)

    def open_positions(self) -> list[PositionRecord]:
        """Positions without an end, oldest first."""
        return self._positions(tables.positions.c.closed_at.is_(None))

    def closed_positions(self) -> list[PositionRecord]:
        """Positions with an end, in order of opening."""
        return self._positions(tables.positions.c.closed_at.is_not(None))

    def _positions(self, which: Any) -> list[PositionRecord]:  # noqa: ANN401 - an SQL expression
        query = select(tables.positions).where(which).order_by(tables.positions.c.opened_at)
        return [codec.position_of(row) for row in self._rows(query)]

    # --- lineage ------------------------------------------------------------------------------------------------

    def trace(self, order: str) -> Trace:
        """From an order (client order id or venue order id) to its decision, features, model and run."""
        table = tables.intents
        row = self._one(select(table).where((table.c.client_order_id == order) | (table.c.order_id == order)))
        if row is None:
            raise JournalError(f"no order {order!r} in {self.path}", "list them with: pairity account")
        intent = codec.intent_of(row)
        decision = None if intent.decision_id is None else self.decision(intent.decision_id)
        return Trace(
            intent=intent,
            events=tuple(self.events(intent.client_order_id)),
            fills=tuple(fill for fill in self.fills(intent.position_id) if fill.order_id == intent.order_id),
            position=self.position(intent.position_id),
            decision=decision,
            run=None if decision is None else self.run(decision.run_id),
            vectors=() if decision is None else tuple(self.vectors(decision.decision_id)),
        )

    def run(self, run_id: str) -> Run | None:
        """A run, or None."""
        row = self._one(select(tables.runs).where(tables.runs.c.run_id == run_id))
        return None if row is None else codec.run_of(row)

    # --- access -------------------------------------------------------------------------------------------------

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DatabaseError as error:
            raise unreadable(self.path, error) from error

    def _insert(self, table: Table, row: dict[str, Any]) -> None:
        with self._begin() as connection:
            connection.execute(insert(table), row)

    def _rows(self, query: Any) -> list[Any]:  # noqa: ANN401 - any SELECT
        with self._begin() as connection:
            return list(connection.execute(query).mappings())

    def _one(self, query: Any) -> Any:  # noqa: ANN401 - any SELECT; a row or None
        rows = self._rows(query)
        return rows[0] if rows else None

    def _checked_scope(self) -> str:
        try:
            with self._engine.connect() as connection:
                verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                known = {row.key: row.value for row in connection.execute(select(tables.meta))}
        except DatabaseError as error:
            raise unreadable(self.path, error) from error
        if verdict != "ok":
            raise JournalError(f"the journal {self.path} is damaged: {verdict}", RESTORE)
        readable = tables.EXTENDED if self._lock is None else frozenset[str]()
        if known.get("schema_version") not in {tables.SCHEMA_VERSION, *readable}:
            raise JournalError(
                f"the journal {self.path} has schema version {known.get('schema_version')!r}; this program writes "
                f"{tables.SCHEMA_VERSION!r}",
                "use the program that wrote it, or close its positions and move the file away",
            )
        return str(known["scope"])


def _intent(connection: Connection, client_order_id: str) -> Intent | None:
    query = select(tables.intents).where(tables.intents.c.client_order_id == client_order_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else codec.intent_of(row)


def _intend(connection: Connection, intent: Intent) -> Intent:
    known = _intent(connection, intent.client_order_id)
    if known is None:
        connection.execute(insert(tables.intents), codec.intent_row(intent))
        _append(connection, OrderEvent(intent.client_order_id, intent.created_at, intent.state, ""))
        return intent
    same = ("position_id", "leg", "purpose", "instrument", "side", "contracts", "reduce_only")
    changed = [name for name in same if getattr(known, name) != getattr(intent, name)]
    if changed:
        raise JournalError(
            f"order {intent.client_order_id} is journalled with another {', '.join(changed)}",
            "one intention has one order; use the next attempt for another",
        )
    return known


def _append(connection: Connection, entry: OrderEvent) -> None:
    row = {
        "client_order_id": entry.client_order_id,
        "at": codec.time_text(entry.at),
        "state": entry.state.value,
        "answer": entry.answer,
    }
    connection.execute(insert(tables.order_events), row)


def _update_position(connection: Connection, position: PairPosition) -> bool:
    """Rewrite a known position; False if it is new."""
    table = tables.positions
    closed = connection.execute(select(table.c.closed_at).where(table.c.position_id == position.position_id)).first()
    if closed is None:
        return False
    if closed.closed_at is not None:
        raise JournalError(f"position {position.position_id} was closed at {closed.closed_at}")
    which = table.c.position_id == position.position_id
    connection.execute(update(table).where(which).values(position_json=position_to_json(position)))
    return True
