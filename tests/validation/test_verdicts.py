"""Each fault is found, under its own rule, for its own partition, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.catalog import ASSET_HOURLY
from pairity.errors import DataError, UnknownNameError
from pairity.settings import Settings
from tests.validation.frames import MINUTE, NOW, T0, at, candles, feature_rows, funding, of, profile
from validation.checkpoint import judge
from validation.profiles import profile_raw, profile_view


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Settings(home=tmp_path_factory.mktemp("validation"))


def verdict_on(home, suite, *profiles):
    return judge(home, {suite: pl.concat(profiles, how="vertical_relaxed")})[suite]


CANDLE_FAULTS = {
    "price × 10": (at(50, open=1000.0, high=1020.0, low=980.0, close=1000.0), {"price_jump"}),
    "negative volume": (at(50, volume=-1.0), {"negative_volumes"}),
    "high below low": (at(50, high=90.0), {"high_low_violations"}),
    "price of zero": (at(50, low=0.0), {"nonpositive_prices"}),
    "high not a number": (at(50, high=float("nan")), {"nonfinite_values"}),
    "low not a number": (at(50, low=float("nan")), {"nonfinite_values"}),
    "close infinite": (at(50, close=float("inf")), {"nonfinite_values"}),
    "volume minus infinity": (at(50, volume=float("-inf")), {"nonfinite_values"}),
    "missing price": (at(50, close=None), {"null_values"}),
    "off the grid": (at(50, open_time=T0 + 50 * MINUTE - timedelta(seconds=7)), {"misaligned_times"}),
    "known before its close": (at(50, known_at=T0 + 50 * MINUTE), {"known_too_early"}),
    "the same row twice": (lambda f: pl.concat([f, f.slice(50, 1)]).sort("open_time"), {"duplicate_times"}),
    "the same minute with another close": (
        lambda f: pl.concat([f, at(50, close=101.0)(f).slice(50, 1)]).sort("open_time"),
        {"conflicting_duplicates"},
    ),
    "a time that is missing": (at(50, open_time=None), {"null_values"}),
    "not in time order": (lambda f: pl.concat([f.slice(60), f.slice(0, 60)]), {"non_monotone_times"}),
}


@pytest.mark.parametrize("fault", CANDLE_FAULTS)
def test_a_fault_in_one_instrument_quarantines_it_alone_under_its_rule(home, fault):
    break_, rules = CANDLE_FAULTS[fault]
    frames = {"BTC": candles(), "ETH": break_(candles()), "SOL": candles()}
    together = pl.concat([of(asset, rows) for asset, rows in frames.items()])
    verdict = verdict_on(home, "candles_1m", profile_raw(together, "candles_1m", "2025-04", NOW))
    assert verdict.passed == ("BTC/2025-04", "SOL/2025-04")
    assert {key: {rule.rule for rule in broken} for key, broken in verdict.failed.items()} == {"ETH/2025-04": rules}


def test_a_partition_without_rows_fails(home):
    empty = profile(candles(), "candles_1m").with_columns(rows=pl.lit(0, pl.UInt32))
    assert [rule.rule for rule in verdict_on(home, "candles_1m", empty).failed["BTC/2025-04"]] == ["rows"]


def test_a_correction_is_no_duplicate_and_replaces_the_jump_that_it_corrects(home):
    wrong = at(50, open=1000.0, high=1020.0, low=980.0, close=1000.0)(candles())
    later = candles().slice(50, 1).with_columns(known_at=pl.lit(NOW))
    corrected = profile(pl.concat([wrong, later]).sort("open_time", "known_at"), "candles_1m")
    assert verdict_on(home, "candles_1m", corrected).failed == {}


def test_a_batch_that_is_wrong_from_end_to_end_jumps_from_what_was_stored(home):
    tenfold = candles().with_columns(pl.col("open", "high", "low", "close") * 10)
    both = pl.concat([of("BTC", tenfold), of("ETH", tenfold)])
    beside = profile_raw(both, "candles_1m", "2025-04", NOW, closes_before={"ETH": 100.0})
    verdict = verdict_on(home, "candles_1m", beside)
    assert verdict.passed == ("BTC/2025-04",)
    assert [(broken.rule, broken.observed) for broken in verdict.failed["ETH/2025-04"]] == [("price_jump", 120.0)]


def test_a_bar_that_has_not_closed_is_from_the_future(home):
    early = profile(candles(), "candles_1m", T0 + 119 * MINUTE + timedelta(seconds=30), key="BTC/2025-04")
    (broken,) = verdict_on(home, "candles_1m", early).failed["BTC/2025-04"]
    assert (broken.rule, broken.observed) == ("future_times", 1.0)


def test_holes_and_stale_runs_are_told_but_do_not_quarantine(home):
    frame = candles().filter(pl.int_range(pl.len()) != 30)
    flat = dict.fromkeys(("open", "high", "low", "close"), 100.0)
    frozen = candles().with_columns(**{name: pl.lit(value) for name, value in flat.items()}, volume=pl.lit(0.0))
    both = pl.concat([of("BTC", frame), of("ETH", frozen)])
    verdict = verdict_on(home, "candles_1m", profile_raw(both, "candles_1m", "2025-04", NOW))
    assert verdict.failed == {}
    assert [rule.rule for rule in verdict.warnings["BTC/2025-04"]] == ["missing_rows"]
    assert [rule.rule for rule in verdict.warnings["ETH/2025-04"]] == ["stale_run"]


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        (funding((0.0001, 0.06, 0.0001)), "rates_out_of_bounds"),
        (funding((0.0001, None, 0.0001)), "null_values"),
        (funding((0.0001, float("inf"), 0.0001)), "nonfinite_values"),
        (pl.concat([funding(), funding((0.0002,))]).sort("funding_time"), "conflicting_duplicates"),
        (pl.concat([funding(), funding().tail(1)]), "duplicate_times"),
        (funding().reverse(), "non_monotone_times"),
        (at(1, funding_time=T0 + timedelta(hours=8, seconds=7))(funding()), "misaligned_times"),
        (funding((0.0001,) * 9), "future_times"),
    ],
)
def test_funding_faults(home, frame, rule):
    both = pl.concat([of("BTC", funding()), of("ETH", frame)])
    verdict = verdict_on(home, "funding", profile_raw(both, "funding", "2025-04", NOW))
    assert verdict.passed == ("BTC/2025-04",)
    assert rule in {broken.rule for broken in verdict.failed["ETH/2025-04"]}
    assert {broken.rule for broken in verdict.failed["ETH/2025-04"]} <= {rule, "known_too_early"}


def test_settlements_that_are_not_whole_hours_apart_are_told(home):
    odd = at(1, funding_time=T0 + timedelta(hours=7, minutes=30))(funding())
    verdict = verdict_on(home, "funding", profile(odd, "funding"))
    assert verdict.failed == {}
    (broken,) = verdict.warnings["BTC/2025-04"]
    assert (broken.rule, broken.observed) == ("irregular_intervals", 2.0)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (at(5, close=-1.0), "out_of_bounds__close"),
        (at(5, funding_rate=0.2), "out_of_bounds__funding_rate"),
        (at(5, minutes_observed=61), "out_of_bounds__minutes_observed"),
        (at(5, minutes_observed=None), "nulls__minutes_observed"),
        (at(5, atr_14=float("inf")), "nonfinite_values"),
        (at(5, funding_rate=float("nan")), "nonfinite_values"),
        (at(5, created_timestamp=None), "null_times"),
        (at(5, created_timestamp=T0), "known_before_event"),
        (lambda f: pl.concat([f, f.slice(5, 1)]), "duplicate_keys"),
        (at(29, event_timestamp=NOW + timedelta(hours=1), created_timestamp=NOW + timedelta(hours=2)), "future_times"),
    ],
)
def test_feature_faults(home, change, rule):
    rows = pl.concat([feature_rows("BTC"), change(feature_rows("ETH"))])
    verdict = verdict_on(home, ASSET_HOURLY.name, profile_view(ASSET_HOURLY, rows, NOW))
    assert verdict.passed == ("BTC",)
    assert [broken.rule for broken in verdict.failed["ETH"]] == [rule]


def test_nulls_where_the_catalogue_allows_them_pass(home):
    rows = feature_rows().with_columns(pl.lit(None, pl.Float64).alias("funding_rate"))
    assert verdict_on(home, ASSET_HOURLY.name, profile_view(ASSET_HOURLY, rows, NOW)).failed == {}


@pytest.mark.parametrize(("column", "value"), [("price_jump", float("nan")), ("negative_volumes", None)])
def test_what_was_not_measured_has_not_passed(home, column, value):
    sound = profile(candles(), "candles_1m")
    blind = sound.with_columns(pl.lit(value, pl.Float64).alias(column), pl.lit("ETH").alias("key"))
    verdict = verdict_on(home, "candles_1m", sound, blind)
    assert verdict.passed == ("BTC/2025-04",)
    assert [(broken.rule, broken.observed) for broken in verdict.failed["ETH"]] == [("unmeasured", 1.0)]


def test_what_cannot_be_judged_is_said(home):
    sound = profile(funding(), "funding")
    with pytest.raises(UnknownNameError, match="candles_1m"):
        judge(home, {"candle_1m": sound})
    with pytest.raises(DataError, match="lacks rates_out_of_bounds"):
        judge(home, {"funding": sound.drop("rates_out_of_bounds")})
    with pytest.raises(DataError, match=r"cannot be told apart: \['BTC/2025-04', 'BTC/2025-04'\]"):
        judge(home, {"funding": pl.concat([sound, sound])})


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
        nothing = [pl.lit(None, pl.Float64).alias(name) for name in ("trade_count", "taker_buy_volume")]
        profiles.append(profile(bars.with_columns(known, *nothing), "candles_1m", now, key=f"{path.stem}/2025-04"))
        settled = pl.read_parquet(folder / "funding" / path.name).with_columns(time.alias("funding_time"))
        known_settled = settled.with_columns(pl.col("funding_time").alias("known_at"))
        rates.append(profile(known_settled, "funding", now, key=f"{path.stem}/2025-04"))
    verdicts = judge(home, {"candles_1m": pl.concat(profiles), "funding": pl.concat(rates)})
    assert [verdict.failed for verdict in verdicts.values()] == [{}, {}]
    assert len(profiles) == 9
