"""Every number of every profile is that of a plain loop, on frames in which anything may be wrong."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_repo.catalog import ASSET_HOURLY, PAIR_HOURLY
from feature_repo.offline_files import make_schema
from pairity.errors import DataError
from tests.examples import examples
from tests.oracles import profile_loops
from tests.validation.frames import MINUTE, T0, UTC_TIME, candles, profile
from validation.profiles import combine_view_profiles, profile_view
from validation.row_rules import mark_feature_offences

NOW = T0 + timedelta(minutes=30)
HOUR = timedelta(hours=1)
ODD = [None, 0.0, -0.0, -1.0, 1.0, 100.0, 101.0, 1000.0, 1e-300, 1e300, float("nan"), float("inf"), float("-inf")]
NUMBERS = ("open", "high", "low", "close", "volume", "volume_quote")

offsets = st.sampled_from([timedelta(0), timedelta(0), timedelta(seconds=7), timedelta(microseconds=1)])
delays = st.sampled_from([timedelta(milliseconds=-1), timedelta(0), timedelta(milliseconds=1), timedelta(days=1)])
rates = st.sampled_from([*ODD, 0.05, -0.05, 0.0500001])
values = st.sampled_from(ODD) | st.floats(90, 110)


def time(step, most):
    return st.builds(lambda i, extra: T0 + i * step + extra, st.integers(0, most), offsets)


@st.composite
def candle_rows(draw, bar):
    rows = draw(
        st.lists(
            st.fixed_dictionaries({"open_time": time(bar, 40), **dict.fromkeys(NUMBERS, values), "delay": delays}),
            min_size=1,
            max_size=25,
        )
    )
    plain = [{**row, "known_at": row["open_time"] + bar + row["delay"]} for row in rows]
    repeated = plain + draw(st.lists(st.sampled_from(plain), max_size=3) if plain else st.just([]))
    for row in repeated:
        row.pop("delay", None)
    return repeated


def compared(profile, expected):
    found = profile.row(0, named=True)
    assert set(expected) <= set(found)
    assert {name: found[name] for name in expected} == {
        name: pytest.approx(value, rel=1e-12, abs=1e-12) if isinstance(value, float) else value
        for name, value in expected.items()
    }
    return found


@pytest.mark.parametrize(("dataset", "bar"), [("candles_1m", MINUTE), ("candles_1h", HOUR)])
def test_candles(dataset, bar):
    types = {"open_time": UTC_TIME, **dict.fromkeys(NUMBERS, pl.Float64), "known_at": UTC_TIME}

    @settings(max_examples=examples(240), deadline=None)
    @given(candle_rows(bar))
    def check(rows):
        found = compared(
            profile(pl.DataFrame(rows, schema=types), dataset, NOW, key="X/2025-04"),
            profile_loops.candles(rows, bar, NOW),
        )
        assert found["key"] == "X/2025-04"
        assert found["first"] == min(row["open_time"] for row in rows)
        assert found["last"] == max(row["open_time"] for row in rows) + bar

    check()


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(
        st.tuples(time(10 * MINUTE, 8), st.sampled_from([*ODD, 0.05, -0.05, 0.0500001]), delays),
        min_size=1,
        max_size=15,
    )
)
def test_funding(settled):
    rows = [{"funding_time": at, "funding_rate": rate, "known_at": at + delay} for at, rate, delay in settled]
    types = {"funding_time": UTC_TIME, "funding_rate": pl.Float64, "known_at": UTC_TIME}
    compared(profile(pl.DataFrame(rows, schema=types), "funding", NOW), profile_loops.funding(rows, NOW))


def cell(feature):
    if feature.dtype == "string":
        return st.sampled_from([None, "BTC", "ETH"])
    if feature.dtype == "int64":
        return st.sampled_from([None, -1, 0, 60, 61])
    return st.sampled_from([*ODD, 0.04, -0.06, 5.0, 5.1])


@pytest.mark.parametrize("declared", [ASSET_HOURLY, PAIR_HOURLY], ids=lambda view: view.name)
def test_views(declared):
    row = st.fixed_dictionaries(
        {
            declared.entity: st.sampled_from(["A", "B"]),
            "event_timestamp": time(10 * MINUTE, 5),
            "delay": delays,
            **{feature.name: cell(feature) for feature in declared.features},
        }
    )

    @settings(max_examples=40, deadline=None)
    @given(st.lists(row, max_size=12))
    def check(drawn):
        rows = [{**r, "created_timestamp": r["event_timestamp"] + r["delay"]} for r in drawn]
        measured = profile_view(declared, pl.DataFrame(rows, schema=make_schema(declared)), NOW)
        entities = sorted({r[declared.entity] for r in rows})
        assert measured["key"].to_list() == entities
        for entity in entities:
            own = [r for r in rows if r[declared.entity] == entity]
            compared(measured.filter(pl.col("key") == entity), profile_loops.view(own, declared.features, NOW))

    check()


def test_a_frame_without_rows_has_no_partitions():
    assert profile(candles().clear(), "candles_1m").is_empty()


@pytest.mark.parametrize("declared", [ASSET_HOURLY, PAIR_HOURLY], ids=lambda view: view.name)
def test_profiles_of_disjoint_rows_add_up_to_that_of_all_rows(declared):
    row = st.fixed_dictionaries(
        {
            declared.entity: st.sampled_from(["A", "B", "C"]),
            "event_timestamp": time(10 * MINUTE, 8),
            "delay": delays,
            **{feature.name: cell(feature) for feature in declared.features},
        }
    )

    @settings(max_examples=40, deadline=None)
    @given(st.lists(row, max_size=14), time(10 * MINUTE, 8))
    def check(drawn, cut):
        rows = [{**r, "created_timestamp": r["event_timestamp"] + r["delay"]} for r in drawn]
        frame = pl.DataFrame(rows, schema=make_schema(declared))
        earlier, later = frame.filter(pl.col("event_timestamp") < cut), frame.filter(pl.col("event_timestamp") >= cut)
        parts = [profile_view(declared, part, NOW) for part in (earlier, later)]
        assert_frame_equal(combine_view_profiles(declared, *parts), profile_view(declared, frame, NOW))
        marks = mark_feature_offences(declared, frame, NOW)
        assert_frame_equal(profile_view(declared, frame, NOW, marks=marks), profile_view(declared, frame, NOW))

    check()


def test_profiles_of_two_views_cannot_be_added():
    one, other = (
        profile_view(view, pl.DataFrame(schema=make_schema(view)), NOW) for view in (ASSET_HOURLY, PAIR_HOURLY)
    )
    with pytest.raises(DataError, match="profiles of asset_hourly with the columns"):
        combine_view_profiles(ASSET_HOURLY, one, other)
