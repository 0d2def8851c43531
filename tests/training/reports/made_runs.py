"""Runs that were made up: a comparison of several lines over some days, and a gate's verdict."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from model_registry.records import Check, Verdict
from tests.training.evaluation.curves import START, curve, noise
from training.backtest.records import TRADE_SCHEMA
from training.reports.contents import ContenderLine, RunContents

PAIRS = [f"{base}__{quote}" for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "DOT") for quote in ("AVAX", "LINK", "BNB")]
REASONS = ("z_cross", "take_profit", "stop_loss", "end_of_data")
FAILED = Verdict(
    (
        Check("net", True, "net return +4.71%", "a net return above +0.00%"),
        Check("deflated_sharpe", False, "0.646 over 2 trials", "at least 0.95"),
    )
)


def make_trades(count: int, hours: int, seed: int = 1) -> pl.DataFrame:
    """Closed trades of one leg, spread over the hours."""
    rng = np.random.default_rng(seed)
    closed = np.sort(rng.integers(24, max(25, hours), count))
    gross, fees, slippage = rng.normal(0.6, 12.0, count), np.full(count, 0.6), np.full(count, 0.12)
    funding = rng.normal(0.0, 0.05, count)
    rows = {
        "position_id": [f"p{number:05}" for number in range(count)],
        "leg": [0] * count,
        "pair_id": rng.choice(PAIRS, count).tolist(),
        "asset": ["BTC"] * count,
        "side": rng.choice(["buy", "sell"], count).tolist(),
        "opened_at": [START + timedelta(hours=int(hour) - 12) for hour in closed],
        "closed_at": [START + timedelta(hours=int(hour)) for hour in closed],
        "exit_reason": rng.choice(REASONS, count).tolist(),
        "traded_notional": [2000.0] * count,
        "gross_pnl": gross,
        "slippage": slippage,
        "leg_pnl": gross - slippage,
        "fees": fees,
        "funding": funding,
        "net_pnl": gross - slippage - fees - funding,
    }
    schema = {name: TRADE_SCHEMA[name] for name in rows}
    return pl.DataFrame(rows, schema=schema)


def make_line(key: str, returns, trades: pl.DataFrame, **metrics: float | None) -> ContenderLine:
    """A line with the metrics that the page needs, and those that are given."""
    equity = curve(returns).with_columns(
        exposure=pl.lit(0.9),
        costs=pl.col("equity").cum_sum() * 2e-5,
        funding=pl.lit(0.0),
    )
    final = float(equity["equity"][-1]) if equity.height else 1000.0
    own = {
        "net_return": final / 1000.0 - 1.0,
        "final_equity_usdt": final,
        "trades": float(trades["position_id"].n_unique()),
        "sharpe": 0.4,
        "sharpe_low": -2.0,
        "sharpe_high": 2.8,
        "deflated_sharpe": 0.2,
        "max_drawdown": 0.1,
        "turnover": float(trades["traded_notional"].sum()) / 1000.0,
        "profit_factor": float("nan"),
    }
    return ContenderLine(key, f"what {key} is", {**own, **metrics}, equity, trades)


def make_run(lines, **more) -> RunContents:
    """A run of these lines."""
    values = {
        "run_id": "0123456789abcdef" * 2,
        "name": "leaderboard",
        "started": "2026-01-02 00:00 UTC",
        "tags": {"snapshot_id": "f" * 64},
        "params": {"strategy.probability_min": "0.5", "universe.assets": "BTC, ETH"},
        "metrics": {"trials": 9.0, "effective_trials": 7.6, "probability_of_overfitting": 0.14},
        "lines": tuple(lines),
        "tables": {},
    }
    return RunContents(**{**values, **more})


def compare(families: int, days: int, trades: int) -> RunContents:
    """A comparison of so many families and holding BTC, with the tables that belong to it."""
    hours = 24 * days
    lines = [
        make_line(f"family_{number}", noise(hours, seed=number), make_trades(trades, hours, number))
        for number in range(families)
    ]
    lines.append(make_line("btc", noise(hours, seed=99), make_trades(1, hours)))
    names = [f"family_{number}" for number in range(families)]
    folds = [f"2025-{month:02}-01" for month in range(1, 7)]
    tables = {
        "folds": pl.DataFrame(
            [(fold, name, 0.01 * (place - 2), 5.0) for name in names for place, fold in enumerate(folds)],
            schema=["fold", "family", "net_return", "trades"],
            orient="row",
        ),
        "ic_by_month": pl.DataFrame(
            [(name, fold, 0.02 if place % 2 else None) for name in names for place, fold in enumerate(folds)],
            schema={"family": pl.String, "month": pl.String, "rank_ic": pl.Float64},
            orient="row",
        ),
        "deciles": pl.DataFrame(
            [(name, tenth, 100, 0.5, 0.001 * (tenth - 5)) for name in names for tenth in range(1, 11)],
            schema=["family", "decile", "rows", "mean_score", "mean_outcome"],
            orient="row",
        ),
        "calibration_candidates": pl.DataFrame(
            {"bin": [6, 8], "rows": [40, 60], "mean_probability": [0.65, 0.85], "observed": [0.5, 0.8]}
        ),
        "scores_candidates": pl.DataFrame(
            {"low": [0.5, 0.75], "high": [0.75, 1.0], "label_0": [20, 10], "label_1": [5, 50]}
        ),
        "feature_importance": pl.DataFrame({"feature": ["z_score", "half_life"], "importance": [0.7, 0.3]}),
        "drift": pl.DataFrame({"feature": ["score", "z_score"], "psi": [0.3, 0.05], "limit": [0.1, 0.2]}),
    }
    return make_run(lines, tables=tables)
