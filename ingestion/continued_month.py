"""The month that a live process continues hour by hour: its chunk, and what was judged and withheld of it so far.

It holds as long as nobody else has changed the lake, the universe is the same, and nothing was released: then the rows
that came since are all that can have changed. Otherwise the month is computed anew, from its anchor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME, VIEWS
from feature_repo.chunks import REMEMBERED, Chunk
from feature_repo.raw_datasets import instant
from ingestion.withheld import WithheldRows
from pairity.settings import Settings
from pairity.timeline import HOUR
from validation.profiles import combine_view_profiles

Profiles = dict[str, pl.DataFrame]


@dataclass
class ContinuedMonth:
    """One month's chunk with the profile of its rows, as of each of the last hours, and the rows that were refused.

    `lake_version` and `withheld` are those from which it was computed last; None before the first time.
    """

    chunk: Chunk
    lake_version: int | None = None
    withheld: WithheldRows | None = None
    profiles: dict[datetime, Profiles] = field(default_factory=dict)
    refused: dict[str, pl.DataFrame] = field(default_factory=dict)

    @classmethod
    def begin(cls, month: datetime, settings: Settings) -> ContinuedMonth:
        """Return a month of which nothing is computed yet."""
        return cls(Chunk(month, settings))

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

    def may_continue(self, lake_version: int, withheld: WithheldRows) -> bool:
        """Return whether only the rows that came since, and rows withheld since, can have changed its inputs."""
        return (
            self.lake_version == lake_version
            and self.withheld is not None
            and self.withheld.released == withheld.released
        )

    def add_profiles(self, since: datetime | None, end: datetime, new: Profiles) -> Profiles:
        """Return the profiles of all rows of the month so far; `new` are those of the rows later than `since`.

        None is for rows from the month's beginning on.
        """
        before: Profiles = {}
        if since is not None and since > self.chunk.month:
            known = [hour for hour in self.profiles if hour <= since]
            before = self.profiles[max(known)] if known else {}
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
