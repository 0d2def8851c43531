"""A two-legged backtest of made-up frames; run as a program it prints the digest of its trade log.

Every number is rounded and drawn from one seed, so that the digest says something about the engine alone.
"""

import numpy as np
import polars as pl

from pairity.digest import digest_bytes
from pairity.settings import StrategySettings
from pairity.universe import pairs_of
from tests.training.generated import LAG, Settlement, hours, spec
from training.backtest.engine import run_backtest
from training.backtest.inputs import build_market_history, group_scores_by_hour
from training.backtest.policies import Strategy
from training.backtest.records import Terms

ASSETS = ("BTC", "ETH", "SOL", "XRP")
UTC_US = pl.Datetime("us", "UTC")


def frames(count):
    """Return the inputs of `build_market_history` and `group_scores_by_hour`: what was known, bars, and scores."""
    rng = np.random.default_rng(20)
    times = pl.Series("event_timestamp", hours(count), dtype=UTC_US)
    bars, scored = [], []
    for number, asset in enumerate(ASSETS):
        steps = rng.integers(-80, 81, count) * (number + 1)
        close = (10_000 * (number + 1) + np.cumsum(steps)) / 100
        before = np.concatenate([close[:1], close[:-1]])
        wick = rng.integers(0, 40, (2, count)) / 100
        bars.append(
            pl.DataFrame(
                {
                    "asset": [asset] * count,
                    "event_timestamp": times,
                    "open": before,
                    "high": (np.maximum(before, close) + wick[0]).round(2),
                    "low": (np.minimum(before, close) - wick[1]).round(2),
                    "close": close,
                    "atr_14": [0.1 * (number + 1)] * count,
                    "realized_vol_24h": [0.01] * count,
                    "funding_rate": rng.integers(-4, 5, count) / 10_000,
                    "funding_interval_h": [8.0] * count,
                }
            )
        )
    for pair in pairs_of(ASSETS):
        scored.append(
            pl.DataFrame(
                {
                    "pair_id": [pair.pair_id] * count,
                    "event_timestamp": times,
                    "z_score": rng.integers(-250, 251, count) / 100,
                    "probability": rng.integers(0, 101, count) / 100,
                    "correlation_168h": rng.integers(-100, 101, count) / 100,
                    "hedge_ratio": rng.integers(50, 151, count) / 100,
                    "known": rng.random(count) > 0.05,
                }
            )
        )
    whole = pl.concat(bars)
    return (
        whole,
        whole.filter(pl.col("close") * 100 % 19 != 0),
        pl.concat(scored).sample(fraction=1.0, shuffle=True, seed=1),
    )


def run(legs, count=400):
    """The backtest of one strategy over the frames."""
    known, bars, scored = frames(count)
    settlements = {asset: [Settlement(t, 0.0001) for t in hours(count) if t.hour % 8 == 0] for asset in ASSETS}
    history = build_market_history(hours(count), known, bars, settlements, {asset: spec(asset) for asset in ASSETS})
    strategy = StrategySettings(legs=legs, stop_bounds=(0.01, 0.02), target_bounds=(0.01, 0.03))
    scores = group_scores_by_hour(scored, pairs_of(ASSETS))
    return run_backtest(
        history,
        scores,
        Strategy(strategy),
        Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0),
        decision_lag=LAG,
        train_end=None,
    )


def digest(legs):
    """SHA-256 of the trade log as CSV."""
    return digest_bytes(run(legs).trades.write_csv().encode())


if __name__ == "__main__":
    print(digest("base"), digest("both"))
