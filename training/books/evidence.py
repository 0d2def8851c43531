"""Evidence about a book: how sure its Sharpe ratio is, and what it depends on.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.books.families import BookFamily
from pairity.universe import ContractSpec
from training.backtest.performance import compute_hourly_returns, measure_performance
from training.backtest.records import BacktestResult
from training.books.engine import BookTerms, run_book
from training.books.history_features import FeatureHistory
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
    """The same book under other circumstances."""

    name: str
    result: BacktestResult
    metrics: Mapping[str, float | None]


def measure_certainty(returns: Floats) -> Certainty | None:
    """Return the certainty of hourly returns; None where they are too few or do not vary."""
    estimate = estimate_sharpe_error(returns)
    if estimate is None or estimate.error == 0.0:
        return None
    return Certainty(estimate.value, estimate.error, len(returns) / 8760)


def split_by_year(result: BacktestResult) -> list[tuple[int, float, float | None]]:
    """Return year (UTC), net return and annualised Sharpe ratio (None where it is not defined) of each year."""
    returns = compute_hourly_returns(result)
    years = _years(result)
    rows = []
    for year in np.unique(years):
        own = returns[years == year]
        deviation = float(own.std(ddof=1)) if len(own) > 1 else 0.0
        sharpe = float(own.mean()) / deviation * float(np.sqrt(8760.0)) if deviation > 0 else None
        rows.append((int(year), float(np.prod(1.0 + own)) - 1.0, sharpe))
    return rows


def _years(result: BacktestResult) -> NDArray[np.int64]:
    # The hour that ends at midnight of January 1st belongs to the year before.
    ends = result.equity["time"].dt.offset_by("-1us")
    return ends.dt.year().cast(pl.Int64).to_numpy()


@dataclass(frozen=True, slots=True)
class Bench:
    """All that the variations of a book share."""

    history: FeatureHistory
    terms: BookTerms
    specs: Mapping[str, ContractSpec]
    first: int

    def run(self, family: BookFamily, name: str, *, leave_out: str | None = None, **changes: object) -> Variation:
        """Run a family with some terms changed, or without one name."""
        terms = replace(self.terms, **changes)  # type: ignore[arg-type]
        out = frozenset() if leave_out is None else frozenset({leave_out})
        result = run_book(self.history, family, terms, self.specs, first=self.first, leave_out=out).result
        return Variation(name, result, measure_performance(result))

    def list_names(self) -> list[str]:
        """Return the names that can be traded."""
        return [name for name in self.history.panel.names if name in self.specs]


def list_variations(bench: Bench, family: BookFamily) -> Iterator[tuple[str, Callable[[], Variation]]]:
    """Yield the name of every variation with a call that runs it: costs, hours, delay, capital."""
    costs = bench.terms.costs
    for factor in (2, 3):
        dearer = replace(costs, fee_bps=factor * costs.fee_bps, slippage_bps=factor * costs.slippage_bps)
        name = f"costs × {factor}"
        yield name, lambda name=name, dearer=dearer: bench.run(family, name, costs=dearer)  # type: ignore[misc]
    for hour in (6, 12, 18) if family.every_hours == 24 else ():
        name = f"decided at {hour:02}:00 UTC"
        yield name, lambda name=name, hour=hour: bench.run(family, name, phase_h=hour)  # type: ignore[misc]
    name = "filled a day later"
    yield name, lambda name=name: bench.run(family, name, delay_h=24)  # type: ignore[misc]
    for capital in (1e6, 1e7, 1e8):
        name = f"capital {capital:,.0f} USDT"
        yield name, lambda name=name, capital=capital: bench.run(family, name, initial_equity=capital)  # type: ignore[misc]


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
