"""Numbers as people and spreadsheets write them: 1234.5, 1.234,5, 1 234,5, 1'234.5; a minus alone is a missing one.

`1,234` is 1234 to one person and 1.234 to another. The columns of a file are looked at together: one number that can be
read in one way only, such as 12,5 or 1,234.5, says how all are written. Where none does, the file is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from ingestion.sources.reading import Place, Reading, RefusedFileError, count_of, find_first
from pairity.bounded_numbers import MAX_CHARACTERS, show

_MISSING = ("", "-", "–", "—", "na", "n/a", "#n/a", "nan", "null", "none")
_BLANKS = (" ", "\u00a0", "\u2009", "\u202f", "'", "’")
_EXPONENT = r"(?:[eE][+-]?[0-9]{1,3})?"


def _make_form(point: str, group: str) -> str:
    """Return the pattern of numbers with this decimal sign, and `group` or one kind of blank between thousands.

    No group of thousands begins with a zero: 0,512 has a decimal comma. No number has two kinds of groups.
    """
    grouped = "|".join(rf"[1-9][0-9]{{0,2}}(?:{one}[0-9]{{3}})+" for one in (group, *_BLANKS))
    return rf"^[+-]?(?:(?:{grouped}|[0-9]+)(?:{point}[0-9]*)?|{point}[0-9]+){_EXPONENT}$"


_FORMS = {"point": _make_form(r"\.", ","), "comma": _make_form(",", r"\.")}
_SEPARATED = r"[.,]"
_GIVE = "give --decimal point or --decimal comma"
_REMEDY = "correct these cells: a number is written as 1234.5, a missing one as - or nothing"


def read_written_numbers(
    columns: Sequence[pl.Series], reading: Reading, place: Place, *, separator: str
) -> Mapping[str, pl.Series]:
    """Return the numbers (float64) of text columns by name; null where a text means that there is none.

    `separator` is that of the file's cells: behind commas, 1.234 has a decimal point unless another number shows
    otherwise. RefusedFileError with count, place and value for a text that is no finite number, and where the decimal
    sign is not clear: see the module.
    """
    texts = [_drop_missing(column) for column in columns]
    sign = reading.decimal or _find_sign(texts, place, separator)
    return {column.name: _read(column, sign, place) for column in texts}


def _drop_missing(column: pl.Series) -> pl.Series:
    stripped = column.str.strip_chars()
    missing = stripped.str.to_lowercase().is_in(_MISSING)
    return pl.select(pl.when(~missing).then(stripped)).to_series().alias(column.name)


def _find_sign(columns: Sequence[pl.Series], place: Place, separator: str) -> str:
    """Return the decimal sign that the numbers show."""
    shown: dict[str, str] = {}
    unclear = ""
    for column in columns:
        as_point, as_comma = (column.str.contains(_FORMS[sign]) for sign in ("point", "comma"))
        only = {"point": as_point & ~as_comma, "comma": as_comma & ~as_point}
        for sign, fits in only.items():
            if sign not in shown and (first := find_first(fits)) is not None:
                shown[sign] = f"{column.name} of {place(first)} is {show(column[first])}"
        if not unclear:
            both = as_point & as_comma & column.str.contains(_SEPARATED)
            if separator == ",":
                both &= column.str.contains(",", literal=True)
            if (first := find_first(both)) is not None:
                unclear = f"{column.name} of {place(first)} is {show(column[first])}"
    if len(shown) == 2:
        raise RefusedFileError(
            f"has numbers with a decimal point and with a decimal comma: {shown['point']}, and {shown['comma']}",
            f"write all numbers of a file alike, or {_GIVE}",
        )
    if not shown and unclear:
        raise RefusedFileError(f"has numbers that can be read in two ways: {unclear}", _GIVE)
    return next(iter(shown), "point")


def _read(column: pl.Series, sign: str, place: Place) -> pl.Series:
    plain = column.str.contains(_FORMS[sign]) & (column.str.len_bytes() <= MAX_CHARACTERS)
    bare = column.str.replace_all(f"[{''.join(_BLANKS)}{',' if sign == 'point' else '.'}]", "")
    numbers = bare.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    wrong = column.is_not_null() & ~(plain & numbers.is_finite()).fill_null(value=False)
    first = find_first(wrong)
    if first is not None:
        count = count_of(int(wrong.sum()))
        with_sign = "" if sign == "point" else " with a decimal comma"
        raise RefusedFileError(
            f"has {count} whose {column.name} is not a number{with_sign}: {column.name} of {place(first)} is "
            f"{show(column[first])}",
            _REMEDY,
        )
    return numbers.alias(column.name)
