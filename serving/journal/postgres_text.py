"""Every text that SQLite keeps, in PostgreSQL too, which knows no character 0: it is written as two others.

What comes from a venue is kept as it came, and a character that the database does not take must not halt anything.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_MARK = "\uf8ff"
"""A character of private use stands before what is meant; of itself it is written twice."""
_WRITTEN = {"\0": f"{_MARK}0", _MARK: f"{_MARK}{_MARK}"}
_MEANT = {written: meant for meant, written in _WRITTEN.items()}
_PLAIN, _CODED = re.compile(f"[\0{_MARK}]"), re.compile(f"{_MARK}[0{_MARK}]")


def to_postgres(text: str) -> str:
    """Return the text as PostgreSQL keeps it.

    >>> from_postgres(to_postgres("a\\0b")) == "a\\0b"
    True
    """
    return _PLAIN.sub(lambda found: _WRITTEN[found.group()], text)


def from_postgres(text: str) -> str:
    """Return the text that `to_postgres` was given."""
    return _CODED.sub(lambda found: _MEANT[found.group()], text) if _MARK in text else text


def adapt_text(connection: Any) -> None:  # noqa: ANN401 - a connection of psycopg
    """Have a connection write and read all text in this way."""
    dumper, loader = _make_adapters()
    connection.adapters.register_dumper(str, dumper)
    for name in ("text", "varchar"):
        connection.adapters.register_loader(name, loader)


@cache
def _make_adapters() -> tuple[type[Any], type[Any]]:
    from psycopg.types.string import StrDumperUnknown, TextLoader

    class Dumper(StrDumperUnknown):
        """Writes text."""

        def dump(self, obj: str) -> Any:  # noqa: ANN401 - psycopg's own buffer
            """Return the bytes of a text."""
            return super().dump(to_postgres(obj))

    class Loader(TextLoader):
        """Reads text."""

        def load(self, data: Any) -> str:  # noqa: ANN401 - psycopg's own buffer
            """Return the text of bytes."""
            return from_postgres(str(super().load(data)))

    return Dumper, Loader
