"""Pruning: objects that the published state does not name are deleted, after a person has said so.

They come from publications that were overtaken or killed, and from states that others have replaced. Whoever publishes
takes an object that is there for granted, so nobody may publish meanwhile: the root says so first, and no longer at
the end. A pruning that was killed leaves the root as it is: the next one finishes it.

Two at once would delete what was published between them: the second could end, and let others publish, while the first
still deletes what it had found. So a pruning renews the root under its own token before each batch, and stops where
another one stands there; and none begins before another has been silent for longer than a batch can take.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from secrets import token_hex

from feature_repo.object_store import Objects, StoredObject
from feature_repo.placeholders import Placeholder, fetch, name_object
from ingestion.published.directory import Known, read_head, swap_root
from ingestion.published.state import Root, find_lineage, parse_listing
from pairity.errors import DataError, MissingDataError

SILENCE = timedelta(minutes=10)
"""After so long without a sign of it a pruning was killed: a batch takes seconds, its request is not tried for so
long."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Orphans:
    """Objects that the published state does not name."""

    objects: Sequence[StoredObject]
    kept: int
    """Objects that it names."""

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(one.size for one in self.objects)


def find_orphans(objects: Objects) -> Orphans:
    """Return what a pruning would delete now; MissingDataError where nothing was published."""
    return _find(objects, _require_root(objects))


def may_run(root: Root, now: datetime) -> bool:
    """Return whether the pruning that a root tells of may still be at work."""
    return root.is_pruning and now - root.published_at < SILENCE


def prune(objects: Objects, *, now: datetime) -> Orphans:
    """Delete what the published state does not name, and return it.

    DataError where somebody publishes or prunes at this moment, or the store does not answer; it can be repeated.
    Readers that have not fetched what they need of an older state yet are told so, by name, and find the newer one.
    """
    started = time.monotonic()

    def tell_time() -> datetime:
        return now + timedelta(seconds=time.monotonic() - started)

    head = _require_root(objects)
    assert head.root is not None
    if may_run(head.root, now):
        raise DataError(
            f"{objects.address} is being pruned by {head.root.published_by}, at work at "
            f"{head.root.published_at:%Y-%m-%d %H:%M} UTC",
            f"wait for its end; where it was killed, repeat the command after "
            f"{head.root.published_at + SILENCE:%H:%M} UTC",
        )
    own = swap_root(objects, head, _next(head, now, is_pruning=True))
    if own is None:
        raise DataError(f"somebody has just published or pruned in {objects.address}", "run the command again")
    found = _find(objects, own)
    names = [one.name for one in found.objects]
    for first in range(0, len(names), _AT_ONCE):
        assert own.root is not None
        own = _swap(objects, own, replace(own.root, published_at=tell_time()))
        objects.delete(names[first : first + _AT_ONCE])
    _swap(objects, own, _next(own, tell_time(), is_pruning=False))
    return found


def _swap(objects: Objects, own: Known, root: Root) -> Known:
    """Replace this pruning's own root; DataError where another one stands there: what it says counts now."""
    known = swap_root(objects, own, root)
    if known is None:
        head = read_head(objects).root
        raise DataError(
            f"{objects.address} was taken over by {head.published_by if head else 'somebody'}: this pruning was silent "
            "for too long, and has stopped",
            "nothing that is published was deleted; look at `pairity store`, and run the command again",
        )
    return known


def _next(known: Known, now: datetime, *, is_pruning: bool) -> Root:
    assert known.root is not None
    return replace(
        known.root,
        number=known.root.number + 1,
        token=token_hex(16),
        published_at=now,
        published_by=platform.node()[:80],
        is_pruning=is_pruning,
        before=find_lineage(known.root),
    )


def _require_root(objects: Objects) -> Known:
    head = read_head(objects)
    if head.root is None:
        raise MissingDataError(
            f"nothing is published in {objects.address}", "run `pairity ingest`, or `pairity store publish`"
        )
    return head


def _find(objects: Objects, head: Known) -> Orphans:
    assert head.root is not None
    named: set[str] = set()
    for section, listing in head.root.sections.items():
        named.add(name_object(listing.sha256))
        wanted = Placeholder(listing.sha256, listing.size)
        content = fetch(objects.address, wanted, f"the listing of {section}", objects)
        named |= {name_object(file.sha256) for file in parse_listing(content, section, objects.address).values()}
    found = list(objects.list("files"))
    orphans = [one for one in found if one.name not in named]
    return Orphans(orphans, len(found) - len(orphans))
