"""Markets made up or recorded, as inputs of the transforms; and what it means that two frames have the same bits."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import ASSET_EXPOSURES, ASSET_RISK_BUCKETS
from feature_repo.raw_datasets import DATASETS
from feature_repo.transforms import exposures
from feature_repo.transforms.bars import COLUMNS, select_bars
from feature_repo.transforms.hours import summarise_hours
from feature_repo.transforms.risk_panel import build_risk_panel
from pairity.settings import FeatureSettings, Settings, UniverseSettings

START = datetime(2025, 3, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LAG = timedelta(milliseconds=1)
UTC_US = pl.Datetime("us", "UTC")
# Read when the module is imported: fixtures of other tests take PAIRITY_* out of the environment.
RECORDED_DATA = os.environ.get("PAIRITY_RECORDED_DATA")

# Short windows: everything that a window can do happens within a few dozen hours.
SHORT = FeatureSettings(
    z_window_bars=6,
    rsi_period_bars=4,
    roc_bars=3,
    volume_mean_bars=4,
    volatility_window_bars=5,
    atr_period_bars=4,
    correlation_window_bars=20,
    hedge_window_bars=20,
)


def settings(assets, features=None, minimum=200):
    return Settings(
        universe=UniverseSettings(assets=tuple(assets), min_aligned_bars=minimum),
        features=features or FeatureSettings(),
    )


def candles(assets, count, *, bar=HOUR, start=START, seed=0, gaps=0.0, volatility=0.01, level=100.0, lag=LAG):
    """Correlated random walks with candles of size `bar`; each is missing with probability `gaps`; known `lag` late."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, volatility, count)
    parts = []
    for number, asset in enumerate(assets):
        close = level * (number + 1) * np.exp(np.cumsum(common + rng.normal(0, volatility, count)))
        opened = np.concatenate([[close[0]], close[:-1]])
        high = np.maximum(opened, close) * (1 + np.abs(rng.normal(0, volatility / 2, count)))
        low = np.minimum(opened, close) * (1 - np.abs(rng.normal(0, volatility / 2, count)))
        volume = np.where(rng.random(count) < 0.03, 0.0, rng.exponential(50.0, count))
        given = rng.random(count) < 0.5
        frame = pl.DataFrame(
            {
                "asset": [asset] * count,
                "open_time": [start + step * bar for step in range(count)],
                "open": opened,
                "high": high,
                "low": low,
                "close": close,
                "volume": volume,
                "volume_quote": [v * c if seen else None for v, c, seen in zip(volume, close, given, strict=True)],
            },
            schema_overrides={"open_time": UTC_US, "volume_quote": pl.Float64},
        )
        parts.append(frame.filter(pl.Series(rng.random(count) >= gaps)))
    return pl.concat(parts).with_columns((pl.col("open_time") + bar + lag).alias("known_at"))


