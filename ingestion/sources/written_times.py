"""Times in text: ISO 8601 with any offset, or the format that was given. What could be read in two ways is refused."""

from __future__ import annotations

import polars as pl

from ingestion.sources.reading import Place, Reading, RefusedFileError, count_of, find_first
from pairity.bounded_numbers import show

LOCAL, OFFSET = "local", "offset"
_SECOND = 1
_MINUTE, _HOUR = 60 * _SECOND, 3600 * _SECOND
_FURTHEST = 14 * _HOUR
"""Kiribati is 14 hours ahead of UTC; nobody is further from it."""
_ISO = (
    r"^(?P<year>[0-9]{4})(?P<sign>[-/.])(?P<month>[0-9]{1,2})[-/.](?P<day>[0-9]{1,2})"
    r"(?:[Tt ]+(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?"
    r" *(?P<zone>[Zz]|UTC|GMT|(?P<side>[+-])(?P<hours>[0-9]{2})(?::?(?P<minutes>[0-5][0-9]))?)?$"
)
_DAY_FIRST = r"^[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ](?:[0-9]{4}|[0-9]{2})(?:$|[ T,])"
_EXPONENT = r"^[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+$"
_GIVE_FORMAT = "give --time-format, such as %d/%m/%Y or %m/%d/%Y %H:%M"


def parse_texts(texts: pl.Series, reading: Reading, place: Place) -> pl.DataFrame:
    """Return `local` (wall-clock time, microseconds) and `offset` (seconds east of UTC, null where none is written).

    One line per text; a null stays null. RefusedFileError with count, place and value for a text that is no such time,
    and for a column in which only some texts name their offset. Dates such as 01/05/2024 are refused without a format.
    """
    if reading.time_format is not None:
        return _parse_format(texts, reading.time_format, place)
    parts = texts.str.extract_groups(_ISO).struct.unnest()
    number = {name: parts[name].cast(pl.Int64, strict=False) for name in ("hours", "minutes")}
    parsed = parts.select(
        pl.format(
            "{}-{}-{}T{}:{}:{}.{}",
            "year",
            *(pl.col(name).str.zfill(2) for name in ("month", "day")),
            pl.col("hour").str.zfill(2).fill_null("00"),
            *(pl.col(name).fill_null("00") for name in ("minute", "second")),
            pl.col("fraction").fill_null("0").str.pad_end(6, "0").str.slice(0, 6),
        )
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%.6f", time_unit="us", strict=False)
        .alias(LOCAL),
        pl.when(pl.col("hours").is_not_null())
        .then(
            pl.when(pl.col("side") == "-").then(-1).otherwise(1)
            * (number["hours"] * _HOUR + number["minutes"].fill_null(0) * _MINUTE)
        )
        .when(pl.col("zone").is_not_null())
        .then(0)
        .alias(OFFSET),
    )
    wrong = (parsed[LOCAL].is_null() & texts.is_not_null()) | (parsed[OFFSET].abs() > _FURTHEST)
    _require(texts, wrong, place)
    offset = parsed[OFFSET].is_not_null()
    named = int((offset & texts.is_not_null()).sum())
    if named not in (0, texts.len() - texts.null_count()):
        some = find_first(~offset & texts.is_not_null())
        assert some is not None
        raise RefusedFileError(
            f"has {named} times with an offset or Z and others without: {texts.name} of {place(some)} is "
            f"{show(texts[some])}",
            "write the offset of all times, or of none",
        )
    return parsed


def _parse_format(texts: pl.Series, pattern: str, place: Place) -> pl.DataFrame:
    try:
        times = texts.str.to_datetime(pattern, time_unit="us", strict=False)
    except pl.exceptions.PolarsError:
        raise RefusedFileError(f"cannot be read with the time format {show(pattern)}", _GIVE_FORMAT) from None
    wrong = find_first(times.is_null() & texts.is_not_null())
    if wrong is not None:
        count = times.null_count() - texts.null_count()
        raise RefusedFileError(
            f"has {count_of(count)} that the time format {show(pattern)} does not fit: {texts.name} of {place(wrong)} "
            f"is {show(texts[wrong])}",
            _GIVE_FORMAT,
        )
    # With an offset in the format, the library answers in UTC.
    aware = isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone is not None
    local = times.dt.replace_time_zone(None)
    offset = pl.repeat(0 if aware else None, times.len(), dtype=pl.Int64, eager=True)
    return pl.DataFrame({LOCAL: local, OFFSET: offset})


def _require(texts: pl.Series, wrong: pl.Series, place: Place) -> None:
    first = find_first(wrong)
    if first is None:
        return
    value, count = texts[first], count_of(int(wrong.fill_null(value=False).sum()))
    what = f"has {count} whose time cannot be read: {texts.name} of {place(first)} is {show(value)}"
    example = pl.Series([value])
    if example.str.contains(_DAY_FIRST).item():
        raise RefusedFileError(f"{what}, in which day and month cannot be told apart", _GIVE_FORMAT)
    if example.str.contains(_EXPONENT).item():
        raise RefusedFileError(f"{what}: a spreadsheet has rounded its digits away", "export times as text or ISO 8601")
    raise RefusedFileError(what, f"write times as 2024-05-01T13:00:00Z or as Unix time, or {_GIVE_FORMAT}")
