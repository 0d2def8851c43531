"""What a data directory knows of its object store (`.published/`), and which of its files differ from what it knows.

`base.json` is the root from which the directory goes on, with its ETag; `target.json` one that is being taken over. A
file is the directory's own where it is neither's. Digests are remembered by inode, time and size: files of lake and
features are never written in place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from feature_repo.object_store import Objects, require_bucket
from feature_repo.placeholders import FOLDER, STORE, Placeholder, fetch, read_placeholder
from ingestion.published.state import (
    FOLDERS,
    LIMITS,
    ROOT,
    SETTINGS,
    PublishedFile,
    Root,
    encode_listing,
    is_published,
    parse_listing,
    parse_root,
)
from pairity.bounded_files import digest_plain_file, read_file, read_json_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.digest import digest_bytes
from pairity.durable import remove_flushed, replace_file
from pairity.errors import ConfigError, DataError

BASE = "base.json"
"""Name of the note of the root from which a directory goes on."""
_Stat = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """A root with the tag that the store gave it; no root: nothing was published."""

    root: Root | None = None
    tag: str | None = None

    @property
    def number(self) -> int:
        """Number of the root, 0 without one."""
        return 0 if self.root is None else self.root.number


class Directory:
    """The data directory at `root`, which follows one store."""

    def __init__(self, root: Path, objects: Objects) -> None:
        self.root, self.objects = root, objects
        self.folder = root / FOLDER
        self._files: dict[str, dict[str, PublishedFile]] = {}

    def note_store(self) -> None:
        """Note which store the directory follows; ConfigError where it follows another one."""
        path = self.folder / STORE
        noted = read_noted_store(self.root)
        if noted is None:
            replace_file(path, (json.dumps({"address": self.objects.address}) + "\n").encode())
        elif noted != self.objects.address:
            raise ConfigError(
                f"{self.root} follows {noted}, and cluster.lake is {self.objects.address}",
                "set cluster.lake as it was, or give the other store a PAIRITY_HOME of its own",
            )

    def read_base(self) -> Known:
        """Return the root from which the directory goes on."""
        return self._read(BASE) or Known()

    def read_target(self) -> Known | None:
        """Return the root that was being taken over when the process was killed."""
        return self._read("target.json")

    def begin(self, target: Known) -> None:
        """Note that a root is being taken over."""
        self._write("target.json", target)

    def settle(self, base: Known) -> None:
        """Note that the directory goes on from this root."""
        self._write(BASE, base)
        remove_flushed([self.folder / "target.json"])

    def list_files(self, known: Known) -> dict[str, PublishedFile]:
        """Return all files of a root; listings that were read before are kept, those of the last roots in memory."""
        token = known.root.token if known.root else ""
        if token not in self._files:
            self._files = {**dict(list(self._files.items())[-2:]), token: self._parse_listings(known)}
        return self._files[token].copy()

    def _parse_listings(self, known: Known) -> dict[str, PublishedFile]:
        files: dict[str, PublishedFile] = {}
        for section, content in zip(known.root.sections if known.root else (), self.read_listings(known), strict=True):
            files |= parse_listing(content[1], section, self.objects.address)
        return files

    def read_listings(self, known: Known) -> Iterator[tuple[PublishedFile, bytes]]:
        """Yield the listings of a root with their bytes, in its order."""
        for section, listing in (known.root.sections if known.root else {}).items():
            path = self.folder / "listings" / f"{listing.sha256}.json"
            try:
                content = read_file(path, LIMITS.size)
            except FileNotFoundError:
                content = b""
            if digest_bytes(content) != listing.sha256:
                wanted = Placeholder(listing.sha256, listing.size)
                content = fetch(self.objects.address, wanted, f"the listing of {section}", self.objects)
                replace_file(path, content, durable=False)
            yield listing, content

    def keep_listing(self, content: bytes) -> None:
        """Keep a listing that was made here."""
        replace_file(self.folder / "listings" / f"{digest_bytes(content)}.json", content, durable=False)

    def forget_listings(self, known: Known) -> None:
        """Delete listings that a root does not name."""
        names = {f"{one.sha256}.json" for one in known.root.sections.values()} if known.root else set()
        folder = self.folder / "listings"
        remove_flushed((path for path in folder.glob("*.json") if path.name not in names), durable=False)

    def scan(self) -> dict[str, PublishedFile]:
        """Return the files of the published folders as they are here; a placeholder counts as what it stands for."""
        remembered, fresh = self._read_digests(), {}
        found: dict[str, PublishedFile] = {}
        for name, status in _walk(self.root):
            stamp = status.st_ino, status.st_mtime_ns, status.st_size
            entry = remembered.get(name)
            if entry is None or entry[0] != stamp:
                entry = stamp, *_digest(self.root / name)
            fresh[name] = entry
            found[name] = PublishedFile(status.st_size, entry[1], is_placeholder=entry[2])
        if fresh != remembered:
            rows = {name: [*stamp, digest, late] for name, (stamp, digest, late) in fresh.items()}
            replace_file(self.folder / "digests.json", json.dumps(rows, separators=(",", ":")).encode(), durable=False)
        return found

    def _read_digests(self) -> dict[str, tuple[_Stat, str, bool]]:
        try:
            rows = read_json_file(self.folder / "digests.json", LIMITS)
            return {
                str(name): ((int(row[0]), int(row[1]), int(row[2])), str(row[3]), row[4] is True)
                for name, row in rows.items()
            }
        except (AttributeError, FileNotFoundError, IndexError, OutOfBoundsError, TypeError, ValueError):
            return {}  # every digest is computed again

    def _read(self, name: str) -> Known | None:
        path = self.folder / name
        try:
            row = read_json_file(path, LIMITS)
        except FileNotFoundError:
            return None
        try:
            tag = row["tag"]
            content = row["root"]
            root = None if content is None else parse_root(content.encode(), str(path))
            return Known(root, None if tag is None else str(tag))
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} cannot be read ({type(error).__name__}: {error})",
                f"delete it: what {self.root} has and the store has not is then merged with the store's state",
            ) from None

    def _write(self, name: str, known: Known) -> None:
        root = None if known.root is None else known.root.to_bytes().decode()
        replace_file(self.folder / name, (json.dumps({"tag": known.tag, "root": root}) + "\n").encode())


def read_head(objects: Objects) -> Known:
    """Return the newest root of a store; DataError where it cannot be read, or has no bucket."""
    try:
        answer = objects.read(ROOT, LIMITS.size)
    except FileNotFoundError:
        require_bucket(objects)
        return Known()
    if answer is None:
        raise DataError(f"{ROOT} of {objects.address} is too large", "name another place in cluster.lake")
    content, tag = answer
    return Known(parse_root(content, objects.address), tag)


def swap_root(objects: Objects, base: Known, root: Root) -> Known | None:
    """Replace the root `base`; None where another one stands there. A lost answer to the write is made up for."""
    tag = objects.replace(ROOT, root.to_bytes(), base.tag)
    if tag is not None:
        return Known(root, tag)
    # The client tries again where no answer came, and is then refused because of its own write
    head = read_head(objects)
    return head if head.root is not None and head.root.token == root.token else None


def read_noted_store(root: Path) -> str | None:
    """Return the address of the store that a data directory follows; None where it follows none."""
    path = root / FOLDER / STORE
    try:
        return str(read_json_file(path)["address"])
    except FileNotFoundError:
        return None
    except (KeyError, OutOfBoundsError, TypeError) as error:
        raise DataError(f"{path} cannot be read: {error}", "write the address of cluster.lake into it again") from None


def describe_listing(files: dict[str, PublishedFile]) -> tuple[PublishedFile, bytes]:
    """Return size and digest of a listing, and its bytes."""
    content = encode_listing(files)
    return PublishedFile(len(content), digest_bytes(content)), content


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    if (root / SETTINGS).is_file():
        yield SETTINGS, os.stat(root / SETTINGS)
    above = f"{root}/"  # as text: paths as objects take most of the time where there are tens of thousands
    for folder in FOLDERS:
        for place, folders, names in os.walk(f"{above}{folder}"):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = place[len(above) :]
            for name in sorted(names):
                path = f"{below}/{name}"
                if is_published(path):
                    yield path, os.stat(f"{place}/{name}")


def _digest(path: Path) -> tuple[str, bool]:
    """Return the digest of a file, and whether it is a placeholder."""
    try:
        stands_for = read_placeholder(path)
        return (digest_plain_file(path), False) if stands_for is None else (stands_for.sha256, True)
    except OutOfBoundsError as error:
        raise DataError(f"{path} {error.what}", "mend or remove it: it would be published") from None
