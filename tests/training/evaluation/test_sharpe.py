"""Against skfolio, which shares no code, and against what simulation says."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.measures import expected_max_sharpe_ratio, probabilistic_sharpe_ratio

from pairity.errors import DataError
from training.evaluation.sharpe import (
    SharpeEstimate,
    annualise,
    compute_expected_maximum,
    compute_hurdle,
    deflate_sharpe,
    estimate_sharpe,
)


def returns_of(seed, count=500, mean=0.0005, tail=4):
    return mean + 0.01 * np.random.default_rng(seed).standard_t(tail, count)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(5, 400), st.floats(-0.01, 0.01), st.floats(-0.3, 0.3))
def test_probabilistic_sharpe_equals_skfolio(seed, count, mean, benchmark):
    values = returns_of(seed, count, mean)
    found = estimate_sharpe(values)
    expected = probabilistic_sharpe_ratio(values, benchmark)
    if math.isnan(expected):
        assert found is None
    else:
        assert found.probability_above(benchmark) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 400), st.floats(0.01, 0.5))
def test_deflated_sharpe_equals_skfolio(seed, count, spread):
    found = estimate_sharpe(returns_of(seed))
    luck = max(0.0, expected_max_sharpe_ratio(count, spread))
    assert compute_expected_maximum(count, spread) == pytest.approx(luck, abs=1e-12)
    hurdle = max(0.0, expected_max_sharpe_ratio(count, (1 / 499) ** 0.5))
    assert compute_hurdle(500, count) == pytest.approx(hurdle, abs=1e-12)
    expected = probabilistic_sharpe_ratio(returns_of(seed), hurdle)
    assert deflate_sharpe(found, count) == pytest.approx(expected, abs=1e-12)


def test_the_example_of_the_paper():
    """Bailey & López de Prado 2014: 100 trials with a variance of 1/2 a year, five years of days, ratio 2.5."""
    found = SharpeEstimate(2.5 / math.sqrt(250), 1250, -3.0, 10.0)
    hurdle = compute_expected_maximum(100, math.sqrt(0.5 / 250))
    assert hurdle == pytest.approx(0.1132, abs=5e-5)
    assert found.probability_above(hurdle) == pytest.approx(0.9004, abs=5e-5)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(7)
    truth, hits = 0.05, 0
    for _ in range(1000):
        low, high = estimate_sharpe(truth * 0.01 + 0.01 * rng.standard_normal(400)).interval(0.90)
        hits += low <= truth <= high
    assert 0.87 <= hits / 1000 <= 0.93


@pytest.mark.parametrize("count", [2, 5, 13, 50, 400])
def test_the_best_of_many_worthless_trials_shows_what_is_expected(count):
    """Whatever else was tried: neither losers nor short runs move the hurdle, which knows the null's own error."""
    rng = np.random.default_rng(count)
    best = (rng.standard_normal((4000, count)).max(axis=1) / math.sqrt(299)).mean()
    assert compute_hurdle(300, count) == pytest.approx(best, rel=0.11)


@pytest.mark.parametrize(("years", "trials", "annual"), [(1.5, 13, 1.39), (0.6, 13, 2.20), (0.6, 50, 2.94)])
def test_the_hurdle_of_a_history_is_what_the_null_gives(years, trials, annual):
    assert annualise(compute_hurdle(round(years * 8760), trials)) == pytest.approx(annual, abs=0.01)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_more_trials_never_lower_the_hurdle(one, other):
    few, many = sorted((one, other))
    assert 0 <= compute_hurdle(1000, few) <= compute_hurdle(1000, many)


@pytest.mark.parametrize("count", [0.0, 0.99, -1.0, math.inf, math.nan])
def test_fewer_than_one_trial_are_refused(count):
    with pytest.raises(DataError, match="have no best one"):
        compute_expected_maximum(count)


def test_many_trials_make_a_good_result_doubtful():
    found = estimate_sharpe(returns_of(3, mean=0.002))
    assert found.probability_above() > 0.99
    assert deflate_sharpe(found, 400) < deflate_sharpe(found, 2) < deflate_sharpe(found, 1)
    assert deflate_sharpe(found, 1) == found.probability_above()


def test_least_periods_are_those_at_which_the_probability_reaches_the_confidence():
    found = estimate_sharpe(returns_of(5, mean=0.001))
    least = found.least_periods(0.0, 0.95)
    assert least > 1
    stretched = type(found)(found.value, math.ceil(least), found.skew, found.kurtosis)
    shorter = type(found)(found.value, math.floor(least) - 1, found.skew, found.kurtosis)
    assert shorter.probability_above() < 0.95 <= stretched.probability_above()
    assert found.least_periods(found.value) == math.inf


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.2], [0.0] * 50, [0.001] * 50])
def test_too_little_or_nothing_that_varies_has_no_ratio(values):
    assert estimate_sharpe(np.array(values, dtype=float)) is None


def test_nan_is_refused():
    with pytest.raises(DataError, match="no numbers"):
        estimate_sharpe(np.array([0.1, np.nan, 0.2, 0.1]))


def test_a_year_of_hours():
    assert annualise(0.01) == pytest.approx(0.01 * math.sqrt(8760))
