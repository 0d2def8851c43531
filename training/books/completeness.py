"""Whether what is stored of a universe reaches over hours that may be looked at once only.

A name whose bars end early is closed in a backtest as delisted. Nothing that is stored says whether it was, or was not
collected to the end: the venue keeps no contract that it has ended. So hours are not looked at before somebody has said
so, or the name ended before they began.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.catalog import ASSET_BOOKS, ASSET_HOURLY, CREATED_TIME, EVENT_TIME, PAIR_BOOKS, View
from feature_repo.offline_files import scan_view
from feature_repo.raw_datasets import instant
from pairity.books.families import BookFamily
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, floor_to


@dataclass(frozen=True, slots=True)
class Completeness:
    """What is stored of a universe before the end of some hours, as known at one instant."""

    ended: Mapping[str, datetime | None]
    """Names without a bar at the last close or later → the close of their last bar; None without any."""
    stale: Mapping[str, datetime | None]
    """Names and pairs whose bars reach to the end, and whose features end before the last decision → likewise."""

    def list_lacks(self, excused: Collection[str] = ()) -> list[str]:
        """Return what lacks, in words: names that end, but those of `excused`, and features that do."""
        bars = [_say(name, at, "bars") for name, at in self.ended.items() if name not in excused]
        return bars + [_say(name, at, "features of books") for name, at in self.stale.items()]

    def list_ended_before(self, first: datetime) -> list[str]:
        """Return the names that ended before `first`: they are held in none of the hours from then on."""
        return [name for name, at in self.ended.items() if at is not None and at < first]


def measure_completeness(settings: Settings, family: BookFamily, last: datetime, now: datetime) -> Completeness:
    """Return what is stored of the universe before the close `last` is reached, as known at `now`.

    A bar that is missing among others is a hole and no end. Features are asked for up to the last decision before it.
    """
    assets = settings.universe.assets
    bars = _find_newest(settings, ASSET_HOURLY, now, pl.col("close").is_not_null())
    ended = {name: bars.get(name) for name in assets if _is_before(bars.get(name), last)}
    decided = floor_to(last - HOUR, HOUR * min(one.every_hours for one in family.books))
    features = _find_newest(settings, ASSET_BOOKS, now)
    stale = {
        name: features.get(name) for name in assets if name not in ended and _is_before(features.get(name), decided)
    }
    if any(one.needs_pairs for one in family.books):
        scores = _find_newest(settings, PAIR_BOOKS, now)
        stale |= {
            pair.pair_id: scores.get(pair.pair_id)
            for pair in settings.universe.pairs
            if not {*pair.assets} & {*ended, *stale} and _is_before(scores.get(pair.pair_id), decided)
        }
    return Completeness(ended, stale)


def _find_newest(settings: Settings, view: View, now: datetime, rows: pl.Expr | None = None) -> dict[str, datetime]:
    """Return the newest event time of each entity of a view, of the rows that were known at `now`."""
    known = scan_view(Layout.of(settings), view).filter(pl.col(CREATED_TIME) <= instant(now))
    chosen = known if rows is None else known.filter(rows)
    newest = chosen.group_by(view.entity).agg(pl.col(EVENT_TIME).max()).collect()
    return dict(newest.iter_rows())


def _is_before(at: datetime | None, end: datetime) -> bool:
    return at is None or at < end


def _say(name: str, at: datetime | None, what: str) -> str:
    return f"no {what} of {name} are stored" if at is None else f"{what} of {name} end at {at:%Y-%m-%d %H:%M} UTC"
