"""An object store in memory, with conditions, that can kill a process at any of its requests, or be away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from feature_repo.object_store import StoredObject
from pairity.errors import DataError


class Killed(BaseException):
    """Stands for a process that is killed."""


class MemoryStore:
    """Objects by name; `before` is called with a number that grows before each request, and may raise."""

    def __init__(self, address: str = "s3://memory/lake") -> None:
        self.address = address
        self.objects: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.written_at: dict[str, datetime] = {}
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[int], None] | None = None
        self.after: Callable[[int], None] | None = None
        self.is_away = False
        self._lock = threading.Lock()
        self._writes = 0

    def read(self, name: str, most: int) -> tuple[bytes, str] | None:
        self._ask("read", name)
        if name not in self.objects:
            raise FileNotFoundError(name)
        content = self.objects[name]
        return None if len(content) > most else (content, self.tags[name])

    def create(self, name: str, content: bytes | Path) -> bool:
        return self.replace(name, content, None, "create") is not None

    def replace(self, name: str, content: bytes | Path, tag: str | None, kind: str = "replace") -> str | None:
        number = self._ask(kind, name)
        with self._lock:
            if self.tags.get(name) != tag:
                return None
            self._writes += 1
            self.objects[name] = content if isinstance(content, bytes) else content.read_bytes()
            self.tags[name] = f"tag-{self._writes}"
            self.written_at[name] = datetime.now(UTC)
        if self.after is not None:
            self.after(number)
        return self.tags[name]

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self._ask("list", prefix)
        for name in sorted(self.objects):
            if name.startswith(prefix):
                yield StoredObject(name, len(self.objects[name]), self.written_at[name])

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self._ask("delete", name)
            self.objects.pop(name, None)
            self.tags.pop(name, None)

    def _ask(self, kind: str, name: str) -> int:
        number = len(self.requests)
        self.requests.append((kind, name))
        if self.is_away:
            raise DataError(f"the object store {self.address} cannot be used: it is away", "start it")
        if self.before is not None:
            self.before(number)
        return number
