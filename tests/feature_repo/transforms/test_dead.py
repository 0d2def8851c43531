"""Dead contracts: a flat price without volume for longer than a limit has no features, and comes back with a trade."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.raw_datasets import DATASETS
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.pairs import compute_pair_hourly
from ingestion.lake import Lake
from ingestion.market_anomalies import describe_anomalies
from pairity.layout import Layout
from pairity.settings import FeatureSettings
from pairity.universe import Pair
from tests.examples import examples
from tests.feature_repo.transforms.markets import HOUR, MINUTE, START, bars_of, funding_of
from tests.oracles.dead_contracts import dead_hours
from validation.anomalies import find_dead_contracts

LIMIT = 5
WINDOWS = FeatureSettings(volatility_window_bars=3, atr_period_bars=2, dead_after_hours=LIMIT)


def bars(**prices):
    """Hourly bars from (price, volume) or None for no bar, all four prices equal."""
    frames = []
    for name, own in prices.items():
        rows = bars_of({name: [1.0 if one is None else float(one[0]) for one in own]})
        values = pl.Series([None if one is None else float(one[1]) for one in own], dtype=pl.Float64)
        close = pl.col("close")
        frames.append(
            rows.with_columns(open=close, high=close, low=close, volume_base=values).filter(
                pl.col("volume_base").is_not_null()
            )
        )
    return pl.concat(frames)


def compute(rows, after=None):
    return compute_asset_hourly(rows.lazy(), funding_of().lazy(), WINDOWS, after=after).collect()


def hours_of(rows, asset="A"):
    return [(at - START) // HOUR for at in rows.filter(asset=asset)["event_timestamp"].to_list()]


ALIVE, STILL = (100, 3), (100, 0)


@pytest.mark.parametrize(
    ("tape", "kept"),
    [
        ([ALIVE, *[STILL] * 9, ALIVE, STILL], [0, 1, 2, 3, 4, 10, 11]),  # dead from the fifth still hour, then back
        ([ALIVE, *[STILL] * 3, None, *[STILL] * 4], [0, 1, 2, 3, 5, 6, 7, 8]),  # an outage is not a dead contract
        ([ALIVE, *[STILL] * 4, ALIVE, *[STILL] * 4], [*range(10)]),  # shorter than the limit
        ([ALIVE, *[(100, 1)] * 9], [*range(10)]),  # flat, but traded
        ([ALIVE, *[(100 + at, 0) for at in range(1, 10)]], [*range(10)]),  # not traded, but the price moves
        ([STILL] * 9, [0, 1, 2, 3, 4]),  # dead from its listing on
    ],
)
def test_which_hours_have_features(tape, kept):
    assert hours_of(compute(bars(A=tape))) == kept


def test_a_pair_with_a_dead_leg_has_no_features_either():
    dead, alive = [ALIVE, *[STILL] * 9], [(50 + at, 2) for at in range(10)]
    rows = compute(bars(A=dead, B=alive))
    assert hours_of(rows, "B") == [*range(10)]
    pairs = compute_pair_hourly(rows.lazy(), [Pair("A", "B")], WINDOWS, 1).collect()
    assert [(at - START) // HOUR for at in pairs["event_timestamp"].to_list()] == [0, 1, 2, 3, 4]


tapes = st.lists(st.sampled_from([ALIVE, STILL, STILL, STILL, STILL, (101, 0), None]), min_size=1, max_size=40)


@settings(max_examples=examples(120), deadline=None)
@given(tapes, tapes, st.integers(0, 40))
def test_they_are_those_of_the_oracle_whole_and_continued(one, other, place):
    rows = bars(A=one, B=other)
    if rows.is_empty():
        return
    whole = compute(rows)
    for name, tape in (("A", one), ("B", other)):
        dead = dead_hours(tape, LIMIT)
        wanted = [at for at, bar in enumerate(tape) if bar is not None and at not in dead]
        assert hours_of(whole, name) == wanted
    after = START + place * HOUR
    recent = rows.filter(pl.col("event_timestamp") > after - (LIMIT + 2) * HOUR)
    if recent.height:
        keys = ["asset", "event_timestamp"]
        later = whole.filter(pl.col("event_timestamp") > after).select(keys)
        assert compute(recent, after).select(keys).equals(later)


def test_anomalies_name_the_stretch():
    tape = [(100, 2), *[(100, 0)] * 30, (101, 2), *[(101, 0)] * 5]
    close = [float(price) for price, _ in tape]
    frame = pl.DataFrame(
        {
            "asset": "A",
            "event_timestamp": [START + (at + 1) * HOUR for at in range(len(tape))],
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume_base": [float(volume) for _, volume in tape],
        }
    )
    assert find_dead_contracts(frame.lazy(), 24).rows() == [("A", START + HOUR, START + 31 * HOUR, 100.0)]
    assert find_dead_contracts(frame.lazy(), 30).height == 1
    assert find_dead_contracts(frame.lazy(), 31).is_empty()
    holed = frame.filter(pl.col("event_timestamp") != START + 16 * HOUR)
    assert find_dead_contracts(holed.lazy(), 24).is_empty()
    again = pl.concat([frame, frame.with_columns(asset=pl.lit("B"), event_timestamp=pl.col("event_timestamp") + HOUR)])
    assert find_dead_contracts(again.lazy(), 24)["asset"].to_list() == ["A", "B"]


@settings(max_examples=60, deadline=None)
@given(tapes)
def test_anomalies_name_every_hour_that_has_no_features_and_no_other(tape):
    rows = bars(A=tape)
    named = {
        (at - START) // HOUR
        for _, first, last, _ in find_dead_contracts(rows.lazy(), LIMIT).iter_rows()
        for at in pl.datetime_range(first + LIMIT * HOUR, last, HOUR, eager=True)
    }
    assert named == dead_hours(tape, LIMIT)


def test_anomalies_of_minutes_with_holes_name_the_stretch_too(tmp_path):
    """A venue that leaves out some minutes without trades: hours say it is dead, and so do the anomalies."""
    count = 40 * 60
    times = [START + at * MINUTE for at in range(count) if at < 60 or at % 7 != 3]
    frame = pl.DataFrame(
        {
            "open_time": times,
            **dict.fromkeys(("open", "high", "low", "close"), [100.0] * len(times)),
            "volume": [1.0 if at < START + HOUR else 0.0 for at in times],
            "known_at": [at + MINUTE for at in times],
        },
        schema_overrides={"open_time": pl.Datetime("us", "UTC"), "known_at": pl.Datetime("us", "UTC")},
    )
    lake = Lake(Layout(tmp_path), durable=False)
    with lake.writing():
        lake.write("candles_1m", "A", DATASETS["candles_1m"].conform(frame))
    lines = [line for line in describe_anomalies(lake, "candles_1m") if "dead" in line]
    assert lines == ["dead contract A 2025-03-01 01:00 to 2025-03-02 16:00 UTC: no trade, and the price stood at 100"]
