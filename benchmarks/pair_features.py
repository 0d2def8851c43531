"""Pair features of one month's chunk against a loop over pairs in pandas (the rolling features that pandas has)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.case import Case
from feature_repo.transforms.assets import asset_hourly
from feature_repo.transforms.pairs import pair_hourly
from pairity.settings import FeatureSettings
from pairity.universe import DEFAULT_UNIVERSE, pairs_of

HOURS = 400 + 31 * 24
START = datetime(2024, 12, 15, tzinfo=UTC)


def bars() -> pl.DataFrame:
    generator = np.random.default_rng(0)
    frames = []
    for asset in DEFAULT_UNIVERSE:
        close = 100 * np.exp(np.cumsum(generator.normal(0, 0.005, HOURS)))
        spread = np.abs(generator.normal(0, 0.002, HOURS)) * close
        time = [START + timedelta(hours=h + 1) for h in range(HOURS)]
        columns = {
            "asset": asset,
            "event_timestamp": time,
            "open": close,
            "high": close + spread,
            "low": close - spread,
            "close": close,
            "volume_base": np.full(HOURS, 10.0),
            "volume_quote": close * generator.uniform(5, 15, HOURS),
            "minutes_observed": 60,
            "known_at": [t + timedelta(milliseconds=1) for t in time],
        }
        types = {name: pl.Datetime("us", "UTC") for name in ("event_timestamp", "known_at")}
        frames.append(pl.DataFrame(columns, schema_overrides={**types, "minutes_observed": pl.Int64}))
    return pl.concat(frames)


def cases() -> Iterator[Case]:
    settings, pairs = FeatureSettings(), pairs_of(DEFAULT_UNIVERSE)
    utc = pl.Datetime("us", "UTC")
    funding = pl.LazyFrame(
        schema={"asset": pl.String, "funding_time": utc, "funding_rate": pl.Float64, "known_at": utc}
    )
    assets = asset_hourly(bars().lazy(), funding, settings).collect()

    def ours() -> pl.DataFrame:
        return pair_hourly(assets.lazy(), pairs, settings, 200).collect()

    wide = {name: frame.to_pandas().set_index("event_timestamp") for (name,), frame in
            assets.partition_by("asset", as_dict=True).items()}  # fmt: skip

    def theirs() -> pd.DataFrame:
        return pd.concat([_pandas_pair(wide[p.base], wide[p.quote]).assign(pair_id=p.pair_id) for p in pairs])

    def check() -> None:
        one = ours().filter(pl.col("pair_id") == "BTC__ETH")["z_score"].to_numpy()
        other = _pandas_pair(wide["BTC"], wide["ETH"])["z_score"].to_numpy()[-len(one) :]
        np.testing.assert_allclose(one, other, rtol=1e-6)

    yield Case(f"pair features, {len(pairs)} pairs × {HOURS} hours", ours, "pandas loop over pairs", theirs, check)


def _pandas_pair(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    spread = a["close"] / b["close"]
    ratio = a["volume_quote"] / b["volume_quote"]
    change = spread.diff()
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    log_a, log_b = np.log(a["close"]), np.log(b["close"])
    slope = log_a.rolling(168).cov(log_b) / log_b.rolling(168).var()
    return pd.DataFrame({
        "z_score": (spread - spread.rolling(24).mean()) / spread.rolling(24).std(),
        "rsi": 100 - 100 / (1 + gain / loss), "roc": spread.pct_change(5) * 100, "ratio": ratio,
        "ratio_rel": ratio / ratio.rolling(12).mean(), "correlation": a["return_1h"].rolling(168).corr(b["return_1h"]),
        "hedge": slope, "half_life": (log_a - slope * log_b).rolling(168).apply(_half_life, raw=True),
    })  # fmt: skip


def _half_life(residual: np.ndarray) -> float:
    lagged, moved = residual[:-1], np.diff(residual)
    phi = np.polyfit(lagged, moved, 1)[0] if np.isfinite(residual).all() else np.nan
    return -np.log(2) / np.log1p(phi) if -1 < phi < 0 else np.nan
