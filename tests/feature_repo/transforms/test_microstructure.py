"""Microstructure against pandas and SQL, on made-up and on recorded minutes."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_MICROSTRUCTURE
from feature_repo.raw_datasets import DATASETS
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.hours import summarise_hours
from feature_repo.transforms.microstructure import compute_microstructure
from pairity.settings import FeatureSettings
from tests.examples import examples
from tests.feature_repo.transforms.markets import (
    HOUR,
    LAG,
    MINUTE,
    START,
    UTC_US,
    assert_same_bits,
    build_hourly_bars,
    candles,
    funding_of,
    recorded_candles,
    recorded_folder,
    settlements,
)
from tests.oracles import microstructure_pandas, microstructure_sql

OF_MINUTES = ("vwap", "realized_vol_1h", "volume_cv", "parkinson_vol", "garman_klass_vol", "amihud", "roll_spread")
NAMES = ("A", "B")


def raw(name, rows=None):
    """Rows of a raw dataset with `asset`; none where none are given."""
    empty = DATASETS[name].empty().select(pl.lit(None, pl.String).alias("asset"), pl.all())
    return empty.lazy() if rows is None else pl.DataFrame(rows, schema=empty.schema, orient="row").lazy()


def with_takers(minutes, share=0.4):
    return minutes.with_columns(
        pl.lit(None, pl.Float64).alias("trade_count"), (pl.col("volume") * share).alias("taker_buy_volume")
    )


def computed(minutes, **parts):
    bars = parts.pop("bars", None)
    bars = build_hourly_bars(minutes.lazy()) if bars is None else bars
    hourly = compute_asset_hourly(bars, funding_of().lazy(), FeatureSettings())
    inputs = {
        name: parts.get(name, raw(name))
        for name in (
            "funding",
            "index_1h",
            "open_interest",
            "trade_bars_1m",
            "taker_volume_1h",
            "book_tops",
            "liquidations",
        )
    }
    return compute_microstructure(
        hourly,
        summarise_hours(minutes.lazy()),
        inputs["funding"],
        inputs["index_1h"],
        inputs["open_interest"],
        (inputs["trade_bars_1m"], inputs["taker_volume_1h"]),
        inputs["book_tops"],
        inputs["liquidations"],
    ).collect()


def compare(ours, theirs, columns, rtol=1e-9):
    assert ours.select("asset", "event_timestamp").rows() == list(theirs.index)
    for name in columns:
        mine = ours[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        other = theirs[name].to_numpy(dtype=float)
        assert (np.isnan(mine) == np.isnan(other)).all(), name
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=1e-13, err_msg=name)


@settings(deadline=None, max_examples=examples(15))
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 400),
    gaps=st.sampled_from([0.0, 0.1, 0.7]),
    volatility=st.sampled_from([0.001, 0.05, 0.0]),
)
def test_hours_are_those_of_pandas(seed, count, gaps, volatility):
    minutes = with_takers(candles(NAMES, count, bar=MINUTE, seed=seed, gaps=gaps, volatility=volatility))
    if minutes.is_empty():
        return
    ours = computed(minutes)
    theirs = microstructure_pandas.hours_of(minutes.to_pandas())
    compare(ours, theirs, (*OF_MINUTES, "vwap_deviation", "taker_buy_ratio", "minutes_observed"), rtol=1e-7)


def test_the_order_in_which_minutes_come_does_not_matter():
    minutes = with_takers(candles(NAMES, 300, bar=MINUTE, seed=3, gaps=0.1, volatility=0.001))
    shuffled = minutes.sample(fraction=1.0, shuffle=True, seed=1)
    assert_same_bits(summarise_hours(shuffled.lazy()).collect(), summarise_hours(minutes.lazy()).collect())


def test_the_first_return_of_an_hour_reaches_into_the_hour_before():
    closes = [100.0] * 60 + [101.0] + [101.0] * 59
    times = [START + k * MINUTE for k in range(120)]
    frame = pl.DataFrame(
        {
            "asset": "A",
            "open_time": times,
            "open": closes,
            "high": closes,
            "low": closes,
            "close": closes,
            "volume": 1.0,
            "volume_quote": closes,
            "known_at": [t + MINUTE + LAG for t in times],
        },
        schema_overrides={"open_time": UTC_US, "known_at": UTC_US},
    )
    first, second = computed(with_takers(frame))["realized_vol_1h"]
    assert first == 0.0
    assert second == pytest.approx(np.std([0.01] + [0.0] * 59, ddof=1) * np.sqrt(60))
    alone = computed(with_takers(frame[60:]))["realized_vol_1h"].item()
    assert alone == 0.0


def test_native_hours_have_no_minutes_and_no_statistics_of_them():
    hours = candles(("A",), 30)
    rows = computed(with_takers(hours.clear()), bars=adopt_native_hours(hours.lazy()))
    assert rows.height == hours.height
    assert rows["minutes_observed"].unique().to_list() == [0]
    assert all(rows[name].null_count() == rows.height for name in OF_MINUTES)


def test_the_takers_side_is_never_made_up():
    minutes = with_takers(candles(("A",), 180, bar=MINUTE, volatility=0.001)).with_columns(
        pl.lit(None, pl.Float64).alias("taker_buy_volume")
    )
    assert computed(minutes)["taker_buy_ratio"].null_count() == 3
    hours = [("A", START + HOUR, 30.0, 70.0, START + 2 * HOUR + LAG)]
    assert computed(minutes, taker_volume_1h=raw("taker_volume_1h", hours))["taker_buy_ratio"].to_list() == [
        None,
        0.3,
        None,
    ]
    bar = ("A", START + HOUR + MINUTE, 1.0, 1.0, 1.0, 1.0, 8.0, 8.0, 3.0, 6.0, START + 2 * HOUR)
    both = computed(minutes, taker_volume_1h=raw("taker_volume_1h", hours), trade_bars_1m=raw("trade_bars_1m", [bar]))
    assert both["taker_buy_ratio"].to_list() == [None, 0.75, None]


def test_samples_are_taken_as_known_and_not_for_ever():
    minutes = with_takers(candles(("A",), 60 * 60, bar=MINUTE, volatility=0.001))
    samples = [("A", START + k * HOUR, float(100 + k), None, START + k * HOUR + LAG) for k in (1, 26)]
    late = ("A", START + 27 * HOUR, 500.0, None, START + 40 * HOUR)
    interest = raw("open_interest", [*samples, late])
    rows = computed(minutes, open_interest=interest)
    assert rows["open_interest"].to_list() == [101.0] * 25 + [126.0] + [500.0] * 26 + [None] * 8
    change = rows["open_interest_change_24h"].to_list()
    assert change[24:27] == [0.0, pytest.approx(126 / 101 - 1), pytest.approx(500 / 101 - 1)]
    created = rows["created_timestamp"].to_list()
    assert created[25] == START + 26 * HOUR + LAG
    assert created[26] == START + 40 * HOUR  # what it holds was not known before


def test_basis_books_and_liquidations_belong_to_their_hour():
    minutes = with_takers(candles(("A",), 180, bar=MINUTE, volatility=0.001))
    close = build_hourly_bars(minutes.lazy()).collect()["close"][1]
    index = raw("index_1h", [("A", START + HOUR, 1.0, 1.0, 1.0, close / 1.01, START + 2 * HOUR + LAG)])
    seen = START + HOUR + 5 * MINUTE
    books = raw(
        "book_tops",
        [
            ("A", seen, 99.0, 1.0, 101.0, 3.0, 9.0, 1.0, seen),
            ("A", seen - 3 * MINUTE, 1.0, 1.0, 9.0, 1.0, None, None, seen),
        ],
    )
    liquidated = raw("liquidations", [("A", seen, 5.0, 7.0, seen), ("A", START + 2 * HOUR, 1.0, 0.0, seen + HOUR)])
    rows = computed(minutes, index_1h=index, book_tops=books, liquidations=liquidated)
    assert rows["basis"].to_list() == [None, pytest.approx(0.01), None]
    assert rows["book_spread_bps"].to_list() == [None, pytest.approx(200.0), None]
    assert rows["depth_imbalance"].to_list() == [None, -0.5, None]
    assert rows["depth_imbalance_20"].to_list() == [None, 0.8, None]
    assert rows["liquidation_notional"].to_list() == [None, 13.0, None]


def test_the_funding_interval_is_read_from_settlements():
    minutes = with_takers(candles(("A",), 60 * 30, bar=MINUTE, volatility=0.001))
    rates = funding_of([("A", START + k * HOUR, 1e-4) for k in (2, 10, 14)])
    rows = computed(minutes, funding=rates.lazy())
    assert rows["funding_interval_h"].to_list() == [None] * 9 + [8.0] * 4 + [4.0] * 17
    assert rows.columns == list(ASSET_MICROSTRUCTURE.columns)


@pytest.mark.recorded
def test_recorded_minutes_are_those_of_pandas_and_of_sql():
    assets = ("BTC", "ETH", "XRP", "TRX")
    minutes = recorded_candles("1m_20250318_20250417", assets, MINUTE).with_columns(
        pl.lit(None, pl.Float64).alias("taker_buy_volume")
    )
    some = minutes.filter(pl.col("open_time") < pl.col("open_time").min() + timedelta(days=6))
    rows = summarise_hours(some.lazy()).collect().sort("asset", "event_timestamp")
    compare(rows, microstructure_pandas.hours_of(some.to_pandas()), OF_MINUTES, rtol=1e-8)
    everything = summarise_hours(minutes.lazy()).collect().sort("asset", "event_timestamp")
    assert everything.height == 4 * 721  # the first and the last hour are cut
    assert everything["minutes_observed"].sum() == minutes.height
    sql = microstructure_sql.hours(minutes)
    assert everything["minutes_observed"].to_list() == sql["minutes_observed"].tolist()
    for name in set(OF_MINUTES) - {"roll_spread"}:
        np.testing.assert_allclose(everything[name].to_numpy(), sql[name].to_numpy(), rtol=1e-7, err_msg=name)
    spread = np.where(sql["covariance"] < 0, 2 * np.sqrt(np.abs(sql["covariance"])), np.nan)
    mine = everything["roll_spread"].fill_null(np.nan).to_numpy()
    assert np.isnan(mine).mean() == pytest.approx(np.isnan(spread).mean(), abs=1e-3)
    np.testing.assert_allclose(mine, spread, rtol=1e-6)


@pytest.mark.recorded
def test_recorded_taker_volumes_give_a_ratio_between_none_and_all():
    folder = recorded_folder("..") / "binance_um" / "1m_20230801_20231031"
    own = pl.read_parquet(folder / "FIL-USDT.parquet").head(5 * 1440)
    time = pl.from_epoch("ts", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    minutes = own.select(
        pl.lit("FIL").alias("asset"),
        time.alias("open_time"),
        "open",
        "high",
        "low",
        "close",
        "volume",
        pl.col("quote_volume").alias("volume_quote"),
        pl.col("taker_buy_volume"),
        (time + MINUTE + LAG).alias("known_at"),
    )
    theirs = microstructure_sql.hours(minutes)
    ours = computed(minutes)
    assert ours["taker_buy_ratio"].null_count() == 0
    assert ours["taker_buy_ratio"].is_between(0.05, 0.95).all()
    np.testing.assert_allclose(ours["taker_buy_ratio"].to_numpy(), theirs["taker_buy_ratio"].to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(ours["vwap"].to_numpy(), theirs["vwap"].to_numpy(), rtol=1e-9)


def test_settlements_alone_make_no_rows():
    minutes = with_takers(candles(NAMES, 1, bar=MINUTE).clear())
    assert computed(minutes, funding=settlements(NAMES, 50).lazy()).is_empty()


def test_a_sample_in_usd_alone_says_nothing_of_the_coins():
    minutes = with_takers(candles(("A",), 60 * 5, bar=MINUTE, volatility=0.001))
    coins = ("A", START + HOUR, 101.0, None, START + HOUR + LAG)
    usd = ("A", START + 3 * HOUR, None, 7e6, START + 3 * HOUR + LAG)
    rows = computed(minutes, open_interest=raw("open_interest", [coins, usd]))
    assert rows["open_interest"].to_list() == [101.0] * 5
