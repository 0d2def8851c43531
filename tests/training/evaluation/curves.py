"""Equity curves that were made up: by hand, from a seed, and pathological ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

START = datetime(2025, 1, 1, tzinfo=UTC)


def times(count: int, start: datetime = START) -> list[datetime]:
    """Bar closes of `count` hours: the first day is whole."""
    return [start + timedelta(hours=hour + 1) for hour in range(count)]


def curve(returns, start: float = 1000.0, first: datetime = START) -> pl.DataFrame:
    """The equity curve of hourly returns."""
    worth = start * np.cumprod(1.0 + np.asarray(returns, dtype=float))
    kind = pl.Datetime("us", "UTC")
    return pl.DataFrame({"time": pl.Series(times(len(worth), first), dtype=kind), "equity": worth})


def noise(count: int, seed: int = 7, drift: float = 0.0) -> np.ndarray:
    """Skewed hourly returns with a fat tail."""
    rng = np.random.default_rng(seed)
    return drift + 0.004 * rng.standard_t(5, count) - 0.0005 * rng.exponential(1.0, count)
