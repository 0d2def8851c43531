"""What the journal's two databases call the same thing, for queries that are written as text."""

from __future__ import annotations

from typing import Protocol


class Expressions(Protocol):
    """Pieces of SQL. JSON is kept as text; `column` and `row` are SQL too, `path` names a place by its keys."""

    def text_at(self, column: str, *path: str) -> str:
        """Return the text, or the number, at a place of a JSON text; NULL where there is none, or `null`."""

    def number_at(self, column: str, *path: str) -> str:
        """Return the number at a place of a JSON text, for comparisons."""

    def items_of(self, column: str, name: str, row: str) -> str:
        """Return the source of the items of a JSON list: rows called `row` with a JSON text `value` and `place`."""

    def count_items(self, column: str, name: str) -> str:
        """Return how many items a list of a JSON text has."""

    def list_of(self, value: str, order: str) -> str:
        """Return the aggregate that makes a JSON list of texts."""

    def day_of(self, column: str) -> str:
        """Return the instant of an ISO text in days, as a number with fractions."""

    def whole_of(self, value: str) -> str:
        """Return the whole part of a number that is not negative."""


class SqliteExpressions:
    """What SQLite calls it."""

    def text_at(self, column: str, *path: str) -> str:
        """Return the text, or the number, at a place of a JSON text."""
        return f"json_extract({column}, '$.{'.'.join(path)}')"

    def number_at(self, column: str, *path: str) -> str:
        """Return the number at a place of a JSON text."""
        return self.text_at(column, *path)

    def items_of(self, column: str, name: str, row: str) -> str:
        """Return the source of the items of a JSON list."""
        return f"(SELECT value, key AS place FROM json_each({column}, '$.{name}')) AS {row}"

    def count_items(self, column: str, name: str) -> str:
        """Return how many items a list of a JSON text has."""
        return f"json_array_length({column}, '$.{name}')"

    def list_of(self, value: str, order: str) -> str:
        """Return the aggregate that makes a JSON list; its rows come in the order of `order` already."""
        del order
        return f"json_group_array({value})"

    def day_of(self, column: str) -> str:
        """Return the instant of an ISO text in days."""
        return f"julianday({column})"

    def whole_of(self, value: str) -> str:
        """Return the whole part of a number."""
        return f"CAST({value} AS INTEGER)"


class PostgresExpressions:
    """What PostgreSQL calls it. The type is `json`, which keeps numbers as they are written."""

    def text_at(self, column: str, *path: str) -> str:
        """Return the text at a place of a JSON text."""
        return f"(CAST({column} AS json) #>> '{{{','.join(path)}}}')"

    def number_at(self, column: str, *path: str) -> str:
        """Return the number at a place of a JSON text."""
        return f"CAST({self.text_at(column, *path)} AS double precision)"

    def items_of(self, column: str, name: str, row: str) -> str:
        """Return the source of the items of a JSON list."""
        items = f"json_array_elements(CAST({column} AS json) -> '{name}') WITH ORDINALITY AS item(value, place)"
        return f"(SELECT CAST(item.value AS text) AS value, item.place FROM {items}) AS {row}"

    def count_items(self, column: str, name: str) -> str:
        """Return how many items a list of a JSON text has."""
        return f"json_array_length(CAST({column} AS json) -> '{name}')"

    def list_of(self, value: str, order: str) -> str:
        """Return the aggregate that makes a JSON list; an empty one of no rows."""
        return f"CAST(coalesce(json_agg({value} ORDER BY {order}), CAST('[]' AS json)) AS text)"

    def day_of(self, column: str) -> str:
        """Return the instant of an ISO text in days."""
        return f"(CAST(extract(epoch FROM CAST({column} AS timestamptz)) AS double precision) / 86400.0)"

    def whole_of(self, value: str) -> str:
        """Return the whole part of a number."""
        return f"floor({value})"
