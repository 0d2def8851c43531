"""Rolling statistics of hourly returns: Sharpe ratio and volatility of a year, and beta to holding the coin.

Each value looks back over a window of hours that ends at a bar close, and is known then. One value a day.

Source: docs/formulas.md, Tear sheet.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from pairity.annualising import LEAST_TO_ANNUALISE
from pairity.number_formats import format_count
from training.evaluation.long_run import DAY, HOURS_PER_YEAR
from training.evaluation.tear_sheet import Floats

WINDOW_DAYS = LEAST_TO_ANNUALISE.days
WINDOW = WINDOW_DAYS * DAY
"""Hours of a window: the least that may be scaled to a year."""
_FLAT = 1e-12

SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Datetime("us", "UTC"),
    "sharpe": pl.Float64(),
    "volatility": pl.Float64(),
    "beta": pl.Float64(),
}


def roll(times: pl.Series, returns: Floats, holding: Floats | None = None) -> pl.DataFrame:
    """Return time (the window's last bar close), sharpe, volatility and beta, one row a day; empty where too short.

    `times`: bar closes of the hourly `returns` (fractions), ascending without holes; `holding`: those of holding the
    coin over the same hours, None where there are none. `sharpe`: mean/std (ddof 1)·√8760, null where returns of the
    window do not vary; `volatility`: std·√8760; `beta`: see `tear_sheet.measure_beta`, null without `holding`, or where
    that does not move. The last window ends with the last hour.
    """
    if len(returns) < WINDOW:
        return pl.DataFrame(schema=SCHEMA)
    ends = np.arange(len(returns) - WINDOW, -1, -DAY)[::-1]
    own = sliding_window_view(returns, WINDOW)[ends]
    mean, spread = own.mean(axis=1), own.std(axis=1, ddof=1)
    moves = spread > _FLAT * np.maximum(1.0, np.abs(own).max(axis=1))
    year = math.sqrt(HOURS_PER_YEAR)
    sharpe = np.where(moves, mean / np.where(moves, spread, 1.0) * year, np.nan)
    values = {
        "sharpe": sharpe,
        "volatility": np.where(moves, spread, 0.0) * year,
        "beta": _roll_beta(own, holding, ends),
    }
    columns = [pl.Series(name, column, dtype=pl.Float64).fill_nan(None) for name, column in values.items()]
    return pl.DataFrame([times.gather(ends + WINDOW - 1).cast(SCHEMA["time"]).alias("time"), *columns])


def explain_no_window(hours: int) -> str | None:
    """Return why there is nothing to roll over so many hours; None where there is.

    >>> explain_no_window(240)
    'a window has 30 days, and 10 are there'
    """
    return (
        None
        if hours >= WINDOW
        else f"a window has {WINDOW_DAYS} days, and {format_count(hours // DAY, 'is there', 'are there')}"
    )


def _roll_beta(own: Floats, holding: Floats | None, ends: np.ndarray) -> Floats:
    if holding is None or len(holding) < int(ends[-1]) + WINDOW:
        return np.full(len(ends), np.nan)
    other = sliding_window_view(holding, WINDOW)[ends]
    centred = other - other.mean(axis=1, keepdims=True)
    square = (centred**2).sum(axis=1)
    moves = square > _FLAT**2 * WINDOW
    shared = (centred * (own - own.mean(axis=1, keepdims=True))).sum(axis=1)
    beta: Floats = np.where(moves, shared / np.where(moves, square, 1.0), np.nan)
    return beta
