"""The published state as it stands in the object store: one root that names listings, which name files.

A file is an object that is named by its SHA-256, and so is a listing: JSON with path → size and digest of the files of
one dataset, or one view, of one month. Neither is ever replaced. The root is one small object that names all listings;
it alone is replaced, by a conditional write, and what it does not name is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from feature_repo.stored_tables import STORED
from pairity.bounded_json import MIB, JsonLimits, parse_json
from pairity.bounded_numbers import OutOfBoundsError, parse_int
from pairity.digest import digest_bytes
from pairity.errors import DataError

ROOT = "published.json"
LIMITS = JsonLimits(size=256 * MIB, depth=6, values=20_000_000)
"""Of the root and of each listing: a line per dataset and month, and a line per file of one month."""
FOLDERS = ("lake", "features", "reference", "quarantine")
"""Folders of a data directory that are published."""
SETTINGS = "settings.json"
"""Settings that the data were made with: who follows is held to them, as in one data directory."""
_LEFT_OUT = ("lake/segments/", "reference/files-")
"""What waits for compaction, which comes before publishing, and notes about files of one machine."""
REMEMBERED_STATES = 4096
"""States before it that a root names: a directory that has followed none of them is compared by its partitions."""
_FORMAT = 1
_TOKEN_DIGITS = 12
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file, or a listing of files: its size in bytes and the digest of its content."""

    size: int
    sha256: str
    text: str | None = field(default=None, compare=False, repr=False)
    """The content itself, of files that are small and many: manifests of the lake."""
    is_placeholder: bool = field(default=False, compare=False, repr=False)
    """Of a file of a data directory: whether its bytes are in the store alone."""


Files = Mapping[str, PublishedFile]
"""Files by path relative to the data directory, with `/`."""


@dataclass(frozen=True, slots=True)
class Root:
    """The root: listings by section, and where it stands among others."""

    number: int
    """One more than that of the root before it."""
    token: str
    """Random: whoever wrote it knows it again when the answer to the write was lost."""
    published_at: datetime
    published_by: str
    """Name of the machine."""
    is_pruning: bool
    """Whether what no root names is being deleted: nobody publishes until that is over."""
    sections: Mapping[str, PublishedFile]
    before: tuple[str, ...] = ()
    """Beginnings of the tokens of the states before it, newest first, at most `REMEMBERED_STATES` of them.

    None of a release that wrote none down.
    """

    def goes_on_from(self, other: Root) -> bool | None:
        """Return whether this is `other`, or came after it without a break; None where that is too long ago to know.

        A number does not say so: a store that was set back counts on from an older state.
        """
        distance = self.number - other.number
        if distance <= 0:
            return distance == 0 and self.token == other.token
        if distance > len(self.before):
            return None
        return self.before[distance - 1] == other.token[:_TOKEN_DIGITS]

    def to_bytes(self) -> bytes:
        """Return the root as JSON."""
        fields = {
            "format": _FORMAT,
            "number": self.number,
            "token": self.token,
            "published_at": self.published_at.isoformat(),
            "published_by": self.published_by,
            "is_pruning": self.is_pruning,
            "before": " ".join(self.before),  # in one line: there are thousands
            "sections": _encode(self.sections),
        }
        return (json.dumps(fields, indent=1) + "\n").encode()


def parse_root(content: bytes, where: str) -> Root:
    """Return a root; DataError where it is none that this version wrote."""
    try:
        row = parse_json(content, LIMITS)
        if row["format"] != _FORMAT:
            raise ValueError(f"it is in format {row['format']!r}")
        published_at = datetime.fromisoformat(row["published_at"])
        if published_at.tzinfo is None:
            raise ValueError("its instant has no offset")
        return Root(
            number=parse_int(row["number"], 1),
            token=str(row["token"]),
            published_at=published_at,
            published_by=str(row["published_by"]),
            is_pruning=row["is_pruning"] is True,
            sections={str(name): _parse_file(file) for name, file in row["sections"].items()},
            before=tuple(row.get("before", "").split()[:REMEMBERED_STATES]),
        )
    except (AttributeError, LookupError, OutOfBoundsError, TypeError, ValueError) as error:
        raise DataError(
            f"{ROOT} of {where} cannot be read ({type(error).__name__}: {error})",
            "name another place in cluster.lake, or use the program that made it",
        ) from None


def find_lineage(root: Root | None) -> tuple[str, ...]:
    """Return what the state that follows `root` says of those before it."""
    return () if root is None else (root.token[:_TOKEN_DIGITS], *root.before)[:REMEMBERED_STATES]


def encode_listing(files: Files) -> bytes:
    """Return a listing as JSON, the same bytes for the same files."""
    return json.dumps(_encode(files), separators=(",", ":")).encode()


def parse_listing(content: bytes, section: str, where: str) -> dict[str, PublishedFile]:
    """Return the files of a section; DataError where one is none that may stand there."""
    try:
        files = {str(path): _parse_file(row) for path, row in parse_json(content, LIMITS).items()}
        odd = [path for path in files if not is_published(path) or section_of(path) != section]
        if odd:
            raise ValueError(f"{odd[0]!r} is no file of {section}")
    except (AttributeError, LookupError, OutOfBoundsError, TypeError, ValueError) as error:
        raise DataError(
            f"the listing of {section} in {where} cannot be read ({type(error).__name__}: {error})",
            "use the program that made it",
        ) from None
    return files


def is_published(path: str) -> bool:
    """Return whether a path below the data directory is one of the published state."""
    if path == SETTINGS:
        return True
    parts = path.split("/")
    if len(parts) < 2 or parts[0] not in FOLDERS or "\0" in path:
        return False
    return all(part and part[0] != "." for part in parts) and not path.startswith(_LEFT_OUT)


def is_never_deleted(path: str) -> bool:
    """Return whether a file that is gone in a data directory was lost there, and is no news for others."""
    return path == SETTINGS or path.startswith("lake/")


def section_of(path: str) -> str:
    """Return the section of a file: folder, dataset or view, and month where the path has one."""
    *folders, _ = path.split("/")
    month = next((name for name in folders if name.startswith("month=")), None)
    return "/".join([*folders[:2], month] if month and month not in folders[:2] else folders[:2]) or path


def split_by_section(files: Files) -> dict[str, dict[str, PublishedFile]]:
    """Return files by section, both in order."""
    found: dict[str, dict[str, PublishedFile]] = {}
    for path in sorted(files):
        found.setdefault(section_of(path), {})[path] = files[path]
    return found


def _encode(files: Files) -> dict[str, list[Any]]:
    return {
        name: [file.size, file.sha256, *([] if file.text is None else [file.text])]
        for name, file in sorted(files.items())
    }


def _parse_file(row: object) -> PublishedFile:
    if not isinstance(row, list) or not isinstance(row[1], str) or not _SHA256.fullmatch(row[1]):
        raise ValueError("a file has no size and digest")
    size, sha256, *texts = row
    if texts and (not isinstance(texts[0], str) or digest_bytes(texts[0].encode()) != sha256):
        raise ValueError("the text of a file does not have its digest")
    found = PublishedFile(parse_int(size, 0), sha256, texts[0] if texts else None)
    if found.size > STORED.size:
        raise ValueError(f"a file has {found.size} bytes, more than the limit of {STORED.size}")
    return found
