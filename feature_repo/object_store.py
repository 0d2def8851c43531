"""An object store as this product uses it: read within a limit, create, replace what is known, list, delete.

Whatever needs a store is written against `Objects`, and tested without one. `open_objects` opens an S3-compatible one.
It must refuse a write whose condition does not hold (`If-None-Match: *` and `If-Match`), which S3 does, and moto's
server too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pairity.bounded_json import MIB
from pairity.errors import ConfigError, DataError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

TRIES, _PATIENCE = 3, timedelta(seconds=30)
_INSTALL = "pip install 'pairity[cluster]'"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing."""

    name: str
    size: int
    written_at: datetime


class Objects(Protocol):
    """An object store, or what stands for one. Every method raises DataError where the store does not answer."""

    @property
    def address(self) -> str:
        """What the settings call it."""

    def read(self, name: str, most: int) -> tuple[bytes, str] | None:
        """Return an object and its tag; None where it has more than `most` bytes, whatever the store says of its size.

        FileNotFoundError where it is not there.
        """

    def create(self, name: str, content: bytes | Path) -> bool:
        """Write an object that is not there; return False, and write nothing, where one of this name is."""

    def replace(self, name: str, content: bytes, tag: str | None) -> str | None:
        """Write an object that has the given tag now (None: that is not there) and return its new tag.

        None, and nothing is written, where it has another one.
        """

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects below a prefix."""

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; those that are gone already are no error."""


def open_objects(address: str) -> Objects:
    """Return the store at `s3://bucket/prefix`; ConfigError where the extra is not installed.

    Credentials are read by the client itself (`AWS_…`). Nothing is asked of the store yet.
    """
    try:
        from obstore.store import from_url
    except ImportError:
        raise ConfigError("the package obstore is not installed", _INSTALL) from None
    retries: Any = {"max_retries": TRIES, "retry_timeout": _PATIENCE}
    with store_errors(address):
        return _S3Objects(address, from_url(address, retry_config=retries))


@contextmanager
def store_errors(address: str) -> Iterator[None]:
    """Say which store cannot be used, and why, as DataError."""
    try:
        from obstore.exceptions import BaseError
    except ImportError:
        raise ConfigError("the package obstore is not installed", _INSTALL) from None
    try:
        yield
    except (BaseError, PermissionError) as error:
        said = str(error).strip().splitlines()
        raise DataError(
            f"the object store {address} cannot be used: {said[0][:300] if said else type(error).__name__}",
            "start it, or correct its address or its credentials in the variables AWS_…; then repeat the command",
        ) from None


@dataclass(frozen=True, slots=True)
class _S3Objects:
    address: str
    _store: ObjectStore

    def read(self, name: str, most: int) -> tuple[bytes, str] | None:
        import obstore

        with store_errors(self.address):
            answer = obstore.get(self._store, name)
            if answer.meta["size"] > most:
                return None
            content = bytearray()
            for piece in answer.stream(min_chunk_size=MIB):
                content += piece
                if len(content) > most:
                    return None
            return bytes(content), _tag_of(answer.meta["e_tag"], self.address)

    def create(self, name: str, content: bytes | Path) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with store_errors(self.address):
            try:
                # In one piece: the condition of an upload in parts is not everywhere looked at
                obstore.put(self._store, name, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def replace(self, name: str, content: bytes, tag: str | None) -> str | None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with store_errors(self.address):
            try:
                condition: Any = "create" if tag is None else {"e_tag": tag}
                written = obstore.put(self._store, name, content, mode=condition, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return None
            return _tag_of(written["e_tag"], self.address)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        import obstore

        with store_errors(self.address):
            for entries in obstore.list(self._store, prefix=prefix):
                for entry in entries:
                    yield StoredObject(entry["path"], entry["size"], entry["last_modified"])

    def delete(self, names: Sequence[str]) -> None:
        import obstore

        with store_errors(self.address):
            if names:
                obstore.delete(self._store, list(names))


def _tag_of(tag: str | None, address: str) -> str:
    if tag is None:
        raise DataError(f"the object store {address} gives no ETag", "use one that has conditional writes")
    return tag
