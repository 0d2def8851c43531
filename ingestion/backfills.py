"""When rows of a venue were asked for again, by which source, and from when the rows count as known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ingestion.lake.manifest import parse_instant
from pairity.bounded_files import read_json_file
from pairity.durable import replace_file
from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from pairity.names import VENUE


@dataclass(frozen=True, slots=True)
class Backfill:
    """At `at` rows came from `source`; `known_from` is `now` (from `at` on) or `then`. Rows by dataset and asset."""

    at: datetime
    source: str
    known_from: str
    rows: Mapping[tuple[str, str], int]

    def __str__(self) -> str:
        """Return a line for a person."""
        parts = ", ".join(f"{count:,} of {name} {asset}" for (name, asset), count in sorted(self.rows.items()))
        return f"filled {self.at:%Y-%m-%d %H:%M} UTC from {self.source}, known from {self.known_from}: {parts}"


def read_backfills(layout: Layout, venue: str) -> tuple[Backfill, ...]:
    """Return all that was noted of a venue, oldest first; LakeCorruptError for a file that is not what was written."""
    path = _locate(layout, venue)
    try:
        return tuple(
            Backfill(
                at=parse_instant(item["at"]),
                source=str(item["source"]),
                known_from=str(item["known_from"]),
                rows={(str(name), str(asset)): int(count) for name, asset, count in item["rows"]},
            )
            for item in read_json_file(path)
        )
    except FileNotFoundError:
        return ()
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise LakeCorruptError(f"{path} cannot be read: {type(error).__name__} {error}", "move it aside") from None


def note_backfill(layout: Layout, venue: str, entry: Backfill, *, replaces: bool = False) -> None:
    """Add an entry, where rows came; the caller has the writer lock.

    `replaces`: the run that fetched them was killed. Where the newest entry says the same, it is of that run, and goes.
    """
    if not entry.rows:
        return
    before = read_backfills(layout, venue)
    if replaces and before and before[-1] == replace(entry, at=before[-1].at):
        before = before[:-1]
    lines = [
        {
            "at": item.at.isoformat(),
            "source": item.source,
            "known_from": item.known_from,
            "rows": [[name, asset, count] for (name, asset), count in sorted(item.rows.items())],
        }
        for item in (*before, entry)
    ]
    replace_file(_locate(layout, venue), (json.dumps(lines, indent=1) + "\n").encode())


def _locate(layout: Layout, venue: str) -> Path:
    return layout.root / "reference" / f"backfills-{VENUE.check(venue)}.json"
