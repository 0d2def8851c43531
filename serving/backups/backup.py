"""A backup of the journal: a folder with the journal, its archive, and a note of what they hold.

It is filled under a hidden name, verified, flushed, and only then called by its name: a backup that is there is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pairity.bounded_files import digest_plain_file, read_json_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.durable import make_folder, move_folder, temporary_path
from pairity.errors import ConfigError, JournalError
from pairity.journal_place import JournalDatabase, JournalPlace
from pairity.private_files import open_private, require_private
from serving.backups.copies import Content, check_database, copy_database, inspect_journal
from serving.backups.export import exported
from serving.journal.archive import archive_of
from serving.journal.opened import is_there
from serving.journal.tables import EXTENDED, SCHEMA_VERSION

NOTE = "backup.json"
JOURNAL = "journal.db"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as its note describes it: when it was made, what the journal holds, SHA-256 by file name."""

    folder: Path
    made_at: datetime
    content: Content
    digests: dict[str, str]

    @property
    def archive(self) -> Path | None:
        """The archive of feature vectors; None without one."""
        path = archive_of(self.folder / JOURNAL)
        return path if path.name in self.digests else None


def make_backup(journal: JournalPlace, target: Path, now: datetime | None = None) -> Backup:
    """Copy the journal, which may be written meanwhile, into the new folder `target`, and verify the copy.

    Raises ConfigError where something stands at `target`, JournalError where there is no journal, or the copy is not
    right, OSError and JournalWriteError where it cannot be written; nothing is left at `target` then.
    """
    if os.path.lexists(target):
        raise ConfigError(f"{target} is there already", "name a folder that is not there: each backup has its own")
    if not is_there(journal):
        raise JournalError(f"there is no journal at {journal}", "nothing was traded yet: run pairity serve")
    if not isinstance(journal, JournalDatabase):
        require_private([journal])
    make_folder(target.parent)
    unfinished = temporary_path(target)
    try:
        make_folder(unfinished)
        backup = _fill(journal, unfinished, now or datetime.now(UTC))
        move_folder(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return Backup(target, backup.made_at, backup.content, backup.digests)


def read_backup(folder: Path) -> Backup:
    """Return a backup whose files are those that were written, whole, and of a version that this program reads.

    Raises ConfigError where the folder is no backup, JournalError where a file is not what the note says.
    """
    try:
        if not folder.is_dir():
            raise NotADirectoryError
        row = read_json_file(folder / NOTE)
        if row["format"] != _FORMAT:
            raise ConfigError(f"{folder} is a backup in format {row['format']}", "use the program that made it")
        content = Content(**row["content"])
        digests = {str(name): str(digest) for name, digest in row["digests"].items()}
        backup = Backup(folder, datetime.fromisoformat(row["made_at"]), content, digests)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(
            f"{folder} is no backup: it has no {NOTE}", "name a folder that pairity backup made"
        ) from None
    except (AttributeError, KeyError, OutOfBoundsError, TypeError, ValueError) as error:
        raise ConfigError(f"{folder / NOTE} cannot be read ({type(error).__name__})", "use another backup") from None
    names = {JOURNAL, archive_of(folder / JOURNAL).name}
    if JOURNAL not in digests or not set(digests) <= names:
        raise ConfigError(f"{folder / NOTE} names other files than a backup has", "use another backup")
    for name, digest in digests.items():
        _check_file(folder / name, digest)
    if inspect_journal(folder / JOURNAL) != content:
        raise JournalError(f"{folder / JOURNAL} holds something else than {NOTE} says", "use another backup")
    _require_known(content, folder)
    return backup


def _fill(journal: JournalPlace, folder: Path, now: datetime) -> Backup:
    """Copy and verify. The journal first: what moves to the archive meanwhile is in both copies, never in neither."""
    if isinstance(journal, JournalDatabase):
        with exported(journal) as file:
            return _fill_with(file, archive_of(journal), folder, now)
    return _fill_with(journal, archive_of(journal), folder, now)


def _fill_with(journal: Path, archive: Path, folder: Path, now: datetime) -> Backup:
    before = inspect_journal(journal)
    sources = {JOURNAL: journal}
    if archive.is_file():
        require_private([archive])
        sources[archive_of(folder / JOURNAL).name] = archive
    for name, source in sources.items():
        os.close(open_private(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        copy_database(source, folder / name)
        check_database(folder / name)
    content = inspect_journal(folder / JOURNAL)
    _require_known(content, journal)
    if content.lacks(before):
        raise JournalError(f"the copy of {journal} lacks rows", "try again; if it stays so, look at the disk")
    digests = {name: digest_plain_file(folder / name) for name in sources}
    row = {"format": _FORMAT, "made_at": now.isoformat(), "content": asdict(content), "digests": digests}
    with os.fdopen(open_private(folder / NOTE, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as note:
        note.write(json.dumps(row, indent=1))
    return Backup(folder, now, content, digests)


def _check_file(path: Path, digest: str) -> None:
    try:
        found = digest_plain_file(path)
    except (OSError, OutOfBoundsError) as error:
        raise JournalError(f"{path} cannot be read ({error})", "use another backup") from None
    if found != digest:
        raise JournalError(f"{path} was changed after the backup was made", "use another backup")
    check_database(path)


def _require_known(content: Content, where: Path) -> None:
    if content.schema_version not in {SCHEMA_VERSION, *EXTENDED}:
        raise JournalError(
            f"{where} has schema version {content.schema_version!r}; this program knows {SCHEMA_VERSION!r}",
            "use the program that wrote it",
        )
