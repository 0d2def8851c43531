import math
from datetime import timedelta
from pathlib import Path

import polars as pl

from pairity.layout import Layout
from pairity.universe import Pair
from tests.training.generated import HOUR, START, hours, spec
from training.backtest.inputs import (
    NOT_KNOWN,
    build_market_history,
    group_scores_by_hour,
    list_hours,
    read_lake_settlements,
)
from training.backtest.records import PriceBar, Settlement

UTC_US = pl.Datetime("us", "UTC")


def write_funding(root, month, rows, venue="okx"):
    path = root / f"lake/funding/venue={venue}/instrument=BTC-USDT-SWAP/month={month}/part.parquet"
    path.parent.mkdir(parents=True)
    schema = {"funding_time": UTC_US, "funding_rate": pl.Float64, "known_at": UTC_US}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path)


def test_settlements_are_the_newest_known_rows_in_order(tmp_path: Path):
    late = START + timedelta(days=40)
    lag = timedelta(milliseconds=1)
    write_funding(tmp_path, "2025-04", [(late, 0.003, late + lag)])
    write_funding(
        tmp_path,
        "2025-03",
        [
            (START + 8 * HOUR, 0.0002, START + 8 * HOUR + lag),
            (START, 0.0001, START + lag),
            (START, 0.0009, START + timedelta(days=1)),  # a correction
            (START + 8 * HOUR, 0.5, late + HOUR),  # one that is not known yet
        ],
    )
    known = read_lake_settlements(Layout(tmp_path), "okx", ["BTC", "ETH"], known_by=late + lag)
    assert known["BTC"] == [Settlement(START, 0.0009), Settlement(START + 8 * HOUR, 0.0002), Settlement(late, 0.003)]
    assert known["ETH"] == []


def test_settlements_of_another_venue_are_not_mixed_in(tmp_path: Path):
    soon = timedelta(milliseconds=1)
    write_funding(tmp_path, "2025-03", [(START, 0.0001, START + soon)])
    write_funding(tmp_path, "2025-03", [(START, 0.04, START + HOUR), (START + HOUR, 0.04, START + HOUR)], "ccxt_bybit")
    layout, late = Layout(tmp_path), START + 9 * HOUR
    assert read_lake_settlements(layout, "okx", ["BTC"], late) == {"BTC": [Settlement(START, 0.0001)]}
    assert len(read_lake_settlements(layout, "ccxt_bybit", ["BTC"], late)["BTC"]) == 2


def test_hours_are_complete_even_where_rows_are_missing():
    assert list_hours(START, START) == (START,)
    assert list_hours(START, START + 3 * HOUR) == hours(4)


def test_missing_prices_are_no_bars_and_nan_is_not_known():
    times = hours(3)
    bars = pl.DataFrame(
        {
            "asset": ["BTC"] * 3,
            "event_timestamp": times,
            "open": [1.0, None, 3.0],
            "high": [2.0, 2.0, 4.0],
            "low": [1.0, 1.0, 3.0],
            "close": [1.5, 1.5, math.nan],
        }
    ).with_columns(pl.col("event_timestamp").cast(UTC_US))
    known = pl.DataFrame(
        {
            "asset": ["BTC"] * 2,
            "event_timestamp": times[:2],
            "close": [1.5, math.nan],
            "atr_14": [None, 0.1],
            "realized_vol_24h": [0.1, 0.1],
            "funding_rate": [math.nan, 0.001],
            "funding_interval_h": [8.0, 4.0],
        }
    ).with_columns(pl.col("event_timestamp").cast(UTC_US))
    history = build_market_history(times, known, bars, {}, {"BTC": spec("BTC")})
    assert history.bars == {"BTC": {times[0]: PriceBar(1.0, 2.0, 1.0, 1.5)}}
    assert history.views[times[0]]["BTC"].funding_rate is None
    assert history.views[times[1]]["BTC"].close is None
    assert history.views[times[2]] == {}


def test_every_pair_is_scored_in_order_and_what_is_missing_says_so():
    pairs = [Pair("BTC", "ETH"), Pair("BTC", "SOL"), Pair("ETH", "SOL")]
    scored = pl.DataFrame(
        [
            ("ETH__SOL", START, 1.5, 0.7, 0.2, True),
            ("BTC__ETH", START, None, None, None, False),
        ],
        schema={
            "pair_id": pl.String,
            "event_timestamp": UTC_US,
            "z_score": pl.Float64,
            "probability": pl.Float64,
            "correlation_168h": pl.Float64,
            "known": pl.Boolean,
        },
        orient="row",
    )
    found = group_scores_by_hour(scored, pairs)[START]
    assert [score.pair for score in found.scores] == pairs
    assert [score.unusable for score in found.scores] == [NOT_KNOWN, NOT_KNOWN, None]
    assert (found.scores[2].z, found.scores[2].probability) == (1.5, 0.7)
    assert found.correlations["ETH__SOL"] == 0.2


def test_hedge_ratio_and_train_end_travel_with_the_scores():
    rows = {
        "pair_id": ["BTC__ETH", "BTC__SOL", "BTC__ETH"],
        "event_timestamp": [START, START, START + HOUR],
        "z_score": [1.0, 2.0, 3.0],
        "probability": [0.5, 0.6, 0.7],
        "correlation_168h": [0.1, 0.2, 0.3],
        "hedge_ratio": [0.8, math.nan, None],
        "known": [True, True, True],
        "train_end": [START - 2 * HOUR, START - HOUR, None],
    }
    schema = {"event_timestamp": UTC_US, "train_end": UTC_US}
    found = group_scores_by_hour(pl.DataFrame(rows, schema_overrides=schema), [Pair("BTC", "ETH"), Pair("BTC", "SOL")])
    assert [score.hedge_ratio for score in found[START].scores] == [0.8, None]
    assert found[START].train_end == START - HOUR
    assert found[START + HOUR].train_end is None
    assert [score.unusable for score in found[START + HOUR].scores] == [None, NOT_KNOWN]
