"""A last line without a line end: a file that is still being written, or was cut, may end inside a number.

`42315.2` that is cut to `4231` is a number too, and no rule can tell. So such a line counts only where its last cell is
surely whole: a number with as many decimals as all others of its column, a time as long as all others, a text that
stands in another line as well, or a column that is not read.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ingestion.sources.file_columns import RECEIVED, TEXTS, TIME
from ingestion.sources.sheets import Sheet
from pairity.bounded_numbers import show

_DECIMALS = r"^[^.,]*[.,]([0-9]+)$"


def without_cut_line(sheet: Sheet, meanings: Mapping[str, str]) -> tuple[pl.DataFrame, str | None]:
    """Return the rows of a sheet without a last line whose last cell may be cut, and what to say of it.

    `meanings` has the meaning of each column that is read. The message is None where all rows count.
    """
    rows = sheet.rows
    if not sheet.is_open or rows.is_empty():
        return rows, None
    name = rows.columns[-1]
    cells = rows[name].str.strip_chars()
    last, others = cells[-1], cells[:-1].drop_nulls()
    meaning = meanings.get(name)
    if meaning is None or last is None or _is_whole(last, others, meaning):
        return rows, None
    said = f"line end: its {name} {show(last)} may be cut, and the line is not taken until the file goes on or ends it"
    return rows[:-1], f"{sheet.place(rows.height - 1)} without a {said}"


def _is_whole(last: str, others: pl.Series, meaning: str) -> bool:
    if others.is_empty():
        return False
    if meaning in TEXTS:
        return bool((others == last).any())
    if meaning in (TIME, RECEIVED):
        return bool((others.str.len_chars() == len(last)).all())
    decimals = pl.concat([others, pl.Series([last], dtype=pl.String)]).str.extract(_DECIMALS).str.len_chars()
    return decimals.null_count() == 0 and decimals.n_unique() == 1
