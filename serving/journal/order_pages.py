"""The journal's pages about orders: intentions, what became of them, and their executions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, Select, and_, func, insert, select, update

from pairity.errors import JournalError
from serving.journal import codec, tables
from serving.journal.pages import Pages
from serving.journal.records import (
    ID_PREFIX,
    TRANSITIONS,
    Fill,
    Intent,
    IntentState,
    OrderEvent,
    Purpose,
    is_of_pairity,
    scope_tag,
)


class OrderPages(Pages):
    """Intents with their events, and fills. Events are only appended."""

    def intend(self, intent: Intent, reason: str = "") -> Intent:
        """Write an intention before anything leaves; the same one again returns what has become of it.

        `reason` stands in its first event, for a process that comes back. JournalError if the id is known for another
        order.
        """
        with self._begin() as connection:
            return _intend(connection, intent, reason)

    def intend_all(self, intents: Sequence[Intent]) -> list[Intent]:
        """Write intentions that belong together, as `intend` does: all of them, or none."""
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
        """Move an intent to `state` and append the event, with what the venue said; return the new intent.

        JournalError for a transition that cannot be, and for fills that shrink.
        """
        with self._begin() as connection:
            known = _read_intent(connection, client_order_id)
            if known is None:
                raise JournalError(f"order {client_order_id} is not in the journal", "intend it before it is sent")
            if state not in TRANSITIONS[known.state]:
                raise JournalError(f"order {client_order_id} cannot go from {known.state} to {state} ({answer})")
            # An order's executed size only grows; a smaller one is another order's, or a broken answer.
            if filled_contracts is not None and filled_contracts < known.filled_contracts:
                raise JournalError(
                    f"order {client_order_id} was filled {known.filled_contracts}, the venue now says "
                    f"{filled_contracts}",
                    "compare with the venue's fills by hand",
                )
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
                .values(codec.intent_to_row(moved))
            )
            _append_event(connection, OrderEvent(client_order_id, at, state, answer))
        return moved

    def intent(self, client_order_id: str) -> Intent | None:
        """Return an intent by its client order id, or None."""

        def read() -> Intent | None:
            row = self._one(self._select_intents().where(tables.intents.c.client_order_id == client_order_id))
            return None if row is None else codec.intent_from_row(row)

        return self._recall(("intent", client_order_id), read)

    def intents(self, position_id: str, leg: int | None = None, purpose: Purpose | None = None) -> list[Intent]:
        """Return all intents of a position, optionally of one leg and purpose, in order of attempt."""
        question = ("intents", position_id, leg, purpose)
        return list(self._recall(question, partial(self._read_intents, position_id, leg, purpose)))

    def _read_intents(self, position_id: str, leg: int | None, purpose: Purpose | None) -> list[Intent]:
        table = tables.intents
        query = self._select_intents().where(table.c.position_id == position_id)
        if leg is not None:
            query = query.where(table.c.leg == leg)
        if purpose is not None:
            query = query.where(table.c.purpose == purpose.value)
        rows = self._rows(query.order_by(table.c.created_at, table.c.leg, table.c.purpose, table.c.attempt))
        return [codec.intent_from_row(row) for row in rows]

    def order_names(self) -> list[tuple[str, str | None]]:
        """Return client order id and venue id (None where it never had one) of all orders, newest first."""
        table = tables.intents
        query = select(table.c.client_order_id, table.c.order_id)
        rows = self._rows(query.order_by(table.c.created_at.desc(), table.c.client_order_id))
        return [(row["client_order_id"], row["order_id"]) for row in rows]

    def unsettled(self) -> list[Intent]:
        """Return the intents that are not final, oldest first."""
        return list(self._recall("unsettled", self._read_unsettled))

    def _read_unsettled(self) -> list[Intent]:
        table = tables.intents
        # Named one by one: an index finds them, however many orders are final.
        unsettled = [state.value for state in IntentState if not state.final]
        query = self._select_intents().where(table.c.state.in_(unsettled))
        rows = self._rows(query.order_by(table.c.created_at, table.c.client_order_id))
        return [codec.intent_from_row(row) for row in rows]

    def filled_entries_without_position(self) -> list[Intent]:
        """Return entries that were filled, wholly or partly, but whose position was never written."""
        return list(self._recall("filled entries", self._read_filled_entries))

    def _read_filled_entries(self) -> list[Intent]:
        table = tables.intents
        known = select(tables.positions.c.position_id)
        query = self._select_intents().where(
            table.c.purpose == Purpose.ENTRY.value,
            table.c.filled_contracts != "0",  # decimals are text; an intent begins with exactly "0"
            table.c.position_id.not_in(known),
        )
        return [codec.intent_from_row(row) for row in self._rows(query.order_by(table.c.created_at))]

    def owns(self, client_id: str) -> bool:
        """Return whether an order on the venue is of this journal: by the tag in its id, or because it is written here.

        The prefix alone says nothing: another process on the same account has it too.
        """
        if not is_of_pairity(client_id):
            return False
        at = len(ID_PREFIX) + 1
        return client_id[at : at + 8] == scope_tag(self.scope) or self.intent(client_id) is not None

    def events(self, client_order_id: str) -> list[OrderEvent]:
        """Return the events of an order in the order in which they happened."""
        table = tables.order_events
        query = select(table).where(table.c.client_order_id == client_order_id).order_by(table.c.seq)
        return [codec.event_from_row(row) for row in self._rows(query)]

    def count_events(self, state: IntentState, since: datetime) -> int:
        """Return how often an order came into a state from `since` on."""
        table = tables.order_events
        # Times are text whose order is the order of time.
        which = (table.c.at >= codec.time_to_text(since)) & (table.c.state == state.value)
        return int(self._one(select(func.count().label("events")).where(which))["events"])

    def record_fills(self, fills: Iterable[Fill]) -> None:
        """Write executions; those already known are left as they are."""
        table = tables.fills
        with self._begin() as connection:
            for fill in fills:
                # A trade id is unique within an instrument only, and both sides of a trade carry it.
                key = (table.c.instrument == fill.instrument) & (table.c.trade_id == fill.trade_id)
                if connection.execute(select(table.c.side).where(key & (table.c.order_id == fill.order_id))).first():
                    continue
                connection.execute(insert(table), codec.fill_to_row(fill))
                if (fee := codec.fee_to_row(fill)) is not None:
                    connection.execute(insert(tables.fees), fee)

    def fills(self, position_id: str | None = None) -> list[Fill]:
        """Return executions in time order, of one position or of all."""
        return list(self._recall(("fills", position_id), partial(self._read_fills, position_id)))

    def _read_fills(self, position_id: str | None) -> list[Fill]:
        table, fees = tables.fills, tables.fees
        query = select(table)
        if self._has(fees):
            same = [table.c[name] == fees.c[name] for name in ("instrument", "trade_id", "order_id")]
            query = select(table, fees.c.amount, fees.c.currency).select_from(table.outerjoin(fees, and_(*same)))
        if position_id is not None:
            query = query.where(table.c.position_id == position_id)
        return [codec.fill_from_row(row) for row in self._rows(query.order_by(table.c.at, table.c.trade_id))]

    def _select_intents(self) -> Select[Any]:
        return select_intents() if self._has(tables.margin_modes) else select(tables.intents)

    def has_fill_of(self, order_id: str) -> bool:
        """Return whether an execution of the venue's order `order_id` is known."""
        table = tables.fills
        return bool(self._rows(select(table.c.trade_id).where(table.c.order_id == order_id).limit(1)))


