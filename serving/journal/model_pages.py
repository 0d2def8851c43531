"""The journal's pages about models: what the challenger said beside each decision, and when was trained again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, insert, inspect, select, update

from serving.journal import tables
from serving.journal.codec import time_of, time_text, values_from_json, values_to_json
from serving.journal.records import Retraining, ShadowRecord


class ModelPages:
    """Reached as `journal.models`; every method is one transaction. Journals of before have none of these pages."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def record_shadow(self, record: ShadowRecord) -> None:
        """What the challenger said of one decision; a second one of the same version is left as it is."""
        table = tables.shadows
        key = (table.c.decision_id == record.decision_id) & (table.c.model_version == record.model_version)
        with self._begin() as connection:
            if connection.execute(select(table.c.decision_id).where(key)).first() is None:
                connection.execute(insert(table), _shadow_row(record))

    def shadows(self) -> list[ShadowRecord]:
        """All that challengers said, oldest decision first."""
        order = (tables.shadows.c.decision_time, tables.shadows.c.model_version)
        return [_shadow_of(row) for row in self._rows(tables.shadows, order)]

    def begin_retraining(self, retraining: Retraining) -> None:
        """A retraining that is about to be started."""
        with self._begin() as connection:
            connection.execute(insert(tables.retrainings), _retraining_row(retraining))

    def end_retraining(self, retraining: Retraining) -> None:
        """How it ended."""
        table = tables.retrainings
        with self._begin() as connection:
            which = table.c.due_at == time_text(retraining.due_at)
            connection.execute(update(table).where(which).values(_retraining_row(retraining)))

    def retrainings(self) -> list[Retraining]:
        """All retrainings that the trading process started, in the order in which they were due."""
        return [_retraining_of(row) for row in self._rows(tables.retrainings, (tables.retrainings.c.due_at,))]

    def last_retraining_due(self) -> datetime | None:
        """When the newest of them was due; None before the first."""
        known = self.retrainings()
        return known[-1].due_at if known else None

    def _rows(self, table: Table, order: Sequence[Any]) -> list[RowMapping]:
        with self._begin() as connection:
            if not inspect(connection).has_table(table.name):  # read beside a writer that has not added it yet
                return []
            return list(connection.execute(select(table).order_by(*order)).mappings())


def _shadow_row(record: ShadowRecord) -> dict[str, Any]:
    return {
        "decision_id": record.decision_id,
        "model_version": record.model_version,
        "decision_time": time_text(record.decision_time),
        "model_name": record.model_name,
        "model_sha256": record.model_sha256,
        "probabilities_json": values_to_json(record.probabilities),
        "choice": record.choice,
        "failure": record.failure,
    }


def _shadow_of(row: RowMapping) -> ShadowRecord:
    values: dict[str, Any] = dict(row)
    probabilities = values_from_json(values.pop("probabilities_json"))
    return ShadowRecord(**{**values, "decision_time": time_of(row["decision_time"]), "probabilities": probabilities})


def _retraining_row(retraining: Retraining) -> dict[str, Any]:
    ended = retraining.ended_at
    return {
        "due_at": time_text(retraining.due_at),
        "run_id": retraining.run_id,
        "started_at": time_text(retraining.started_at),
        "ended_at": None if ended is None else time_text(ended),
        "exit_code": retraining.exit_code,
        "summary": retraining.summary,
    }


def _retraining_of(row: RowMapping) -> Retraining:
    ended = row["ended_at"]
    times = {"due_at": time_of(row["due_at"]), "started_at": time_of(row["started_at"]),
             "ended_at": None if ended is None else time_of(ended)}  # fmt: skip
    return Retraining(**{**row, **times})
