"""An object store as this product uses it: read within a limit, create, replace what is known, list, delete.

Whatever needs a store is written against `Objects`, and tested without one. `open_objects` opens an S3-compatible one.
It must refuse a write whose condition does not hold (`If-None-Match: *` and `If-Match`), which S3 does, and moto's
server too.
"""

from __future__ import annotations

import os
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
_TO_CONNECT = timedelta(seconds=10)
_TO_READ = timedelta(minutes=1)
"""How long an answer may pause."""
_TO_TRANSFER = timedelta(hours=3)
"""For one object, body included: 2 GiB at 200 KB a second."""
_SMALL, _TO_WRITE_SMALL = 4 * MIB, timedelta(minutes=5)
"""Pauses of what is sent are not noticed. Nearly all objects are small, and a store that hangs is given up sooner."""
_OF_CLIENT = (
    *("allow_http", "allow_invalid_certificates", "proxy_url", "proxy_ca_certificate", "proxy_excludes"),
    *("timeout", "connect_timeout", "read_timeout", "pool_idle_timeout", "pool_max_idle_per_host"),
    *("http1_only", "http2_only", "http2_keep_alive_interval", "http2_keep_alive_timeout"),
    *("http2_keep_alive_while_idle", "randomize_addresses", "user_agent"),
)
"""What the client reads from variables AWS_…, unless it is given options: then from nowhere but these."""
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

    def open_with(**timeouts: timedelta) -> ObjectStore:
        options: Any = {"connect_timeout": _TO_CONNECT, **timeouts, **_read_client_variables()}
        return from_url(address, retry_config=retries, client_options=options)

    with store_errors(address):
        return _S3Objects(
            address,
            open_with(timeout=_TO_TRANSFER, read_timeout=_TO_READ),
            # While an object is sent nothing is read: a limit to pauses would be one to the whole
            open_with(timeout=_TO_WRITE_SMALL),
            open_with(timeout=_TO_TRANSFER),
        )


def require_bucket(objects: Objects) -> None:
    """Raise DataError where the bucket does not exist: an object that is not there would look the same."""
    next(iter(objects.list("files")), None)


@contextmanager
def store_errors(address: str, *, may_lack: bool = False) -> Iterator[None]:
    """Say which store cannot be used, and why, as DataError.

    `may_lack`: an object that is not there is FileNotFoundError. For whatever else, that answer means the bucket.
    """
    try:
        from obstore.exceptions import BaseError
    except ImportError:
        raise ConfigError("the package obstore is not installed", _INSTALL) from None
    try:
        yield
    except FileNotFoundError as error:
        if may_lack and not _lacks_bucket(error):
            raise
        raise _explain(address, error) from None
    except (BaseError, PermissionError) as error:
        raise _explain(address, error) from None


def _explain(address: str, error: Exception) -> DataError:
    whole = str(error).strip()
    said = whole.splitlines()
    why = said[0][:300] if said else type(error).__name__
    if isinstance(error, FileNotFoundError) or _lacks_bucket(error):
        bucket = address.removeprefix("s3://").partition("/")[0]
        return DataError(
            f"the object store {address} cannot be used: it has no bucket {bucket!r}",
            "make the bucket, or correct cluster.lake (of snapshots: cluster.object_store) or AWS_ENDPOINT_URL",
        )
    if "timedout" in whole.replace(" ", "").lower():
        return DataError(
            f"the object store {address} cannot be used: it took too long: {why}",
            "repeat the command: what is there is not sent again. Where the line is slow, allow more time in "
            "AWS_TIMEOUT (of a whole object: 3h) or AWS_CONNECT_TIMEOUT (10s)",
        )
    return DataError(
        f"the object store {address} cannot be used: {why}",
        "start it, or correct its address or its credentials in the variables AWS_…; then repeat the command",
    )


def _lacks_bucket(error: Exception) -> bool:
    return "NoSuchBucket" in str(error)


def _read_client_variables() -> dict[str, str]:
    found = {name: os.environ.get(f"AWS_{name.upper()}") for name in _OF_CLIENT}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _S3Objects:
    address: str
    _store: ObjectStore
    _for_small: ObjectStore
    _for_large: ObjectStore

    def _choose(self, content: bytes | Path) -> ObjectStore:
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        return self._for_small if size <= _SMALL else self._for_large

    def read(self, name: str, most: int) -> tuple[bytes, str] | None:
        import obstore

        with store_errors(self.address, may_lack=True):
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

        store = self._choose(content)
        with store_errors(self.address):
            try:
                # In one piece: the condition of an upload in parts is not everywhere looked at
                obstore.put(store, name, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def replace(self, name: str, content: bytes, tag: str | None) -> str | None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        store = self._choose(content)
        with store_errors(self.address):
            try:
                condition: Any = "create" if tag is None else {"e_tag": tag}
                written = obstore.put(store, name, content, mode=condition, use_multipart=False)
            except (AlreadyExistsError, PreconditionError) as error:
                if _lacks_bucket(error):
                    raise
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
