"""Division of a column by a number.

Polars divides a column of several rows by multiplying with the reciprocal, and a column of one row by dividing: a value
would have other bits when its hour is computed alone. Here it is always the reciprocal.
"""

from __future__ import annotations

import polars as pl


def divide(values: pl.Expr, by: float) -> pl.Expr:
    """Return `values`·(1/`by`): the same bits for one row and for many."""
    return values * (1.0 / by)
