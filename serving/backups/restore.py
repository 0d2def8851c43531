"""Putting a journal back from a backup.

What stands in the place of the journal is kept under another name, and so are requests that wait. The restored journal
begins halted: things may have happened on the account since the backup, and a person has to look before anything is
opened or closed on its word.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pairity.bounded_files import digest_plain_file
from pairity.durable import make_folder, remove_flushed, rename_flushed, replace_file_with, temporary_path
from pairity.errors import ConfigError, JournalError
from pairity.journal_place import JournalDatabase, JournalPlace
from pairity.layout import Layout
from serving.backups.backup import JOURNAL, Backup, read_backup
from serving.backups.copies import check_database, copy_database, fold_in, inspect_journal
from serving.control.queue import RequestQueue
from serving.journal import Journal, StateRecord, TradingState
from serving.journal.archive import VectorArchive, archive_of
from serving.journal.database import lock_for_writing

REPLACE = "REPLACE"
"""The word that a person types to replace a journal that says more than the backup."""
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Restored:
    """A journal that was put back; `kept` is where the one before it lies now, None without one.

    `requests` is the folder of the requests that waited for the one before it, None without any.
    """

    backup: Backup
    journal: Path
    kept: Path | None
    requests: Path | None


def restore_backup(
    journal: JournalPlace, source: Path, *, word: str | None = None, now: datetime | None = None
) -> Restored:
    """Put the journal of the backup `source` in the place of `journal`, halted; the one that is there is kept.

    Raises, before anything is changed: ConfigError where `source` is no backup, and where the journal that is there is
    newer, of another scope or damaged and `word` is not REPLACE; JournalError where the backup is not whole, and where
    a process has the journal open. ConfigError for a journal in PostgreSQL.
    """
    if isinstance(journal, JournalDatabase):
        raise ConfigError(
            f"the journal is in {journal}, and a backup is put back as a file",
            f"put that schema out of the way (ALTER SCHEMA {journal.schema} RENAME TO …), then: "
            f"pairity --profile embedded restore {source}, and pairity --profile cluster journal move --to database",
        )
    backup = read_backup(source)
    at = now or datetime.now(UTC)
    make_folder(journal.parent)
    with lock_for_writing(journal):
        if (reason := _find_reason_against(journal, backup)) is not None and word != REPLACE:
            raise ConfigError(
                f"{reason}; the backup is of {backup.made_at:%Y-%m-%d %H:%M} UTC",
                f"to replace it all the same, type the word {REPLACE}; the journal that is there is kept",
            )
        prepared = _prepare(journal, backup, at)
        try:
            _restore_archive(journal, backup)
            kept = _keep(journal, at)
            requests = _set_requests_aside(journal, at)
            rename_flushed(prepared, journal)
        except BaseException:
            prepared.unlink(missing_ok=True)
            raise
    return Restored(backup=backup, journal=journal, kept=kept, requests=requests)


def _find_reason_against(journal: Path, backup: Backup) -> str | None:
    """Return why the journal that is there should not be replaced; None where the backup says all that it says."""
    if not journal.exists():
        return None
    try:
        check_database(journal)
        there = inspect_journal(journal)
    except JournalError as error:
        return f"the journal that is there cannot be read, so nobody knows what it says ({error.what})"
    if there.scope != backup.content.scope:
        return f"{journal} is another journal than that of the backup"
    if backup.content.lacks(there):
        return f"{journal} is newer than the backup: it goes to {there.newest or 'its beginning'}"
    return None


def _prepare(journal: Path, backup: Backup, at: datetime) -> Path:
    """Copy the backup beside the journal's place and halt it there; return the copy, which is one file."""
    prepared, raw = temporary_path(journal), temporary_path(journal)
    try:
        replace_file_with(raw, lambda path: shutil.copyfile(backup.folder / JOURNAL, path))
        if digest_plain_file(raw) != backup.digests[JOURNAL]:
            raise JournalError(f"{backup.folder / JOURNAL} changed while it was read", "use another backup")
        restored = Journal.open(raw)
        try:
            made = f"{backup.made_at:%Y-%m-%d %H:%M} UTC"
            reason = f"restored from the backup of {made}: look at the account, then resume"
            restored.states.record(StateRecord(at, TradingState.HALTED, reason, "person"))
        finally:
            restored.close()
        replace_file_with(prepared, lambda path: copy_database(raw, path))
    except BaseException:
        prepared.unlink(missing_ok=True)
        raise
    finally:
        remove_flushed([raw, raw.with_suffix(".lock"), *_list_beside(raw)])
    return prepared


def _restore_archive(journal: Path, backup: Backup) -> None:
    """Add what the backup's archive has to the one that is there: it says nothing that a later one does not."""
    if backup.archive is not None:
        VectorArchive(archive_of(journal)).merge(backup.archive)


def _keep(journal: Path, at: datetime) -> Path | None:
    """Copy the journal that is there, and take away what SQLite keeps beside it: it would be read into the new one."""
    if not journal.exists():
        remove_flushed(_list_beside(journal))
        return None
    kept = _find_free_name(journal, at)
    try:
        replace_file_with(kept, lambda path: copy_database(journal, path))
        fold_in(journal)
    except JournalError:  # damaged: byte by byte, with the log beside it
        for place, copy in ((journal, kept), *zip(_list_beside(journal), _list_beside(kept), strict=True)):
            if place.exists():
                replace_file_with(copy, lambda path, place=place: shutil.copyfile(place, path))  # type: ignore[misc]
    remove_flushed(_list_beside(journal))
    return kept


def _set_requests_aside(journal: Path, at: datetime) -> Path | None:
    """Move the requests that wait aside: who asked did not know of the restored journal, and might lift its halt."""
    layout = Layout(journal.parent)
    target = _find_free_name(layout.requests, at)
    return target if RequestQueue(layout).set_aside(target) else None


def _find_free_name(path: Path, at: datetime) -> Path:
    """Return the name, beside a path, under which what is there is kept."""
    name = f"{path.name}.before-restore-{at:%Y%m%dT%H%M%SZ}"
    number, kept = 1, path.with_name(name)
    while kept.exists():
        number += 1
        kept = path.with_name(f"{name}-{number}")
    return kept


def _list_beside(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{ending}") for ending in _BESIDE]
