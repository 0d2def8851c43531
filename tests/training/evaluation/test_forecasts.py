from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from training.evaluation.forecasts import (
    average_by_decile,
    correlate_ranks_by_hour,
    correlate_ranks_by_month,
    measure_information,
    trade_sign,
)

START = datetime(2025, 1, 1, tzinfo=UTC)
VALUES = st.one_of(st.floats(-0.05, 0.05), st.just(0.0), st.just(float("nan")))


def scored(scores, labels, pair="BTC__USDT"):
    times = [START + timedelta(hours=index) for index in range(len(scores))]
    return pl.DataFrame(
        {"event_timestamp": times, "pair_id": pair, "score": scores, "label": labels},
        schema_overrides={"score": pl.Float64, "label": pl.Float64},
    )


def slow_trading(forecast, realised, bps):
    """Bar by bar, with a position, an account in logarithms, and a list of what was won."""
    position, account, peak, worst, taken, hourly = 0, 0.0, 0.0, 0.0, [], []
    net = []
    for said, came in zip(forecast, realised, strict=True):
        wanted = 0 if np.isnan(said) or np.isnan(came) else int(said > 0) - int(said < 0)
        cost = abs(wanted - position) * bps * 1e-4
        position = wanted
        gain = 0.0 if position == 0 else position * came
        if position:
            taken.append(gain)
        account += gain
        peak = max(peak, account)
        worst = min(worst, account - peak)
        hourly.append(gain)
        net.append(gain - cost)
    if net:
        net[-1] -= abs(position) * bps * 1e-4
    return taken, np.expm1(sum(hourly)), np.expm1(sum(net)), -np.expm1(worst)


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), max_size=40), st.floats(0, 20))
def test_trading_the_sign_against_an_account_kept_bar_by_bar(rows, bps):
    forecast, realised = (np.array([row[i] for row in rows], dtype=float) for i in (0, 1))
    found = trade_sign(forecast, realised, bps)
    taken, total, after, worst = slow_trading(forecast, realised, bps)
    assert found.trades == len(taken)
    assert found.total_return == pytest.approx(total, abs=1e-12)
    assert found.total_return_after_costs == pytest.approx(after, abs=1e-12)
    assert found.max_drawdown == pytest.approx(worst, abs=1e-12)
    assert found.win_rate == (sum(gain > 0 for gain in taken) / len(taken) if taken else None)
    if taken:
        assert found.expected_value == pytest.approx(sum(taken) / len(taken), abs=1e-12)


def test_nothing_forecast_is_nothing_earned():
    found = trade_sign(np.full(5, np.nan), np.full(5, 0.01), 6.0)
    assert (found.trades, found.win_rate, found.expected_value, found.total_return) == (0, None, None, 0.0)
    assert found.sharpe is None


def test_a_turn_costs_twice():
    found = trade_sign(np.array([1.0, -1.0]), np.array([0.0, 0.0]), 10.0)
    assert found.total_return_after_costs == pytest.approx(np.expm1(-4 * 10e-4))


def test_deciles_hold_a_tenth_each_and_their_means():
    rng = np.random.default_rng(0)
    scores = rng.permutation(1000) / 1000
    table = average_by_decile(scored(scores, scores * 2))
    assert table["decile"].to_list() == list(range(1, 11))
    assert table["rows"].to_list() == [100] * 10
    np.testing.assert_allclose(table["mean_outcome"], [2 * (d * 0.1 + 0.0495) for d in range(10)], rtol=1e-12)
    found = measure_information(scored(scores, scores * 2), 1)
    assert found["forecast_rank_ic"] == pytest.approx(1.0)
    assert found["forecast_top_minus_bottom"] == pytest.approx(1.8)


