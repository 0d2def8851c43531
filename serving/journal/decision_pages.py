"""The journal's pages about runs and decisions: who decided, when, on which features."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select

from pairity.errors import JournalError
from pairity.strategy.codec import state_after_decision
from pairity.strategy.types import StrategyState
from pairity.timeline import format_instant
from serving.journal import codec, tables
from serving.journal.archive import VectorArchive, archive_of
from serving.journal.pages import Pages
from serving.journal.position_pages import update_position
from serving.journal.records import DecisionRecord, FeatureVector, Run


class DecisionPages(Pages):
    """Runs, decisions and the feature vectors that decisions were made on."""

    def record_run(self, run: Run) -> None:
        """Write a start of the trading process."""
        self._insert(tables.runs, codec.run_to_row(run))

    def run(self, run_id: str) -> Run | None:
        """Return a run, or None."""
        row = self._one(select(tables.runs).where(tables.runs.c.run_id == run_id))
        return None if row is None else codec.run_from_row(row)

    def first_run_at(self) -> datetime | None:
        """Return when this journal was first traded from, or None."""
        text = self._one(select(func.min(tables.runs.c.started_at).label("first")))["first"]
        return None if text is None else codec.time_from_text(text)

    def record_decision(self, record: DecisionRecord, vectors: Sequence[FeatureVector]) -> None:
        """Write a decision, the feature vectors it was made on, and the aged positions of its state.

        The same decision a second time changes nothing; JournalError for a different one on the same bar.
        """
        row = codec.decision_to_row(record)
        with self._begin() as connection:
            known = connection.execute(
                select(tables.decisions.c.decision_json).where(tables.decisions.c.decision_id == record.decision_id)
            ).scalar()
            if known is not None:
                if known != row["decision_json"]:
                    raise JournalError(
                        f"the bar {format_instant(record.event_timestamp)} was decided before, and differently",
                        "carry out the recorded decision instead of deciding again",
                    )
                return
            connection.execute(insert(tables.decisions), row)
            if vectors:
                rows = [codec.vector_to_row(vector) for vector in vectors]
                connection.execute(insert(tables.feature_vectors), rows)
            # In the same transaction: a position must never be older than the decision that aged it.
            for position in record.decision.state.positions:
                update_position(connection, position)

    def decision(self, decision_id: str) -> DecisionRecord | None:
        """Return a decision, or None."""
        row = self._one(select(tables.decisions).where(tables.decisions.c.decision_id == decision_id))
        return None if row is None else codec.decision_from_row(row)

    def last_decision(self) -> DecisionRecord | None:
        """Return the decision on the newest bar, or None."""
        rows = self._rows(select(tables.decisions).order_by(tables.decisions.c.event_timestamp.desc()).limit(1))
        return codec.decision_from_row(rows[0]) if rows else None

    def last_state(self) -> tuple[datetime, StrategyState] | None:
        """Return when the newest bar was decided and the state after it, or None; faster than the whole decision."""
        table = tables.decisions
        newest = select(table.c.decision_time, table.c.decision_json).order_by(table.c.event_timestamp.desc()).limit(1)
        row = self._one(newest)
        if row is None:
            return None
        return codec.time_from_text(row["decision_time"]), state_after_decision(row["decision_json"])

    def decision_at(self, instant: datetime) -> DecisionRecord | None:
        """Return the decision on the newest bar that had closed by `instant`, or None."""
        bar = tables.decisions.c.event_timestamp
        query = select(tables.decisions).where(bar <= codec.time_to_text(instant)).order_by(bar.desc()).limit(1)
        row = self._one(query)
        return None if row is None else codec.decision_from_row(row)

    def first_bar(self) -> datetime | None:
        """Return the close of the oldest bar that was decided, or None."""
        text = self._one(select(func.min(tables.decisions.c.event_timestamp).label("first")))["first"]
        return None if text is None else codec.time_from_text(text)

    def decisions(self, since: datetime | None = None, until: datetime | None = None) -> list[DecisionRecord]:
        """Return the decisions on bars that closed from `since` to before `until`, all without them, oldest first."""
        bar = tables.decisions.c.event_timestamp
        query = select(tables.decisions).order_by(bar)
        if since is not None:
            query = query.where(bar >= codec.time_to_text(since))
        if until is not None:
            query = query.where(bar < codec.time_to_text(until))
        rows = self._rows(query)
        return [codec.decision_from_row(row) for row in rows]

    def vectors(self, decision_id: str) -> list[FeatureVector]:
        """Return the feature vectors of a decision, ordered by service and entity; from the archive where they went."""
        table = tables.feature_vectors
        query = select(table).where(table.c.decision_id == decision_id).order_by(table.c.service, table.c.entity)
        rows: Sequence[Any] = self._rows(query) or VectorArchive(archive_of(self.path)).rows(decision_id)
        return [codec.vector_from_row(row) for row in rows]

    def archive_vectors(self, before: datetime, most: int, since: datetime | None = None) -> int:
        """Move the feature vectors of decisions on bars before an instant to the archive; return of how many decisions.

        The oldest first, and of `most` decisions at once; none of bars before `since`, where it is known that those
        have gone already. They are on the disk there before they go here: a process
        that dies in between leaves them in both, and the next call goes on.
        """
        decisions, vectors = tables.decisions.c, tables.feature_vectors
        old = select(decisions.decision_id).where(
            decisions.event_timestamp < codec.time_to_text(before),
            select(vectors.c.entity).where(vectors.c.decision_id == decisions.decision_id).exists(),
        )
        if since is not None:
            old = old.where(decisions.event_timestamp >= codec.time_to_text(since))
        names = [row["decision_id"] for row in self._rows(old.order_by(decisions.event_timestamp).limit(most))]
        archive = VectorArchive(archive_of(self.path))
        for name in names:
            of_decision = vectors.c.decision_id == name
            archive.add(self._rows(select(vectors).where(of_decision)))
            with self._begin() as connection:
                connection.execute(delete(vectors).where(of_decision))
        return len(names)
