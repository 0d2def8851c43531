"""Performance of a backtest: the same metric keys for a model, its baseline and buy-and-hold.

Source of all formulas: docs/formulas.md, Measures.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.annualising import may_annualise
from pairity.timeline import HOUR
from training.backtest.records import BacktestResult
from training.backtest.trade_log import group_by_position
from training.evaluation.breakdown import HELD_H, summarise_by
from training.evaluation.costs import compound_at_costs
from training.evaluation.long_run import HOURS_PER_YEAR, annualise_long_run
from training.evaluation.uncertainty import estimate_sharpe_error

KEYS = (
    "net_return",
    "gross_return",
    "arithmetic_return",
    "sharpe",
    "sharpe_low",
    "sharpe_high",
    "sharpe_probability",
    "sharpe_long_run",
    "sharpe_geometric",
    "max_drawdown",
    "trades",
    "win_rate",
    "profit_factor",
    "exposure",
    "turnover",
    "average_holding_h",
    "fees_usdt",
    "slippage_usdt",
    "funding_usdt",
    "break_even_cost_bps",
    "final_equity_usdt",
    "unfilled_entries",
    "funding_unknown_hours",
)


def measure_performance(result: BacktestResult) -> dict[str, float | None]:
    """Return the metrics of one backtest; None where a metric is not defined (no trades, no losses, flat equity).

    What is annualised is None below 30 days (`pairity.annualising`).
    Fractions of the initial equity: `net_return`, `turnover` (Σ traded notional). `gross_return`: what an account had
    made that holds the same fractions of its equity and pays no fees, slippage and funding: Π(1 + hourly return before
    them) − 1. `arithmetic_return`: sum of the hourly returns, which stays above `net_return` by about half of their
    variance. `sharpe`: mean/std (ddof 1) of hourly equity returns × √8760, riskless rate 0; `sharpe_low` and
    `sharpe_high`: its 95% confidence interval over blocks of hours; `sharpe_probability`: the probability that the
    true ratio is above 0; `sharpe_long_run`: annualised by the long-run variance (`evaluation.long_run`);
    `sharpe_geometric`: the ratio of logarithmic returns, negative whenever money was lost; None after a ruin.
    `max_drawdown`: largest fall from a running maximum, as a positive fraction. `trades`, `win_rate`, `profit_factor`
    and `average_holding_h` count positions, whatever their number of legs, after all costs. `exposure`: mean of the
    notional held over equity. `break_even_cost_bps`: cost per side, in basis points of notional, at which the profit
    before costs (but after funding) would be zero. `*_usdt` are USDT; `funding_usdt` > 0 was paid.
    """
    trades, start, returns = result.trades, result.initial_equity, compute_hourly_returns(result)
    annual = may_annualise(len(returns) * HOUR)
    final = float(result.equity["equity"][-1])
    notional, gross, paid = (float(trades[name].sum()) for name in ("traded_notional", "gross_pnl", "funding"))
    return {
        "net_return": final / start - 1.0,
        "gross_return": compound_at_costs(result.equity, start, 0.0, funding=False),
        "arithmetic_return": float(returns.sum()),
        "sharpe": compute_sharpe(result.equity["equity"], start) if annual else None,
        **_measure_sharpe(returns, annual),
        "max_drawdown": abs(float(compute_drawdown(result.equity["equity"], start).min())),  # type: ignore[arg-type]
        "trades": float(group_by_position(trades).height),
        "exposure": float(result.equity["exposure"].mean() or 0.0),  # type: ignore[arg-type]
        "turnover": notional / start,
        "fees_usdt": float(trades["fees"].sum()),
        "slippage_usdt": float(trades["slippage"].sum()),
        "funding_usdt": paid,
        "break_even_cost_bps": (gross - paid) / notional * 1e4 if notional else None,
        "final_equity_usdt": final,
        "unfilled_entries": float(result.unfilled_entries),
        "funding_unknown_hours": float(result.funding_unknown_hours),
        **_measure_positions(group_by_position(trades)),
    }


def compute_sharpe(equity: pl.Series, start: float) -> float | None:
    """Return the annualised Sharpe ratio of hourly `equity` that began at `start`.

    None for fewer than 2 returns, and where they do not vary.
    """
    returns = [after / before - 1.0 if before else 0.0 for before, after in pairwise([start, *equity.to_list()])]
    if len(returns) < 2:
        return None
    mean = sum(returns) / len(returns)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in returns) / (len(returns) - 1))
    return mean / deviation * math.sqrt(HOURS_PER_YEAR) if deviation > 0 else None


def compute_hourly_returns(result: BacktestResult) -> NDArray[np.float64]:
    """Return the fractional change of equity in each hour; the first hour starts from the initial equity.

    0 in hours that begin with nothing: what is ruined stays so.
    """
    equity = np.concatenate([[result.initial_equity], result.equity["equity"].to_numpy()])
    lost = equity[:-1] == 0.0
    returns: NDArray[np.float64] = np.where(lost, 0.0, equity[1:] / np.where(lost, 1.0, equity[:-1]) - 1.0)
    return returns


def _measure_sharpe(returns: NDArray[np.float64], annual: bool) -> dict[str, float | None]:
    estimate = estimate_sharpe_error(returns)
    return {
        "sharpe_low": estimate.low if estimate is not None and annual else None,
        "sharpe_high": estimate.high if estimate is not None and annual else None,
        "sharpe_probability": None if estimate is None else estimate.probability_above(),
        "sharpe_long_run": annualise_long_run(returns) if annual else None,
        "sharpe_geometric": _compute_geometric_ratio(returns) if annual else None,
    }


def _compute_geometric_ratio(returns: NDArray[np.float64]) -> float | None:
    if len(returns) < 2 or float(returns.min()) <= -1.0:
        return None
    logs = np.log1p(returns)
    deviation = float(logs.std(ddof=1))
    return float(logs.mean()) / deviation * math.sqrt(HOURS_PER_YEAR) if deviation > 0 else None


def compute_drawdown(equity: pl.Series, start: float) -> pl.Series:
    """Return equity / running maximum − 1 at each hour (0 or negative); the maximum begins at `start`."""
    peak = equity.cum_max().clip(lower_bound=start)
    return equity / peak - 1.0


def summarise_by_pair(trades: pl.DataFrame) -> pl.DataFrame:
    """Return one row per traded pair, best net profit first; a trade is a position with all its legs.

    Columns: pair_id, trades, win_rate, gross_pnl, fees, funding, net_pnl (USDT), average_holding_h.
    """
    return summarise_by(group_by_position(trades), "pair_id")


def _measure_positions(trades: pl.DataFrame) -> dict[str, float | None]:
    if trades.is_empty():
        return {"win_rate": None, "profit_factor": None, "average_holding_h": None}
    net = trades["net_pnl"]
    lost = -float(net.filter(net < 0).sum())
    return {
        "win_rate": float((net > 0).sum()) / trades.height,
        "profit_factor": float(net.filter(net > 0).sum()) / lost if lost > 0 else None,
        "average_holding_h": float(trades.select(HELD_H.mean()).item()),
    }
