"""Measures of a backtest as people of the field write them, the same in every table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pairity.annualising import LEAST_TO_ANNUALISE, may_annualise
from pairity.number_formats import NOTHING, Figure, format_fixed, format_money, format_percent

Write = Callable[[float | None], Figure]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure: its title with the unit, how it is written, and whether it is scaled to a year."""

    title: str
    write: Write
    is_annualised: bool = False


def _signed(value: float | None) -> Figure:
    return format_percent(value, signed=True)


def _count(value: float | None) -> Figure:
    return format_fixed(value, 0)


def _bps(value: float | None) -> Figure:
    return format_fixed(value, 1)


MEASURES: Mapping[str, Measure] = {
    "net_return": Measure("net return", _signed),
    "gross_return": Measure("gross return", _signed),
    "arithmetic_return": Measure("sum of hourly returns", _signed),
    "sharpe": Measure("Sharpe, annualised", format_fixed, is_annualised=True),
    "sharpe_low": Measure("  95% from", format_fixed, is_annualised=True),
    "sharpe_high": Measure("  to", format_fixed, is_annualised=True),
    "sharpe_long_run": Measure("  by the long-run variance", format_fixed, is_annualised=True),
    "sharpe_geometric": Measure("  of log returns", format_fixed, is_annualised=True),
    "max_drawdown": Measure("max drawdown", format_percent),
    "trades": Measure("trades", _count),
    "win_rate": Measure("win rate", format_percent),
    "profit_factor": Measure("profit factor", format_fixed),
    "exposure": Measure("exposure", format_percent),
    "turnover": Measure("turnover, times equity", format_fixed),
    "average_holding_h": Measure("average holding, h", format_fixed),
    "fees_usdt": Measure("fees, USDT", format_money),
    "slippage_usdt": Measure("slippage, USDT", format_money),
    "funding_usdt": Measure("funding paid, USDT", format_money),
    "break_even_cost_bps": Measure("break-even cost, bps a side", _bps),
    "final_equity_usdt": Measure("final equity, USDT", format_money),
    "deflated_sharpe": Measure("deflated Sharpe", format_fixed),
    "volatility": Measure("volatility, annualised", format_percent, is_annualised=True),
    "sortino": Measure("Sortino, annualised", format_fixed, is_annualised=True),
    "calmar": Measure("Calmar, annualised", format_fixed, is_annualised=True),
    "value_at_risk": Measure("value at risk of a day, 95%", format_percent),
    "expected_shortfall": Measure("expected shortfall of a day, 95%", format_percent),
    "best_day": Measure("best day", _signed),
    "worst_day": Measure("worst day", _signed),
    "skew": Measure("skew of days", format_fixed),
    "kurtosis": Measure("kurtosis of days (normal: 3)", format_fixed),
    "beta": Measure("beta to holding the coin", format_fixed),
    "beta_lowest": Measure("  of 30 days, lowest", format_fixed),
    "beta_highest": Measure("  of 30 days, highest", format_fixed),
}


def format_measure(key: str, metrics: Mapping[str, float | None], span: timedelta) -> Figure:
    """Return one measure of a backtest over `span`; a dash where it is not known, or would be scaled to a year."""
    measure = MEASURES[key]
    if measure.is_annualised and not may_annualise(span):
        return Figure(NOTHING)
    return measure.write(metrics.get(key))


def make_rows(
    metrics: Sequence[Mapping[str, float | None]], span: timedelta, keys: Iterable[str] | None = None
) -> list[tuple[str, ...]]:
    """Return one row per measure: its title, and its value for each of several backtests over the same span."""
    chosen = [key for key in keys or MEASURES if any(key in values for values in metrics)]
    return [(MEASURES[key].title, *(format_measure(key, values, span) for values in metrics)) for key in chosen]


def explain_span(span: timedelta) -> str | None:
    """Return why annualised measures are missing, or None where they are not.

    >>> explain_span(timedelta(days=9, hours=3))
    'nothing is annualised: 9 days are too few, 30 are needed'
    """
    if may_annualise(span):
        return None
    return f"nothing is annualised: {span.days} days are too few, {LEAST_TO_ANNUALISE.days} are needed"
