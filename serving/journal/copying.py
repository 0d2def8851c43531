"""Copying of a whole journal into an empty one, row by row, verified by what the copy says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnClause, Connection, Select, Table, column, delete, func, select, table

from pairity.errors import JournalError
from serving.journal import tables
from serving.journal.handover import ARRIVING, MOVED

_NUMBERED = ("positions", "fills", "requests")
"""Tables whose order of writing counts, and is in no column of theirs."""
_AT_ONCE = 1000


class Copied(NamedTuple):
    """Rows of a journal, and SHA-256 over all of them, tables and rows in their order."""

    rows: int
    digest: str


def copy_journal(source: Connection, target: Connection) -> Copied:
    """Replace everything in `target` by what `source` has; JournalError where the copy says anything else.

    Both are within transactions, and have the tables of this program's version.
    """
    for one in reversed(tables.metadata.sorted_tables):
        target.execute(delete(one))
    for one in tables.metadata.sorted_tables:
        for rows in _read(source, one):
            target.execute(_with_number(one).insert(), rows)
    wanted, found = digest_journal(source), digest_journal(target)
    if found != wanted:
        raise JournalError(
            f"the copy has {found.rows} rows of digest {found.digest[:16]}, the journal {wanted.rows} of "
            f"{wanted.digest[:16]}",
            "nothing was changed; look at the disk, and try again",
        )
    return found


def digest_journal(connection: Connection) -> Copied:
    """Return how many rows a journal has, and their digest: the same in both databases where the rows are the same."""
    digest, count = sha256(), 0
    for one in tables.metadata.sorted_tables:
        digest.update(f"{one.name}\n".encode())
        for rows in _read(connection, one):
            count += len(rows)
            for row in rows:
                digest.update(json.dumps(list(row.values())).encode() + b"\n")
    return Copied(count, digest.hexdigest())


def count_entries(connection: Connection) -> int:
    """Return how many rows a journal has beside those that say what it is."""
    counts = [
        connection.execute(select(func.count()).select_from(one)).scalar_one()
        for one in tables.metadata.sorted_tables
        if one is not tables.meta
    ]
    return sum(counts)


def _read(connection: Connection, one: Table) -> Iterator[Sequence[dict[str, Any]]]:
    result = connection.execute(_select(one).execution_options(yield_per=_AT_ONCE)).mappings()
    for rows in result.partitions(_AT_ONCE):
        yield [dict(row) for row in rows]


def _select(one: Table) -> Select[Any]:
    if one.name in _NUMBERED:
        return select(_row_number(), *one.columns).select_from(one).order_by(_row_number())
    query = select(one).order_by(*one.primary_key)
    return query.where(one.c.key.not_in((MOVED, ARRIVING))) if one is tables.meta else query


def _with_number(one: Table) -> Any:  # noqa: ANN401 - a table, or what stands for one with the number of its rows
    if one.name not in _NUMBERED:
        return one
    return table(one.name, _row_number(), *(column(each.name, each.type) for each in one.columns))


def _row_number() -> ColumnClause[int]:
    """Return the number of a row, of whatever table: a column that was given to one table names that one for ever."""
    return column("rowid", BigInteger)
