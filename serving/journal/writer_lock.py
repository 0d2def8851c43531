"""The only writer of a journal in PostgreSQL.

Two locks of the database together let never two processes write. The first is the writer's: it is held on a connection
of its own for as long as the process lives, so that a second one is refused at once, by name. Connections break, and
then PostgreSQL gives the lock to the next who asks. So every transaction that may write takes the second lock for its
duration, and looks under it whether the first is still held, and whether another writer has registered since: whoever
becomes the writer registers under the second lock, and waits there for a transaction of the one before it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from hashlib import sha256

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from pairity.errors import JournalError
from pairity.journal_place import JournalDatabase
from serving.journal.postgres_server import explain_postgres, open_alone

_LOG = logging.getLogger("pairity.serving")
_WRITER, _TURN = 1, 2
_WAIT_S, _PAUSE_S = 2.0, 0.1
"""PostgreSQL notices after an instant that a killed process is gone: its successor waits for that."""
_END = "end this one: pairity serve goes on from what the other has written, once it has ended"
_HELD = """
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = :own AND l.objid = :which
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class WriterLock:
    """The lock of one journal's writer, not yet taken."""

    def __init__(self, place: JournalDatabase) -> None:
        self._place = place
        # Advisory locks are the database's: a number for each schema, positive, as pg_locks shows it
        self._own = int.from_bytes(sha256(place.schema.encode()).digest()[:4], "big") >> 1
        self._connection: Connection | None = None
        self._session = 0
        self._number = 0
        self._lost: str | None = None

    def take(self) -> None:
        """Take the lock. JournalError, which names who has it, where another process does."""
        self.release()
        try:
            connection = open_alone(self._place)
            self._connection = connection
            until = time.monotonic() + _WAIT_S
            while not self._try(connection):
                if time.monotonic() > until:
                    raise self._refuse(connection)
                time.sleep(_PAUSE_S)
            self._session = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        except BaseException as error:
            self.release()
            if isinstance(error, DBAPIError):
                raise explain_postgres(self._place, error) from error
            raise

    def take_turn(self, connection: Connection) -> None:
        """Wait until no other transaction that may write is open, and let none begin before this one has ended."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:own, :which)"), {"own": self._own, "which": _TURN})

    def register(self, connection: Connection) -> None:
        """Note in the journal, within a transaction that has its turn, that this process is the writer from now on."""
        query = text(
            "INSERT INTO writers (number, began_at, name) SELECT coalesce(max(number), 0) + 1, "
            "CAST(now() AS text), current_setting('application_name') FROM writers RETURNING number"
        )
        self._number = int(connection.execute(query).scalar_one())

    def require(self, connection: Connection) -> None:
        """Begin a turn of the writer. A lock that its connection has lost is taken again, if nobody wrote meanwhile.

        JournalError where another process has become the writer: this one never writes again.
        """
        if self._lost is not None:
            raise JournalError(self._lost, _END)
        self.take_turn(connection)
        held = text(f"SELECT (SELECT max(number) FROM writers), EXISTS (SELECT 1 {_HELD} AND l.pid = :session)")
        named = {"own": self._own, "which": _WRITER, "session": self._session}
        newest, is_held = connection.execute(held, named).one()
        if newest != self._number:
            name = connection.execute(
                text("SELECT name FROM writers WHERE number = :number"), {"number": newest}
            ).scalar()
            self._lost = f"another process ({name}) has become the writer of the journal in {self._place}"
            raise JournalError(self._lost, _END)
        if not is_held:
            _LOG.warning("the lock of the journal in %s was lost with its connection: taken again", self._place)
            self.take()

    def release(self) -> None:
        """Give the lock back, if it is held."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(DBAPIError):
                connection.close()

    def find_owner(self, connection: Connection) -> str | None:
        """Return who holds the lock, None where nobody does."""
        query = text(f"SELECT a.application_name {_HELD}")
        found = connection.execute(query, {"own": self._own, "which": _WRITER}).scalar()
        return None if found is None else str(found) or "unknown"

    def _try(self, connection: Connection) -> bool:
        asked = {"own": self._own, "which": _WRITER}
        return bool(connection.execute(text("SELECT pg_try_advisory_lock(:own, :which)"), asked).scalar())

    def _refuse(self, connection: Connection) -> JournalError:
        return JournalError(
            f"another process ({self.find_owner(connection) or 'unknown'}) writes the journal in {self._place}",
            "only one may trade: stop that one first",
        )
