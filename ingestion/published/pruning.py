"""Pruning: objects that the published state does not name are deleted, after a person has said so.

They come from publications that were overtaken or killed, and from states that others have replaced. Whoever publishes
takes an object that is there for granted, so nobody may publish meanwhile: the root says so first, and no longer at
the end. A pruning that was killed leaves the root as it is: the next one finishes it.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from secrets import token_hex

from feature_repo.object_store import Objects, StoredObject
from feature_repo.placeholders import Placeholder, fetch, name_object
from ingestion.published.directory import Known, read_head, swap_root
from ingestion.published.state import Root, find_lineage, parse_listing
from pairity.errors import DataError, MissingDataError

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


def prune(objects: Objects, *, now: datetime) -> Orphans:
    """Delete what the published state does not name, and return it.

    DataError where somebody publishes at this moment, or the store does not answer; it can be repeated. Readers that
    have not fetched what they need of an older state yet are told so, by name, and find the newer one.
    """
    head = _require_root(objects)
    assert head.root is not None
    begun = swap_root(objects, head, _next(head, now, is_pruning=True))
    if begun is None:
        raise DataError(f"somebody has just published in {objects.address}", "run the command again")
    found = _find(objects, begun)
    names = [one.name for one in found.objects]
    for first in range(0, len(names), _AT_ONCE):
        objects.delete(names[first : first + _AT_ONCE])
    if swap_root(objects, begun, _next(begun, now, is_pruning=False)) is None:
        raise DataError(f"another pruning of {objects.address} runs at the same time", "look at `pairity store`")
    return found


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
