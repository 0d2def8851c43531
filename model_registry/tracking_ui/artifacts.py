"""Files of runs and models for the UI, read by us: only what lies in the directory of artifacts, and never as a page.

Where the files of a run lie is written in the database, and whoever can write there could name any file of this user.
So the place must be inside the directory, no link is followed on the way, and nothing that is served can run: it is an
attachment, in a sandbox without scripts.
"""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from model_registry.connection import database_file, open_client, store_errors
from model_registry.relocation import resolve_address
from pairity.errors import PairityError, RegistryError
from pairity.layout import Layout

_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "text/csv", "application/json", "text/plain"})
_AS_TEXT = frozenset({".md", ".yaml", ".yml", ".txt", ".log", ".toml", ".html", ".htm", ""})
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OpenArtifact:
    """An open file, its size in bytes, and the headers that it is served with."""

    file: BinaryIO
    size: int
    headers: tuple[tuple[bytes, bytes], ...]


def is_artifact_request(path: str) -> bool:
    """Return whether a request is for a file or a listing of files, which `open_artifact` or `require_inside` judge."""
    return path in {"/get-artifact", "/model-versions/get-artifact"} or "/artifacts/" in path


def open_artifact(layout: Layout, path: str, query: Mapping[str, str]) -> OpenArtifact:
    """Open the file that a request asks for; RegistryError where there is none, or none that may be served."""
    root, parts = _locate(layout, path, query)
    if not parts:
        raise RegistryError("no file is named")
    handle = _open_below(root, parts)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise RegistryError("it is no file")
    return OpenArtifact(os.fdopen(handle, "rb"), found.st_size, _make_headers(parts[-1], found.st_size))


def require_inside(layout: Layout, path: str, query: Mapping[str, str]) -> None:
    """Raise RegistryError unless the folder that a request wants listed lies among the artifacts, links resolved."""
    root, parts = _locate(layout, path, query)
    target = root.joinpath(*parts).resolve()
    if root != target and root not in target.parents:
        raise RegistryError("it lies outside the directory of artifacts")


def _locate(layout: Layout, path: str, query: Mapping[str, str]) -> tuple[Path, tuple[str, ...]]:
    """Return the directory of artifacts without links, and the way from there to what is asked for."""
    artifacts = layout.mlflow / "artifacts"
    root = artifacts.resolve()
    location = resolve_address(layout, database_file(layout), _find_location(layout, path, query))
    parsed = urlsplit(location)
    if parsed.scheme not in {"", "file"} or parsed.netloc or parsed.query or parsed.fragment:
        raise RegistryError("it does not lie on this machine")
    place = Path(unquote(parsed.path) if parsed.scheme else location)
    if not place.is_absolute():
        raise RegistryError("it has no absolute path")
    # The directory itself may be reached by a link of the owner's; what lies in it may not
    for base in (artifacts, root):
        with suppress(ValueError):
            inner = place.relative_to(base).parts
            break
    else:
        raise RegistryError("it lies outside the directory of artifacts")
    wanted = query.get("path") or query.get("artifact_file_path") or query.get("artifact_directory_path") or ""
    parts = (*inner, *(part for part in wanted.split("/") if part))
    if any(part in {".", ".."} or "\0" in part or "\\" in part for part in parts):
        raise RegistryError("the path leads outside")
    return root, parts


def _find_location(layout: Layout, path: str, query: Mapping[str, str]) -> str:
    client = open_client(layout)
    with store_errors(layout):
        if path.startswith("/model-versions/"):
            uri = str(client.get_model_version_download_uri(query.get("name", ""), query.get("version", "")))
            if not uri.startswith("models:/"):
                return uri
            return str(client.get_logged_model(uri.removeprefix("models:/")).artifact_location)
        if "/logged-models/" in path:
            model_id = path.partition("/logged-models/")[2].partition("/")[0]
            return str(client.get_logged_model(model_id).artifact_location)
        return str(client.get_run(query.get("run_id") or query.get("run_uuid") or "").info.artifact_uri)


def _open_below(root: Path, parts: tuple[str, ...]) -> int:
    """Open a file step by step from `root`, so that no folder on the way can be exchanged for a link."""
    folder = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(parts[-1], _FILE, dir_fd=folder)
    except OSError as error:
        raise RegistryError(f"{'/'.join(parts)} cannot be opened: {error.strerror}") from error
    finally:
        os.close(folder)


def _make_headers(name: str, size: int) -> tuple[tuple[bytes, bytes], ...]:
    kind = mimetypes.guess_type(name)[0] or ""
    if Path(name).suffix.lower() in _AS_TEXT:
        kind = "text/plain"
    if kind not in _SHOWN:
        kind = "application/octet-stream"
    return (
        (b"content-type", kind.encode()),
        (b"content-length", str(size).encode()),
        (b"content-disposition", f"attachment; filename*=UTF-8''{quote(name, errors='replace')}".encode()),
        (b"content-security-policy", b"sandbox; default-src 'none'"),
        (b"cache-control", b"no-store"),
    )


def describe(error: PairityError) -> str:
    """Return why something is not served, for the answer."""
    return f"not served: {error.what}"
