"""The month that a live process continues hour by hour: its chunk, and what was judged and withheld of it so far.

It holds as long as nobody else has changed the lake or published features, universe and units are the same, and
nothing was released: then the rows that came since are all that can have changed. Otherwise the month is computed
anew, from its anchor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.catalog import EVENT_TIME, VIEWS
from feature_repo.chunks import REMEMBERED, Chunk, Engine
from feature_repo.offline_files import find_newest_event, locate_view
from feature_repo.raw_datasets import instant
from feature_repo.transforms.chunk_memory import TICK
from ingestion.due_months import locate_ledger
from ingestion.withheld import WithheldRows
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, month_key, next_month
from validation.profiles import combine_view_profiles

Profiles = dict[str, pl.DataFrame]
Signature = tuple[tuple[int, int] | None, ...]


@dataclass
class ContinuedMonth:
    """One month's chunk with the profile of its rows, as of each of the last hours, and the rows that were refused.

    `lake_version` and `withheld` are those from which it was computed last, `features` what `sign_features` said after
    it was published; None before the first time. No row of any view is stored later than `stored_until`.
    """

    chunk: Chunk
    lake_version: int | None = None
    withheld: WithheldRows | None = None
    features: Signature | None = None
    stored_until: datetime | None = None
    profiles: dict[datetime, Profiles] = field(default_factory=dict)
    refused: dict[str, pl.DataFrame] = field(default_factory=dict)

    @classmethod
    def begin(cls, month: datetime, settings: Settings, engine: Engine | None = None) -> ContinuedMonth:
        """Return a month of which nothing is computed yet; `engine` computes its parts, None: this process."""
        return cls(chunk=Chunk(month, settings, engine=engine))

    def find_change(self, withheld: WithheldRows, changed_at: datetime | None) -> datetime | None:
        """Return the earliest instant from which inputs differ from those of the last time; None where none do.

        `changed_at` is that of the lake's rows. A row that is withheld, or is no longer, counts at its own instant: its
        hour is not before it.
        """
        assert self.withheld is not None
        ours, theirs = self.withheld.instants, withheld.instants
        if not ours.equals(theirs):
            different = pl.concat(
                [
                    ours.join(theirs, on=ours.columns, how="anti"),
                    theirs.join(ours, on=ours.columns, how="anti"),
                ]
            )
            first = different["time"].min()
            if isinstance(first, datetime):
                # An instant at a full hour may belong to the hour that ends there or to the one that begins.
                changed_at = first if changed_at is None else min(first, changed_at)
        return changed_at

    def may_continue(self, layout: Layout, lake_version: int, withheld: WithheldRows) -> bool:
        """Return whether only the rows that came since, and rows withheld since, can have changed its inputs.

        And whether what is published is what was published last: another process may have had another universe.
        """
        return (
            self.lake_version == lake_version
            and self.withheld is not None
            and (self.withheld.released, self.withheld.units) == (withheld.released, withheld.units)
            and self.features == sign_features(layout, self.chunk.month)
        )

    def note_published(self, layout: Layout, lake_version: int, withheld: WithheldRows) -> None:
        """Note that everything up to the chunk's end is published, from which inputs."""
        end = self.chunk.end
        assert end is not None
        if self.stored_until is None:
            # A run that ended later, or another process, may have published further than this one.
            newest = [found for view in VIEWS.values() if (found := find_newest_event(layout, view, end)) is not None]
            self.stored_until = max(newest, default=end)
        self.stored_until = max(self.stored_until, end)
        self.lake_version, self.withheld = lake_version, withheld
        self.features = sign_features(layout, self.chunk.month)

    def is_new(self, since: datetime | None) -> bool:
        """Return whether rows later than `since` (None: all of the month) are later than every stored row."""
        return since is not None and self.stored_until is not None and since >= self.stored_until

    def align(self, changed_at: datetime | None) -> datetime | None:
        """Return the instant to compute again from: with that of `changed_at`, hours whose profile is not known apart.

        Hours that were computed together have one profile: none of them can be counted again without the others.
        """
        end = self.chunk.end
        if changed_at is None or end is None or not self.chunk.month < changed_at <= end:
            return changed_at
        return max((hour for hour in self.profiles if hour < changed_at), default=self.chunk.month) + TICK

    def add_profiles(self, since: datetime | None, end: datetime, new: Profiles) -> Profiles:
        """Return the profiles of all rows of the month so far; `new` are those of the rows later than `since`.

        None is for rows from the month's beginning on.
        """
        before: Profiles = {}
        if since is not None and since > self.chunk.month:
            before = self.profiles[since]
        both = dict(before)
        for name, profile in new.items():
            both[name] = combine_view_profiles(VIEWS[name], before[name], profile) if name in before else profile
        oldest, newest = end - REMEMBERED - HOUR, since or self.chunk.month
        self.profiles = {hour: kept for hour, kept in self.profiles.items() if oldest <= hour <= newest}
        self.profiles[end] = both
        return both

    def add_refused(self, since: datetime | None, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Return all refused rows of a view in this month; `rows` are those later than `since` (None: all)."""
        earlier = self.refused.get(name)
        if earlier is not None and since is not None:
            earlier = earlier.filter(pl.col(EVENT_TIME) <= instant(since))
            rows = pl.concat([earlier, rows])
        self.refused[name] = rows
        return rows


def sign_features(layout: Layout, month: datetime) -> Signature:
    """Return what changes whenever features of a month, or the ledger of months, are published: no file is read."""
    # The row of a month's last hour lies in the folder of the next.
    months = [f"month={month_key(at)}" for at in (month, next_month(month))]
    folders = [locate_view(layout, view) / name for view in VIEWS.values() for name in months]
    return tuple(_sign(path) for path in (locate_ledger(layout), *folders))


def _sign(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino
