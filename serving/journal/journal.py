"""The open journal: written before the wire, read after a crash.

SQLite in WAL mode with `synchronous=FULL`, or PostgreSQL with synchronous commits: a transaction that returned survives
`kill -9` and a power cut. One process writes (a lock keeps a second one out); any number may read.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Self

from sqlalchemy import select

from pairity.errors import JournalError
from pairity.journal_place import JournalPlace
from pairity.strategy.lifecycle import with_closed, with_opened
from pairity.strategy.types import StrategyState
from serving.journal import codec, tables
from serving.journal.book_pages import BookPages
from serving.journal.change_pages import ChangePages
from serving.journal.decision_pages import DecisionPages
from serving.journal.delivery_pages import DeliveryPages
from serving.journal.equity_pages import EquityPages
from serving.journal.event_pages import EventPages
from serving.journal.funding_pages import FundingPages
from serving.journal.model_pages import ModelPages
from serving.journal.opened import open_store, read_store
from serving.journal.order_pages import OrderPages
from serving.journal.position_pages import PositionPages
from serving.journal.records import Trace
from serving.journal.request_pages import RequestPages
from serving.journal.state_pages import StatePages
from serving.journal.store import Store
from serving.journal.verdict_pages import VerdictPages


class Journal(DecisionPages, OrderPages, PositionPages):
    """An open journal. Every method is one transaction; JournalError where the file cannot be trusted."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.models = ModelPages(self._begin)
        self.books = BookPages(self._begin, self._has)
        self.funding = FundingPages(self._begin, self._has)
        self.equity = EquityPages(self._begin)
        self.states = StatePages(self._begin)
        self.changes = ChangePages(self._begin)
        self.event_log = EventPages(self._begin)
        self.requests = RequestPages(self._begin)
        self.deliveries = DeliveryPages(self._begin)
        self.verdicts = VerdictPages(self._begin)

    @classmethod
    def open(cls, place: JournalPlace, scope: str | None = None, *, durable: bool = True) -> Self:
        """Open for writing, creating it if needed; only one process may do so at a time.

        `scope` names a new journal (default: random) and goes into every id; an existing journal keeps its own.
        Not `durable`, a file survives a kill and no power cut: for a journal of a replay, which can be made again.
        """
        return cls._of(open_store(place, scope or uuid.uuid4().hex, durable=durable))

    @classmethod
    def read(cls, place: JournalPlace) -> Self:
        """Open beside a writer, to look things up; JournalError where there is none."""
        return cls._of(read_store(place))

    @classmethod
    def _of(cls, store: Store) -> Self:
        with ExitStack() as undo:  # a refused journal is closed again, and the next writer let in
            undo.callback(store.close)
            journal = cls(store)
            undo.pop_all()
        return journal

    def restore_state(self, available_usdt: float) -> StrategyState:
        """Return the state to go on with: the last decision's, corrected by what happened to its positions since."""
        last = self.last_state()
        decided_at, state = last or (None, StrategyState(available_usdt))
        open_now = {record.position.position_id: record.position for record in self.open_positions()}
        for position in state.positions:
            if position.position_id not in open_now:
                state = with_closed(state, position.position_id)
        carried = {position.position_id for position in state.positions}
        # The journal's positions, not the decision's: stops and sizes may have changed on the venue.
        state = replace(
            state,
            available_usdt=available_usdt,
            positions=tuple(open_now[position.position_id] for position in state.positions),
        )
        for position_id, position in open_now.items():
            if position_id not in carried:
                state = with_opened(state, position)
        return self._count_exits_since(state, decided_at)

    def trace(self, order: str) -> Trace:
        """Return everything behind an order (client order id or venue order id): decision, features, model and run.

        JournalError for an order that the journal does not know.
        """
        table = tables.intents
        row = self._one(self._select_intents().where((table.c.client_order_id == order) | (table.c.order_id == order)))
        if row is None:
            raise JournalError(f"no order {order!r} in {self.path}", "list them with: pairity account")
        intent = codec.intent_from_row(row)
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

    def _count_exits_since(self, state: StrategyState, decided_at: datetime | None) -> StrategyState:
        """Return the state with an exit counted for every position that ended since the last decision.

        One that was opened and stopped out between two decisions was in neither state, but counts as an exit.
        """
        if decided_at is None:
            return state
        closed = tables.positions.c.closed_at
        # Times are text whose order is the order of time.
        if self._rows(select(closed).where(closed >= codec.time_to_text(decided_at)).limit(1)):
            return replace(state, bars_since_exit=0)
        return state
