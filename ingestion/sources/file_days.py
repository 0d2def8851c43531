"""Days as files have them: of UTC, of a named zone, or of the offset that stands behind the date."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from feature_repo.raw_datasets import INSTANT
from ingestion.sources.file_times import read_instants
from ingestion.sources.instants import FIRST
from ingestion.sources.reading import Place, Reading, RefusedFileError, find_first
from ingestion.sources.written_times import LOCAL, OFFSET, parse_texts
from pairity.bounded_numbers import show

_NUMBER = r"^[0-9]{9,20}(?:\.[0-9]+)?$"
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def read_days(column: pl.Series, reading: Reading, place: Place) -> pl.DataFrame:
    """Return `day` (00:00 UTC of the date as it is written) and `end` (the instant at which it was over) of each text.

    A date with an offset ends in that offset: 2024-05-01T00:00-04:00 was over at 04:00 UTC of the next day. One
    without is a day of `reading.time_zone`, which may have 23 or 25 hours; a Unix time is the midnight of that zone.
    RefusedFileError for a missing date, for one that cannot be read, for a time that is no midnight (whose day would
    be a guess), and for days before 2009 or ahead of now.
    """
    texts = column.str.strip_chars()
    missing = find_first(texts.is_null() | texts.is_in(["", "-"]))
    if missing is not None:
        raise RefusedFileError(f"has no {column.name} in {place(missing)}", "give the day of every row")
    if reading.time_format is None and texts.str.contains(_NUMBER).all():
        instants = read_instants(column, reading, place)
        local = instants.dt.convert_time_zone(reading.time_zone).dt.replace_time_zone(None)
        offset = pl.repeat(None, len(local), dtype=pl.Int64, eager=True)
    else:
        parsed = parse_texts(texts.alias(column.name), reading, place)
        local, offset = parsed[LOCAL], parsed[OFFSET]
    odd = find_first(local.dt.truncate("1d") != local)
    if odd is not None:
        raise RefusedFileError(
            f"has {column.name} of {place(odd)} as {show(column[odd])}, which is no midnight: whose day it is cannot "
            "be told",
            "give days alone (2024-05-01), with their offset, or with --time-zone NAME",
        )
    if offset.null_count() < len(offset):
        ends = (local + _DAY).to_physical() - offset * (_SECOND // timedelta(microseconds=1))
    else:
        ends = _end(local, ZoneInfo(reading.time_zone))
    day, end = local.dt.replace_time_zone("UTC").cast(INSTANT), ends.cast(INSTANT)
    wrong = find_first((day < FIRST) | (day > reading.last))
    if wrong is not None:
        raise RefusedFileError(
            f"has {column.name} of {place(wrong)} as {show(column[wrong])}, outside {FIRST.year} … now + 1 day",
            "correct or leave out these rows",
        )
    return pl.DataFrame({"day": day, "end": end})


def _end(days: pl.Series, zone: ZoneInfo) -> pl.Series:
    """Return when each day was over, in microseconds; where clocks skip or repeat midnight, the later instant."""
    dates = days.unique().to_list()
    ends = [max(_micro((date + _DAY).replace(tzinfo=zone, fold=fold)) for fold in (0, 1)) for date in dates]
    return days.replace_strict(dates, ends, return_dtype=pl.Int64)


def _micro(instant: datetime) -> int:
    return round(instant.timestamp()) * 1_000_000