def bars_of(closes, *, start=START, volume=10.0):
    """Hourly bars of {asset: [close or None, …]}: high and low 1% around the close."""
    rows = [
        (
            asset,
            start + step * HOUR,
            close,
            close * 1.01,
            close * 0.99,
            close,
            volume,
            volume * close,
            60,
            start + step * HOUR + LAG,
        )
        for asset, path in closes.items()
        for step, close in enumerate(path)
        if close is not None
    ]
    schema = dict.fromkeys(COLUMNS, pl.Float64) | {
        "asset": pl.String,
        "event_timestamp": UTC_US,
        "minutes_observed": pl.Int64,
        "known_at": UTC_US,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def funding_of(rows=()):
    """Settlements from (asset, time, rate), each known 1 ms later."""
    schema = {"asset": pl.String, "funding_time": UTC_US, "funding_rate": pl.Float64, "known_at": UTC_US}
    return pl.DataFrame([(*row, row[1] + LAG) for row in rows], schema=schema, orient="row")


def settlements(assets, hours, *, start=START, every=8, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    times = [start + step * HOUR for step in range(0, hours, every)]
    return funding_of([(a, t, float(rng.normal(1e-4, 1e-4))) for a in assets for t in times if rng.random() >= missing])


def inflow_of(rows=()):
    """Daily inflow from (asset, day's start, coins), each known when the day is over and 1 ms later."""
    schema = {"asset": pl.String, "time": UTC_US, "inflow": pl.Float64, "known_at": UTC_US}
    return pl.DataFrame([(*row, row[1] + DAY + LAG) for row in rows], schema=schema, orient="row")


def inflows(assets, hours, *, start=START, seed=0, missing=0.0):
    """From three days before `start` on; some days flow nothing."""
    rng = np.random.default_rng(seed + 1)
    days = [start + step * DAY for step in range(-3, hours // 24 + 1)]
    coins = ((a, t, float(rng.choice([0.0, rng.exponential(1e3)], p=[0.1, 0.9]))) for a in assets for t in days)
    return inflow_of([row for row in coins if rng.random() >= missing])


def bits(frame):
    """Digest of every cell's bits: nulls, zeros' signs and NaN payloads count, memory layout does not."""
    digest = hashlib.sha256()
    for column in frame.get_columns():
        digest.update(f"{column.name} {column.dtype} {len(column)}\n".encode())
        digest.update(column.is_null().to_numpy().tobytes())
        if column.dtype == pl.Float64:
            digest.update(column.fill_null(0.0).to_numpy().tobytes())
        else:
            digest.update("\n".join(map(str, column.to_list())).encode())
    return digest.hexdigest()


def assert_same_bits(actual, expected):
    assert actual.columns == expected.columns
    assert actual.height == expected.height
    for name in actual.columns:
        assert bits(actual.select(name)) == bits(expected.select(name)), name


def assert_close(actual, expected, *, keys, rtol=1e-9, atol=0.0):
    """Polars `actual` against pandas `expected`: the same rows, nulls at the same places, values within tolerance."""
    assert actual.select(keys).rows() == list(expected[keys].itertuples(index=False, name=None))
    for name in actual.columns:
        if actual[name].dtype != pl.Float64:
            if name not in keys:
                assert actual[name].to_list() == expected[name].tolist(), name
            continue
        assert not actual[name].is_nan().any(), name
        theirs = expected[name].to_numpy(dtype=float)
        assert (actual[name].is_null().to_numpy() == np.isnan(theirs)).all(), name
        ours = actual[name].fill_null(float("nan")).to_numpy()
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, err_msg=name)


def recorded_folder(name):
    if not RECORDED_DATA:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded market to compare on")
    return Path(RECORDED_DATA) / "okx_swap" / name


def _instant():
    return pl.from_epoch("ts", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def recorded_candles(folder, assets, bar):
    """A recorded candle folder as transform input; the recordings carry no quote volume."""
    return pl.concat(
        pl.read_parquet(recorded_folder(folder) / f"{asset}-USDT.parquet").select(
            pl.lit(asset).alias("asset"),
            _instant().alias("open_time"),
            "open",
            "high",
            "low",
            "close",
            "volume",
            pl.lit(None, dtype=pl.Float64).alias("volume_quote"),
            (_instant() + bar + LAG).alias("known_at"),
        )
        for asset in assets
    )


def recorded_funding(assets):
    return pl.concat(
        pl.read_parquet(recorded_folder("funding") / f"{asset}-USDT.parquet").select(
            pl.lit(asset).alias("asset"),
            _instant().alias("funding_time"),
            "funding_rate",
            (_instant() + LAG).alias("known_at"),
        )
        for asset in assets
    )


def reader(minutes, hours, funding):
    """What the lake would hand to the chunk driver; notes the ranges that were asked for."""
    frames = {
        "candles_1m": (minutes, "open_time"),
        "candles_1h": (hours, "open_time"),
        "funding": (funding, "funding_time"),
    }
    asked = []

    def read(dataset, since, until):
        asked.append((dataset, since, until))
        if dataset not in frames:
            return DATASETS[dataset].empty().lazy().select(pl.lit(None, pl.String).alias("asset"), pl.all())
        frame, time = frames[dataset]
        complete = frame.select("asset", *DATASETS[dataset].conform(frame.drop("asset")).get_columns())
        return complete.lazy().filter(pl.col(time) >= since, pl.col(time) < until)

    read.asked = asked
    return read


def build_hourly_bars(minutes):
    """Bars of one hour, made of 1-minute candles."""
    return select_bars(summarise_hours(minutes))


def compute_risk_buckets(minutes, start, end, config):
    """Rows of `asset_risk_buckets` from minutes (lazy) alone."""
    risk = build_risk_panel(minutes.collect(), start, end, config)
    return exposures.compute_risk_buckets(risk).lazy() if risk else empty_rows(ASSET_RISK_BUCKETS)


def compute_asset_exposures(minutes, start, end, config):
    """Rows of `asset_exposures` from minutes (lazy) alone."""
    risk = build_risk_panel(minutes.collect(), start, end, config)
    return exposures.compute_asset_exposures(risk, config).lazy() if risk else empty_rows(ASSET_EXPOSURES)


def empty_rows(view):
    return pl.LazyFrame(schema=dict.fromkeys(view.columns, pl.Float64))
