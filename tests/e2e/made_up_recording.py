"""A folder of recorded hours, made up: random walks with gaps between bars, marks beside the price, funding."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2025, 2, 10, tzinfo=UTC)
HOUR_MS = 3_600_000


def make_recording(folder: Path, assets: tuple[str, ...], hours: int, seed: int = 3) -> Path:
    """Write candles, marks and funding of `hours` hours from START; prices of all move together, with noise."""
    rng = np.random.default_rng(seed)
    times = int(START.timestamp() * 1000) + np.arange(hours, dtype=np.int64) * HOUR_MS
    common = np.cumsum(rng.normal(0, 0.003, hours))
    for number, asset in enumerate(assets):
        level, digits = 3000.0 / 5**number, 2 + number
        close = level * np.exp(common + np.cumsum(rng.normal(0, 0.004, hours)) * 0.7)
        # Not the close before: what is priced at an open and at a close must be told apart.
        opened = np.r_[level, close[:-1]] * (1 + rng.normal(0, 0.0003, hours))
        high = np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 0.004, hours)))
        low = np.minimum(opened, close) * (1 - np.abs(rng.normal(0, 0.004, hours)))
        prices = {"open": opened, "high": high, "low": low, "close": close}
        traded = {name: np.round(values, digits) for name, values in prices.items()}
        _store(folder / "1h", asset, {"ts": times, **traded, "volume": rng.uniform(100, 900, hours)})
        marks = {name: np.round(values * 1.0002, digits) for name, values in prices.items()}
        _store(folder / "mark_1h", asset, {"ts": times, **marks, "volume": np.zeros(hours)})
        settled = times[::8]
        _store(folder / "funding", asset, {"ts": settled, "funding_rate": rng.normal(1e-4, 2e-4, len(settled))})
    return folder


def _store(folder: Path, asset: str, columns: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(folder / f"{asset}-USDT.parquet")
