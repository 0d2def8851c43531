"""Rolling regression on ten factors at every minute, against statsmodels and one numpy solve per window.

Timed on ten factors that are not collinear, for which all three have the same answer. The errors of the two designs in
use, one of which is collinear but for its ridge, are measured on recorded minutes where PAIRITY_RECORDED_DATA names
them, else on made-up ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.case import Case
from feature_repo.transforms.risk_factors import (
    assign_buckets,
    build_panel,
    compute_factor_returns,
    compute_scores,
    compute_spreads,
)
from feature_repo.transforms.risk_kernels import minute_fits
from pairity.settings import FeatureSettings

WINDOWS, WINDOW, FACTORS = 86_394, 1_440, 10
RECORDED = "okx_swap/1m_20250318_20250417"
SETTINGS = FeatureSettings()


def make_observations() -> np.ndarray:
    """Return minute returns of ten correlated factors and of one coin that is exposed to them."""
    generator = np.random.default_rng(0)
    rows = WINDOWS + WINDOW - 1
    market = generator.normal(0, 8e-4, (rows, 1))
    factors = market + generator.normal(0, 3e-4, (rows, FACTORS))
    coin = factors @ generator.normal(0.1, 0.2, FACTORS) + generator.normal(0, 3e-4, rows)
    return np.ascontiguousarray(np.column_stack([factors, coin]))


def read_recorded(folder: Path) -> pl.DataFrame:
    """Read recorded minutes of nine coins, in the columns of `candles_1m`."""
    opened = pl.from_epoch("ts", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.concat(
        pl.read_parquet(file).select(
            pl.lit(file.stem.partition("-")[0]).alias("asset"),
            opened.alias("open_time"),
            "open",
            "high",
            "low",
            "close",
            "volume",
        )
        for file in sorted(folder.glob("*.parquet"))
    )


def make_up_minutes(coins: int = 9, days: int = 30) -> pl.DataFrame:
    """Return made-up minutes in the same columns: betas from 0.5 to 1.5, and a volume of its own size per coin."""
    generator = np.random.default_rng(1)
    market = generator.normal(0, 6e-4, days * 1440)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    opened = pl.datetime_range(start, start + timedelta(days=days), "1m", closed="left", eager=True, time_unit="us")
    frames = []
    for coin, beta in enumerate(np.linspace(0.5, 1.5, coins)):
        close = 1.0 + beta * market + generator.normal(0, 4e-4, len(market))
        prices = {"open": 1.0, "high": np.maximum(close, 1.0), "low": np.minimum(close, 1.0), "close": close}
        volume = generator.exponential(1.0 + coin * 7 % coins, len(market))
        frames.append(pl.DataFrame({"asset": f"C{coin}", "open_time": opened, **prices, "volume": volume}))
    return pl.concat(frames)


def measure_design_errors() -> Iterator[str]:
    """Yield, per design, the largest differences from QR least squares (ridge as rows √λ below) on sampled windows."""
    data = os.environ.get("PAIRITY_RECORDED_DATA")
    minutes = read_recorded(Path(data) / RECORDED) if data else make_up_minutes()
    panel = build_panel(
        minutes.with_columns(
            pl.lit(None, pl.Float64).alias("volume_quote"),
            pl.lit(None, pl.Float64).alias("trade_count"),
            pl.col("open_time").alias("known_at"),
        )
    )
    assert panel is not None
    factors = compute_factor_returns(panel, assign_buckets(compute_scores(panel, SETTINGS)))
    response = panel.returns[:, 1]
    for name, x, ridge in (("spreads4", compute_spreads(factors), 0.0), ("buckets10", factors, SETTINGS.risk_ridge)):
        fitted = minute_fits(np.ascontiguousarray(np.column_stack([x, response])), WINDOW // 60, ridge, 1.0)
        ends = np.flatnonzero(~np.isnan(fitted[:, -1]))[::97]
        truth = np.array(
            [
                solve_least_squares(x[end + 1 - WINDOW : end + 1], response[end + 1 - WINDOW : end + 1], ridge)
                for end in ends
            ]
        )
        error = np.abs(fitted[ends, :-1] - truth)
        relative = error[:, 1:-1].max(axis=1) / np.abs(truth[:, 1:-1]).max(axis=1)
        yield (
            f"{name} on {panel.assets[1]} ({'recorded' if data else 'made up'}, {len(ends)} windows) against QR: "
            f"coefficients {error[:, 1:-1].max():.1e} ({relative.max():.1e} of the largest), "
            f"constant {error[:, 0].max():.1e}, R² {error[:, -1].max():.1e}"
        )


def solve_least_squares(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """Return the constant, the coefficients and R²."""
    centred, level = x - x.mean(axis=0), y - y.mean()
    q, r = np.linalg.qr(np.vstack([centred, np.sqrt(ridge) * np.eye(x.shape[1])]))
    slopes = np.linalg.solve(r, q.T @ np.concatenate([level, np.zeros(x.shape[1])]))
    error = level - centred @ slopes
    return np.array([y.mean() - x.mean(axis=0) @ slopes, *slopes, 1 - error @ error / (level @ level)])


def cases(_scratch: Path) -> Iterator[Case]:
    from statsmodels.regression.rolling import RollingOLS
    from statsmodels.tools import add_constant

    rows = make_observations()
    regressors, response = add_constant(rows[:, :-1]), rows[:, -1]

    def ours() -> np.ndarray:
        return minute_fits(rows, WINDOW // 60, 0.0, 0.9)[WINDOW - 1 :]

    def rolling() -> np.ndarray:
        return RollingOLS(response, regressors, window=WINDOW).fit(params_only=True).params[WINDOW - 1 :]

    def solves() -> np.ndarray:
        out = np.empty((WINDOWS, FACTORS + 1))
        for start in range(WINDOWS):
            x, y = regressors[start : start + WINDOW], response[start : start + WINDOW]
            out[start] = np.linalg.solve(x.T @ x, x.T @ y)
        return out

    def exact(at: int) -> np.ndarray:
        q, r = np.linalg.qr(regressors[at : at + WINDOW])
        return np.linalg.solve(r, q.T @ response[at : at + WINDOW])

    def check() -> None:
        mine, theirs, sampled = ours()[:, : FACTORS + 1], rolling(), range(0, WINDOWS, 997)
        truth = np.array([exact(at) for at in sampled])
        errors = [np.abs(fitted[::997] - truth).max() for fitted in (mine, theirs)]
        print(f"largest error against QR: ours {errors[0]:.1e}, RollingOLS {errors[1]:.1e}")
        np.testing.assert_allclose(mine[::997], truth, rtol=1e-7, atol=1e-9)
        for line in measure_design_errors():
            print(line)

    name = f"rolling regression, {WINDOWS:,} windows × {FACTORS} regressors × {WINDOW:,} rows (with R²)"
    yield Case(
        name=name,
        ours=ours,
        peer=f"statsmodels {version('statsmodels')} RollingOLS (parameters only)",
        theirs=rolling,
        check=check,
    )
    yield Case(
        name=name,
        ours=ours,
        peer=f"numpy {np.__version__} solve per window",
        theirs=solves,
        check=lambda: None,
        peer_rounds=1,
    )
