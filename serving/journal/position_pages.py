"""The journal's pages about positions: what is open, and how the others were closed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from pairity.errors import JournalError
from pairity.strategy.codec import position_to_json
from pairity.strategy.types import PairPosition
from pairity.timeline import format_instant
from serving.journal import codec, tables
from serving.journal.pages import Pages
from serving.journal.records import PositionClose, PositionRecord, Rescaling


class PositionPages(Pages):
    """Positions of ours, open and closed. Of a closed one only what was not known of its result is added."""

    def save_position(self, position: PairPosition) -> None:
        """Write an open position, new or changed; JournalError if it is closed already."""
        with self._begin() as connection:
            if not update_position(connection, position):
                row = {
                    "position_id": position.position_id,
                    "opened_at": codec.time_to_text(position.opened_at),
                    "position_json": position_to_json(position),
                }
                connection.execute(insert(tables.positions), row)

    def rescale_position(self, position: PairPosition, rescaling: Rescaling) -> None:
        """Write an open position in contracts of another value, and since when it has them."""
        row = {
            "position_id": position.position_id,
            "instrument": rescaling.instrument,
            "at": codec.time_to_text(rescaling.at),
            "contracts": codec.decimal_to_text(rescaling.contracts),
        }
        with self._begin() as connection:
            connection.execute(insert(tables.rescalings), row)
            update_position(connection, position)

    def last_rescaling(self, position_id: str, instrument: str) -> Rescaling | None:
        """Return the newest change of a position's contract, None where its contract is that of its entry."""
        question = ("last rescaling", position_id, instrument)
        return self._recall(question, partial(self._read_last_rescaling, position_id, instrument))

    def _read_last_rescaling(self, position_id: str, instrument: str) -> Rescaling | None:
        table = tables.rescalings
        which = (table.c.position_id == position_id) & (table.c.instrument == instrument)
        row = self._one(select(table).where(which).order_by(table.c.at.desc()).limit(1))
        return (
            None if row is None else Rescaling(instrument, codec.time_from_text(row["at"]), Decimal(row["contracts"]))
        )

    def close_position(self, position_id: str, close: PositionClose) -> None:
        """Book the end of an open position; JournalError if there is none."""
        table = tables.positions
        which = (table.c.position_id == position_id) & table.c.closed_at.is_(None)
        with self._begin() as connection:
            statement = update(table).where(which).values(codec.position_close_to_row(close))
            if connection.execute(statement).rowcount != 1:
                raise JournalError(f"{position_id} is not an open position of this journal")

    def complete_close(self, position_id: str, close: PositionClose) -> None:
        """Add to a booked end what was not known of its result; JournalError where nothing of it is unknown."""
        table = tables.positions
        which = (table.c.position_id == position_id) & table.c.closed_at.is_not(None) & _lacks_result()
        with self._begin() as connection:
            statement = update(table).where(which).values(codec.position_close_to_row(close))
            if connection.execute(statement).rowcount != 1:
                raise JournalError(f"{position_id} is not a position of this journal that lacks a part of its result")

    def position(self, position_id: str) -> PositionRecord | None:
        """Return a position, or None."""
        row = self._one(select(tables.positions).where(tables.positions.c.position_id == position_id))
        return None if row is None else codec.position_from_row(row)

    def open_positions(self) -> list[PositionRecord]:
        """Return the positions without an end, oldest first."""
        read = partial(self._positions, tables.positions.c.closed_at.is_(None))
        return list(self._recall("open positions", read))

    def closed_positions(self) -> list[PositionRecord]:
        """Return the positions with an end, in order of opening."""
        return self._positions(tables.positions.c.closed_at.is_not(None))

    def closed_since(self, instant: datetime) -> list[PositionRecord]:
        """Return the positions that ended at or after an instant, in order of opening."""
        return self._positions(tables.positions.c.closed_at >= codec.time_to_text(instant))

    def positions_without_result(self, since: datetime) -> list[PositionRecord]:
        """Return the positions that ended since an instant and of whose result a part is not known."""
        ended = tables.positions.c.closed_at >= codec.time_to_text(since)
        return self._positions(ended & _lacks_result())

    def _positions(self, which: Any) -> list[PositionRecord]:  # noqa: ANN401 - an SQL expression
        query = select(tables.positions).where(which).order_by(tables.positions.c.opened_at)
        return [codec.position_from_row(row) for row in self._rows(query)]


def update_position(connection: Connection, position: PairPosition) -> bool:
    """Rewrite a known position; return False if it is new. JournalError if it is closed already."""
    table = tables.positions
    which = table.c.position_id == position.position_id
    known = connection.execute(select(table.c.closed_at).where(which)).first()
    if known is None:
        return False
    if known.closed_at is not None:
        raise JournalError(f"position {position.position_id} was closed at {format_instant(known.closed_at)}")
    connection.execute(update(table).where(which).values(position_json=position_to_json(position)))
    return True


def _lacks_result() -> ColumnElement[bool]:
    table = tables.positions.c
    return or_(table.pnl_usdt.is_(None), table.fees_usdt.is_(None), table.funding_usdt.is_(None))
