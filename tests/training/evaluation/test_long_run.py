"""Newey-West against statsmodels, and on series whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS

from training.evaluation.long_run import annualise_long_run, choose_lags, compute_mean_t, estimate_mean_error


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(5, 300), st.integers(0, 60))
def test_the_error_of_a_mean_is_that_of_statsmodels(seed, count, lags):
    values = np.random.default_rng(seed).normal(0.1, 1.0, count).cumsum() / 7
    theirs = OLS(values, np.ones(count)).fit(
        cov_type="HAC", cov_kwds={"maxlags": min(lags, count - 1), "use_correction": False}
    )
    if lags >= count:
        return
    assert estimate_mean_error(values, lags) == pytest.approx(float(theirs.bse[0]), rel=1e-9)
    assert compute_mean_t(values, lags) == pytest.approx(float(theirs.tvalues[0]), rel=1e-9)


def overlapping(rng, count, overlap):
    """Sums over the next `overlap` hours of noise without a mean."""
    steps = np.concatenate([[0.0], rng.normal(size=count + overlap).cumsum()])
    return steps[overlap:-1] - steps[: -overlap - 1]


def test_sums_of_noise_that_overlap_exceed_1_96_about_as_often_as_they_should():
    rng = np.random.default_rng(0)
    series = [overlapping(rng, 2000, 24) for _ in range(300)]
    as_independent = np.mean([abs(compute_mean_t(values, 0)) > 1.96 for values in series])
    with_lags = np.mean([abs(compute_mean_t(values, choose_lags(24, len(values)))) > 1.96 for values in series])
    assert as_independent > 0.6
    assert with_lags < 0.12


def test_hours_without_a_value_keep_their_place():
    """Every second hour is missing: neighbours are two hours apart, and the lags count hours."""
    rng = np.random.default_rng(1)
    values = overlapping(rng, 400, 6)
    holed = np.where(np.arange(len(values)) % 2, values, np.nan)
    by_hand = 0.0
    mean = np.nanmean(holed)
    for i, one in enumerate(holed):
        for j, other in enumerate(holed):
            if abs(i - j) <= 12 and not math.isnan(one) and not math.isnan(other):
                by_hand += (1 - abs(i - j) / 13) * (one - mean) * (other - mean)
    assert estimate_mean_error(holed, 12) == pytest.approx(math.sqrt(by_hand) / np.isfinite(holed).sum(), rel=1e-9)


@pytest.mark.parametrize("memory", [-0.3, 0.0, 0.5])
def test_a_years_ratio_of_returns_that_remember(memory):
    """An autoregression's long-run deviation is σ/(1 − memory): √8760 alone is wrong by √((1 + m)/(1 − m))."""
    rng = np.random.default_rng(2)
    steps, returns, now = rng.normal(0, 0.01, 60_000), np.empty(60_000), 0.0
    for hour, step in enumerate(steps):
        now = memory * now + step
        returns[hour] = now
    returns += 0.0005 - returns.mean()
    truth = 0.0005 * 8760 / (0.01 / (1 - memory) * math.sqrt(8760))
    assert annualise_long_run(returns) == pytest.approx(truth, rel=0.06)
    naive = returns.mean() / returns.std() * math.sqrt(8760)
    assert naive / truth == pytest.approx(math.sqrt((1 + memory) / (1 - memory)), rel=0.05) if memory >= 0 else True


def test_what_does_not_vary_or_is_too_short_has_no_error():
    for values in (np.full(50, 0.1), np.zeros(50), np.array([1.0, 2.0]), np.full(9, np.nan), np.empty(0)):
        assert estimate_mean_error(values, 3) is None
        assert compute_mean_t(values, 3) is None
        assert annualise_long_run(values) is None
