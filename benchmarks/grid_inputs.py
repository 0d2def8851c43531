"""The grid's inputs: two years of hourly bars of ten assets, and a score for each of 45 pairs at every hour.

Bars are recorded ones of OKX where PAIRITY_RECORDED_DATA names them, else made up from one seed: a common random walk
and, for each asset, a part of its own that always comes back, so that spreads revert often enough to be traded.
Features are the project's own. Probabilities, funding rates and settlements are drawn from the seed in both cases: a
benchmark of the engine needs many trades, not good ones.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import floor, log10
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.pairs import compute_pair_hourly
from pairity.settings import FeatureSettings, StrategySettings
from pairity.timeline import HOUR
from pairity.universe import DEFAULT_UNIVERSE, ContractSpec, inst_id, pairs_of
from training.backtest.grid import GridInputs
from training.backtest.inputs import build_market_history, group_scores_by_hour
from training.backtest.records import Settlement, Terms

HOURS = 17_520
SMALL_HOURS = 1_000
RECORDED = "okx_swap/1h"
TERMS = Terms(initial_equity=10_000.0, taker_fee_bps=5.0, slippage_bps=1.0)
SETTINGS = FeatureSettings()
_START = datetime(2024, 1, 1, tzinfo=UTC)
_WARM_UP = 200
_UTC_US = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames from which history and scores are put together."""

    hours: tuple[datetime, ...]
    bars: pl.DataFrame
    known: pl.DataFrame
    scored: pl.DataFrame
    settlements: dict[str, list[Settlement]]
    specs: dict[str, ContractSpec]


def describe_source() -> str:
    return "OKX 1h, recorded" if os.environ.get("PAIRITY_RECORDED_DATA") else "made up"


def make_frames(hours: int) -> Frames:
    """Return the frames of the last `hours` closes; all feature windows are full at the first of them."""
    data = os.environ.get("PAIRITY_RECORDED_DATA")
    bars = _read_recorded(Path(data) / RECORDED) if data else _make_up_bars(hours + _WARM_UP)
    closes = bars["event_timestamp"].unique().sort().tail(hours)
    times = tuple(closes.to_list())
    generator = np.random.default_rng(7)
    rates = {asset: _draw_settlements(generator, times) for asset in DEFAULT_UNIVERSE}
    features = compute_asset_hourly(bars.lazy(), _make_funding(rates).lazy(), SETTINGS).collect()
    pairs = compute_pair_hourly(features.lazy(), pairs_of(DEFAULT_UNIVERSE), SETTINGS, _WARM_UP).collect()
    rows = pairs.filter(pl.col("event_timestamp").is_in(closes.implode())).sort("event_timestamp", "pair_id")
    scored = rows.with_columns(
        probability=generator.uniform(0.2, 0.9, rows.height).round(3), known=generator.random(rows.height) > 0.01
    )
    last = bars.group_by("asset").agg(pl.col("close").last())
    return Frames(
        hours=times,
        bars=bars.filter(pl.col("event_timestamp").is_in(closes.implode())),
        known=features,
        scored=scored,
        settlements=rates,
        specs={asset: _make_spec(asset, price) for asset, price in last.iter_rows()},
    )


def make_grid_inputs(hours: int) -> GridInputs:
    return assemble_grid_inputs(make_frames(hours))


def assemble_grid_inputs(made: Frames) -> GridInputs:
    history = build_market_history(made.hours, made.known, made.bars, made.settlements, made.specs)
    scores = group_scores_by_hour(made.scored, pairs_of(DEFAULT_UNIVERSE))
    return GridInputs(
        history=history,
        scores=scores,
        settings=StrategySettings(),
        terms=TERMS,
        decision_lag=SETTINGS.decision_lag,
        train_end=None,
    )


def _read_recorded(folder: Path) -> pl.DataFrame:
    opened = pl.from_epoch("ts", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.concat(
        _select_bar_columns(
            pl.read_parquet(folder / f"{asset}-USDT.parquet").sort("ts").with_columns(event_timestamp=opened + HOUR),
            asset,
        )
        for asset in DEFAULT_UNIVERSE
    )


def _make_up_bars(count: int) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    market = np.cumsum(generator.normal(0, 0.004, count))
    first = _START + HOUR
    times = pl.datetime_range(first, first + (count - 1) * HOUR, "1h", eager=True, time_unit="us", time_zone="UTC")
    made = []
    for number in range(len(DEFAULT_UNIVERSE)):
        own = np.zeros(count)
        for hour, step in enumerate(generator.normal(0, 0.004, count - 1), start=1):
            own[hour] = 0.98 * own[hour - 1] + step
        close = 4.0 ** (5 - number) * 100 * np.exp((0.7 + 0.06 * number) * market + own)
        opened = np.concatenate([close[:1], close[:-1]]) * (1 + generator.normal(0, 2e-4, count))
        wick = np.abs(generator.normal(0, 0.002, (2, count)))
        frame = pl.DataFrame(
            {
                "event_timestamp": times,
                "open": opened,
                "high": np.maximum(opened, close) * (1 + wick[0]),
                "low": np.minimum(opened, close) * (1 - wick[1]),
                "close": close,
                "volume": generator.exponential(1e4, count) / close,
            }
        )
        made.append(_select_bar_columns(frame, DEFAULT_UNIVERSE[number]))
    return pl.concat(made)


def _select_bar_columns(rows: pl.DataFrame, asset: str) -> pl.DataFrame:
    return rows.select(
        pl.lit(asset).alias("asset"),
        pl.col("event_timestamp").cast(_UTC_US),
        "open",
        "high",
        "low",
        "close",
        pl.col("volume").alias("volume_base"),
        (pl.col("volume") * pl.col("close")).alias("volume_quote"),
        pl.lit(60, pl.Int64).alias("minutes_observed"),
        (pl.col("event_timestamp").cast(_UTC_US) + timedelta(milliseconds=1)).alias("known_at"),
    )


def _draw_settlements(generator: np.random.Generator, times: tuple[datetime, ...]) -> list[Settlement]:
    first = times[0].replace(hour=0) - 2 * timedelta(days=1)
    count = (times[-1] - first) // timedelta(hours=8) + 1
    rates = generator.normal(1e-4, 2e-4, count).round(6)
    return [Settlement(first + step * timedelta(hours=8), float(rate)) for step, rate in enumerate(rates)]


def _make_funding(rates: dict[str, list[Settlement]]) -> pl.DataFrame:
    rows = [(asset, *settlement) for asset, settlements in rates.items() for settlement in settlements]
    schema = {"asset": pl.String, "funding_time": _UTC_US, "funding_rate": pl.Float64}
    lag = timedelta(milliseconds=1)
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(known_at=pl.col("funding_time") + lag)


def _make_spec(asset: str, price: float) -> ContractSpec:
    """Return a contract of about one USDT in whole lots, with a tick of five digits."""
    digits = floor(log10(price))
    contract, tick = Decimal(10) ** -digits, Decimal(10) ** (digits - 4)
    return ContractSpec(
        instrument=inst_id(asset),
        ct_val=contract,
        lot_sz=Decimal(1),
        min_sz=Decimal(1),
        tick_sz=tick,
        max_leverage=Decimal(50),
    )
