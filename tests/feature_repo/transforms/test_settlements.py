"""Funding by the hour of its interval: features, comparisons and limits where intervals change and differ."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.cross_section import compute_cross_section
from feature_repo.transforms.pairs import compute_pair_hourly
from feature_repo.transforms.settlements import with_intervals
from pairity.settings import FeatureSettings, StrategySettings
from pairity.strategy.selection import _funding_against
from pairity.strategy.types import AssetView, Side
from pairity.universe import ContractSpec, Pair
from tests.feature_repo.transforms.markets import HOUR, LAG, START, UTC_US, bars_of, funding_of
from tests.oracles.funding_intervals import interval_of, is_too_dear

WINDOWS = FeatureSettings(volatility_window_bars=3, atr_period_bars=2)


def settled(asset, hours, rate):
    return [(asset, START + hour * HOUR, rate) for hour in hours]


def assets_of(*rows, hours=40, names=("A", "B")):
    bars = bars_of({name: [100.0 + at for at in range(hours)] for name in names})
    funding = funding_of([row for part in rows for row in part])
    return compute_asset_hourly(bars.lazy(), funding.lazy(), WINDOWS).collect()


def pairs_of_assets(rows, names=("A", "B")):
    return compute_pair_hourly(rows.lazy(), [Pair(*names)], WINDOWS, 1).collect()


def test_intervals_that_change_while_trading_are_those_of_the_last_two_settlements():
    changes = [0, 8, 16, 20, 24, 25, 26, 27, 29, 31]
    rows = assets_of(settled("A", changes, 0.0004), names=("A",))
    hours = dict(zip(rows["event_timestamp"].to_list(), rows["funding_interval_h"].to_list(), strict=True))
    seen = [hours[START + at * HOUR] for at in (1, 8, 15, 16, 19, 20, 24, 25, 26, 27, 29, 30, 31, 32)]
    # 2 h after hours of 1 may be a missing row, until they come twice.
    assert seen == [None, 8, 8, 8, 8, 4, 4, 1, 1, 1, None, None, 2, 2]
    assert rows["funding_rate"].drop_nulls().unique().to_list() == [0.0004]


@pytest.mark.parametrize(("hours_b", "rate_b"), [(8, 0.0004), (4, 0.0002), (1, 0.00005), (2, 0.0001)])
def test_the_same_funding_at_other_intervals_makes_no_difference(hours_b, rate_b):
    rows = assets_of(settled("A", range(0, 40, 8), 0.0004), settled("B", range(0, 40, hours_b), rate_b))
    last = pairs_of_assets(rows).tail(1)
    assert last["funding_diff"].item() == 0.0
    assert last["funding_avg"].item() == 0.0004 / 8
    assert (last["base_funding"].item(), last["quote_funding"].item()) == (0.0004, rate_b)  # as they were settled


@pytest.mark.parametrize("every", [1, 2, 4, 8])
def test_with_equal_intervals_differences_have_the_sign_and_order_of_the_rates(every):
    rates = {"A": 0.0003, "B": -0.0001, "C": 0.0002}
    rows = assets_of(*(settled(n, range(0, 40, every), r) for n, r in rates.items()), names=tuple(rates))
    for pair in ("AB", "AC", "BC"):
        last = pairs_of_assets(rows, tuple(pair)).tail(1)
        assert last["funding_diff"].item() == pytest.approx((rates[pair[0]] - rates[pair[1]]) / every, rel=1e-12)


def test_pressure_is_measured_by_the_hour():
    intervals = {"A": 8, "B": 4, "C": 1}
    rows = assets_of(*(settled(n, range(0, 40, h), 0.0008) for n, h in intervals.items()), names=tuple(intervals))
    micro = rows.select("asset", "event_timestamp", "created_timestamp", realized_vol_1h=pl.lit(0.01))
    panel = compute_cross_section(rows.lazy(), micro.lazy()).collect()
    last = panel.filter(pl.col("event_timestamp") == rows["event_timestamp"].max()).sort("asset")
    assert last["funding_pressure"].to_list() == pytest.approx([-0.0001, 0.0, 0.0006])


@pytest.mark.parametrize(("every", "missing"), [(4, 1), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1), (8, 1)])
def test_a_missing_settlement_makes_no_longer_interval(every, missing):
    before = list(range(0, 17, every))
    after = [before[-1] + (missing + 1) * every + at * every for at in range(3)]
    rates = [rate for _, _, rate in settled("A", before, 0.0004)]
    found = with_intervals(funding_of(settled("A", before + after, rates[0])).lazy()).collect()
    seen = found["funding_interval_h"].to_list()
    assert seen == [None] + [every] * (len(before) - 1) + [None, every, every]
    # Two holes of different length one behind the other are no interval either.
    odd = with_intervals(funding_of(settled("A", [0, 1, 2, 5, 7, 8], 0.0004)).lazy()).collect()
    assert odd["funding_interval_h"].to_list() == [None, 1, 1, None, None, 1]


@pytest.mark.parametrize("every", [1, 2, 4, 8])
def test_a_recording_of_rates_that_ends_early_is_in_force_for_three_intervals(every):
    rows = assets_of(settled("A", range(0, 9, every), 0.0004), names=("A",))
    last = 8 // every * every
    known = rows.filter(pl.col("funding_rate").is_not_null())["event_timestamp"].max()
    assert known == START + (last + 3 * every) * HOUR
    assert (
        rows.filter(pl.col("funding_rate").is_null())["funding_interval_h"].null_count()
        == rows["funding_rate"].null_count()
    )


@pytest.mark.parametrize("hole", [5, 7, 9, 12, 16, 24])
def test_across_a_hole_the_interval_is_not_known_and_nothing_is_compared(hole):
    rows = assets_of(settled("A", [0, hole], 0.0004), settled("B", range(0, 40, 8), 0.0001))
    seen = rows.filter(pl.col("event_timestamp") == START + hole * HOUR).sort("asset")
    assert seen["funding_interval_h"].to_list()[0] is None
    assert seen["funding_rate"].to_list()[0] == 0.0004
    row = pairs_of_assets(rows).filter(pl.col("event_timestamp") == START + hole * HOUR)
    assert row["funding_diff"].item() is None
    assert row["base_funding"].item() == 0.0004


def test_a_withheld_settlement_takes_rate_and_interval_and_the_next_one_has_its_own():
    funding = funding_of([*settled("A", [0, 8], 0.0004), ("A", START + 16 * HOUR, None), *settled("A", [20], 0.0002)])
    found = with_intervals(funding.lazy()).collect()
    assert found["funding_interval_h"].to_list() == [None, 8, None, 4]


def test_an_interval_is_known_when_both_settlements_are():
    late = START + timedelta(hours=11)
    funding = funding_of(settled("A", [0, 8], 0.0004)).with_columns(
        known_at=pl.when(pl.col("funding_time") == START).then(late).otherwise("known_at").cast(UTC_US)
    )
    assert with_intervals(funding.lazy()).collect()["known_at"].to_list() == [late, late]
    early = funding_of(settled("A", [0, 8], 0.0004))
    assert with_intervals(early.lazy()).collect()["known_at"].to_list() == [START + LAG, START + 8 * HOUR + LAG]


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("AB"),
        st.lists(st.tuples(st.integers(1, 11), st.none() | st.sampled_from([0.0001, -0.0003])), max_size=12),
        min_size=1,
    )
)
def test_intervals_are_those_of_looking_back_from_each_settlement(steps):
    rows, by_asset = [], {}
    for name, own in steps.items():
        at = START
        for gap, rate in own:
            at += gap * HOUR
            rows.append((name, at, rate))
            by_asset.setdefault(name, []).append((at, rate))
    found = with_intervals(funding_of(rows).lazy()).collect()
    for name, at, hours in found.select("asset", "funding_time", "funding_interval_h").iter_rows():
        assert hours == interval_of(by_asset[name], at)


SPEC = ContractSpec("A-USDT-SWAP", Decimal(1), Decimal(1), Decimal(1), Decimal("0.1"), Decimal(10))


def view(rate, hours):
    return AssetView("A", 100.0, 1.0, 0.01, rate, SPEC, hours)


@settings(max_examples=200, deadline=None)
@given(st.floats(-0.05, 0.05), st.sampled_from([1.0, 2.0, 4.0, 8.0]), st.sampled_from([*Side]), st.floats(1e-5, 0.01))
def test_the_limit_of_a_position_holds_by_the_hour(rate, hours, side, limit):
    """Hours that are powers of two divide exactly, so that the oracle's fractions and floats agree to the last bit."""
    refused = _funding_against(view(rate, hours), side, StrategySettings(funding_limit=limit))
    if abs(rate) < 1e-300:  # subnormal numbers lose bits when they are divided
        return
    assert (refused is not None) == is_too_dear(rate, hours, limit, side.sign)


@pytest.mark.parametrize(
    ("rate", "hours", "side", "refused"),
    [
        (0.0004, 8.0, Side.BUY, False),
        (0.0004, 4.0, Side.BUY, True),  # 0.0008 in 8 h
        (0.0001, 1.0, Side.BUY, True),  # 0.0008 in 8 h
        (-0.0001, 1.0, Side.SELL, True),
        (-0.0001, 1.0, Side.BUY, False),  # it is paid
        (0.00006, 1.0, Side.BUY, False),
        (0.0005, 8.0, Side.BUY, False),  # the limit itself
    ],
)
def test_examples_of_the_limit(rate, hours, side, refused):
    assert (_funding_against(view(rate, hours), side, StrategySettings()) is not None) == refused


@pytest.mark.parametrize(("rate", "hours"), [(None, 8.0), (0.0001, None), (0.0, None)])
def test_what_is_not_known_is_not_traded(rate, hours):
    for side in Side:
        assert _funding_against(view(rate, hours), side, StrategySettings()) == "funding of A unknown"
