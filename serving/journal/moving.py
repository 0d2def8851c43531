"""Moving a journal between its file and PostgreSQL. At every moment one of the two can be traded from, never both.

1. The copy is made and verified in one transaction, which also marks it as arriving: nothing is traded from it.
2. The journal that was copied is marked as moved: from then on nothing is traded from it.
3. The mark of the copy is taken away.

A process that is killed in between leaves a move that the same command goes on with.
"""

from __future__ import annotations

from contextlib import ExitStack

from sqlalchemy import delete, insert

from pairity.errors import JournalError
from pairity.journal_place import JournalDatabase, JournalPlace
from serving.journal import tables
from serving.journal.copying import Copied, copy_journal, count_entries, digest_journal
from serving.journal.file_store import FileStore
from serving.journal.handover import ARRIVING, MOVED, read_meta, require_unmoved
from serving.journal.opened import is_there
from serving.journal.store import Store


def move_journal(source: JournalPlace, target: JournalPlace) -> Copied:
    """Move the journal at `source` to `target`; on return `target` is the journal, and `source` is only read.

    JournalError where there is nothing to move, where one of the two is open in another process, and where `target`
    has entries of its own.
    """
    if not is_there(source):
        raise JournalError(f"there is no journal in {source}", "there is nothing to move")
    with ExitStack() as stack:
        old = _open(source, "")
        stack.callback(old.close)
        with old.begin_reading() as connection:
            meta = read_meta(connection)
        _require_movable(source, target, meta)
        new = _open(target, meta["scope"])
        stack.callback(new.close)
        with new.begin_reading() as connection:
            arrived = read_meta(connection).get(ARRIVING)
        if MOVED in meta:
            _require_same(old, new, arrived)
        else:
            _copy(old, new, source, target)
            with old.begin() as connection:
                connection.execute(insert(tables.meta), {"key": MOVED, "value": str(target)})
        with new.begin() as connection:
            connection.execute(delete(tables.meta).where(tables.meta.c.key == ARRIVING))
            return digest_journal(connection)


def _open(place: JournalPlace, scope: str) -> Store:
    if not isinstance(place, JournalDatabase):
        return FileStore.open(place, scope, durable=True)
    from serving.journal.postgres_store import PostgresStore

    return PostgresStore.open(place, scope)


def _require_movable(source: JournalPlace, target: JournalPlace, meta: dict[str, str]) -> None:
    if meta.get(MOVED, str(target)) != str(target) or ARRIVING in meta:
        require_unmoved(meta, source)
    if meta["schema_version"] != tables.SCHEMA_VERSION:
        raise JournalError(
            f"the journal {source} has schema version {meta['schema_version']!r}; this program knows "
            f"{tables.SCHEMA_VERSION!r}",
            "use the program that wrote it",
        )


def _copy(old: Store, new: Store, source: JournalPlace, target: JournalPlace) -> None:
    with old.begin_reading() as reading, new.begin() as writing:
        if ARRIVING not in read_meta(writing) and (entries := count_entries(writing)):
            raise JournalError(
                f"the journal {target} has {entries} entries: nothing is copied over them",
                "move it out of the way first (a file: rename it; in PostgreSQL: ALTER SCHEMA … RENAME TO …)",
            )
        copy_journal(reading, writing)
        writing.execute(insert(tables.meta), {"key": ARRIVING, "value": str(source)})


def _require_same(old: Store, new: Store, arrived: str | None) -> None:
    """Check a move that was interrupted before its last step."""
    with old.begin_reading() as first, new.begin_reading() as second:
        if arrived is None:
            raise JournalError(
                f"the journal {old.place} was moved to {new.place} before", "there is nothing to move: trade from there"
            )
        if digest_journal(first) != digest_journal(second):
            raise JournalError(
                f"the journal {old.place} was moved to {new.place}, which says something else", "restore a backup"
            )
