"""Distance from VWAP by hand: young listings, fills, ties, what is known when; nothing later changes a bit."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.vwap_distance import compute_vwap_distance, find_last_bar_close, has_bar_close
from pairity.settings import VwapSettings
from tests.examples import examples
from tests.feature_repo.transforms.markets import (
    HOUR,
    LAG,
    UTC_US,
    assert_same_bits,
    candles,
)

EVENT = "event_timestamp"
SPRING = datetime(2025, 3, 8, 3, tzinfo=UTC)
MIDNIGHT = datetime(2025, 3, 3, 5, tzinfo=UTC)  # of New York
NAMES = ("A", "B", "C")


def hours_of(bars):
    """Hourly bars as the rows of `asset_hourly` that the transform reads."""
    return bars.select(
        "asset", EVENT, pl.col("known_at").alias("created_timestamp"), "open", "high", "low", "close", "volume_base"
    )


def market(names, count, *, start=SPRING, seed=0, gaps=0.0):
    return hours_of(adopt_native_hours(candles(names, count, start=start, seed=seed, gaps=gaps).lazy()).collect())


def flat(asset, closes, *, start=MIDNIGHT, volume=10.0):
    """Hours that stand still at `close`; None is an hour without a bar. `volume` may be a list."""
    volumes = volume if isinstance(volume, list) else [volume] * len(closes)
    ends = [start + (step + 1) * HOUR for step in range(len(closes))]
    rows = [
        (asset, end, end + LAG, close, close, close, close, traded)
        for end, close, traded in zip(ends, closes, volumes, strict=True)
        if close is not None
    ]
    schema = dict.fromkeys(
        ("asset", EVENT, "created_timestamp", "open", "high", "low", "close", "volume_base"), pl.Float64
    )
    return pl.DataFrame(
        rows, schema=schema | {"asset": pl.String, EVENT: UTC_US, "created_timestamp": UTC_US}, orient="row"
    )


def quarters(asset, closes, **how):
    """Bars of four hours, each standing still at its close."""
    return flat(asset, [close for close in closes for _ in range(4)], **how)


def computed(hours, end=None, start=None, config=None):
    first, last = hours[EVENT].min(), hours[EVENT].max()
    return compute_vwap_distance(hours.lazy(), start or first - HOUR, end or last, config or VwapSettings()).collect()


@pytest.mark.parametrize("bars", range(1, 10))
def test_a_listing_that_is_only_some_bars_old_is_left_out_of_the_ranking(bars):
    old, new = quarters("OLD", [100.0 + n for n in range(12)]), quarters("NEW", [float(n + 1) for n in range(bars)])
    late = new.with_columns(
        pl.col(EVENT) + (12 - bars) * 4 * HOUR, pl.col("created_timestamp") + (12 - bars) * 4 * HOUR
    )
    rows = computed(pl.concat([late, old]))
    newest = rows.filter(pl.col(EVENT) == rows[EVENT].max())
    assert newest["assets_ranked"].to_list() == ([2, 2] if bars >= 6 else [1, 1])
    assert newest["ranked_dist"].is_null().to_list() == [bars < 6, False]


def test_by_hand():
    hours = quarters("A", [100.0, 102.0, 101.0, 103.0, 104.0, 102.0, 110.0], volume=[1.0] * 24 + [5.0] * 4)
    row = computed(hours).tail(1).row(0, named=True)
    # Volumes 4 each, the last 20; the window holds 102 101 103 104 102 110.
    vwap = (4 * (102 + 101 + 103 + 104 + 102) + 20 * 110) / 40
    assert row["vwap"] == pytest.approx(vwap)
    assert row["vwap_simple"] == pytest.approx(622 / 6)
    assert row["dist_from_vwap"] == pytest.approx(100 * (110 - vwap) / vwap)
    assert row["notional"] == pytest.approx(2200.0)
    assert row["avg_notional"] == pytest.approx((4 * 512 + 2200) / 6)
    assert row["rolling_return"] == pytest.approx(100 * (110 / 102 - 1))
    assert row["exp_vol"] == pytest.approx(100 * row["realized_var"] ** 0.5)
    assert (row["ranked_dist"], row["assets_ranked"], row["hours_observed"]) == (1.0, 1, 4)


def test_a_fill_has_a_maximum_age():
    config = VwapSettings(max_fill_bars=2)
    for missing, nulls in ((2, False), (3, True)):
        hours = quarters("A", [100.0, 101.0, 102.0, *[None] * missing, 103.0, 104.0, 105.0])
        last = computed(hours, config=config).row(-1, named=True)
        assert (last["vwap"] is None) is nulls
        assert (last["rolling_return"] is None) is nulls


def test_nothing_traded_in_the_window_has_no_distance():
    rows = computed(quarters("A", [100.0] * 8, volume=0.0))
    assert rows["vwap"].null_count() == rows["dist_from_vwap"].null_count() == rows["ranked_dist"].null_count() == 8
    assert rows["vwap_simple"][-1] == 100.0
    assert rows["sharpe"].null_count() == 8
    assert rows["assets_ranked"].to_list() == [0] * 8


def test_equal_distances_share_their_rank():
    hours = pl.concat(
        [quarters(name, [100.0] * 6 + [last]) for name, last in (("A", 110.0), ("B", 90.0), ("C", 110.0), ("D", 100.0))]
    )
    newest = computed(hours).filter(pl.col(EVENT) == MIDNIGHT + 28 * HOUR)
    assert newest.select("asset", "ranked_dist").rows() == [("A", 0.875), ("B", 0.25), ("C", 0.875), ("D", 0.5)]


def test_a_short_bar_tells_how_short_it_is():
    hours = flat("A", [*[100.0] * 8, None, 101.0, None, 102.0])
    assert computed(hours)["hours_observed"].to_list() == [4, 4, 2]


@settings(deadline=None, max_examples=examples(20))
@given(
    seed=st.integers(0, 10**6),
    gaps=st.sampled_from([0.0, 0.1, 0.6]),
    cut=st.integers(8, 139),
    garbage=st.sampled_from([1e6, float("nan"), 0.0, -1.0]),
)
def test_hours_after_a_bar_do_not_touch_it(seed, gaps, cut, garbage):
    hours, instant = market(NAMES, 140, seed=seed, gaps=gaps), SPRING + cut * HOUR
    later = pl.col(EVENT) > instant
    values = ("open", "high", "low", "close", "volume_base")
    bad = hours.with_columns(
        pl.when(later).then(pl.lit(garbage)).otherwise(pl.col(name)).alias(name) for name in values
    )
    whole = computed(hours, SPRING + 140 * HOUR, SPRING).filter(pl.col(EVENT) <= instant)
    assert_same_bits(computed(hours.filter(~later), instant, SPRING), whole)
    assert_same_bits(computed(bad, SPRING + 140 * HOUR, SPRING).filter(pl.col(EVENT) <= instant), whole)


def test_order_of_rows_changes_no_bit():
    hours = market(NAMES, 100, gaps=0.1)
    mixed = hours.sample(fraction=1.0, shuffle=True, seed=1)
    assert_same_bits(computed(mixed), computed(hours))


def test_a_late_correction_of_one_asset_is_known_for_all_ranks_from_then_on():
    hours = pl.concat([quarters("A", [100.0 + n for n in range(9)]), quarters("B", [50.0 - n for n in range(9)])])
    arrived = MIDNIGHT + 30 * HOUR
    late = (pl.col("asset") == "B") & (pl.col(EVENT) == MIDNIGHT + 25 * HOUR)
    corrected = hours.with_columns(
        pl.when(late).then(pl.lit(arrived, UTC_US)).otherwise(pl.col("created_timestamp")).alias("created_timestamp")
    )
    created = dict(computed(corrected).filter(pl.col("asset") == "A").select(EVENT, "created_timestamp").iter_rows())
    assert created[MIDNIGHT + 24 * HOUR] == MIDNIGHT + 24 * HOUR + LAG
    assert created[MIDNIGHT + 28 * HOUR] == arrived
    assert created[MIDNIGHT + 32 * HOUR] == MIDNIGHT + 32 * HOUR + LAG


@settings(deadline=None, max_examples=examples(120))
@given(
    zone=st.sampled_from(["America/New_York", "Europe/London", "Asia/Kolkata", "UTC"]),
    bar_hours=st.sampled_from([1, 2, 3, 4, 6, 8, 12]),
    first=st.integers(0, 24 * 40),
    hours=st.integers(0, 30),
)
def test_a_bar_ended_exactly_where_the_newest_bar_is_another_one(zone, bar_hours, first, hours):
    """Around both changes of New York's and London's clocks; the newest bar is looked for from two days before on."""
    own = VwapSettings(time_zone=zone, bar_hours=bar_hours)
    after = SPRING + first * HOUR
    end = after + hours * HOUR
    assert has_bar_close(after, end, own) == (find_last_bar_close(end, own) > after)
