"""What a journal says of itself when it was moved, or is being moved, to another place: nothing is traded from it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from pairity.errors import JournalError
from pairity.journal_place import JournalDatabase, JournalPlace
from serving.journal import tables
from serving.journal.file_store import FileStore

MOVED, ARRIVING = "moved_to", "arriving"
"""Keys of the table `meta`; they are of one copy, and are not copied."""


def read_meta(connection: Connection) -> dict[str, str]:
    """Return what a journal says of itself."""
    return {row.key: row.value for row in connection.execute(select(tables.meta))}


def require_unmoved(meta: dict[str, str], place: JournalPlace) -> None:
    """Raise JournalError where a journal was moved away, or has not wholly come: nothing is traded from it."""
    if MOVED in meta:
        raise JournalError(
            f"the journal {place} was moved to {meta[MOVED]}",
            "trade from there (the profile embedded uses the file, cluster PostgreSQL); to trade from here again, put "
            "this one out of the way, then: pairity --profile cluster journal move",
        )
    if ARRIVING in meta:
        raise JournalError(
            f"the journal {place} is a copy that was being made of {meta[ARRIVING]}",
            "finish the move: pairity journal move",
        )


def refuse_beside_file(place: JournalDatabase) -> None:
    """Raise JournalError where the data directory has a journal with entries that was never moved."""
    if not place.file.is_file():
        return
    store = FileStore.connect(place.file)
    try:
        with store.begin_reading() as connection:
            if MOVED in read_meta(connection):
                return
            known = (tables.runs, tables.decisions, tables.intents)
            if all(connection.execute(select(one).limit(1)).first() is None for one in known):
                return
    finally:
        store.close()
    raise JournalError(
        f"{place.file} is a journal with entries, and the profile cluster trades from {place}",
        "move it: pairity --profile cluster journal move --to database; or move the file out of the way",
    )
