"""Candles of a sheet, cell by cell: the plain reading of a file whose decimal sign is known. Slow and obvious."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

UNITS = {10: 1_000_000, 13: 1_000, 16: 1}
"""Microseconds of one, by the digits of a Unix time of our years in s, ms and us."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_sheet(text, separator, sign):
    """Return (time, open, high, low, close, volume) per row, each once, in order; ValueError for what is no candle."""
    lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=separator))
    names = [name.strip().lower() for name in lines[0]]
    rows = set()
    for line in lines[1:]:
        cells = dict(zip(names, line, strict=False))
        if not any(cell.strip() for cell in cells.values()):
            continue
        values = [number(cells.get(name, ""), sign) for name in ("open", "high", "low", "close", "volume")]
        if any(value is not None for value in values):
            if None in values:
                raise ValueError(f"a value is missing in {line}")
            rows.add((instant(cells["ts"].strip()), *values))
    return sorted(rows)


def instant(cell):
    """Return the instant of a cell: Unix time, or ISO 8601 (UTC without an offset)."""
    if cell.isdigit() and cell.isascii():
        nanoseconds = len(cell) == 19
        return EPOCH + timedelta(microseconds=int(cell) // 1000 if nanoseconds else int(cell) * UNITS[len(cell)])
    parsed = datetime.fromisoformat(cell.replace("/", "-"))
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def number(cell, sign):
    """Return the number of a cell, None where it says that there is none."""
    plain = cell.strip()
    if plain.lower() in ("", "-", "–", "—", "nan", "na", "n/a", "#n/a", "null", "none"):
        return None
    for blank in " '’\u00a0\u2009\u202f":
        plain = plain.replace(blank, "")
    group = "," if sign == "." else "."
    return float(plain.replace(group, "").replace(sign, "."))
