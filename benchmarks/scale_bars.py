"""Made-up minute bars of hundreds of instruments, written into a lake month by month.

No more than one instrument's month is in memory at once. The numbers are seeded, and look like a venue's: prices lie on
a tick, volumes are whole contracts; so the files have the size of real ones. Making and storing a bar costs more than
computing with it: `DISTINCT` instruments are made, and the files of the others are copies of theirs.
"""

from __future__ import annotations

import math
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from ingestion.lake.partitions import Partition
from pairity.layout import Layout
from pairity.settings import FeatureSettings, Settings, UniverseSettings
from pairity.timeline import MINUTE, months_between, next_month
from pairity.universe import inst_id

VENUE = "made"
START = datetime(2023, 1, 1, tzinfo=UTC)
DISTINCT = 30
"""Instruments with prices of their own; those after them have the prices of the one that many places before."""
_SEED = 29
_DIGITS = 5
"""Significant digits of a price."""


def make_settings(home: Path, instruments: int) -> Settings:
    """Return the settings of a home with that many instruments; only the first two make a pair."""
    names = list_names(instruments)
    universe = UniverseSettings(assets=names, pair_assets=names[:2], min_aligned_bars=1)
    return Settings(home=home, universe=universe, features=FeatureSettings(venue=VENUE))


def list_names(instruments: int) -> tuple[str, ...]:
    """Return so many made-up short names; the first of them are the same for every number."""
    return tuple(f"C{number:03}" for number in range(instruments))


def fill_lake(home: str, instruments: int, minutes: int) -> dict[str, float]:
    """Write `minutes` minutes of each instrument into the lake of `home`; return rows, bytes and seconds.

    `home` has no lake yet."""
    settings = make_settings(Path(home), instruments)
    begun, lake = time.perf_counter(), Lake(Layout.of(settings), durable=False, venue=VENUE)
    closes = dict.fromkeys(settings.universe.assets, 100.0)
    rows, until = 0, START + minutes * MINUTE
    with lake.writing():
        for month in months_between(START, until):
            for number, name in enumerate(settings.universe.assets[:DISTINCT]):
                bars = make_bars(number, month, min(next_month(month), until), closes[name])
                closes[name] = float(bars["close"][-1])
                rows += lake.write("candles_1m", name, bars) * len(settings.universe.assets[number::DISTINCT])
                for copy in settings.universe.assets[number + DISTINCT :: DISTINCT]:
                    shutil.copytree(_locate(lake, name, month), _locate(lake, copy, month))
    size = sum(path.stat().st_size for path in lake.root.rglob("*") if path.is_file())
    return {"rows": rows, "bytes": size, "seconds": time.perf_counter() - begun}


def _locate(lake: Lake, asset: str, month: datetime) -> Path:
    return Partition("candles_1m", inst_id(asset), month, lake.venue).folder(lake.root)


def make_bars(number: int, since: datetime, until: datetime, before: float) -> pl.DataFrame:
    """Return the minutes of instrument `number` in [since, until), going on from the close `before` it."""
    rng = np.random.default_rng((_SEED, number, since.year, since.month))
    count = (until - since) // MINUTE
    tick = 10.0 ** (math.floor(math.log10(before)) + 1 - _DIGITS)
    # The level returns to 100 by and by, so that no seed makes a price of nothing
    pull = 1e-5 * math.log(100.0 / before)
    close = _on_tick(before * np.exp(np.cumsum(rng.normal(pull, 6e-4, count))), tick)
    opened = np.concatenate([[before], close[:-1]])
    room = np.abs(rng.normal(0, 3e-4, (2, count)))
    volume = np.ceil(rng.lognormal(4.0, 1.2, count))
    kind = DATASETS["candles_1m"]
    return kind.conform(
        pl.DataFrame(
            {
                "open_time": pl.datetime_range(
                    since, until - timedelta(minutes=1), "1m", eager=True, time_unit="us", time_zone="UTC"
                ),
                "open": opened,
                "high": _on_tick(np.maximum(opened, close) * (1 + room[0]), tick, np.ceil),
                "low": _on_tick(np.minimum(opened, close) * (1 - room[1]), tick, np.floor),
                "close": close,
                "volume": volume,
                "volume_quote": np.round(volume * (opened + close) / 2, 2),
                "trade_count": np.ceil(volume / 8),
                "taker_buy_volume": np.floor(volume * rng.uniform(0.2, 0.8, count)),
            }
        ).with_columns(history_known_at(kind))
    )


def _on_tick(prices: np.ndarray, tick: float, rounding: np.ufunc = np.rint) -> np.ndarray:
    return np.round(rounding(prices / tick) * tick, 10)
