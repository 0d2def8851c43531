"""Types of the journal's columns in its two databases, and the numbers that rows get in the order of writing.

In PostgreSQL text is compared by its bytes (collation "C"), as SQLite does: times and ids are sorted as text.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

WORD = sa.String().with_variant(postgresql.VARCHAR(collation="C"), "postgresql")
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def key(name: str, *refers_to: sa.ForeignKey) -> sa.Column[Any]:
    """Return a column of text that is, or is a part of, the primary key."""
    return sa.Column(name, WORD, *refers_to, primary_key=True)


def word(name: str, *refers_to: sa.ForeignKey, nullable: bool = False) -> sa.Column[Any]:
    """Return a column of short text: a name, an instant, a decimal."""
    return sa.Column(name, WORD, *refers_to, nullable=nullable)


def text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """Return a column of long text."""
    return sa.Column(name, TEXT, nullable=nullable)


def number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """Return a column of whole numbers."""
    return sa.Column(name, NUMBER, nullable=nullable)


def place(name: str) -> sa.Column[Any]:
    """Return the primary key that numbers the rows of a table (`number_rows`)."""
    return sa.Column(name, NUMBER, primary_key=True, autoincrement=False)


def make_table(name: str, *parts: sa.Column[Any] | sa.UniqueConstraint) -> None:
    """Make a table. One that is there stays: two programs once wrote different tables under one version."""
    op.create_table(name, *parts, if_not_exists=True)


def make_index(name: str, table: str, *columns: str) -> None:
    """Make an index; one that is there stays."""
    op.create_index(name, table, list(columns), if_not_exists=True)


def number_rows(table: str, column: str) -> None:
    """Let PostgreSQL number the rows as SQLite does by itself: one more than the highest, so that none is left out.

    Sequences leave numbers out after every transaction that came to nothing, and the same rows would get other numbers.
    Only one transaction at a time writes.
    """
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        f"""
        CREATE FUNCTION number_{table}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
            IF NEW.{column} IS NULL THEN
                SELECT coalesce(max({column}), 0) + 1 INTO NEW.{column} FROM {table};
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(f"CREATE TRIGGER number_{table} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION number_{table}()")


def keep_order_of_writing(table: str) -> None:
    """Give a table of PostgreSQL the column `rowid`, which every table of SQLite has."""
    if op.get_bind().dialect.name == "postgresql":
        op.add_column(table, sa.Column("rowid", sa.BigInteger, nullable=False, unique=True))
        number_rows(table, "rowid")


def make_writers() -> None:
    """Make the table of the processes that wrote a journal in PostgreSQL; a file has a lock of the file system."""
    if op.get_bind().dialect.name == "postgresql":
        op.create_table("writers", place("number"), word("began_at"), word("name"))
