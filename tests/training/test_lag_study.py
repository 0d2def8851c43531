"""The lag study against loops; nothing that is tested was seen in training, whatever interval, horizon and lags."""

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity_cli.main import main
from tests.oracles import lag_study as oracle
from tests.training.lake_rows import candles_of, write_raw
from training.lag_study import study_lags

START = datetime(2025, 3, 1, tzinfo=UTC)
NOW = START + timedelta(days=90)
HOUR = 3600
COST = 6e-4


def walk(count, seed=4, momentum=0.3):
    """Hourly closes with some momentum and a few holes: open time in s → row."""
    rng = np.random.default_rng(seed)
    level, before, rows = math.log(100.0), 0.0, {}
    for number in range(count):
        before = momentum * before + rng.normal(0, 0.01)
        opened, level = level, level + before
        prices = math.exp(opened), math.exp(level)
        if rng.random() > 0.01:
            rows[int(START.timestamp()) + number * HOUR] = (prices[0], max(prices), min(prices), prices[1], 1.0)
    return rows


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    home, rows = tmp_path_factory.mktemp("lags"), walk(1500)
    write_raw(Layout.of(Settings(home=home)), "candles_1h", "BTC", candles_of(rows))
    return SimpleNamespace(home=home, closes={time + HOUR: row[3] for time, row in rows.items()})


def study(lake, interval="1h", **lags):
    settings = Settings(home=lake.home, features={"bar_interval": interval}, lags=lags)
    return study_lags(settings, NOW)


@pytest.mark.parametrize(("horizon", "count", "share"), [(1, 1, 0.25), (1, 5, 0.25), (3, 2, 0.4), (6, 4, 0.5)])
def test_coefficients_losses_and_trading_are_those_of_loops(lake, horizon, count, share):
    found = study(lake, horizon_bars=horizon, count=count, test_share=share)
    rows = oracle.lag_rows(lake.closes, HOUR, horizon, count)
    reach = horizon * HOUR
    train, test = oracle.split(rows, reach, share)
    weights = oracle.solve(train)
    assert found.coefficients["name"].to_list() == ["intercept", *(f"lag_{n + 1}" for n in range(count))]
    assert found.coefficients["value"].to_list() == pytest.approx(weights, rel=1e-8, abs=1e-12)
    assert found.test_start.timestamp() == test[0][0]
    assert found.train_end.timestamp() == train[-1][0] + reach < test[0][0]
    for loss, own in ((found.train, train), (found.test, test)):
        errors = [
            label - weights[0] - sum(w * lag for w, lag in zip(weights[1:], lags, strict=True))
            for _, lags, label in own
        ]
        assert loss.rows == len(own)
        assert loss.model == pytest.approx(sum(error**2 for error in errors) / len(own))
        assert loss.zero == pytest.approx(sum(label**2 for _, _, label in own) / len(own))
    taken, gross, net = oracle.trade(rows, test, weights, reach, COST)
    wins, losses = [value for value in taken if value > 0], [value for value in taken if value <= 0]
    assert found.curve["gross"].to_list() == pytest.approx(gross)
    assert found.curve["net"].to_list() == pytest.approx(net)
    assert found.trading.trades == len(taken)
    assert found.trading.win_rate == pytest.approx(len(wins) / len(taken))
    assert found.trading.average_win == pytest.approx(sum(wins) / len(wins))
    assert found.trading.average_loss == pytest.approx(sum(losses) / len(losses))
    assert found.trading.expected_value == pytest.approx(sum(taken) / len(taken))
    assert found.trading.total_return_after_costs == pytest.approx(math.exp(sum(net)) - 1)
    assert found.trading.max_drawdown == pytest.approx(oracle.drawdown(gross))
    assert found.net_drawdown == pytest.approx(oracle.drawdown(net))
    mean = sum(gross) / len(gross)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in gross) / (len(gross) - 1))
    assert found.trading.sharpe == pytest.approx(mean / deviation * math.sqrt(365 * 24 / horizon))


def test_standard_errors_and_distribution_are_those_of_published_libraries(lake):
    statsmodels = pytest.importorskip("statsmodels.api")
    from scipy import stats

    found = study(lake, count=3)
    rows = oracle.lag_rows(lake.closes, HOUR, 1, 3)
    train, _ = oracle.split(rows, HOUR, 0.25)
    fitted = statsmodels.OLS([row[2] for row in train], statsmodels.add_constant([row[1] for row in train])).fit()
    assert found.coefficients["standard_error"].to_list() == pytest.approx(list(fitted.bse), rel=1e-6)
    assert found.coefficients["t"].to_list() == pytest.approx(list(fitted.tvalues), rel=1e-6)
    times = sorted(lake.closes)
    returns = [math.log(lake.closes[t] / lake.closes[t - HOUR]) for t in times if t - HOUR in lake.closes]
    assert found.distribution["count"] == len(returns)
    assert found.distribution["std"] == pytest.approx(np.std(returns, ddof=1))
    assert found.distribution["skewness"] == pytest.approx(stats.skew(returns))
    assert found.distribution["kurtosis"] == pytest.approx(stats.kurtosis(returns))
    assert found.distribution["q5"] == pytest.approx(np.quantile(returns, 0.05))


