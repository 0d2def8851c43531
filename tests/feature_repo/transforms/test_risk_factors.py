"""Buckets, factor returns and exposures against pandas, QR and statsmodels; point in time, whatever the chunk."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from feature_repo.catalog import ASSET_EXPOSURES, ASSET_RISK_BUCKETS
from feature_repo.catalog.risk_factors import BUCKETS10, SPREADS4
from feature_repo.transforms.exposures import compute_minute_exposures
from feature_repo.transforms.risk_factors import (
    assign_buckets,
    build_panel,
    compute_factor_returns,
    compute_scores,
    compute_spreads,
)
from feature_repo.transforms.risk_kernels import hourly_fits, minute_fits
from pairity.settings import FeatureSettings
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    MINUTE,
    assert_same_bits,
    candles,
    compute_asset_exposures,
    compute_risk_buckets,
    recorded_candles,
)
from tests.oracles import risk_factors_pandas as oracle

START = datetime(2025, 3, 1, tzinfo=UTC)
NAMES = ("A", "B", "C", "D", "E")
SETTINGS = FeatureSettings(risk_days=3, exposure_minutes=240)


def minutes_of(days, gaps=0.01, names=NAMES, seed=3, **more):
    rows = candles(names, int(days * 1440), bar=MINUTE, start=START, seed=seed, gaps=gaps, volatility=0.0008, **more)
    return rows.with_columns(pl.lit(None, pl.Float64).alias("trade_count"))


@pytest.fixture(scope="module")
def minutes():
    return minutes_of(7)


def check_buckets(minutes, settings, days):
    frame = minutes.to_pandas()
    returns, liquidity = oracle.returns_of(frame), oracle.volumes_of(frame)
    end = minutes["open_time"].max() + MINUTE
    ours = compute_risk_buckets(minutes.lazy(), minutes["open_time"].min(), end, settings).collect()
    assert ours.columns == list(ASSET_RISK_BUCKETS.columns)
    membership = {}
    for day in days:
        theirs = oracle.scores(returns, liquidity, pd.Timestamp(day), settings.risk_days)
        rows = ours.filter(pl.col("event_timestamp") == day).sort("asset")
        assert rows["asset"].to_list() == list(theirs.index)
        for name, other in (("liquidity_score", "liquidity"), ("beta", "beta"), ("momentum_score", "momentum")):
            np.testing.assert_allclose(rows[name].to_numpy(), theirs[other].to_numpy(), rtol=1e-8, atol=1e-14)
        grouped = pd.DataFrame(
            {
                kind: oracle.terciles(theirs[score])
                for kind, score in (("liquidity", "liquidity"), ("volatility", "beta"), ("momentum", "momentum"))
            }
        )
        for kind in grouped:
            assert rows[f"{kind}_bucket"].to_list() == grouped[kind].sort_index().tolist()
        membership[pd.Timestamp(day)] = grouped
    return returns, membership


def test_scores_and_terciles_are_those_of_pandas(minutes):
    days = [START + number * DAY for number in (3, 5, 6, 7)]
    returns, membership = check_buckets(minutes, SETTINGS, days)
    panel = build_panel(minutes)
    ours = compute_factor_returns(panel, assign_buckets(compute_scores(panel, SETTINGS)))
    theirs = oracle.factors(returns, {day: membership[day] for day in (days[1], days[2])})
    rows = returns.index.get_indexer(theirs.index)
    np.testing.assert_allclose(ours[rows], theirs.to_numpy(), rtol=1e-9, atol=1e-16)
    low, high = theirs["momentum_low"], theirs["momentum_high"]
    np.testing.assert_allclose(compute_spreads(ours)[rows, 3], high - low, rtol=1e-9, atol=1e-15)


def test_a_bucket_knows_nothing_of_its_own_day(minutes):
    day = START + 5 * DAY
    later = pl.col("open_time") >= day
    poisoned = minutes.with_columns(
        pl.when(later).then(pl.col(name) * factor).otherwise(pl.col(name)).alias(name)
        for name, factor in (("open", 3.0), ("close", 0.2), ("volume", 50.0))
    )
    whole, other = (
        compute_risk_buckets(frame.lazy(), START, START + 7 * DAY, SETTINGS)
        .filter(pl.col("event_timestamp") <= day)
        .collect()
        for frame in (minutes, poisoned)
    )
    assert_same_bits(other, whole)
    cut = compute_risk_buckets(minutes.filter(~later).lazy(), START, day, SETTINGS).collect()
    assert_same_bits(cut, whole)


def test_beta_is_that_of_the_coin_to_the_market():
    rows = minutes_of(4.5, gaps=0.0)
    doubled = rows.with_columns(
        pl.when(pl.col("asset") == "A")
        .then(pl.col("open") * (1 + 4 * (pl.col("close") / pl.col("open") - 1)))
        .otherwise(pl.col("close"))
        .alias("close")
    )
    found = compute_risk_buckets(doubled.lazy(), START, START + 4 * DAY, SETTINGS).collect()
    betas = dict(found.filter(pl.col("event_timestamp") == START + 4 * DAY).select("asset", "beta").iter_rows())
    assert betas["A"] > 1.5 > max(value for name, value in betas.items() if name != "A")
    assert sum(betas.values()) == pytest.approx(len(NAMES), rel=1e-6)  # the market's own beta is 1


def test_too_few_minutes_make_no_score_and_too_few_assets_no_tercile():
    rows = minutes_of(5, gaps=0.0).filter(
        ~(
            (pl.col("asset") == "A")
            & (pl.col("open_time") >= START + 3 * DAY)
            & (pl.col("open_time") < START + 3.3 * DAY)
        )
    )
    day = compute_risk_buckets(rows.lazy(), START, START + 4 * DAY, SETTINGS).filter(
        pl.col("event_timestamp") == START + 4 * DAY
    )
    assert day.collect()["asset"].to_list() == ["B", "C", "D", "E"]
    two = compute_risk_buckets(minutes_of(5, names=("A", "B")).lazy(), START, START + 4 * DAY, SETTINGS).collect()
    assert two["beta"].null_count() == 0
    assert two["liquidity_bucket"].null_count() == two.height


def regressors(minutes, names):
    panel = build_panel(minutes)
    factors = compute_factor_returns(panel, assign_buckets(compute_scores(panel, SETTINGS)))
    return panel, {"s4": compute_spreads(factors), "b10": factors}[names]


@pytest.mark.parametrize(("prefix", "names", "ridge"), [("s4", SPREADS4, 0.0), ("b10", BUCKETS10, 1e-6)])
def test_exposures_are_those_of_qr(minutes, prefix, names, ridge):
    rows = compute_asset_exposures(minutes.lazy(), START, START + 7 * DAY, SETTINGS).collect()
    assert rows.columns == list(ASSET_EXPOSURES.columns)
    panel, x = regressors(minutes, prefix)
    columns = [f"{prefix}_{name}" for name in ("const", *names, "r2", "adj_r2")]
    for asset in ("A", "E"):
        for hours in (96, 115, 168):  # on the day between, two spreads are of the same coins: no number
            end = hours * 60
            y = panel.returns[end - 240 : end, panel.assets.index(asset)]
            window = x[end - 240 : end]
            whole = ~(np.isnan(y) | np.isnan(window).any(axis=1))
            expected = oracle.least_squares(window[whole], y[whole], ridge)
            at = (pl.col("asset") == asset) & (pl.col("event_timestamp") == START + hours * HOUR)
            np.testing.assert_allclose(rows.filter(at).select(columns).row(0), expected, rtol=1e-7, atol=1e-11)


def test_spreads_are_those_of_statsmodels(minutes):
    from statsmodels.regression.rolling import RollingOLS
    from statsmodels.tools import add_constant

    whole = minutes_of(5, gaps=0.0)
    panel, x = regressors(whole, "s4")
    y = panel.returns[:, 1]
    fitted = minute_fits(np.ascontiguousarray(np.column_stack([x, y])), 4, 0.0, 0.9)
    first = 3 * 1440
    theirs = RollingOLS(y[first:], add_constant(x[first:]), window=240).fit()
    valid = slice(first + 239, None)
    np.testing.assert_allclose(fitted[valid, :5], theirs.params[239:], rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(fitted[valid, 5], theirs.rsquared[239:], rtol=1e-8)
    np.testing.assert_allclose(fitted[valid, 6], theirs.rsquared_adj[239:], rtol=1e-8)


def test_the_last_minute_of_an_hour_has_the_bits_of_the_hour(minutes):
    panel, x = regressors(minutes, "s4")
    observed = np.ascontiguousarray(np.column_stack([x, panel.returns[:, 0]]))
    hourly, every = hourly_fits(observed, 4, 0.0, 0.9), minute_fits(observed, 4, 0.0, 0.9)
    assert hourly.tobytes() == every[59::60][: len(hourly)].tobytes()
    assert np.isfinite(hourly).any()


def test_a_window_is_written_at_its_last_row_and_depends_on_nothing_else(minutes):
    panel, x = regressors(minutes, "s4")
    observed = np.ascontiguousarray(np.column_stack([x, panel.returns[:, 0]]))
    at = 5 * 1440 + 17
    poisoned = observed.copy()
    poisoned[at + 1 :] = 9.0
    poisoned[: at - 239] = -7.0
    assert minute_fits(poisoned, 4, 0.0, 0.9)[at].tobytes() == minute_fits(observed, 4, 0.0, 0.9)[at].tobytes()


def test_where_history_begins_does_not_matter(minutes):
    whole = compute_asset_exposures(minutes.lazy(), START, START + 7 * DAY, SETTINGS)
    later = compute_asset_exposures(
        minutes.filter(pl.col("open_time") >= START + DAY + 5 * HOUR).lazy(),
        START + DAY + 5 * HOUR,
        START + 7 * DAY,
        SETTINGS,
    )
    since = pl.col("event_timestamp") > START + 5 * DAY + 4 * HOUR
    assert_same_bits(
        later.filter(since).drop("created_timestamp").collect(), whole.filter(since).drop("created_timestamp").collect()
    )


def test_collinear_factors_give_no_number():
    x = np.random.default_rng(0).normal(0, 1e-3, (600, 1))
    observed = np.ascontiguousarray(np.hstack([x, 2 * x, x + 1e-4]))
    assert np.isnan(minute_fits(observed, 4, 0.0, 0.9)).all()
    assert np.isfinite(minute_fits(observed, 4, 1e-6, 0.9)[599]).all()


def test_too_few_minutes_give_no_number(minutes):
    holes = minutes.filter((pl.col("open_time").dt.minute() % 5 > 0) | (pl.col("open_time") < START + 5 * DAY))
    rows = compute_asset_exposures(holes.lazy(), START, START + 7 * DAY, SETTINGS)
    assert rows.filter(pl.col("event_timestamp") > START + 5 * DAY + 5 * HOUR).collect().is_empty()


def test_nothing_gives_nothing(minutes):
    assert compute_risk_buckets(minutes.clear().lazy(), START, START + DAY, SETTINGS).collect().columns == list(
        ASSET_RISK_BUCKETS.columns
    )
    nothing = compute_asset_exposures(minutes.clear().lazy(), START, START + DAY, SETTINGS).collect()
    assert nothing.columns == list(ASSET_EXPOSURES.columns)


@pytest.mark.recorded
def test_recorded_minutes_give_the_exposures_of_qr():
    names = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TON", "TRX")
    recorded = recorded_candles("1m_20250318_20250417", names, MINUTE).with_columns(
        pl.lit(None, pl.Float64).alias("trade_count")
    )
    settings = FeatureSettings()
    check_buckets(recorded, settings, [datetime(2025, 3, 26, tzinfo=UTC), datetime(2025, 4, 17, tzinfo=UTC)])
    panel = build_panel(recorded)
    factors = compute_factor_returns(panel, assign_buckets(compute_scores(panel, settings)))
    for design, prefix_factors, ridge in (("spreads4", compute_spreads(factors), 0.0), ("buckets10", factors, 1e-6)):
        rows = compute_minute_exposures(recorded, design, settings, ("BTC", "ETH", "BNB", "XRP"))
        fitted = rows.drop_nulls("r2")
        # Every minute has its exposures once a window is known to 90%: 1,296 minutes after the first buckets.
        assert fitted.height == 4 * (len(panel.returns) - 7 * 1440 - 1295)
        if design == "spreads4":
            assert fitted["r2"].is_between(0, 1).all()
            assert fitted.group_by("asset").agg(pl.col("r2").mean())["r2"].min() > 0.3
        for asset in ("BTC", "XRP"):
            own = rows.filter(pl.col("asset") == asset).drop("asset", "time").to_numpy()
            for at in range(9 * 1440 + 11, len(panel.returns), 3571):
                y = panel.returns[at - 1439 : at + 1, panel.assets.index(asset)]
                expected = oracle.least_squares(prefix_factors[at - 1439 : at + 1], y, ridge)
                np.testing.assert_allclose(own[at], expected, rtol=1e-6, atol=1e-9)


def test_what_is_known_late_makes_all_rows_late(minutes):
    late = minutes.with_columns(
        pl.when((pl.col("asset") == "B") & (pl.col("open_time") == START + 4 * DAY))
        .then(START + 5 * DAY)
        .otherwise(pl.col("known_at"))
        .alias("known_at")
    )
    rows = (
        compute_asset_exposures(late.lazy(), START, START + 7 * DAY, SETTINGS)
        .filter(pl.col("event_timestamp").is_between(START + 4 * DAY, START + 6 * DAY))
        .collect()
    )
    early = pl.col("event_timestamp").is_between(START + 4 * DAY + HOUR, START + 5 * DAY, closed="left")
    assert rows.filter(early)["created_timestamp"].unique().to_list() == [START + 5 * DAY]
    before = rows.filter(pl.col("event_timestamp") == START + 4 * DAY)["created_timestamp"].unique().to_list()
    assert before == [START + 4 * DAY + timedelta(milliseconds=1)]
