"""Tables of the embedded online store: one row per entity and set of features that were written together.

Almost always a write has all features of its view, and an entity has one row. Where somebody writes a part of the
features, that set has a row of its own, and of each feature the newest row that has it counts. So a write is an upsert
with its guard in the SQL, and no row is read in order to write it again.

`feature_sets` says which features a row's content has, in their order. It also numbers the writes: of two rows with the
same times the later write counts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.online_content import pack_values, unpack_values

_KEYS_PER_QUERY = 30_000
"""SQLite accepts 32,766 parameters."""

NewRow = tuple[bytes, int, int | None, bytes]
"""Entity key, event time, created time (both in microseconds since the epoch) and content of a row to be written."""


class StoredRow(NamedTuple):
    """One row as it is stored: times in microseconds since the epoch, `feature_set` a number of `read_sets`."""

    key: bytes
    feature_set: int
    event: int
    created: int | None
    write: int
    content: bytes


def open_table(connection: sqlite3.Connection, name: str) -> str:
    """Return the quoted name of a table, made here where there is none.

    A table in Feast's layout (a row per value), as earlier versions had it, is made anew with the same values and
    times.
    """
    table = _quote(name)
    columns = _read_columns(connection, table)
    if not columns:
        _create(connection, table)
    elif "feature_set" not in columns:
        _convert(connection, table)
    return table


def drop_table(connection: sqlite3.Connection, name: str) -> None:
    """Drop a table, where there is one."""
    connection.execute(f"DROP TABLE IF EXISTS {_quote(name)}")


def write_rows(
    connection: sqlite3.Connection, table: str, batches: Iterable[tuple[Sequence[str], Iterable[NewRow]]]
) -> int:
    """Write batches of rows in one transaction; return how many were written because nothing newer was stored.

    All contents of a batch have the values of its features, which are in ascending order.
    """
    with connection:
        return sum(_write(connection, table, features, rows) for features, rows in batches if features)


def read_rows(connection: sqlite3.Connection, table: str, keys: Sequence[bytes]) -> list[StoredRow]:
    """Return the rows of the entities `keys`, in no order; several of an entity where features were written apart."""
    rows: list[StoredRow] = []
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        some = keys[start : start + _KEYS_PER_QUERY]
        query = f"SELECT * FROM {table} WHERE entity_key IN ({','.join('?' * len(some))})"
        rows += map(StoredRow._make, connection.execute(query, some))
    return rows


def read_sets(connection: sqlite3.Connection) -> dict[int, tuple[str, ...]]:
    """Return the features of every set, by its number. Read it after the rows: sets are only added."""
    return {
        number: tuple(json.loads(names)) for number, names in connection.execute("SELECT id, names FROM feature_sets")
    }


def forget_features(connection: sqlite3.Connection, table: str, declared: Collection[str]) -> None:
    """Remove the values of features that are not `declared` (any more)."""
    with connection:
        sets = read_sets(connection)
        used = [number for (number,) in connection.execute(f"SELECT DISTINCT feature_set FROM {table}")]
        for number in used:
            kept = [name for name in sets[number] if name in declared]
            if len(kept) == len(sets[number]):
                continue
            rows = connection.execute(f"SELECT * FROM {table} WHERE feature_set = ?", (number,)).fetchall()
            connection.execute(f"DELETE FROM {table} WHERE feature_set = ?", (number,))
            if kept:
                narrowed = [_narrow(StoredRow._make(row), sets[number], kept) for row in rows]
                _write(connection, table, kept, narrowed)


def _write(connection: sqlite3.Connection, table: str, features: Sequence[str], rows: Iterable[NewRow]) -> int:
    number, write = _begin_write(connection, features)
    cursor = connection.executemany(
        f"INSERT INTO {table} (entity_key, feature_set, event_ts, created_ts, write, content) "
        f"VALUES (?, {number}, ?, ?, {write}, ?) ON CONFLICT(entity_key, feature_set) DO UPDATE SET "
        "event_ts = excluded.event_ts, created_ts = excluded.created_ts, write = excluded.write, "
        "content = excluded.content "
        "WHERE (excluded.event_ts, IFNULL(excluded.created_ts, 0)) >= (event_ts, IFNULL(created_ts, 0))",
        rows,
    )
    _drop_covered(connection, table, number, features)
    return max(cursor.rowcount, 0)


def _begin_write(connection: sqlite3.Connection, features: Sequence[str]) -> tuple[int, int]:
    """Return the number of the set of features and that of this write, greater than those of all writes before."""
    names = json.dumps(list(features))
    connection.execute(
        "INSERT INTO feature_sets (names, write) SELECT ?, 1 + IFNULL(MAX(write), 0) FROM feature_sets WHERE true "
        "ON CONFLICT(names) DO UPDATE SET write = excluded.write",
        (names,),
    )
    number, write = connection.execute("SELECT id, write FROM feature_sets WHERE names = ?", (names,)).fetchone()
    return number, write


def _drop_covered(connection: sqlite3.Connection, table: str, number: int, features: Sequence[str]) -> None:
    """Drop rows of fewer features where the row of set `number` has a newer value of each of them."""
    sets = read_sets(connection)
    fewer = [other for other, names in sets.items() if other != number and set(names) <= set(features)]
    if fewer:
        connection.execute(
            f"DELETE FROM {table} AS part WHERE feature_set IN ({','.join(map(str, fewer))}) AND EXISTS ("
            f"SELECT 1 FROM {table} AS whole WHERE whole.entity_key = part.entity_key AND whole.feature_set = {number} "
            "AND (whole.event_ts, IFNULL(whole.created_ts, 0), whole.write) > "
            "(part.event_ts, IFNULL(part.created_ts, 0), part.write))"
        )


def _narrow(row: StoredRow, features: Sequence[str], kept: Sequence[str]) -> NewRow:
    values = dict(zip(features, unpack_values(row.content, len(features)), strict=True))
    return row.key, row.event, row.created, pack_values([values[name] for name in kept])


def _read_columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _create(connection: sqlite3.Connection, table: str) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS feature_sets (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE, "
        "write INTEGER NOT NULL)"
    )
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (entity_key BLOB NOT NULL, feature_set INTEGER NOT NULL, "
        "event_ts INTEGER NOT NULL, created_ts INTEGER, write INTEGER NOT NULL, content BLOB NOT NULL, "
        "PRIMARY KEY (entity_key, feature_set)) WITHOUT ROWID"
    )


def _convert(connection: sqlite3.Connection, table: str) -> None:
    """Make a table of Feast's layout anew; values of one entity with the same times become one row."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if "feature_set" in _read_columns(connection, table):
            return  # another process was faster
        # CAST: the columns are declared as timestamps, which Feast's converter would read as local seconds.
        cells = connection.execute(
            "SELECT entity_key, CAST(event_ts AS INTEGER), CAST(created_ts AS INTEGER), feature_name, value "
            f"FROM {table} ORDER BY 1, 2, 3, 4"
        ).fetchall()
        connection.execute(f"DROP TABLE {table}")
        _create(connection, table)
        batches: dict[tuple[str, ...], list[NewRow]] = {}
        for (key, event, created), group in groupby(cells, key=lambda cell: cell[:3]):
            values = {name: Value.FromString(value) for *_, name, value in group}
            batches.setdefault(tuple(values), []).append((key, event, created, pack_values(list(values.values()))))
        for features, rows in batches.items():
            _write(connection, table, features, rows)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