@pytest.mark.parametrize("model", ["linear", "boosted"])
def test_what_is_tested_changes_nothing_that_was_fitted(lake, tmp_path, model):
    before = study(lake, model=model, count=4, horizon_bars=2)
    rows = walk(1500)
    edge = before.test_start.timestamp()
    other = {
        time: row if time + HOUR < edge else (*row[:3], row[3] * (1 + time // HOUR % 7), 1.0)
        for time, row in rows.items()
    }
    write_raw(Layout.of(Settings(home=tmp_path)), "candles_1h", "BTC", candles_of(other))
    after = study(SimpleNamespace(home=tmp_path), model=model, count=4, horizon_bars=2)
    assert after.test_start == before.test_start
    assert after.coefficients.equals(before.coefficients)
    assert after.train == before.train
    assert not after.curve["realised"].equals(before.curve["realised"])


def test_intervals_are_bars_of_their_own(lake):
    found = study(lake, "4h", count=2)
    by_four = {}
    for time in sorted(lake.closes):
        by_four[-(-time // (4 * HOUR)) * 4 * HOUR] = lake.closes[time]
    assert dict(zip(found.bars["event_timestamp"].dt.epoch("s"), found.bars["close"], strict=True)) == {
        time: close for time, close in by_four.items() if time <= found.bars["event_timestamp"][-1].timestamp()
    }


def test_too_little_is_refused_with_the_numbers(lake):
    for lags, message in (
        ({"horizon_bars": 1000, "count": 3}, "too few to split"),
        ({"horizon_bars": 60, "count": 2}, "decisions of the test period are too few"),
        ({"symbol": "DOGE"}, "no bar of DOGE at 1 h"),
    ):
        with pytest.raises(MissingDataError, match=message):
            study(lake, **lags)
    with pytest.raises(MissingDataError, match="are too few to regress on"):
        study_lags(Settings(home=lake.home), NOW, until=START + timedelta(hours=100))


def test_the_command_prints_and_draws(lake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(lake.home))
    done = CliRunner().invoke(main, ["lags", "btc", "--interval", "2h", "--horizon", "2", "--lags", "3"])
    assert done.exit_code == 0, done.output
    for text in (
        "bars of 2h, return over 2",
        "lag_3",
        "win rate",
        "expected value per trade",
        "after costs",
        "kurtosis",
    ):
        assert text in done.output
    folder = lake.home / "reports" / "lags"
    assert (folder / "BTC-2h-h2-3.png").read_bytes().startswith(b"\x89PNG")
    measures = dict(pl.read_csv(folder / "BTC-2h-h2-3-measures.csv").iter_rows())
    assert measures["trades"] > 20
    for wrong, code in ((["lags", "../x"], 2), (["lags", "--interval", "7m"], 2), (["lags", "ETH"], 4)):
        refused = CliRunner().invoke(main, wrong)
        assert refused.exit_code == code, refused.output


def test_the_verdict_is_that_of_the_intervals(lake, tmp_path, monkeypatch):
    """A sign alone is no verdict: a return above zero whose interval holds zero is not distinguishable from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(lake.home))
    for test_share, costs in (("0.6", "5"), ("0.6", "100"), ("0.1", "5")):
        monkeypatch.setenv("PAIRITY_COSTS__TAKER_FEE_BPS", costs)
        done = CliRunner().invoke(main, ["lags", "BTC", "--test-share", test_share])
        assert done.exit_code == 0, done.output
        assert "earned" not in done.output
        assert "lost" not in done.output
        path = next((lake.home / "reports" / "lags").glob("BTC-1h-h1-*-measures.csv"))
        measures = dict(pl.read_csv(path).iter_rows())
        low, high = measures["sharpe_after_costs_low"], measures["sharpe_after_costs_high"]
        about = "Sharpe ratio after costs, 95% interval: "
        said = "above zero" if low > 0 else "below zero" if high < 0 else "not distinguishable from zero"
        if test_share == "0.1":
            about, said = "", "too short a span to say"
        assert f"{about}{said}: trading the sign" in " ".join(done.output.split())
        assert low < measures["sharpe_after_costs"] < high


def test_forecasts_are_compared_with_none_by_their_errors(lake):
    found = study(lake, test_share=0.5, count=5)
    rows = oracle.lag_rows(lake.closes, HOUR, 1, 5)
    train, test = oracle.split(rows, HOUR, 0.5)
    weights = oracle.solve(train)
    gains = [
        label**2 - (label - weights[0] - sum(w * lag for w, lag in zip(weights[1:], lags, strict=True))) ** 2
        for _, lags, label in test
    ]
    mean = sum(gains) / len(gains)
    deviation = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / len(gains))
    assert found.gain_t == pytest.approx(mean / deviation * math.sqrt(len(gains)))