@cache
def select_intents() -> Select[Any]:
    """Return the query for intents with their margin modes, for a file that has the table of these."""
    table, margins = tables.intents, tables.margin_modes
    same = table.c.client_order_id == margins.c.client_order_id
    return select(table, margins.c.margin_mode).select_from(table.outerjoin(margins, same))


def _read_intent(connection: Connection, client_order_id: str) -> Intent | None:
    query = select_intents().where(tables.intents.c.client_order_id == client_order_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else codec.intent_from_row(row)


def _intend(connection: Connection, intent: Intent, reason: str = "") -> Intent:
    known = _read_intent(connection, intent.client_order_id)
    if known is None:
        connection.execute(insert(tables.intents), codec.intent_to_row(intent))
        if (margin := codec.margin_to_row(intent)) is not None:
            connection.execute(insert(tables.margin_modes), margin)
        _append_event(connection, OrderEvent(intent.client_order_id, intent.created_at, intent.state, reason))
        return intent
    same = ("position_id", "leg", "purpose", "instrument", "side", "contracts", "reduce_only", "margin_mode")
    changed = [name for name in same if getattr(known, name) != getattr(intent, name)]
    if changed:
        raise JournalError(
            f"order {intent.client_order_id} is journalled with another {', '.join(changed)}",
            "one intention has one order; use the next attempt for another",
        )
    return known


def _append_event(connection: Connection, entry: OrderEvent) -> None:
    connection.execute(insert(tables.order_events), codec.event_to_row(entry))