def test_rank_correlation_by_month_against_scipy():
    rng = np.random.default_rng(3)
    rows = scored(np.round(rng.normal(size=2000), 1), rng.normal(size=2000))
    holes = rows.with_columns(
        pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise(pl.col("score")).alias("score")
    )
    table = correlate_ranks_by_month(holes)
    assert table.height == 3
    for month, count, value in table.iter_rows():
        part = holes.drop_nulls().filter(
            (pl.col("event_timestamp").dt.month() == month.month) & (pl.col("event_timestamp").dt.year() == month.year)
        )
        assert count == part.height
        assert value == pytest.approx(spearmanr(part["score"], part["label"]).statistic, abs=1e-12)


def test_what_does_not_vary_or_is_too_little_has_no_correlation():
    flat = correlate_ranks_by_month(scored([0.5] * 50, list(np.arange(50.0))))
    assert flat["rank_ic"].to_list() == [None]
    few = correlate_ranks_by_month(scored([0.1, 0.2], [1.0, 2.0]))
    assert few["rank_ic"].to_list() == [None]
    assert measure_information(scored([], []), 1)["forecast_rank_ic"] is None
    assert measure_information(scored([1.0, 2.0], [1.0, 2.0]), 1)["forecast_top_minus_bottom"] is None


def test_a_rule_that_says_the_same_of_all_has_no_deciles():
    rows = scored([1.0] * 100, [0.0, 1.0] * 50)
    assert average_by_decile(rows).is_empty()
    found = measure_information(rows, 1)
    assert {name for name, value in found.items() if value is not None} == {"forecast_rows"}
    assert found["forecast_rows"] == 100.0


def across(hours, pairs, seed=0, *, skill=0.0, overlap=1):
    """Rows of several pairs an hour: what one hour's score says lasts for `overlap` hours of outcomes."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(hours + overlap, pairs)).cumsum(axis=0)
    score = np.repeat(rng.normal(size=(1, pairs)), hours, axis=0) + 0.1 * rng.normal(size=(hours, pairs))
    label = steps[overlap:] - steps[:-overlap] + skill * score
    times = [START + timedelta(hours=hour) for hour in range(hours) for _ in range(pairs)]
    names = [f"P{number}" for _ in range(hours) for number in range(pairs)]
    return pl.DataFrame({"event_timestamp": times, "pair_id": names, "score": score.ravel(), "label": label.ravel()})


def test_correlations_across_the_rows_of_each_hour_are_those_of_scipy():
    rows = across(60, 6).with_columns(pl.col("score").round(1)).filter(pl.int_range(pl.len()) % 5 != 0)
    rows = rows.filter(pl.col("event_timestamp") != START + timedelta(hours=20))
    few = pl.col("event_timestamp") == START + timedelta(hours=7)
    rows = rows.filter(~few | (pl.col("pair_id") < "P2"))
    found = correlate_ranks_by_hour(rows)
    assert len(found) == 60
    for hour, value in enumerate(found):
        part = rows.filter(pl.col("event_timestamp") == START + timedelta(hours=hour))
        if part.height < 3:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(spearmanr(part["score"], part["label"]).statistic, abs=1e-12)
    assert np.isnan(found).sum() == 2
    assert len(correlate_ranks_by_hour(rows.clear())) == 0


def test_the_t_value_by_hour_knows_that_labels_overlap():
    """Standing scores and labels of 24 hours: as independent hours most of these nothings would be beyond 1.96."""
    naive, found = [], []
    for seed in range(24):
        rows = across(500, 8, seed, overlap=24)
        hourly = correlate_ranks_by_hour(rows)
        naive.append(abs(hourly.mean() / hourly.std(ddof=1) * np.sqrt(len(hourly))) > 1.96)
        found.append(abs(measure_information(rows, 24)["forecast_rank_ic_by_hour_t"]) > 1.96)
    assert np.mean(naive) > 0.5
    assert np.mean(found) < 0.25
    skilled = measure_information(across(500, 8, 1, skill=6.0, overlap=24), 24)
    assert skilled["forecast_rank_ic_by_hour_t"] > 4
    assert skilled["forecast_rank_ic_low"] < skilled["forecast_rank_ic"] < skilled["forecast_rank_ic_high"]
