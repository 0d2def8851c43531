"""Distance from VWAP against pandas; wall clocks that change; ranks; nothing from later."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_VWAP_DISTANCE
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.vwap_distance import build_wall_clock_bars, compute_vwap_distance
from pairity.settings import FeatureSettings, VwapSettings
from tests.examples import examples
from tests.feature_repo.transforms.markets import (
    HOUR,
    assert_same_bits,
    candles,
    recorded_candles,
    settlements,
)
from tests.feature_repo.transforms.markets import (
    bars_of as hourly_of,
)
from tests.oracles import vwap_pandas

START = datetime(2025, 3, 1, tzinfo=UTC)
NEW_YORK = VwapSettings()
NUMBERS = (
    "central",
    "vwap",
    "vwap_simple",
    "dist_from_vwap",
    "notional",
    "avg_notional",
    "realized_var",
    "realized_vol",
    "exp_vol",
    "rolling_return",
    "sharpe",
)


def hours(count, gaps=0.0, seed=1, names=("A", "B", "C"), start=START):
    bars = adopt_native_hours(candles(names, count, start=start, seed=seed, gaps=gaps).lazy())
    return compute_asset_hourly(bars, settlements((), 1).lazy(), FeatureSettings()).collect()


def computed(rows, end, config=NEW_YORK, start=START):
    return compute_vwap_distance(rows.lazy(), start, end, config).collect()


@settings(deadline=None, max_examples=examples(20))
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 400),
    gaps=st.sampled_from([0.0, 0.1, 0.6, 0.95]),
    zone=st.sampled_from(["America/New_York", "UTC", "Asia/Kolkata"]),
    size=st.sampled_from([4, 6]),
)
def test_every_number_is_that_of_pandas(seed, count, gaps, zone, size):
    config = VwapSettings(time_zone=zone, bar_hours=size, window_bars=5, max_fill_bars=3)
    rows, end = hours(count, gaps, seed), START + count * HOUR
    ours = computed(rows, end, config)
    for name in ("A", "B", "C"):
        own = ours.filter(pl.col("asset") == name)
        frame = rows.filter(pl.col("asset") == name).to_pandas()
        if frame.empty:
            continue
        bars = vwap_pandas.bars_of(frame, zone, size)
        theirs = vwap_pandas.distances(bars, size, 5, 3)
        assert theirs["hours_observed"].astype(int).tolist()[: own.height] == own["hours_observed"].to_list()
        assert len(theirs) - own.height in (0, 1)  # the last bar may not have ended
        for column in NUMBERS:
            mine = own[column].fill_null(np.nan).to_numpy()
            other = theirs[column].to_numpy()[: own.height]
            np.testing.assert_allclose(mine, other, rtol=1e-8, atol=1e-9, err_msg=column)


def test_bars_follow_the_wall_clock_through_a_change():
    rows = hours(24 * 14)
    bars = (
        build_wall_clock_bars(rows.lazy(), START, START + 24 * 14 * HOUR, NEW_YORK)
        .filter(pl.col("asset") == "A")
        .collect()
    )
    local = bars["event_timestamp"].dt.convert_time_zone("America/New_York")
    assert set(local.dt.hour()) == {0, 4, 8, 12, 16, 20}
    short = bars.filter(pl.col("hours_observed") == 3)["event_timestamp"].to_list()
    assert short == [datetime(2025, 3, 9, 8, tzinfo=UTC)]  # clocks went forward that night
    autumn = datetime(2025, 10, 31, tzinfo=UTC)
    later = build_wall_clock_bars(hours(72, start=autumn).lazy(), autumn, autumn + 72 * HOUR, NEW_YORK).collect()
    assert later.filter(pl.col("hours_observed") == 5)["event_timestamp"].unique().to_list() == [
        datetime(2025, 11, 2, 9, tzinfo=UTC)
    ]


def flat(closes):
    return compute_asset_hourly(
        hourly_of(closes, start=START).lazy(), settlements((), 1).lazy(), FeatureSettings()
    ).collect()


def test_a_missing_bar_carries_the_close_and_no_volume():
    utc = VwapSettings(time_zone="UTC", window_bars=3, max_fill_bars=1)
    # Closes from START on: the first lies before the first bar.
    rows = flat({"A": [100.0] * 9 + [None] * 4 + [110.0] * 8})
    bars = computed(rows, START + 20 * HOUR, utc)
    assert bars["hours_observed"].to_list() == [4, 4, 4, 4]
    assert bars["vwap"][:2].to_list() == [None, None]
    carried = bars["vwap_simple"][2]
    assert carried == pytest.approx((100.0 + 100.0 + 110.0) / 3)
    assert bars["vwap"][2] == pytest.approx((100.0 * 40 + 110.0 * 40) / 80)
    gone = flat({"A": [100.0] * 5 + [None] * 8 + [110.0] * 12})
    long = computed(gone, START + 24 * HOUR, utc)
    assert long["vwap"].to_list() == [None, None, None, 110.0]  # two bars are missing: more than may be carried


def test_ranks_are_shares_of_those_that_have_a_distance():
    rows = hours(24 * 4, names=("A", "B", "C", "D"))
    young = rows.filter((pl.col("asset") != "D") | (pl.col("event_timestamp") > START + 24 * 3.5 * HOUR))
    found = computed(young, START + 24 * 4 * HOUR).filter(pl.col("ranked_dist").is_not_null())
    for _, own in found.group_by("event_timestamp"):
        assert sorted(own["ranked_dist"]) == pytest.approx([1 / 3, 2 / 3, 1.0])
        assert own.sort("dist_from_vwap")["ranked_dist"].is_sorted()
        assert own["assets_ranked"].unique().to_list() == [3]
    equal = flat({name: [100.0] * 40 for name in "AB"})
    tied = computed(equal, START + 40 * HOUR).drop_nulls("ranked_dist")
    assert tied["ranked_dist"].unique().to_list() == [0.75]


def test_bars_after_the_decision_change_nothing():
    rows, cut = hours(24 * 8, gaps=0.1), START + 24 * 5 * HOUR
    whole = computed(rows, START + 24 * 8 * HOUR).filter(pl.col("event_timestamp") <= cut)
    assert_same_bits(computed(rows.filter(pl.col("event_timestamp") <= cut), cut), whole)


def test_where_the_chunk_begins_does_not_matter():
    rows, end = hours(24 * 10, gaps=0.05), START + 24 * 10 * HOUR
    later = START + 24 * 2 * HOUR + HOUR
    late = computed(rows.filter(pl.col("event_timestamp") > later), end, start=later)
    since = pl.col("event_timestamp") > START + 24 * 6 * HOUR
    names = [name for name in ASSET_VWAP_DISTANCE.columns if name != "created_timestamp"]
    assert_same_bits(late.filter(since).select(names), computed(rows, end).filter(since).select(names))


def test_nothing_gives_nothing():
    assert computed(hours(3).clear(), START + 9 * HOUR).columns == list(ASSET_VWAP_DISTANCE.columns)


@pytest.mark.recorded
def test_recorded_hours_are_those_of_pandas():
    names = ("BTC", "ETH", "SOL", "XRP")
    candles_1h = recorded_candles("1h", names, HOUR)
    since, end = datetime(2025, 2, 20, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)
    some = candles_1h.filter(pl.col("open_time").is_between(since, end, closed="left"))
    rows = compute_asset_hourly(adopt_native_hours(some.lazy()), settlements((), 1).lazy(), FeatureSettings()).collect()
    ours = computed(rows, end, start=since)
    assert ours.height == 4 * 241  # 40 days of six bars, the first of them cut
    for name in names:
        own = ours.filter(pl.col("asset") == name)
        bars = vwap_pandas.bars_of(rows.filter(pl.col("asset") == name).to_pandas(), "America/New_York", 4)
        theirs = vwap_pandas.distances(bars, 4, 6, 6)
        for column in NUMBERS:
            mine = own[column].fill_null(np.nan).to_numpy()
            np.testing.assert_allclose(
                mine, theirs[column].to_numpy()[: own.height], rtol=1e-8, atol=1e-8, err_msg=column
            )
    assert ours["created_timestamp"].max() == ours["event_timestamp"].max() + timedelta(milliseconds=1)
