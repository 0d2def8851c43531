"""Forecasts of single assets: what they learn from, what is known when, and how they are traded."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from feature_repo.catalog import (
    ASSET_EXPOSURES,
    ASSET_HOURLY,
    ASSET_LAGS,
    LAGGED_RETURNS,
    RISK_EXPOSURES,
    VWAP_DISTANCE,
)
from feature_repo.offline_files import publish, scan_view
from pairity.errors import DataError, MissingDataError
from pairity.evaluation_settings import EvaluationSettings
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings
from tests.training.generated import HOUR, START
from tests.training.published import NOW, brute_join, publish_all, publish_single_assets, settings_for
from training.data.asset_training_sets import build_asset_training_set
from training.data.folds import EVENT, mirror_folds, split_walk_forward
from training.data.training_sets import TrainingSet
from training.leaderboard import compare_families
from training.models import factor_risk, lagged_returns
from training.models.families import FAMILIES, Portfolio, count_third
from training.walk_forward import score_walk_forward

ASSETS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "BNB")
PORTFOLIOS = [name for name, family in FAMILIES.items() if family.portfolio is not None]
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("home"), assets=ASSETS)
    settings = settings.model_copy(update={"evaluation": EvaluationSettings(train_bars=240, test_bars=100)})
    publish_all(settings, bars=440)
    return settings, publish_single_assets(settings)


@pytest.fixture(scope="module")
def board(home):
    settings, _ = home
    return compare_families(
        settings, [FAMILIES[n] for n in (*PORTFOLIOS, "always_revert")], brute_join(settings), NOW, SilentProgress()
    )


def built(home, service, **options):
    settings, _ = home
    return build_asset_training_set(settings, service, brute_join(settings), NOW, assets=ASSETS, **options)


def closes(settings):
    rows = scan_view(Layout.of(settings), ASSET_HOURLY).collect()
    return {(asset, at): close for asset, at, close in rows.select("asset", EVENT, "close").iter_rows()}


def test_labels_are_the_returns_of_the_hours_that_follow(home):
    settings, _ = home
    prices = closes(settings)
    for horizon in (1, 24):
        rows = built(home, LAGGED_RETURNS, horizon_bars=horizon).rows
        assert rows.height == 440 * len(ASSETS)
        assert rows.select("pair_id", EVENT).is_unique().all()
        for pair_id, at, label, t0, t1 in rows.select("pair_id", EVENT, "label", "t0", "t1").iter_rows():
            asset = pair_id.removesuffix("__USDT")
            later = prices.get((asset, at + horizon * HOUR))
            assert (t0, t1) == (at, at + horizon * HOUR)
            if later is None:
                assert label is None
            else:
                assert label == pytest.approx(np.log(later / prices[(asset, at)]), abs=1e-15)


def test_the_sheet_is_decided_once_a_day_where_the_day_begins_across_a_change_of_clocks(home):
    settings, made = home
    rows = built(home, VWAP_DISTANCE, horizon_bars=24, daily=True).rows
    local = rows[EVENT].dt.convert_time_zone("America/New_York")
    assert set(local.dt.hour()) == {settings.vwap.rebalancing_hour}
    assert set(rows[EVENT].dt.hour()) == {4, 5}  # summer time began on 2025-03-09
    assert rows.group_by(EVENT).len()["len"].unique().to_list() == [len(ASSETS)]
    assert rows["known"].all()
    stored = {
        (asset, at): rank
        for asset, at, rank in made["asset_vwap_distance"].select("asset", EVENT, "ranked_dist").iter_rows()
    }
    for pair_id, at, rank in rows.select("pair_id", EVENT, "ranked_dist").iter_rows():
        assert rank == stored[(pair_id.removesuffix("__USDT"), at)]


def test_a_row_that_came_too_late_is_not_known(home, tmp_path):
    settings = settings_for(tmp_path, assets=("BTC", "ETH"))
    publish_all(settings, bars=60)
    made = publish_single_assets(settings)
    late = made["asset_lags"].filter((pl.col("asset") == "BTC") & (pl.col(EVENT) == made["asset_lags"][EVENT][40]))
    rewritten = made["asset_lags"].join(late, on=["asset", EVENT], how="anti")
    for path in (Layout.of(settings).features / "asset_lags").rglob("*.parquet"):
        path.unlink()
    publish(
        Layout.of(settings),
        ASSET_LAGS,
        pl.concat([rewritten, late.with_columns(pl.col("created_timestamp") + timedelta(minutes=5))]),
    )
    rows = build_asset_training_set(
        settings, LAGGED_RETURNS, brute_join(settings), NOW, assets=("BTC",), horizon_bars=1
    ).rows
    unknown = rows.filter(~pl.col("known"))
    assert unknown[EVENT].to_list() == [rows[EVENT][0], late[EVENT][0]]  # the first hour has no return
    assert unknown["log_return"].to_list() == [None, None]


def test_missing_features_are_named_with_what_they_come_from(tmp_path):
    settings = settings_for(tmp_path)
    publish_all(settings, bars=60)
    with pytest.raises(MissingDataError, match="no row of asset_exposures is published") as caught:
        build_asset_training_set(settings, RISK_EXPOSURES, brute_join(settings), NOW, assets=ASSETS, horizon_bars=24)
    assert "candles_1m" in caught.value.remedy


def test_mirrored_folds_test_the_same_hours_and_purge_by_their_own_labels(home):
    own = built(home, LAGGED_RETURNS, horizon_bars=24).rows.drop_nulls("label")
    pairs = own.with_columns((pl.col("t0") + 3 * HOUR).alias("t1"))
    folds = split_walk_forward(pairs, test_bars=100, train_bars=200, horizon_bars=3, rolling=True)
    for fold, other in zip(folds, mirror_folds(own, folds, horizon_bars=24), strict=True):
        assert (other.blocks[0].first, other.blocks[0].last) == (fold.blocks[0].first, fold.blocks[0].last)
        assert other.train[EVENT].min() == fold.train[EVENT].min()
        assert other.train["t1"].max() < fold.blocks[0].first
        assert other.train[EVENT].max() == fold.blocks[0].first - 25 * HOUR
        assert other.test.height == fold.test.height
    with pytest.raises(MissingDataError, match="no row is known from"):
        mirror_folds(own.filter(pl.col(EVENT) < folds[-1].blocks[0].first), folds, horizon_bars=24)
    with pytest.raises(DataError, match="complete label interval"):
        mirror_folds(own.with_columns(t1=pl.lit(None, own["t1"].dtype)), folds, horizon_bars=24)


def test_linear_lags_against_statsmodels(home):
    settings, _ = home
    rows = built(home, LAGGED_RETURNS, horizon_bars=1).rows.filter(pl.col("pair_id") == "BTC__USDT")
    known = rows.drop_nulls(["label", *LAGGED_RETURNS.features])
    names = ["log_return", "log_return_lag_1", "log_return_lag_2", "log_return_lag_3", "log_return_lag_4"]
    model = lagged_returns.fit_linear(known, LAGGED_RETURNS, settings, count=5)
    oracle = sm.OLS(known["label"].to_numpy(), sm.add_constant(known.select(names).to_numpy())).fit()
    np.testing.assert_allclose([model.intercept, *model.slopes], oracle.params, rtol=1e-8, atol=1e-12)
    forecast = model.predict(rows)
    assert np.isnan(forecast[:5]).all()
    np.testing.assert_allclose(
        forecast[6:], oracle.predict(sm.add_constant(rows.select(names).to_numpy()[6:])), rtol=1e-8, atol=1e-12
    )
    assert sum(model.compute_importances().values()) == pytest.approx(1.0)
    with pytest.raises(MissingDataError, match="too few to regress"):
        lagged_returns.fit_linear(known.head(20), LAGGED_RETURNS, settings)


def test_boosted_lags_give_the_same_bytes_again_and_nothing_where_a_lag_is_missing(home):
    settings, _ = home
    rows = built(home, LAGGED_RETURNS, horizon_bars=1).rows
    known = rows.drop_nulls("label")
    one, two = (lagged_returns.fit_boosted(known, LAGGED_RETURNS, settings) for _ in range(2))
    assert one.text == two.text
    forecast = one.predict(rows)
    missing = rows.select(pl.any_horizontal(pl.col(one.names).is_null())).to_series().to_numpy()
    assert np.isnan(forecast[missing]).all()
    assert np.isfinite(forecast[~missing]).all()
    assert one.predict(rows.clear()).tolist() == []


def test_premia_of_nothing_are_seldom_far_from_nothing():
    """Returns over 24 hours share 23 of them with the next ones: taken as independent, most t exceed 1.96."""
    names, count, overlap, far = factor_risk.list_exposures(RISK_EXPOSURES), 400, 24, 0
    times = [START + hour * HOUR for hour in range(count)]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        worth = np.concatenate([np.zeros((1, 8)), rng.normal(0, 0.01, (count + overlap - 1, 8)).cumsum(axis=0)])
        ahead = worth[overlap:] - worth[:-overlap]
        exposures = rng.normal(size=(8, len(names)))
        rows = pl.DataFrame(
            {
                EVENT: np.repeat(np.array(times[: len(ahead)], dtype=object), 8).tolist(),
                "pair_id": [f"A{number}__USDT" for number in range(8)] * len(ahead),
                "label": ahead.ravel(),
            }
            | {name: np.tile(exposures[:, place], len(ahead)) for place, name in enumerate(names)}
        ).with_columns(t0=pl.col(EVENT), t1=pl.col(EVENT) + overlap * HOUR)
        model = factor_risk.fit_factor_premia(rows, RISK_EXPOSURES, Settings())
        far += sum(abs(t) > 1.96 for t in model.t_values)
    assert far <= 12  # of 48; as independent hours about 34


def test_factor_premia_are_the_means_of_regressions_across_assets(home):
    """What returns are made of is found again, and equals one regression per decision by statsmodels."""
    settings, _ = home
    rows = built(home, RISK_EXPOSURES, horizon_bars=24).rows
    names = factor_risk.list_exposures(RISK_EXPOSURES)
    assert names == ["s4_market", "s4_liquidity", "s4_volatility", "s4_momentum"]
    truth = np.array([0.002, -0.001, 0.0, 0.003])
    noise = np.random.default_rng(5).normal(0, 1e-4, rows.height)
    made = rows.with_columns(pl.Series("label", rows.select(names).to_numpy() @ truth + noise))
    model = factor_risk.fit_factor_premia(made, RISK_EXPOSURES, settings)
    np.testing.assert_allclose(model.premia, truth, atol=2e-5)
    slow = []
    for _, part in made.sort(EVENT, "pair_id").group_by(EVENT, maintain_order=True):
        slow.append(sm.OLS(part["label"].to_numpy(), sm.add_constant(part.select(names).to_numpy())).fit().params[1:])
    np.testing.assert_allclose(model.premia, np.mean(slow, axis=0), rtol=1e-9, atol=1e-15)
    times = made[EVENT].unique().sort()
    assert (times[-1] - times[0]) == (len(times) - 1) * HOUR  # no hole: statsmodels counts rows, not hours
    lags = min(48, len(slow) // 4)
    expected = [
        sm.OLS(column, np.ones(len(slow)))
        .fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
        .tvalues[0]
        for column in np.array(slow).T
    ]
    np.testing.assert_allclose(model.t_values, expected, rtol=1e-6)
    assert abs(model.t_values[0]) > 10 > abs(model.t_values[2])
    with pytest.raises(MissingDataError, match="0 decisions have exposures of more than 5 assets"):
        factor_risk.fit_factor_premia(made.filter(pl.col("pair_id") < "DOGE"), RISK_EXPOSURES, settings)


def test_all_families_of_assets_stand_on_the_board(board):
    standings = {standing.family: standing for standing in board.standings}
    assert board.notes == ()
    assert {*PORTFOLIOS, "always_revert", "always_revert_two_legs", "btc"} == set(standings)
    for name in PORTFOLIOS:
        standing = standings[name]
        assert standing.contender.metrics["trades"] > 0, name
        assert standing.quality["forecast_rows"] > 0
        assert len(standing.folds) == len(board.folds)
        assert all("forecast_rank_ic" in fold for fold in standing.folds)
    lagged = standings["lagged_linear"]
    assert lagged.contender.result.trades["asset"].unique().to_list() == ["BTC"]
    assert lagged.quality["sign_trades"] == lagged.quality["forecast_rows"]
    assert set(standings["factor_risk"].contender.result.trades["side"]) == {"buy", "sell"}


def test_the_sheet_is_traded_from_one_decision_to_the_next(board, home):
    settings, _ = home
    trades = next(s for s in board.standings if s.family == "vwap_distance").contender.result.trades
    assert set(trades["side"]) == {"buy"}
    opened = {at.astimezone(NEW_YORK).hour for at in trades["opened_at"]}
    assert opened == {settings.vwap.rebalancing_hour}
    open_at_once = trades.group_by("opened_at").len()["len"].max()
    assert open_at_once <= count_third(settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", PORTFOLIOS)
def test_scores_keep_their_bits_whatever_comes_later(home, name):
    settings, _ = home
    family = FAMILIES[name]
    portfolio: Portfolio = family.portfolio
    data = build_asset_training_set(
        settings,
        portfolio.service,
        brute_join(settings),
        NOW,
        assets=portfolio.list_assets(settings),
        horizon_bars=portfolio.horizon_bars,
        daily=portfolio.daily,
    )
    hourly = built(home, LAGGED_RETURNS, horizon_bars=12).rows.drop_nulls("label")
    pair_folds = split_walk_forward(hourly, test_bars=80, train_bars=200, horizon_bars=12)
    cut = pair_folds[1].blocks[0].first
    feature = portfolio.service.features[0] if name != "vwap_distance" else "ranked_dist"
    poisoned = TrainingSet(
        data.rows.with_columns(
            pl.when(pl.col("t1") >= cut).then(pl.col("label") * -7).otherwise(pl.col("label")).alias("label"),
            pl.when(pl.col(EVENT) >= cut).then(pl.col(feature) + 1).otherwise(pl.col(feature)).alias(feature),
        ),
        data.service,
        data.snapshot_id,
    )
    before, after = (
        score_walk_forward(
            settings,
            family,
            one,
            mirror_folds(one.rows.drop_nulls("label"), pair_folds, horizon_bars=portfolio.horizon_bars),
            SilentProgress(),
        ).rows.filter(pl.col(EVENT) < cut)["score"]
        for one in (data, poisoned)
    )
    assert before.len() > 0
    assert before.to_numpy().tobytes() == after.to_numpy().tobytes()


def test_the_exposures_of_the_service_exclude_the_intercept_and_the_fit():
    left = set(RISK_EXPOSURES.features) - set(factor_risk.list_exposures(RISK_EXPOSURES))
    assert left == {"s4_const", "s4_r2", "s4_adj_r2"}
    assert left <= set(ASSET_EXPOSURES.feature_names)


def test_hours_without_a_score_are_flat_and_paid_for():
    """A hole in the middle of a long position: out before it, in again after it."""
    settings = settings_for("unused")
    times = [START + index * HOUR for index in range(6)]
    whole = pl.DataFrame({EVENT: times, "score": [1.0] * 6, "label": [0.0] * 6}).with_columns(
        pl.col(EVENT).cast(pl.Datetime("us", "UTC"))
    )
    quality = FAMILIES["lagged_linear"].portfolio.measure_quality
    side = (settings.costs.taker_fee_bps + settings.costs.slippage_bps) * 1e-4
    assert quality(whole, settings)["sign_total_return_after_costs"] == pytest.approx(np.expm1(-2 * side))
    missing = whole.filter(pl.col(EVENT) != times[3])
    assert quality(missing, settings)["sign_total_return_after_costs"] == pytest.approx(np.expm1(-4 * side))
    assert quality(missing, settings)["sign_trades"] == 5
    assert quality(whole.clear(), settings)["sign_trades"] == 0
