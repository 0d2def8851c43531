"""The turn of whoever signs in a shared database: an advisory lock of PostgreSQL, for all machines that use it.

On one machine the folder of the key is locked (`open_keys`). A database that several machines share has a lock besides:
nobody registers, promotes or confirms there while the key is exchanged, and no two exchange it at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from feature_repo.postgres import PROMISES, postgres_errors
from pairity.errors import RegistryError
from pairity.layout import Layout

_CONNECT_S = 10
_WAIT_S = 60
_SESSION = ("SET tcp_keepalives_idle = 30", "SET tcp_keepalives_interval = 5", "SET tcp_keepalives_count = 3")
"""A client that vanished without a word keeps its turn for less than a minute."""
_NUMBER = int.from_bytes(sha256(b"pairity signing").digest()[:8], "big", signed=True)
"""Advisory locks are the database's, and have a number."""
_LOCK_NOT_AVAILABLE = "55P03"


class SigningTurn:
    """A turn that was taken. `connection` holds the lock of a shared database; None: the registry is a file."""

    def __init__(self, layout: Layout, connection: object | None = None) -> None:
        self._layout = layout
        self._connection = connection

    def require(self) -> None:
        """Raise DataError where the turn ended with its connection: somebody else may have signed meanwhile."""
        self._ask("SELECT 1")

    def require_durable(self) -> None:
        """Raise RegistryError for a server on which a signature that was stored may be lost with its power."""
        for name in PROMISES:
            if self._ask(f"SHOW {name}") == "off":
                raise RegistryError(
                    f"{self._layout.tracking_place}: the server has {name} = off: a power cut would lose signatures "
                    "of the new key, after the old one is gone",
                    f"set {name} = on in postgresql.conf (or for the user and the database), and reload it",
                )

    def _ask(self, question: str) -> object:
        from sqlalchemy import Connection, text

        if not isinstance(self._connection, Connection) or self._layout.tracking_database is None:
            return None
        with postgres_errors(self._layout.tracking_database):
            return self._connection.execute(text(question)).scalar()


@contextmanager
def take_signing_turn(layout: Layout) -> Iterator[SigningTurn]:
    """Wait until nobody else signs in the layout's database, and let nobody else until the block ends.

    RegistryError where somebody else does for longer than a minute; DataError or ConfigError where PostgreSQL cannot be
    used (`postgres_errors`). For a file the folder of the key is locked already, and this does nothing.
    """
    if layout.tracking_database is None:
        yield SigningTurn(layout)
        return
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    engine = create_engine(
        layout.tracking_database,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": _CONNECT_S},
    )
    with postgres_errors(layout.tracking_database):
        connection = engine.connect()
    try:
        with postgres_errors(layout.tracking_database):
            try:
                for setting in (*_SESSION, f"SET lock_timeout = '{_WAIT_S}s'"):
                    connection.execute(text(setting))
                connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _NUMBER})
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                    raise
                raise RegistryError(
                    f"somebody else signs in {layout.tracking_place}, for more than {_WAIT_S} s now",
                    "wait until that has ended, and repeat the command",
                ) from None
        yield SigningTurn(layout, connection)
    finally:
        connection.close()  # the lock ends with its session
