"""Work on a data directory that follows an object store: begin with the newest state, and publish at the end.

Without `cluster.lake` a data directory is worked on as ever. With it a job begins with what is published, and publishes
what it made by one conditional write. Where others were faster, its changes are merged with theirs and published on
top: nothing is overwritten, and the result is that of the two jobs one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from feature_repo import object_store
from ingestion.lake import Lake
from ingestion.lake.lock import WriterBusyError
from ingestion.published.ahead import Needed, bring_needed, fetch_ahead, forget_ahead
from ingestion.published.cache import shrink
from ingestion.published.directory import BASE, Directory, Known, read_head, read_noted_store
from ingestion.published.merging import MakeLake, Merge, find_own, is_unfinished, merge
from ingestion.published.pruning import SILENCE
from ingestion.published.publication import Publication, publish
from ingestion.published.state import ROOT, is_never_deleted
from pairity.durable import remove_unfinished
from pairity.errors import ConfigError, DataError
from pairity.layout import Layout
from pairity.number_formats import format_count, format_size
from pairity.settings import Settings

_ATTEMPTS = 10


@dataclass(slots=True)
class Outcome:
    """What came of a job's publication."""

    publication: Publication | None = None
    """None where the data directory follows no store."""
    features_are_due: bool = False
    """Whether others were faster, so that features of this job must be computed again."""
    merged: int = 0
    """Partitions of the lake that both had changed."""
    set_aside: tuple[str, ...] = ()

    def describe(self, directory: Directory) -> Iterator[str]:
        """Yield lines about it, for people."""
        done = self.publication
        if done is not None and done.files:
            files = format_count(done.files, "file")
            where = f"state {done.number} of {directory.objects.address}"
            yield f"{where}: {files} new or changed, {format_size(done.size)}"
        if self.merged:
            yield f"{format_count(self.merged, 'partition')} of the lake merged with what others had published"
        for path in self.set_aside:
            yield f"{path}: others had changed it too; that of here is kept in {directory.folder / 'set-aside'}"

    def take(self, merged: Merge) -> None:
        """Add what came of one merge."""
        self.features_are_due |= merged.features_dropped
        self.merged += merged.merged
        self.set_aside += merged.set_aside


@contextmanager
def publishing(
    lake: Lake, settings: Settings, *, alone: bool = False, say: Callable[[str], None] | None = None
) -> Iterator[Outcome]:
    """Own the data directory as `lake.writing()`, begin with the newest published state, and publish at the end.

    `alone`: nothing is asked of the store; what is written is published by the next job in this directory. `say` is
    told what was published, merged and kept apart.

    Where the block raises, nothing is published: what it wrote is here, and the next job publishes it. DataError where
    the store does not answer (the same command completes it), ConfigError where the directory follows another store.
    """
    directory = None if alone else open_directory(settings)
    outcome = Outcome()
    if directory is None:
        with lake.writing():
            yield outcome
        return
    now = datetime.now(UTC)

    def begin() -> None:
        outcome.take(_begin(directory, settings, now))

    with lake.writing(begin):
        yield outcome
        lake.compact()
        outcome.publication = publish(directory, directory.scan(), now=now)
    for _ in range(_ATTEMPTS):
        if outcome.publication is not None:
            break
        with lake.writing(begin):
            outcome.publication = publish(directory, directory.scan(), now=now)
    if outcome.publication is None:
        raise DataError(
            f"others publish in {directory.objects.address} again and again: nothing of this job is published yet",
            "nothing is lost: run `pairity store publish` when they have finished",
        )
    if say is not None:
        for line in outcome.describe(directory):
            say(line)


@dataclass(frozen=True, slots=True)
class Followed:
    """Outcome of `follow`."""

    number: int
    """Number of the published state that the directory has now."""
    files: int
    unpublished: int
    """Files of its own that stand in the way; nothing was taken over then."""
    busy: str = ""
    """Who writes to the directory at this moment, so that nothing was taken over; empty where nobody does."""


def follow(settings: Settings, needed_since: datetime | None = None) -> Followed | None:
    """Take over the newest published state, for a command that reads; None where the directory follows no store.

    A directory with changes of its own is left as it is. With `needed_since` the bytes of the months from it on are
    fetched first, those of the settings' universe: where the store does not give them, nothing is taken over. Errors as
    `publishing`.
    """
    directory = open_directory(settings)
    if directory is None:
        return None
    needed = None if needed_since is None else Needed(settings, needed_since)
    followed = _follow(directory, settings, needed)
    if needed is not None:
        forget_ahead(directory)
        bring_needed(directory.root, needed, directory.list_files(directory.read_base()))
    return followed


