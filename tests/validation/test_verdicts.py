"""Each fault is found, under its own rule, for its own partition, and nothing else is."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.files import schema
from pairity.errors import DataError, UnknownNameError
from pairity.layout import Layout
from pairity.settings import Settings
from validation.checkpoint import build_docs, judge
from validation.profiles import profile_candles, profile_funding, profile_view
from validation.quarantine import listed, quarantine

T0 = datetime(2025, 4, 1, tzinfo=UTC)
NOW = T0 + timedelta(days=2)
MINUTE = timedelta(minutes=1)
UTC_TIME = pl.Datetime("us", "UTC")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Settings(home=tmp_path_factory.mktemp("validation"))


def candles(minutes=120):
    times = [T0 + i * MINUTE for i in range(minutes)]
    close = [100.0 + math.sin(i / 7) for i in range(minutes)]
    return pl.DataFrame(
        {
            "open_time": times,
            "open": [100.0, *close[:-1]],
            "high": [c + 2 for c in close],
            "low": [c - 2 for c in close],
            "close": close,
            "volume": [float(i % 5) for i in range(minutes)],
            "volume_quote": [None] * minutes,
            "known_at": [t + MINUTE + timedelta(milliseconds=1) for t in times],
        },
        schema_overrides={"open_time": UTC_TIME, "known_at": UTC_TIME, "volume_quote": pl.Float64},
    )


def at(row, **values):
    """The frame with one row changed."""

    def change(frame):
        index = pl.int_range(pl.len())
        return frame.with_columns(
            pl.when(index == row).then(pl.lit(value, frame.schema[name])).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )

    return change


CANDLE_FAULTS = {
    "price × 10": (at(50, open=1000.0, high=1020.0, low=980.0, close=1000.0), {"price_jump"}),
    "negative volume": (at(50, volume=-1.0), {"negative_volumes"}),
    "high below low": (at(50, high=90.0), {"high_low_violations"}),
    "price of zero": (at(50, low=0.0), {"nonpositive_prices"}),
    "not a number": (at(50, high=float("nan")), {"nonfinite_values"}),
    "missing price": (at(50, close=None), {"null_values"}),
    "off the grid": (at(50, open_time=T0 + 50 * MINUTE - timedelta(seconds=7)), {"misaligned_times"}),
    "known before its close": (at(50, known_at=T0 + 50 * MINUTE), {"known_too_early"}),
    "the same minute twice": (
        lambda f: pl.concat([f, at(50, close=101.0)(f).slice(50, 1)]).sort("open_time"),
        {"duplicate_times"},
    ),
    "not in time order": (lambda f: pl.concat([f.slice(60), f.slice(0, 60)]), {"non_monotone_times"}),
    "no rows": (lambda f: f.head(0), {"rows"}),
}


@pytest.mark.parametrize("fault", CANDLE_FAULTS)
def test_a_fault_in_one_instrument_quarantines_it_alone_under_its_rule(home, fault):
    break_, rules = CANDLE_FAULTS[fault]
    profiles = [profile_candles(candles(), "candles_1m", key, NOW) for key in ("BTC", "SOL")]
    profiles.insert(1, profile_candles(break_(candles()), "candles_1m", "ETH", NOW))
    verdict = judge(home, "candles_1m", pl.concat(profiles))
    assert verdict.passed == ("BTC", "SOL")
    assert {key: {rule.rule for rule in broken} for key, broken in verdict.failed.items()} == {"ETH": rules}


def test_a_bar_that_has_not_closed_is_from_the_future(home):
    profile = profile_candles(candles(), "candles_1m", "BTC", T0 + 119 * MINUTE + timedelta(seconds=30))
    (broken,) = judge(home, "candles_1m", profile).failed["BTC"]
    assert (broken.rule, broken.observed) == ("future_times", 1.0)


def test_holes_and_stale_runs_are_told_but_do_not_quarantine(home):
    frame = candles().filter(pl.int_range(pl.len()) != 30)
    flat = dict.fromkeys(("open", "high", "low", "close"), 100.0)
    frozen = candles().with_columns(**{name: pl.lit(value) for name, value in flat.items()}, volume=pl.lit(0.0))
    profiles = [profile_candles(f, "candles_1m", key, NOW) for f, key in ((frame, "BTC"), (frozen, "ETH"))]
    verdict = judge(home, "candles_1m", pl.concat(profiles))
    assert verdict.failed == {}
    assert [rule.rule for rule in verdict.warnings["BTC"]] == ["missing_rows"]
    assert [rule.rule for rule in verdict.warnings["ETH"]] == ["stale_run"]


def funding(rates=(0.0001, -0.0002, 0.0001)):
    times = [T0 + timedelta(hours=8 * i) for i in range(len(rates))]
    known = [t + timedelta(milliseconds=1) for t in times]
    return pl.DataFrame({"funding_time": times, "funding_rate": list(rates), "known_at": known},
                        schema_overrides={"funding_time": UTC_TIME, "known_at": UTC_TIME})  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        (funding((0.0001, 0.06, 0.0001)), "rates_out_of_bounds"),
        (funding((0.0001, None, 0.0001)), "null_values"),
        (funding((0.0001, float("inf"), 0.0001)), "rates_out_of_bounds"),
        (pl.concat([funding(), funding().tail(1)]), "duplicate_times"),
        (funding((0.0001,) * 9), "future_times"),
    ],
)
def test_funding_faults(home, frame, rule):
    profiles = [profile_funding(funding(), "BTC", NOW), profile_funding(frame, "ETH", NOW)]
    verdict = judge(home, "funding", pl.concat(profiles))
    assert verdict.passed == ("BTC",)
    assert rule in {broken.rule for broken in verdict.failed["ETH"]}


def feature_rows(asset="BTC", hours=30):
    times = [T0 + timedelta(hours=i + 1) for i in range(hours)]
    values = {f.name: [60 if f.dtype == "int64" else 1.0] * hours for f in ASSET_HOURLY.features}
    values |= {"funding_rate": [0.0001] * hours, "return_1h": [0.001] * hours}
    known = [t + timedelta(milliseconds=1) for t in times]
    return pl.DataFrame({"asset": [asset] * hours, "event_timestamp": times, "created_timestamp": known, **values},
                        schema=schema(ASSET_HOURLY))  # fmt: skip


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (at(5, close=-1.0), "out_of_bounds__close"),
        (at(5, funding_rate=0.2), "out_of_bounds__funding_rate"),
        (at(5, minutes_observed=61), "out_of_bounds__minutes_observed"),
        (at(5, minutes_observed=None), "nulls__minutes_observed"),
        (at(5, atr_14=float("inf")), "nonfinite_values"),
        (at(5, created_timestamp=T0), "known_before_event"),
        (lambda f: pl.concat([f, f.slice(5, 1)]), "duplicate_keys"),
        (at(29, event_timestamp=NOW + timedelta(hours=1), created_timestamp=NOW + timedelta(hours=2)), "future_times"),
    ],
)
def test_feature_faults(home, change, rule):
    rows = pl.concat([feature_rows("BTC"), change(feature_rows("ETH"))])
    verdict = judge(home, ASSET_HOURLY.name, profile_view(ASSET_HOURLY, rows, NOW))
    assert verdict.passed == ("BTC",)
    assert [broken.rule for broken in verdict.failed["ETH"]] == [rule]


def test_nulls_where_the_catalogue_allows_them_pass(home):
    rows = feature_rows().with_columns(pl.lit(None, pl.Float64).alias("funding_rate"))
    profile = profile_view(ASSET_HOURLY, rows, NOW)
    assert judge(home, ASSET_HOURLY.name, profile).failed == {}
    assert profile["null_share__funding_rate"].to_list() == [1.0]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(1, 200), st.floats(-1, 5), st.integers(0, 40)), min_size=1, max_size=30))
def test_counts_are_those_of_a_plain_loop(rows):
    frame = pl.DataFrame(
        {
            "open_time": [T0 + minute * MINUTE for _, _, minute in rows],
            **{name: [price for price, _, _ in rows] for name in ("open", "high", "low", "close")},
            "volume": [volume for _, volume, _ in rows],
            "volume_quote": [None] * len(rows),
            "known_at": [NOW] * len(rows),
        },
        schema_overrides={"open_time": UTC_TIME, "known_at": UTC_TIME, "volume_quote": pl.Float64},
    )
    profile = profile_candles(frame, "candles_1m", "X", NOW).row(0, named=True)
    minutes = [minute for _, _, minute in rows]
    assert profile["rows"] == len(rows)
    assert profile["negative_volumes"] == sum(volume < 0 for _, volume, _ in rows)
    assert profile["missing_rows"] == max(minutes) - min(minutes) + 1 - len(set(minutes))
    assert profile["non_monotone_times"] == sum(b < a for a, b in pairwise(minutes))
    assert profile["duplicate_times"] == sum(minutes.count(minute) > 1 for minute in minutes)


def test_what_cannot_be_judged_is_said(home):
    profile = profile_funding(funding(), "BTC", NOW)
    with pytest.raises(UnknownNameError, match="candles_1m"):
        judge(home, "candle_1m", profile)
    with pytest.raises(DataError, match="lacks negative_volumes"):
        judge(home, "candles_1m", profile.with_columns(*(pl.lit(0).alias(n) for n in ("nonpositive_prices",
            "high_low_violations", "max_abs_log_return", "missing_rows", "longest_stale_run"))))  # fmt: skip


def test_quarantine_keeps_rows_and_reason_and_lists_them(tmp_path, home):
    layout = Layout(tmp_path)
    broken = judge(home, "funding", profile_funding(funding((0.5,)), "BTC", NOW)).failed["BTC"]
    item = quarantine(layout, "funding", "BTC/2025-04", funding((0.5,)), broken, now=NOW)
    assert listed(layout) == [item]
    assert pl.read_parquet(item.path / "rows.parquet").equals(funding((0.5,)))
    assert item.failed[0].rule == "rates_out_of_bounds"
    assert not list(tmp_path.rglob(".tmp-*"))


def test_data_docs_name_every_suite(home):
    index = build_docs(home)
    text = index.read_text()
    assert index.name == "index.html"
    assert all(suite in text for suite in ("candles_1m", "funding", "asset_hourly", "pair_hourly"))


@pytest.mark.recorded
def test_recorded_minutes_pass_and_so_does_their_funding(home):
    import os

    root = os.environ.get("PAIRITY_RECORDED_DATA")
    if not root:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: recorded minutes are not checked")
    folder = Path(root) / "okx_swap"
    now = datetime(2026, 7, 1, tzinfo=UTC)
    profiles, rates = [], []
    for path in sorted((folder / "1m_20250318_20250417").glob("*.parquet")):
        time = pl.from_epoch("ts", "ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        bars = pl.read_parquet(path).with_columns(
            time.alias("open_time"), pl.lit(None, pl.Float64).alias("volume_quote")
        )
        known = (pl.col("open_time") + MINUTE).alias("known_at")
        profiles.append(profile_candles(bars.with_columns(known), "candles_1m", path.stem, now))
        settled = pl.read_parquet(folder / "funding" / path.name).with_columns(time.alias("funding_time"))
        rates.append(profile_funding(settled.with_columns(pl.col("funding_time").alias("known_at")), path.stem, now))
    assert judge(home, "candles_1m", pl.concat(profiles)).failed == {}
    assert judge(home, "funding", pl.concat(rates)).failed == {}
    assert len(profiles) == 9
