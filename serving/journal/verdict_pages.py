"""The journal's pages about parity: the verdict of every check."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, inspect, select

from pairity.errors import JournalError
from serving.journal import tables
from serving.journal.codec import time_from_text, time_to_text
from serving.journal.conflicts import insert
from serving.journal.verdict_records import ParityVerdict


class VerdictPages:
    """Pages reached as `journal.verdicts`; every method is one transaction. Older journals do not have their table."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def record(self, verdict: ParityVerdict, recorded_at: datetime) -> None:
        """Write a verdict; a second record of it changes nothing."""
        row = {
            "verdict_id": verdict.verdict_id,
            "at": time_to_text(verdict.at),
            "recorded_at": time_to_text(recorded_at),
            "different": verdict.different,
            "verdict_json": verdict.to_json(),
        }
        with self._begin() as connection:
            connection.execute(insert(connection, tables.parity_verdicts).on_conflict_do_nothing(), row)

    def all(self) -> list[ParityVerdict]:
        """Return all verdicts in the order in which their checks ended. JournalError for one that cannot be read."""
        table = tables.parity_verdicts
        with self._begin() as connection:
            if not inspect(connection).has_table(table.name):  # read beside a writer that has not added it yet
                return []
            rows = list(connection.execute(select(table).order_by(table.c.at, table.c.verdict_id)).mappings())
        try:
            return [
                ParityVerdict.from_row(json.loads(row["verdict_json"]), time_from_text(row["recorded_at"]))
                for row in rows
            ]
        except (ValueError, TypeError) as error:
            raise JournalError(
                f"a verdict of a parity check in the journal cannot be read: {error}", "restore the journal from a copy"
            ) from error
