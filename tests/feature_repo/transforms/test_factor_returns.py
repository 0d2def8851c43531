"""Hourly factor returns against pandas; the bits of one hour alone are those of the whole; nothing later matters."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from feature_repo.catalog import FACTOR_RETURNS
from feature_repo.transforms.factor_returns import compute_hourly_factors, compute_minute_factors
from feature_repo.transforms.risk_panel import build_risk_panel
from pairity.settings import FeatureSettings
from tests.feature_repo.transforms.markets import DAY, HOUR, MINUTE, assert_same_bits, candles
from tests.oracles import risk_factors_pandas as oracle

START = datetime(2025, 3, 1, tzinfo=UTC)
NAMES = ("A", "B", "C", "D", "E", "F")
SETTINGS = FeatureSettings(risk_days=2, exposure_minutes=240)
DAYS = 4
END = START + DAYS * DAY


@pytest.fixture(scope="module")
def minutes():
    rows = candles(NAMES, DAYS * 1440, bar=MINUTE, start=START, seed=4, gaps=0.01, volatility=0.0008)
    # One hour of nothing, and one of which too little is left.
    silent = pl.col("open_time").is_between(START + 60 * HOUR, START + 61 * HOUR, closed="left")
    thin = pl.col("open_time").is_between(START + 63 * HOUR, START + 63 * HOUR + 10 * MINUTE, closed="left")
    return rows.filter(~silent, ~thin).with_columns(pl.lit(None, pl.Float64).alias("trade_count"))


def hourly(minutes, end=END, after=None):
    return compute_hourly_factors(build_risk_panel(minutes, START, end, SETTINGS), "okx", after=after)


def test_every_hour_is_the_sum_of_its_minutes(minutes):
    frame = minutes.to_pandas()
    returns, liquidity = oracle.returns_of(frame), oracle.volumes_of(frame)
    membership = {}
    for day in (2, 3):
        scores = oracle.scores(returns, liquidity, pd.Timestamp(START + day * DAY), 2)
        membership[pd.Timestamp(START + day * DAY)] = scores.apply(oracle.terciles).set_axis(
            ["liquidity", "volatility", "momentum"], axis=1
        )
    by_minute = oracle.factors(returns, membership)
    for kind in ("liquidity", "volatility", "momentum"):
        by_minute[kind] = by_minute[f"{kind}_high"] - by_minute[f"{kind}_low"]
    grouped = by_minute.groupby(by_minute.index.floor("h") + pd.Timedelta(hours=1))
    expected = grouped.sum().where(grouped.count() >= 54)
    found = hourly(minutes)
    assert found.columns == list(FACTOR_RETURNS.columns)
    own = found.filter(pl.col("event_timestamp") > START + 2 * DAY).to_pandas().set_index("event_timestamp")
    assert START + 61 * HOUR not in own.index
    assert np.isnan(own.loc[pd.Timestamp(START + 64 * HOUR), "market"])
    np.testing.assert_allclose(own[list(expected)].to_numpy(), expected.loc[own.index].to_numpy(), atol=1e-14)
    early = found.filter(pl.col("event_timestamp") <= START + 2 * DAY)
    assert early["momentum_high"].null_count() == early.height == 48
    assert early["market"].null_count() == 0
    assert set(found["venue"]) == {"okx"}
    assert (found["created_timestamp"] >= found["event_timestamp"]).all()


@pytest.mark.parametrize("hours", [1, 3, 30])
def test_hours_alone_have_the_bits_of_the_whole(minutes, hours):
    whole = hourly(minutes)
    after = END - hours * HOUR
    assert_same_bits(hourly(minutes, after=after), whole.filter(pl.col("event_timestamp") > after))


def test_nothing_later_changes_an_hour(minutes):
    until = START + 70 * HOUR
    garbage = minutes.with_columns(
        pl.when(pl.col("open_time") >= until).then(pl.col("close") * 3).otherwise("close").alias("close")
    )
    known = pl.col("event_timestamp") <= until
    assert_same_bits(hourly(garbage).filter(known), hourly(minutes).filter(known))
    short = hourly(minutes.filter(pl.col("open_time") < until), end=until)
    assert_same_bits(short, hourly(minutes).filter(known))


def test_no_minutes_give_no_factors():
    nothing = compute_minute_factors(candles(NAMES, 1, bar=MINUTE).clear(), SETTINGS)
    assert nothing.height == 0
    assert nothing.columns[:2] == ["time", "market"]
