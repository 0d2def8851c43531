"""Real anomalies in recordings, reported as what they are."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.raw_datasets import DATASETS
from tests.validation.frames import T0, candles, of
from validation.anomalies import find_mark_deviations, find_market_outages, find_short_bars
from validation.row_verdicts import judge_raw_rows

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def recordings(folder):
    root = os.environ.get("PAIRITY_RECORDED_DATA")
    if not root:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: there are no recordings to look at")
    time = pl.from_epoch("ts", "ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("open_time")
    frames = [
        pl.read_parquet(path).select(
            pl.lit(path.stem.partition("-")[0]).alias("asset"),
            time,
            "open",
            "high",
            "low",
            "close",
            pl.col("volume").cast(pl.Float64),
        )
        for path in sorted((Path(root) / folder).glob("*.parquet"))
    ]
    return pl.concat(frames)


@pytest.mark.recorded
def test_the_outage_of_december_2022_is_an_outage():
    found = find_market_outages(recordings("okx_swap/5m_20220501_20221231"), 5 * MINUTE)
    outage = found.filter(pl.col("first").dt.date() == datetime(2022, 12, 18).date())
    assert outage.select("first", "last").rows() == [
        (datetime(2022, 12, 18, 8, 40, tzinfo=UTC), datetime(2022, 12, 18, 18, 45, tzinfo=UTC))
    ]
    assert outage["assets_silent"].item() >= 8
    assert outage["bars"].item() == 122
    assert outage["bars"].item() == found["bars"].max()


@pytest.mark.recorded
def test_the_outage_of_december_2022_holds_no_bar_back_it_is_the_truth():
    bars = recordings("okx_swap/5m_20220501_20221231").filter(
        pl.col("open_time").dt.date() == datetime(2022, 12, 18).date()
    )
    silent = bars.filter(pl.col("volume") == 0).with_columns((pl.col("open_time") + HOUR).alias("known_at"))
    conformed = DATASETS["candles_1m"].conform(silent).insert_column(0, silent["asset"])
    kept = judge_raw_rows(conformed, "candles_1m", datetime(2026, 1, 1, tzinfo=UTC))
    assert silent["asset"].n_unique() > 1
    assert kept.withheld.is_empty()


@pytest.mark.recorded
def test_the_first_mark_prices_of_ada_are_deviations_and_held_back_alone():
    marks = recordings("okx_swap/mark_1h")
    found = find_mark_deviations(marks)
    first = datetime(2020, 3, 10, 8, tzinfo=UTC)
    assert found.select("asset", "open_time", "price", "reference").rows() == [
        ("ADA", first, 10_000.0, 0.041),
        ("ADA", first + HOUR, 10_000.0, 0.041),
        ("ADA", datetime(2020, 3, 13, 4, tzinfo=UTC), 49.5005, 0.02406),  # in the crash of those days
    ]
    ada = marks.filter(asset="ADA").with_columns(
        (pl.col("open_time") + HOUR + timedelta(milliseconds=1)).alias("known_at")
    )
    rows = DATASETS["mark_1h"].conform(ada.head(700))
    split = judge_raw_rows(of("ADA", rows), "mark_1h", datetime(2026, 1, 1, tzinfo=UTC))
    assert split.withheld.select("open_time", pl.col("broken_rules").list.join("+")).rows() == [
        (first + HOUR, "impossible_ranges"),
        (datetime(2020, 3, 13, 4, tzinfo=UTC), "impossible_ranges"),
        (first, "price_jump"),
    ]


@pytest.mark.recorded
def test_short_bars_of_four_hours_are_told_with_their_reason():
    bars = recordings("okx_swap/1m_20250318_20250417")
    found = find_short_bars(bars, MINUTE, 4 * HOUR)
    assert set(found["reason"]) == {"recording begins", "recording ends"}
    begin = bars.filter(asset="ADA")["open_time"].min()
    first = found.filter(asset="ADA", reason="recording begins")
    assert first["bars"].to_list() == [240 - (begin.hour % 4) * 60 - begin.minute]
    holed = bars.filter(pl.col("open_time") != datetime(2025, 4, 1, 9, 30, tzinfo=UTC))
    inside = find_short_bars(holed, MINUTE, 4 * HOUR).filter(reason="hole")
    assert set(inside["open_time"]) == {datetime(2025, 4, 1, 8, tzinfo=UTC)}
    assert set(inside["bars"]) == {239}


def test_one_quiet_instrument_is_no_outage_and_two_halves_are_two():
    quiet = candles().with_columns(pl.lit("A").alias("asset"), volume=pl.lit(0.0))
    loud = [candles().with_columns(pl.lit(name).alias("asset"), volume=pl.lit(1.0)) for name in "BC"]
    assert find_market_outages(pl.concat([quiet, *loud]), MINUTE).is_empty()
    silent = pl.concat([quiet, *(frame.with_columns(volume=pl.lit(0.0)) for frame in loud)])
    halves = silent.filter(pl.col("open_time") != T0 + 60 * MINUTE)
    assert find_market_outages(halves, MINUTE)["bars"].to_list() == [60, 59]


def test_a_mark_far_from_the_traded_close_is_told_even_where_its_neighbours_agree():
    marks = candles(60).with_columns(pl.lit("A").alias("asset"))
    traded = marks.with_columns(pl.col("close") / 10)
    assert find_mark_deviations(marks).is_empty()
    assert find_mark_deviations(marks, traded).height == 60
