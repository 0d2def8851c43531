"""Exposures as a live process sees them, hour by hour and through outages; degenerate windows; what ties do."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_EXPOSURES, ASSET_RISK_BUCKETS
from feature_repo.chunks import compute_views
from feature_repo.transforms.exposures import (
    compute_minute_exposures,
    find_first_minute,
)
from feature_repo.transforms.risk_factors import assign_buckets
from feature_repo.transforms.risk_kernels import hourly_fits, minute_fits
from pairity.settings import FeatureSettings
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    MINUTE,
    UTC_US,
    assert_same_bits,
    candles,
    compute_asset_exposures,
    compute_risk_buckets,
    funding_of,
    reader,
)
from tests.feature_repo.transforms.markets import settings as settings_for
from tests.oracles import risk_factors_pandas as oracle
from validation.lookahead import prove

START = datetime(2025, 3, 1, tzinfo=UTC)
NAMES = ("A", "B", "C", "D", "E")
SETTINGS = FeatureSettings(risk_days=2, exposure_minutes=240)
END = START + 5 * DAY


def minutes_of(days, gaps=0.0, start=START, names=NAMES, seed=8):
    rows = candles(names, int(days * 1440), bar=MINUTE, start=start, seed=seed, gaps=gaps, volatility=0.0008)
    return rows.with_columns(pl.lit(None, pl.Float64).alias("trade_count"))


def between(first, end):
    return pl.col("open_time").is_between(first, end, closed="left")


@pytest.fixture(scope="module")
def outages():
    """Five days; on day 4 (from 0) nobody has a bar from 2:55 to 3:00, nor in the minute before midnight; D stops."""
    rows = minutes_of(5, gaps=0.01)
    return rows.filter(
        ~between(START + 4 * DAY + 3 * HOUR - 5 * MINUTE, START + 4 * DAY + 3 * HOUR),
        ~between(START + 4 * DAY - MINUTE, START + 4 * DAY),
        ~((pl.col("asset") == "D") & (pl.col("open_time") >= START + 4 * DAY + 9 * HOUR)),
    )


def at(event):
    return pl.col("event_timestamp") == event


@pytest.mark.parametrize("hours", [72, 95, 96, 97, 98, 99, 100, 105, 106, 119])
def test_an_hour_has_the_same_rows_when_it_was_the_newest(outages, hours):
    close = START + hours * HOUR
    known = outages.filter(pl.col("open_time") < close).lazy()
    whole, then = (
        compute_asset_exposures(rows, START, end, SETTINGS).filter(at(close)).collect()
        for rows, end in ((outages.lazy(), END), (known, close))
    )
    assert then.height == (4 if hours > 105 else 5)
    assert_same_bits(then, whole)
    days = (compute_risk_buckets(rows, START, end, SETTINGS) for rows, end in ((outages.lazy(), END), (known, close)))
    late, early = (rows.filter(pl.col("event_timestamp") <= close).collect() for rows in days)
    assert_same_bits(early, late)


def test_an_asset_without_a_bar_in_the_hour_has_no_row(outages):
    rows = compute_asset_exposures(outages.lazy(), START, END, SETTINGS).filter(pl.col("asset") == "D").collect()
    assert rows["event_timestamp"].max() == START + 4 * DAY + 9 * HOUR


@pytest.mark.parametrize("design", ["spreads4", "buckets10"])
@pytest.mark.parametrize("window", [240, 2880])
def test_minutes_have_the_bits_of_the_view_from_where_they_are_needed(design, window):
    settings = FeatureSettings(risk_days=2, exposure_minutes=window)
    rows = minutes_of(6)
    first = START + 5 * DAY + 7 * HOUR + 13 * MINUTE
    needed = find_first_minute(first, settings)
    assert needed == START + (3 if window == 240 else 1) * DAY
    prefix = {"spreads4": "s4_", "buckets10": "b10_"}[design]
    hourly = (
        compute_asset_exposures(rows.lazy(), START, START + 6 * DAY, settings)
        .filter(pl.col("event_timestamp") > first)
        .select("asset", pl.col("event_timestamp").alias("time"), pl.col(f"^{prefix}.*$").name.replace(prefix, ""))
        .collect()
    )
    every = compute_minute_exposures(rows.filter(pl.col("open_time") >= needed), design, settings, NAMES)
    every = every.filter(pl.col("time") > first)
    assert every["r2"].null_count() == 0
    assert_same_bits(every.filter(pl.col("time").dt.minute() == 0).sort("asset", "time"), hourly)


def fitted(regressors, response, ridge=0.0):
    observed = np.ascontiguousarray(np.column_stack([regressors, response]))
    return minute_fits(observed, 2, ridge, 0.9)


@given(level=st.floats(-0.05, 0.05), ridge=st.sampled_from([0.0, 1e-6]))
@example(level=2e-162, ridge=0.0)
@example(level=1e-3 / 3, ridge=1e-6)
@hypothesis_settings(deadline=None, max_examples=60)
def test_a_flat_factor_or_response_gives_no_number(level, ridge):
    noise = np.random.default_rng(1).normal(0, 1e-3, (180, 2))
    flat = np.full(180, level)
    assert np.isnan(fitted(noise, flat, ridge)).all()
    assert np.isnan(fitted(np.column_stack([noise[:, 0], flat]), noise[:, 1], ridge)).all()


@given(
    seed=st.integers(0, 10_000),
    factors=st.integers(1, 6),
    rows=st.integers(1, 300),
    missing=st.sampled_from([0.0, 0.02, 0.09]),
    scale=st.sampled_from([1e-6, 1e-3, 10.0]),
    ridge=st.sampled_from([0.0, 1e-6, 1e-2]),
)
@hypothesis_settings(deadline=None, max_examples=60)
def test_every_minute_is_least_squares_on_its_own_window(seed, factors, rows, missing, scale, ridge):
    rng = np.random.default_rng(seed)
    x = scale * (rng.normal(0, 1, (rows, 1)) + rng.normal(0, 0.5, (rows, factors)))
    y = x @ rng.normal(0, 1, factors) + scale * rng.normal(0.1, 1, rows)
    y[rng.random(rows) < missing] = np.nan
    found = fitted(x, y, ridge)
    for end in range(1, rows + 1):
        window = slice(end - 120, end)
        whole = ~np.isnan(y[window]) if end >= 120 else np.zeros(0, dtype=bool)
        if whole.sum() < 108:
            assert np.isnan(found[end - 1]).all()
        else:
            expected = oracle.least_squares(x[window][whole], y[window][whole], ridge)
            np.testing.assert_allclose(found[end - 1], expected, rtol=1e-7, atol=1e-9 * max(1.0, scale))


@pytest.mark.parametrize("rows", [0, 1, 2, 119])
def test_less_than_a_window_gives_no_number(rows):
    noise = np.random.default_rng(1).normal(0, 1e-3, (rows, 3))
    assert fitted(noise[:, :2], noise[:, 2]).shape == (rows, 5)
    assert np.isnan(fitted(noise[:, :2], noise[:, 2])).all()
    assert len(hourly_fits(noise, 2, 0.0, 0.9)) == rows // 60


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_what_cannot_be_a_return_spoils_only_the_windows_that_hold_it(value):
    noise = np.random.default_rng(1).normal(0, 1e-3, (400, 3))
    spoiled = noise.copy()
    spoiled[150, 0] = value
    clean, other = fitted(noise[:, :2], noise[:, 2]), fitted(spoiled[:, :2], spoiled[:, 2])
    assert other[:150].tobytes() == clean[:150].tobytes()
    assert other[270:].tobytes() == clean[270:].tobytes()
    assert np.isnan(other[150:270]).all()


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([3.0, 1.0, 2.0], [2, 0, 1]),
        ([5.0, 5.0, 5.0, 5.0, 5.0], [0, 0, 1, 1, 2]),  # equal scores in order of their names
        ([4.0, 3.0, 2.0, 1.0], [2, 1, 0, 0]),
        ([4.0, np.nan, 2.0, 1.0], [2, np.nan, 1, 0]),
        ([4.0, np.nan, 2.0, np.nan], [np.nan] * 4),
    ],
)
def test_terciles_of_ties_gaps_and_other_numbers_than_three(scores, expected):
    np.testing.assert_array_equal(assign_buckets(np.array([[scores]]))[0, 0], expected)


def test_liquidity_is_trades_where_all_assets_tell_them_and_quote_volume_elsewhere():
    rows = minutes_of(3)
    trades = pl.col("asset").replace_strict(dict(zip(NAMES, (9.0, 8.0, 7.0, 6.0, 5.0), strict=True)))
    for told, expected in (
        (trades, [9.0, 8.0, 7.0, 6.0, 5.0]),
        (pl.when(pl.col("asset") != "C").then(trades), None),
    ):
        found = compute_risk_buckets(
            rows.with_columns(told.alias("trade_count")).lazy(), START, START + 3 * DAY, SETTINGS
        )
        day = found.filter(at(START + 3 * DAY)).collect()
        typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3 * pl.col("volume")
        quote = (
            rows.filter(pl.col("open_time") >= START + DAY)
            .group_by("asset", maintain_order=True)
            .agg(pl.coalesce("volume_quote", typical).mean())["volume_quote"]
        )
        assert day["liquidity_score"].to_list() == pytest.approx(expected or quote.to_list(), rel=1e-12)


def test_nothing_in_either_view_looks_ahead_or_depends_on_the_chunk():
    start = datetime(2025, 5, 1, tzinfo=UTC) - 5 * DAY
    minutes = minutes_of(6, gaps=0.01, start=start)
    read = reader(minutes.drop("trade_count"), minutes.clear(), funding_of())
    settings, may = settings_for(NAMES, SETTINGS), start + 5 * DAY
    views = (ASSET_RISK_BUCKETS.name, ASSET_EXPOSURES.name)
    report = prove(read, may, may + DAY, settings, [may + 3 * HOUR, may + 15 * HOUR], views=(ASSET_EXPOSURES.name,))
    assert report.leaks == ()
    assert report.unproven == ()
    april = compute_views(read, start.replace(day=1), may, settings, views)
    days = april[ASSET_RISK_BUCKETS.name]["event_timestamp"]
    assert days.unique().sort().to_list() == [start + number * DAY for number in (2, 3, 4, 5)]
    assert days.dtype == UTC_US
    # What April's last day and May's first make of the minutes before midnight is the same: no chunk begins there.
    late = minutes.filter(pl.col("open_time") >= may - 3 * DAY).lazy()
    again = compute_asset_exposures(late, may - 3 * DAY, may + DAY, SETTINGS).filter(pl.col("event_timestamp") > may)
    computed = compute_views(read, may, may + DAY, settings, views)[ASSET_EXPOSURES.name]
    assert_same_bits(again.drop("created_timestamp").collect(), computed.drop("created_timestamp"))
