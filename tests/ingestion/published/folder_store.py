"""An object store in a folder, with conditions, that several processes of a test share."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from feature_repo.object_store import StoredObject


class FolderStore:
    """One file per object, replaced by renaming; a tag is the digest of the content."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, name: str, most: int) -> tuple[bytes, str] | None:
        content = self._place(name).read_bytes()
        return None if len(content) > most else (content, hashlib.sha256(content).hexdigest())

    def create(self, name: str, content: bytes | Path) -> bool:
        return self.replace(name, content if isinstance(content, bytes) else content.read_bytes(), None) is not None

    def replace(self, name: str, content: bytes, tag: str | None) -> str | None:
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            place = self._place(name)
            found = hashlib.sha256(place.read_bytes()).hexdigest() if place.exists() else None
            if found != tag:
                return None
            place.with_suffix(".new").write_bytes(content)
            place.with_suffix(".new").replace(place)
        return hashlib.sha256(content).hexdigest()

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for place in sorted(self.folder.glob("[!.]*")):
            name = place.name.replace("~", "/")
            if name.startswith(prefix):
                status = place.stat()
                yield StoredObject(name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self._place(name).unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        return self.folder / name.replace("/", "~")
