"""Copies of whole journals: rows of every table, in their order, and whose fault an error is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Float, Integer, LargeBinary, Table, select
from sqlalchemy.exc import OperationalError

from serving.journal import tables
from serving.journal.copying import copy_journal, digest_journal
from serving.journal.file_store import FileStore

ROWS = 3


def make_row(table: Table, number: int) -> dict[str, Any]:
    """A row whose texts and numbers tell it from others; those of later rows come first in any order of texts."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if isinstance(column.type, Boolean):
            row[column.name] = bool(number % 2)
        elif isinstance(column.type, Integer | Float):
            row[column.name] = number + 1
        elif isinstance(column.type, LargeBinary):
            row[column.name] = bytes([number])
        else:
            row[column.name] = f"{9 - number} {column.name}"
    return row


def open_journal(path: Path) -> FileStore:
    return FileStore.open(path, "test", durable=False)


@pytest.fixture
def source(tmp_path):
    with closing(open_journal(tmp_path / "from" / "journal.db")) as store:
        with store.begin() as connection:
            for table in tables.metadata.sorted_tables:
                if table is not tables.meta:
                    connection.execute(table.insert(), [make_row(table, number) for number in range(ROWS)])
        yield store


def test_rows_of_every_table_are_copied_in_the_order_in_which_they_were_written(source, tmp_path):
    target = open_journal(tmp_path / "to" / "journal.db")
    with source.begin_reading() as reading, target.begin() as writing:
        copied = copy_journal(reading, writing)
        assert copied == digest_journal(reading)
        assert copied.rows >= ROWS * (len(tables.metadata.sorted_tables) - 1)
        for table in (tables.fills, tables.positions, tables.requests):
            rows = [connection.execute(select(table)).all() for connection in (reading, writing)]
            assert rows[0] == rows[1]
            assert len(rows[0]) == ROWS
    again = open_journal(tmp_path / "again" / "journal.db")
    with target.begin_reading() as reading, again.begin() as writing:
        assert copy_journal(reading, writing) == copied
    target.close()
    again.close()


@pytest.mark.parametrize("name", ["fills", "positions", "requests"])
def test_an_order_of_writing_that_a_copy_lacks_is_another_digest(source, tmp_path, name):
    table = tables.metadata.tables[name]
    with source.begin() as connection:
        before = digest_journal(connection)
        connection.execute(table.delete())
        connection.execute(table.insert(), [make_row(table, number) for number in reversed(range(ROWS))])
        assert digest_journal(connection).rows == before.rows
        assert digest_journal(connection).digest != before.digest


def test_an_error_of_another_database_is_not_this_ones(source):
    class OtherError(Exception):
        """Of a driver that is not SQLite's."""

    other = OtherError if source.database.dialect.name == "sqlite" else sqlite3.OperationalError
    with pytest.raises(OperationalError, match="it went away"), source.begin():
        raise OperationalError("SELECT 1", {}, other("it went away"))
