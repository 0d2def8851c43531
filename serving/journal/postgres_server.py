"""Connections to the PostgreSQL of a journal, and what its server must promise."""

from __future__ import annotations

import os
import socket
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from feature_repo.postgres import PROMISES
from pairity.errors import ConfigError, JournalError, JournalWriteError
from pairity.journal_place import JournalDatabase
from serving.journal.postgres_text import adapt_text

_SESSION = (
    "SET lock_timeout = '10s'; "
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
)
"""A client that vanished without a word keeps the writer's lock for less than a minute."""
_PASSING = ("08", "25", "40", "53", "55", "57", "58")
"""Classes of PostgreSQL's errors that say nothing against the journal: connections, a standby, locks, room, an end."""
_LOOK = "nothing but pairity may change this schema; restore the database from a backup"
_START = "start PostgreSQL again, or correct cluster.postgres; connections are made anew by themselves"
_SLOTS = "end connections, or raise max_connections (or the limit of the user or the database); trading goes on then"
_REMEDIES = {
    "53100": "make room on the disk of PostgreSQL's server (data, WAL, tablespaces); trading goes on by itself then",
    "53200": "give PostgreSQL's server memory, or lower what it may use; trading goes on by itself then",
    "53300": _SLOTS,
    "25006": "have cluster.postgres name the primary, or set default_transaction_read_only = off; trading goes on then",
}
"""By PostgreSQL's code: disk full, out of memory, too many connections, a transaction that may not write."""
_NO_SLOT = ("too many clients", "too many connections", "remaining connection slots")
"""What a server says that refuses a connection: there is no code then."""


def open_server(place: JournalDatabase, *, writes: bool) -> Engine:
    """Return the engine of a journal's schema; a reader's connection is for one thread, and cannot write.

    ConfigError where the extra is not installed.
    """
    options: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_pre_ping": True} if not writes else {}
    options["isolation_level"] = "READ COMMITTED" if writes else "REPEATABLE READ"
    return _make_engine(place, "SET default_transaction_read_only = on" if not writes else "", **options)


def open_alone(place: JournalDatabase) -> Connection:
    """Return a connection outside of any pool and without transactions."""
    return _make_engine(place, "", poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()


def _make_engine(place: JournalDatabase, also: str, **options: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's own
    try:
        name = f"pairity {os.getpid()} on {socket.gethostname()}"[:63]
        database = create_engine(place.address, connect_args={"application_name": name}, **options)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a journal in PostgreSQL needs the package {error.name}",
            "install the extra: pip install 'pairity[cluster]', with the versions of requirements-cluster.lock",
        ) from None

    @event.listens_for(database, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - a connection of psycopg
        before = connection.autocommit
        connection.autocommit = True  # settings of the session, not of a transaction
        connection.execute(f"{_SESSION}; {also}")
        _require_promises(connection, place)
        adapt_text(connection)
        connection.autocommit = before

    return database


def _require_promises(connection: Any, place: JournalDatabase) -> None:  # noqa: ANN401 - a connection of psycopg
    """Refuse a server on which a transaction that returned may be lost, and keep the session as it is now."""
    found = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in PROMISES}
    for name, value in found.items():
        if value == "off":
            raise JournalError(
                f"{place}: the server has {name} = off: a power cut would lose what was journalled before an order",
                f"set {name} = on in postgresql.conf (or for the user and the database), and reload it",
            )
    # A change of the server's configuration is for sessions to come
    connection.execute(f"SET synchronous_commit = '{found['synchronous_commit']}'")


def has_journal(connection: Connection) -> bool:
    """Return whether the schema has the tables of a journal."""
    return connection.execute(text("SELECT to_regclass('meta')")).scalar() is not None


def is_public(connection: Connection, place: JournalDatabase) -> bool:
    """Return whether every user of the server may look into the schema."""
    asked = text("SELECT has_schema_privilege('public', :schema, 'USAGE')")
    return bool(connection.execute(asked, {"schema": place.schema}).scalar())


def explain_postgres(place: JournalDatabase, error: DBAPIError) -> JournalError:
    """Return the error for a database that cannot be used: now (JournalWriteError), or at all."""
    why = " ".join(str(error.orig).split()) or type(error.orig).__name__
    state = getattr(error.orig, "sqlstate", None)
    passes = isinstance(error, OperationalError | InterfaceError) if state is None else state[:2] in _PASSING
    if state is not None and state[:2] == "28":
        return JournalWriteError(
            f"{place} refuses the user: {why}",
            "correct cluster.postgres_user and PAIRITY_CLUSTER__POSTGRES_PASSWORD",
        )
    if passes or error.connection_invalidated:
        return JournalWriteError(
            f"the journal in {place} cannot be used now: {why}",
            _SLOTS if any(said in why for said in _NO_SLOT) else _REMEDIES.get(state or "", _START),
        )
    return JournalError(f"the journal in {place} cannot be used: {why}", _LOOK)
