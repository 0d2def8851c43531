"""Against skfolio, which shares no code, and against what simulation says."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.measures import deflated_sharpe_ratio, expected_max_sharpe_ratio, probabilistic_sharpe_ratio

from pairity.errors import DataError
from training.evaluation.sharpe import annualise, compute_expected_maximum, deflate_sharpe, estimate_sharpe


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
@given(st.integers(0, 10_000), st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60))
def test_deflated_sharpe_equals_skfolio(seed, trials):
    values = returns_of(seed)
    spread = float(np.std(trials, ddof=1)) if len(trials) > 1 else 0.0
    assert compute_expected_maximum(trials) == pytest.approx(expected_max_sharpe_ratio(len(trials), spread), abs=1e-12)
    assert deflate_sharpe(estimate_sharpe(values), trials) == pytest.approx(
        deflated_sharpe_ratio(values, trials), abs=1e-12
    )


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(7)
    truth, hits = 0.05, 0
    for _ in range(1000):
        low, high = estimate_sharpe(truth * 0.01 + 0.01 * rng.standard_normal(400)).interval(0.90)
        hits += low <= truth <= high
    assert 0.87 <= hits / 1000 <= 0.93


def test_the_best_of_many_worthless_trials_shows_what_is_expected():
    rng = np.random.default_rng(8)
    best, expected = [], []
    for _ in range(200):
        ratios = [estimate_sharpe(rng.standard_normal(300)).value for _ in range(30)]
        best.append(max(ratios))
        expected.append(compute_expected_maximum(ratios))
    assert np.mean(best) == pytest.approx(np.mean(expected), rel=0.05)


def test_many_trials_make_a_good_result_doubtful():
    found = estimate_sharpe(returns_of(3, mean=0.002))
    assert found.probability_above() > 0.99
    few, many = [found.value, 0.01], [found.value, *np.random.default_rng(1).normal(0, 0.06, 400)]
    assert deflate_sharpe(found, many) < deflate_sharpe(found, few) <= found.probability_above()


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
