"""Instants as files have them: timestamps with or without a zone, ISO texts with any offset, Unix time in any unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from feature_repo.raw_datasets import INSTANT
from ingestion.sources.instants import FIRST, UNITS
from ingestion.sources.reading import Place, Reading, RefusedFileError, count_of, find_first
from ingestion.sources.written_times import LOCAL, OFFSET, parse_texts
from pairity.bounded_numbers import show
from pairity.timeline import to_ms

_WRITTEN = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_MICRO = UNITS["us"]
_TOO_LARGE = 2**63 - 1
"""In place of a number that no integer of 64 bits holds: as impossible as that."""
_DIGITS = r"^[0-9]{1,20}(\.[0-9]{1,9})?$"
_EARLIEST, _LATEST = 631_152_000, 4_102_444_800
"""1990 and 2100 in seconds: what lies between is an instant to whoever wrote it."""
_REMEDY = "correct these rows: times are ISO 8601 (2024-05-01T13:00:00Z), or Unix time in one unit of s, ms, us and ns"


def read_instants(column: pl.Series, reading: Reading, place: Place) -> pl.Series:
    """Return the instants of a column (UTC, microseconds, finer parts cut off), one per row; nulls stay null.

    Timestamps and dates without a zone, and texts without an offset, are in `reading.time_zone`. Numbers are Unix time;
    the unit follows from their size and is the same for the whole column. RefusedFileError with count, place and value
    for everything else, and for instants before 2009 or more than a day ahead: it names the unit that a number looks
    like.
    """
    instants = _convert(column, reading, place)
    _require_possible(column, instants, reading, place)
    return instants.alias(column.name)


def localize(times: pl.Series, zone: str, place: Place) -> pl.Series:
    """Return the instants of wall-clock times in a zone.

    RefusedFileError for a time that the change of clocks skips or repeats there.
    """
    instants = times.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    wrong = find_first(instants.is_null() & times.is_not_null())
    if wrong is not None:
        raise RefusedFileError(
            f"has {times.name} of {place(wrong)} as {times[wrong]}, which the change of clocks in {zone} skips or "
            "repeats",
            "write times with their offset, such as 2024-11-03T01:30:00-04:00",
        )
    return instants.cast(INSTANT)


def _convert(column: pl.Series, reading: Reading, place: Place) -> pl.Series:
    kind = column.dtype
    if isinstance(kind, pl.Categorical | pl.Enum):
        return _read_texts(column.cast(pl.String), reading, place)
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is not None:
            return column.dt.convert_time_zone("UTC").cast(INSTANT)
        return localize(column.cast(pl.Datetime("us")), reading.time_zone, place)
    if kind == pl.Date:
        return localize(column.cast(pl.Datetime("us")), reading.time_zone, place)
    if kind == pl.String:
        return _read_texts(column, reading, place)
    if kind == pl.Float32:
        raise RefusedFileError(
            f"has {column.name} as Float32, which cannot hold an instant", "write times as integers or as timestamps"
        )
    if kind.is_integer() or kind.is_float():
        return _read_numbers(column, reading, place)
    if kind == pl.Null:
        return column.cast(INSTANT)
    raise RefusedFileError(f"has {column.name} as {kind}, which is no time", _REMEDY)


def _read_texts(column: pl.Series, reading: Reading, place: Place) -> pl.Series:
    texts = column.str.strip_chars()
    numeric = texts.str.contains(_DIGITS).fill_null(value=True)
    if reading.time_format is None and numeric.all():
        parts = texts.str.split_exact(".", 1).struct.unnest()
        whole = parts["field_0"].cast(pl.Int64, strict=False).fill_null(_TOO_LARGE)
        whole = pl.select(pl.when(texts.is_not_null()).then(whole)).to_series().alias(column.name)
        nano = parts["field_1"].str.pad_end(9, "0").fill_null("0").cast(pl.Int64)
        return _read_numbers(whole, reading, place, nano)
    if reading.time_format is None and 2 * int((~numeric).sum()) < texts.len() - texts.null_count():
        odd = find_first(~numeric)
        assert odd is not None
        raise RefusedFileError(
            f"has {count_of(int((~numeric).sum()))} without a Unix time like the others: {column.name} of {place(odd)} "
            f"is {show(texts[odd])}",
            "correct or leave out these rows, and give all times of a file in one form",
        )
    parsed = parse_texts(texts, reading, place)
    local, offset = parsed[LOCAL], parsed[OFFSET]
    if offset.null_count() == parsed.height:
        return localize(local.alias(column.name), reading.time_zone, place)
    return (local.to_physical() - offset * _MICRO).cast(INSTANT)


def _read_numbers(column: pl.Series, reading: Reading, place: Place, nano: pl.Series | None = None) -> pl.Series:
    """Return the instants of Unix times, all of the unit in which most of them are possible.

    `nano` has the billionths that a text writes behind the point.
    """
    if column.dtype.is_float() and (wrong := find_first(~column.is_finite())) is not None:
        raise RefusedFileError(f"has {column.name} of {place(wrong)} as {column[wrong]}, which is no time", _REMEDY)
    if column.dtype.is_integer() and column.dtype not in (pl.Int64, pl.UInt64):
        column = column.cast(pl.Int64)  # seconds fit into 32 bits, and the bounds in other units do not
    possible = {unit: _fits(column, unit, reading.last) for unit in UNITS}
    unit = max(UNITS, key=lambda name: int(possible[name].sum() or 0))
    strange = find_first(~possible[unit])
    if strange is not None:
        count = int((~possible[unit]).sum() or 0)
        looks = [other for other in UNITS if possible[other][strange]]
        value = f"{column.name} of {place(strange)} is {_plain(column[strange])}"
        if not looks and (shown := _show_instant(column[strange], [unit] if possible[unit].any() else list(UNITS))):
            raise RefusedFileError(
                f"has {count_of(count)} outside {FIRST.year} … now + 1 day: {value}; {shown}",
                "correct or leave out these rows",
            )
        if possible[unit].any():
            is_like = f"looks like {_WRITTEN[looks[0]]}" if looks else f"is no instant since {FIRST.year}"
            raise RefusedFileError(
                f"has {count_of(count)} not in {_WRITTEN[unit]} like the others: {value}, which {is_like}",
                "give all times of a file in one unit",
            )
        raise RefusedFileError(
            f"has {count_of(count)} whose time is no Unix time in s, ms, us or ns between {FIRST.year} and tomorrow: "
            f"{value}{_guess(column[strange])}",
            _REMEDY,
        )
    scale = UNITS[unit]
    if column.dtype.is_integer():
        whole = column.cast(pl.Int64)
        if scale > _MICRO:
            return (whole // (scale // _MICRO)).cast(INSTANT)
        micro = whole * (_MICRO // scale)
        return (micro if nano is None else micro + nano * (_MICRO // scale) // 1_000_000_000).cast(INSTANT)
    # Seconds with a fraction: the nearest microsecond is what a double of our time still shows.
    scaled = column * (_MICRO / scale)
    return (scaled.round() if scale <= _MICRO else scaled.floor()).cast(pl.Int64).cast(INSTANT)


def _fits(column: pl.Series, unit: str, last: datetime) -> pl.Series:
    """Return which numbers are instants between 2009 and `last` in a unit; nulls are."""
    low, high = (to_ms(at) * UNITS[unit] // 1_000 for at in (FIRST, last))
    return ((column >= low) & (column <= high)).fill_null(value=True)


def _show_instant(number: float, units: Sequence[str]) -> str:
    """Return what instant a number is in the first unit in which one of our time comes out; nothing if in none."""
    for unit in units:
        seconds = number / UNITS[unit]
        if _EARLIEST <= seconds <= _LATEST:
            return f"in {unit} it would be {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return ""


def _guess(number: object) -> str:
    text = _plain(number)
    return "; it looks like a date: give --time-format %Y%m%d" if len(text) == 8 and text[:2] in ("19", "20") else ""


def _plain(number: object) -> str:
    text = f"{number:f}" if isinstance(number, float) else str(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _require_possible(column: pl.Series, instants: pl.Series, reading: Reading, place: Place) -> None:
    """Refuse instants that no market has; one that was made of a number in the wrong unit is told by its unit."""
    last = reading.last
    # What overflowed on the way is null, and as impossible as the rest.
    wrong = ((instants < FIRST) | (instants > last)).fill_null(value=True) & column.is_not_null()
    first = find_first(wrong)
    if first is None:
        return
    count = count_of(int(wrong.sum() or 0))
    looks = ""
    if isinstance(column.dtype, pl.Datetime):
        number = column.to_physical()
        units = [unit for unit in UNITS if bool(_fits(number, unit, last)[first])]
        if units:
            looks = f": {number[first]} looks like {_WRITTEN[units[0]]} taken for {_WRITTEN[column.dtype.time_unit]}"
    raise RefusedFileError(
        f"has {count} outside {FIRST.year} … now + 1 day: {column.name} of {place(first)} is "
        f"{show(str(column[first]))}{looks}",
        "correct or leave out these rows",
    )
