"""Where a recording of trades begins and ends: within a minute mostly, of which it then holds a part only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from ingestion.sources.file_columns import TIME
from ingestion.sources.file_rows import Note
from ingestion.sources.reading import count_of
from pairity.timeline import DAY, MINUTE, floor_to


@dataclass(frozen=True, slots=True)
class _Part:
    """From the first to the last trade of a file, or of files that continue each other.

    `dense`: its ids are consecutive, so that a gap between two parts shows.
    """

    first: datetime
    last: datetime
    lowest: int
    highest: int
    dense: bool


def without_partial_minutes(bars: pl.DataFrame, files: Sequence[pl.DataFrame], note: Note) -> pl.DataFrame:
    """Return `bars` without those of minutes in which the recording begins or ends; their number is noted.

    `files`: the trades of each file (see `file_ticks.read_trades`). A minute that is cut looks like any other, with too
    low a volume and a range that is too narrow.
    """
    cut = bars["open_time"].is_in(find_partial_minutes(files))
    if cut.any():
        first = bars["open_time"].filter(cut)[0]
        note(
            f"{count_of(int(cut.sum()), 'minute')} in which the recording begins or ends, the first at "
            f"{first:%Y-%m-%d %H:%M} UTC: no bars, for they may lack trades"
        )
    return bars.filter(~cut)


def find_partial_minutes(files: Sequence[pl.DataFrame]) -> list[datetime]:
    """Return the minutes in which a recording begins or ends, ascending: those at the ends of files that go together.

    A file continues another where they overlap, where its ids follow those of the other, or, with ids that are not
    consecutive, where it begins within a minute after the other's end. What begins in the first minute of a UTC day and
    ends in the last one of a day was cut by the day, and its minutes are whole.
    """
    parts = sorted((_measure(rows) for rows in files if rows.height), key=lambda part: (part.first, part.last))
    whole: list[_Part] = []
    for part in parts:
        if whole and _continues(whole[-1], part):
            whole[-1] = _join(whole[-1], part)
        else:
            whole.append(part)
    ends = [(floor_to(part.first, MINUTE), floor_to(part.last, MINUTE)) for part in whole]
    return sorted(
        {minute for first, last in ends if not _are_whole_days(first, last + MINUTE) for minute in (first, last)}
    )


def _are_whole_days(since: datetime, until: datetime) -> bool:
    return floor_to(since, DAY) == since and floor_to(until, DAY) == until


def _measure(rows: pl.DataFrame) -> _Part:
    ids = rows["trade_id"]
    first, last = rows[TIME].min(), rows[TIME].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    lowest, highest = ids.min(), ids.max()
    if not isinstance(lowest, int) or not isinstance(highest, int) or ids.null_count():
        return _Part(first, last, 0, 0, dense=False)
    return _Part(first, last, lowest, highest, dense=highest - lowest + 1 == ids.n_unique())


def _continues(before: _Part, after: _Part) -> bool:
    if after.first < before.last:
        return True
    if before.dense and after.dense:
        return before.lowest <= after.lowest <= before.highest + 1
    return after.first - before.last <= MINUTE


def _join(before: _Part, after: _Part) -> _Part:
    return _Part(
        first=before.first,
        last=max(before.last, after.last),
        lowest=min(before.lowest, after.lowest),
        highest=max(before.highest, after.highest),
        dense=before.dense and after.dense,
    )
