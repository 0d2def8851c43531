"""The journal's pages about models: the challenger's scores beside each decision, and every retraining."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, insert, inspect, select, update

from serving.journal import tables
from serving.journal.codec import time_from_text, time_to_text, values_from_json, values_to_json
from serving.journal.records import Retraining, ShadowRecord

_RETRAINING_TIMES = ("due_at", "started_at", "ended_at")


class ModelPages:
    """Pages reached as `journal.models`; every method is one transaction. Older journals do not have their tables."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def record_shadow(self, record: ShadowRecord) -> None:
        """Write what the challenger said of one decision; a second record of the same version changes nothing."""
        table = tables.shadows
        key = (table.c.decision_id == record.decision_id) & (table.c.model_version == record.model_version)
        with self._begin() as connection:
            if connection.execute(select(table.c.decision_id).where(key)).first() is None:
                connection.execute(insert(table), _shadow_to_row(record))

    def shadows(self) -> list[ShadowRecord]:
        """Return everything that challengers said, oldest decision first."""
        order = (tables.shadows.c.decision_time, tables.shadows.c.model_version)
        return [_shadow_from_row(row) for row in self._rows(tables.shadows, order)]

    def begin_retraining(self, retraining: Retraining) -> None:
        """Write a retraining that is about to be started.

        Whose write was confirmed too late to be heard tries again: its own row, which has no end, is written anew.
        """
        table, row = tables.retrainings, _retraining_to_row(retraining)
        own = (table.c.due_at == row["due_at"]) & (table.c.run_id == row["run_id"]) & table.c.ended_at.is_(None)
        with self._begin() as connection:
            if not connection.execute(update(table).where(own).values(row)).rowcount:
                connection.execute(insert(table), row)

    def end_retraining(self, retraining: Retraining) -> None:
        """Write how a retraining ended."""
        table = tables.retrainings
        with self._begin() as connection:
            which = table.c.due_at == time_to_text(retraining.due_at)
            connection.execute(update(table).where(which).values(_retraining_to_row(retraining)))

    def retrainings(self) -> list[Retraining]:
        """Return all retrainings that the trading process started, in the order in which they were due."""
        return [_retraining_from_row(row) for row in self._rows(tables.retrainings, (tables.retrainings.c.due_at,))]

    def last_retraining_due(self) -> datetime | None:
        """Return when the newest retraining was due; None before the first."""
        known = self.retrainings()
        return known[-1].due_at if known else None

    def _rows(self, table: Table, order: Sequence[Any]) -> list[RowMapping]:
        with self._begin() as connection:
            if not inspect(connection).has_table(table.name):  # read beside a writer that has not added it yet
                return []
            return list(connection.execute(select(table).order_by(*order)).mappings())


def _shadow_to_row(record: ShadowRecord) -> dict[str, Any]:
    return {
        "decision_id": record.decision_id,
        "model_version": record.model_version,
        "decision_time": time_to_text(record.decision_time),
        "model_name": record.model_name,
        "model_sha256": record.model_sha256,
        "probabilities_json": values_to_json(record.probabilities),
        "choice": record.choice,
        "failure": record.failure,
    }


def _shadow_from_row(row: RowMapping) -> ShadowRecord:
    values: dict[str, Any] = dict(row)
    probabilities = values_from_json(values.pop("probabilities_json"))
    decided = time_from_text(row["decision_time"])
    return ShadowRecord(**{**values, "decision_time": decided, "probabilities": probabilities})


def _retraining_to_row(retraining: Retraining) -> dict[str, Any]:
    ended = retraining.ended_at
    return {
        "due_at": time_to_text(retraining.due_at),
        "run_id": retraining.run_id,
        "started_at": time_to_text(retraining.started_at),
        "ended_at": None if ended is None else time_to_text(ended),
        "exit_code": retraining.exit_code,
        "summary": retraining.summary,
    }


def _retraining_from_row(row: RowMapping) -> Retraining:
    times = {name: None if row[name] is None else time_from_text(row[name]) for name in _RETRAINING_TIMES}
    return Retraining(**{**row, **times})