def _follow(directory: Directory, settings: Settings, needed: Needed | None) -> Followed:
    head, base = read_head(directory.objects), directory.read_base()
    _require_later(directory, head, base)
    if is_same(head, base) and read_noted_store(directory.root) and not is_unfinished(directory):
        return Followed(base.number, 0, 0)
    found: list[Followed] = []
    layout, now = Layout.of(settings), datetime.now(UTC)

    def begin() -> None:
        directory.note_store()
        _fold(settings)
        local = directory.scan()
        target = directory.read_target()
        states = [directory.list_files(known) for known in (base, head, *([target] if target else []))]
        own = find_own(local, *states)
        if own and not is_unfinished(directory):
            found.append(Followed(base.number, 0, len(own)))
            return
        if needed is not None:
            fetch_ahead(directory, needed, local, directory.list_files(head))
        shrink(directory, local, settings.cluster.lake_cache_mb)
        merged = merge(directory, head, local, _lakes(settings), now=now)
        found.append(Followed(head.number, merged.files, 0))

    try:
        with Lake(layout, venue=settings.features.venue).writing(begin):
            return found[0]
    except WriterBusyError as error:
        return Followed(base.number, 0, 0, error.what)


def open_directory(settings: Settings) -> Directory | None:
    """Return the data directory with the store that it follows, None without one.

    ConfigError where it has followed a store and the settings name none: it may have placeholders of it.
    """
    root, address = Layout.of(settings).root, settings.cluster.lake
    if address is None:
        if (noted := read_noted_store(root)) is not None:
            raise ConfigError(
                f"{root} follows {noted}, and cluster.lake is not set",
                f"set cluster.lake to {noted}, or use a new home",
            )
        return None
    return Directory(root, object_store.open_objects(address))


def is_same(one: Known, other: Known) -> bool:
    """Return whether two roots are the same one."""
    return (one.root and one.root.token) == (other.root and other.root.token)


def _begin(directory: Directory, settings: Settings, now: datetime) -> Merge:
    directory.note_store()
    remove_unfinished(directory.folder)
    _fold(settings)
    head = read_head(directory.objects)
    if head.root is not None and head.root.is_pruning:
        raise DataError(
            f"{directory.objects.address} is being pruned by {head.root.published_by}, last at work at "
            f"{head.root.published_at:%Y-%m-%d %H:%M} UTC",
            "repeat the command when that has ended; where it was killed, run `pairity store prune --confirm REMOVE` "
            f"after {head.root.published_at + SILENCE:%H:%M} UTC",
        )
    base = directory.read_base()
    _require_later(directory, head, base)
    local = directory.scan()
    shrink(directory, local, settings.cluster.lake_cache_mb)
    if is_same(head, base) and not is_unfinished(directory):
        files = directory.list_files(base)
        if all(path in local for path in files if is_never_deleted(path)):
            return Merge()
    return merge(directory, head, local, _lakes(settings), now=now)


def _require_later(directory: Directory, head: Known, base: Known) -> None:
    """Raise DataError where the newest state of the store does not go on from the one that this directory has.

    Taking it over would delete here what was lost there: a store that was set back counts on from an older state.
    """
    if base.root is None:
        return
    address = directory.objects.address
    if head.root is None or head.number < base.number:
        raise DataError(
            f"{address} has state {head.number}, and this data directory goes on from state {base.number}",
            "bring the objects of the store back; or name a new place in cluster.lake, with a new PAIRITY_HOME",
        )
    goes_on = head.root.goes_on_from(base.root)
    if goes_on is None:  # too long ago, or written by a release without a lineage: partitions never go
        files = directory.list_files(head)
        goes_on = all(path in files for path in directory.list_files(base) if is_never_deleted(path))
    if not goes_on:
        raise DataError(
            f"state {head.number} of {address} does not go on from state {base.number} of {directory.root}: "
            "the store was set back to an older state, and others have published since",
            f"bring the store's newer {ROOT} back; or delete {directory.folder / BASE} and run `pairity store "
            "publish`: what is here and not there is then merged with what is there",
        )


def _fold(settings: Settings) -> None:
    """Fold what waits in segments: the numbers of commits mean something in this directory alone."""
    layout = Layout.of(settings)
    for folder in sorted((layout.lake / "segments").glob("venue=*")):
        lake = _lakes(settings)(folder.name.partition("=")[2])
        if lake.pending:
            lake.compact()


def _lakes(settings: Settings) -> MakeLake:
    return lambda venue: Lake(Layout.of(settings), venue=venue)
