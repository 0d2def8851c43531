"""Files of the page: read once into memory, each with its content type and its tag.

What is not in the list is not served, so no path of a request ever reaches the disk.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"
WHY = "why.html"
"""Page of one order."""
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    "": "text/plain; charset=utf-8",  # LICENSE and NOTICE of what is shipped with the page
}


@dataclass(frozen=True)
class PageFile:
    """One file as it is sent: bytes, content type, and a strong entity tag of the content."""

    body: bytes
    content_type: str
    etag: str


def read_page_files(folder: Path = STATIC) -> dict[str, PageFile]:
    """Return the files below `folder` by their path with forward slashes, those of the kinds that the page uses.

    OSError where the folder or a file cannot be read.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        kind = _CONTENT_TYPES.get(_suffix(path))
        if kind is not None and path.is_file():
            body = path.read_bytes()
            tag = hashlib.sha256(body).hexdigest()[:32]
            files[path.relative_to(folder).as_posix()] = PageFile(body=body, content_type=kind, etag=f'"{tag}"')
    if INDEX not in files:
        raise FileNotFoundError(f"{folder / INDEX} is missing: the installation is not complete")
    return files


def matches(if_none_match: str, etag: str) -> bool:
    """Return whether an `If-None-Match` header names `etag`: what the browser keeps is still right.

    >>> matches('W/"a", "b"', '"b"'), matches("*", '"b"'), matches('"c"', '"b"'), matches("", '"b"')
    (True, True, False, False)
    """
    given = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in given or etag in given


def _suffix(path: Path) -> str:
    # LICENSE-d3 has no suffix; a name like `.hidden` has none either and is no file of the page.
    return path.suffix.lower() if not path.name.startswith(".") else ".hidden"
