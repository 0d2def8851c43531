"""How a data directory stands to its object store: which state it has, what is its own, which bytes are here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.published.directory import Directory, Known, read_head
from ingestion.published.merging import find_own, is_unfinished


@dataclass(frozen=True, slots=True)
class Standing:
    """See the module's docstring."""

    head: Known
    base: Known
    own: Sequence[str]
    """Files that are not published as they are here."""
    files: int
    """Published files, and their bytes."""
    size: int
    files_here: int
    """Published files whose bytes are on this machine, and their bytes."""
    size_here: int
    is_unfinished: bool
    set_aside: int
    """Files that were kept apart because others had changed them too."""


def look(directory: Directory) -> Standing:
    """Compare a data directory with its store; nothing is changed but what is remembered of digests."""
    head, base = read_head(directory.objects), directory.read_base()
    local = directory.scan()
    published = directory.list_files(head)
    own = find_own(local, directory.list_files(base), published)
    here = [file for path, file in published.items() if local.get(path) == file and not local[path].is_placeholder]
    return Standing(
        head=head,
        base=base,
        own=tuple(own),
        files=len(published),
        size=sum(file.size for file in published.values()),
        files_here=len(here),
        size_here=sum(file.size for file in here),
        is_unfinished=is_unfinished(directory),
        set_aside=sum(path.is_file() for path in (directory.folder / "set-aside").rglob("*")),
    )
