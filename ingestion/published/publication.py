"""Publishing: new files first, then the listings that name them, then the root, by one conditional write.

Until that write nobody sees anything of it, and after it everybody sees all. It is refused where another root stands in
the store than the one that the directory went on from.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from secrets import token_hex

from feature_repo.placeholders import name_object
from feature_repo.stored_tables import NAME_DIGITS
from ingestion.lake.manifest import read_manifest
from ingestion.lake.partitions import MANIFEST, PART
from ingestion.published.checkout import is_fetched_late
from ingestion.published.directory import Directory, describe_listing, swap_root
from ingestion.published.state import (
    LIMITS,
    Files,
    PublishedFile,
    Root,
    find_lineage,
    is_never_deleted,
    split_by_section,
)
from pairity.bounded_files import digest_plain_file, read_file, read_text_file
from pairity.digest import digest_bytes
from pairity.errors import DataError, LakeCorruptError

_LARGEST_TEXT = 1 << 20
_MANY, _AT_ONCE = 64, 8
"""So many files are written by several threads at once."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Outcome of a publication that was not refused."""

    number: int
    files: int
    """New or changed files."""
    size: int
    """Their bytes."""


def publish(directory: Directory, local: Files, *, now: datetime) -> Publication | None:
    """Publish the directory's files on top of its base; None where another root stands in the store by now.

    Nothing is written where nothing differs. LakeCorruptError for a file that is not what its name or manifest says:
    it is not published. DataError where the store does not answer: the same call completes it later.
    """
    base = directory.read_base()
    before = directory.list_files(base)
    after = dict(local)
    after |= {path: file for path, file in before.items() if is_never_deleted(path) and path not in after}
    changed = [path for path in after if before.get(path) != after[path]]
    if not changed and before.keys() == after.keys():
        return Publication(base.number, 0, 0)
    _upload(directory, changed, after)
    for path in after:
        after[path] = _with_text(directory, path, after[path], before)
    sections, made = {}, {}
    for name, files in split_by_section(after).items():
        sections[name], made[name] = describe_listing(files)
    old = base.root.sections if base.root else {}
    for name, listing in sections.items():
        if old.get(name) != listing:
            directory.objects.create(name_object(listing.sha256), made[name])
            directory.keep_listing(made[name])
    root = Root(
        number=base.number + 1,
        token=token_hex(16),
        published_at=now,
        published_by=platform.node()[:80],
        is_pruning=False,
        sections=sections,
        before=find_lineage(base.root),
    )
    known = swap_root(directory.objects, base, root)
    if known is None:
        return None
    directory.settle(known)
    directory.forget_listings(known)
    return Publication(root.number, len(changed), sum(after[path].size for path in changed))


def _upload(directory: Directory, paths: Iterable[str], files: Files) -> None:
    due = []
    for path in paths:
        _require_sound(directory, path, files[path])
        # A manifest stands in the listing, and the bytes of a placeholder came from there
        if not is_manifest(path) and not files[path].is_placeholder:
            due.append(path)
    send = partial(_send, directory, files)
    if len(due) < _MANY:
        for path in due:
            send(path)
        return
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for _ in threads.map(send, due):
            pass


def _send(directory: Directory, files: Files, path: str) -> bool:
    """Write a file's object; return whether it was not there."""
    file, place = files[path], directory.root / path
    if is_fetched_late(path, file):  # which nobody replaces while this process has the lock
        return directory.objects.create(name_object(file.sha256), place)
    content = read_file(place, LIMITS.size)
    if digest_bytes(content) != file.sha256:
        raise DataError(f"{place} was changed while it was being published", "repeat the command")
    return directory.objects.create(name_object(file.sha256), content)


def resend(directory: Directory) -> int:
    """Write objects that the published state names and the store has not, where their bytes are here; return how many.

    With the writer lock held. LakeCorruptError for a file that is not what its name or manifest says.
    """
    base, local = directory.read_base(), directory.scan()
    there = {one.name for one in directory.objects.list("files")}
    count = 0
    for path, file in directory.list_files(base).items():
        is_lost = not is_manifest(path) and name_object(file.sha256) not in there
        if is_lost and local.get(path) == file and not local[path].is_placeholder:
            if digest_plain_file(directory.root / path) != file.sha256:
                raise LakeCorruptError(f"{directory.root / path} is damaged", "run pairity data verify")
            count += _send(directory, local, path)
    for listing, content in directory.read_listings(base):
        if name_object(listing.sha256) not in there:
            count += directory.objects.create(name_object(listing.sha256), content)
    return count


def _require_sound(directory: Directory, path: str, file: PublishedFile) -> None:
    folder, _, name = path.rpartition("/")
    if is_manifest(path):
        read_manifest(directory.root / path)
    if path.startswith("lake/") and name == PART:
        manifest = read_manifest(directory.root / folder / MANIFEST)
        if manifest is None or manifest.sha256 != file.sha256:
            raise LakeCorruptError(f"{directory.root / path} does not match its manifest", "run pairity data verify")
    stem = name.removesuffix(".parquet")
    is_by_content = path.startswith("features/") and name.endswith(".parquet") and len(stem) == NAME_DIGITS
    if is_by_content and not file.sha256.startswith(stem):
        raise LakeCorruptError(
            f"{directory.root / path} is not what its name says", "delete it, and run pairity features"
        )


def is_manifest(path: str) -> bool:
    """Return whether a file is the manifest of a partition of the lake, whose text stands in its listing."""
    return path.startswith("lake/") and path.endswith(f"/{MANIFEST}")


def _with_text(directory: Directory, path: str, file: PublishedFile, before: Files) -> PublishedFile:
    if file.text is not None or not is_manifest(path):
        return file
    if before.get(path) == file:
        return before[path]
    return replace(file, text=read_text_file(directory.root / path, _LARGEST_TEXT))
