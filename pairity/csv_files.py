"""CSV files that people open in a spreadsheet: text stays text there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# Some spreadsheets take the wide forms of the signs too, and pass over what cannot be seen before them.
_FORMULA = r"^(?:[\t\r\n]|[\s\p{C}\p{Z}]*[=+\-@＝＋－＠])"
_NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def escape_formulas(rows: pl.DataFrame) -> pl.DataFrame:
    """Return `rows` for a CSV file: a text that a spreadsheet would compute gets an apostrophe in front.

    Spreadsheets take what begins with `=`, `+`, `-`, `@` (also in their wide forms, and behind blanks) or a tab as a
    formula, which can start programs. Numbers, negative ones and those in text columns included, are left as they are,
    and so are nulls.
    """
    import polars as pl

    text = pl.col(pl.String)
    harmless = text.str.contains(_NUMBER) | ~text.str.contains(_FORMULA)
    return rows.with_columns(pl.when(harmless | text.is_null()).then(text).otherwise("'" + text).name.keep())
