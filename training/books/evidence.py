"""Evidence about a book: how sure its Sharpe ratio is, and what it depends on.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.annualising import may_annualise
from pairity.timeline import HOUR
from training.backtest.performance import compute_hourly_returns
from training.backtest.records import BacktestResult
from training.books.history_features import FeatureHistory
from training.evaluation.sharpe import HOURS_PER_YEAR
from training.evaluation.uncertainty import estimate_sharpe_error

Floats = NDArray[np.float64]
_ONE_SIDED = 1.64
"""t of a one-sided test at 5%."""


@dataclass(frozen=True, slots=True)
class Certainty:
    """Annualised Sharpe ratio with the standard error of a block bootstrap, and how long it takes to be sure of it."""

    sharpe: float
    error: float
    years: float

    @property
    def t(self) -> float:
        """Sharpe ratio over its error."""
        return self.sharpe / self.error

    @property
    def years_needed(self) -> float | None:
        """Years until t reaches 1.64 at this ratio and this error per √year; None where it is not above 0."""
        return self.years * (_ONE_SIDED / self.t) ** 2 if self.sharpe > 0 else None


@dataclass(frozen=True, slots=True)
class Variation:
    """The same book under other circumstances: hourly returns, and the measures of `measure_returns`."""

    name: str
    returns: Floats
    metrics: Mapping[str, float | None]


def measure_certainty(returns: Floats) -> Certainty | None:
    """Return the certainty of hourly returns; None where they are too few or do not vary."""
    estimate = estimate_sharpe_error(returns)
    if estimate is None or estimate.error == 0.0:
        return None
    return Certainty(estimate.value, estimate.error, len(returns) / 8760)


def find_ruin(result: BacktestResult) -> datetime | None:
    """Return the first close at which nothing is left of the equity; None where something always is."""
    lost = result.equity.filter(pl.col("equity") <= 0.0)
    return lost["time"][0] if lost.height else None


def split_by_year(result: BacktestResult) -> list[tuple[int, float, float | None]]:
    """Return year (UTC), net return and annualised Sharpe ratio (None where it is not defined) of each year."""
    returns, ends = compute_hourly_returns(result), _end_inside(result)
    years = ends.dt.year().cast(pl.Int64).to_numpy()
    return [(int(year), _compound(own := returns[years == year]), compute_ratio(own)) for year in np.unique(years)]


def split_by_quarter(result: BacktestResult) -> list[tuple[str, float]]:
    """Return quarter (`2025-Q1`, UTC) and net return of each quarter."""
    returns, ends = compute_hourly_returns(result), _end_inside(result)
    quarters = (ends.dt.year().cast(pl.Int64) * 10 + ends.dt.quarter().cast(pl.Int64)).to_numpy()
    return [(f"{one // 10}-Q{one % 10}", _compound(returns[quarters == one])) for one in np.unique(quarters).tolist()]


def _end_inside(result: BacktestResult) -> pl.Series:
    # The hour that ends at midnight of January 1st belongs to the year before.
    return result.equity["time"].dt.offset_by("-1us")


def _compound(returns: Floats) -> float:
    return float(np.prod(1.0 + returns)) - 1.0


def compute_ratio(returns: Floats) -> float | None:
    """Return the annualised Sharpe ratio of hourly returns; None for fewer than 2, and where they do not vary."""
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / deviation * HOURS_PER_YEAR**0.5 if deviation > 0 else None


def compute_returns(equity: Floats, capital: float) -> Floats:
    """Return the hourly returns of an account that began with `capital`; 0 from the hour on that left it nothing."""
    before = np.concatenate([[capital], equity[:-1]])
    returns: Floats = np.where(before > 0, equity / np.where(before > 0, before, 1.0) - 1.0, 0.0)
    return returns


def measure_returns(returns: Floats) -> dict[str, float | None]:
    """Return `net_return`, `sharpe` and `max_drawdown` as `performance.measure_performance` has them."""
    worth = np.cumprod(1.0 + returns)
    peak = np.maximum(np.maximum.accumulate(worth), 1.0)
    annual = may_annualise(len(returns) * HOUR)
    return {
        "net_return": float(worth[-1]) - 1.0,
        "sharpe": compute_ratio(returns) if annual else None,
        "max_drawdown": float((1.0 - worth / peak).max()),
    }


def correlate(returns: Mapping[str, Floats]) -> dict[str, dict[str, float | None]]:
    """Return the correlations of hourly returns of the same hours; None where one does not vary."""
    table: dict[str, dict[str, float | None]] = {}
    for first, own in returns.items():
        table[first] = {
            second: None if not (np.ptp(own) > 0 and np.ptp(other) > 0) else float(np.corrcoef(own, other)[0, 1])
            for second, other in returns.items()
        }
    return table


def hold_name(history: FeatureHistory, name: str, first: int) -> Floats:
    """Return the hourly returns of a name from row `first` on; 0 where there is no bar."""
    closes = (
        pl.Series(history.panel.closes[:, history.panel.names.index(name)]).fill_nan(None).fill_null(strategy="forward")
    )
    moves = (closes / closes.shift(1) - 1.0).fill_null(0.0).to_numpy()
    held: Floats = moves[first:]
    return held
