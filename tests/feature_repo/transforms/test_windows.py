import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.transforms.windows import hedge_and_half_life, rolling_correlation, rolling_mean, rolling_std
from tests.oracles import exact_windows
from tests.oracles.reversion_lstsq import reversion

NAN = math.nan


@pytest.fixture(autouse=True)
def _silent():
    with np.errstate(all="ignore"):
        yield


def cointegrated(rng, count, level=1.0):
    b = np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    residual = np.zeros(count)
    for step in range(1, count):
        residual[step] = 0.9 * residual[step - 1] + rng.normal(0, 0.004)
    return level * b**0.7 * np.exp(residual), b


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    count=st.sampled_from([1, 2, 10, 47, 300]),
    window=st.sampled_from([20, 30, 168]),
    holes=st.sampled_from([0.0, 0.03, 0.2]),
    level=st.sampled_from([1.0, 1e9, 1e-8]),
)
def test_hedge_ratio_and_half_life_equal_least_squares_in_every_window(seed, count, window, holes, level):
    rng = np.random.default_rng(seed)
    a, b = cointegrated(rng, count, level)
    a[rng.random(count) < holes] = np.nan
    hedge, half_life = hedge_and_half_life(np.log(a), np.log(b), window)
    for row in range(0, count, 7):
        before = np.full(max(0, window - row - 1), np.nan)
        cut = slice(max(0, row + 1 - window), row + 1)
        expected = reversion(np.concatenate([before, a[cut]]), np.concatenate([before, b[cut]]), window)
        assert (hedge[row], half_life[row]) == pytest.approx(expected, rel=1e-9, nan_ok=True), row


def test_trap_9_the_result_stands_at_the_row_of_the_windows_last_value():
    values = np.array([0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0])
    assert rolling_mean(values, 3).tolist()[2:] == [0.0, 3.0, 3.0, 3.0, 0.0]
    assert np.isnan(rolling_mean(values, 3)[:2]).all()
    jump = np.concatenate([np.zeros(30), np.ones(30)]) + np.random.default_rng(0).normal(0, 1e-3, 60)
    assert np.argmax(rolling_std(jump, 10) > 0.1) == 30


def test_trap_8_the_regression_is_of_a_on_b_not_of_b_on_a():
    rng = np.random.default_rng(5)
    log_b = np.cumsum(rng.normal(0, 0.01, 168))
    log_a = 2.0 * log_b + rng.normal(0, 0.02, 168)
    hedge = hedge_and_half_life(log_a, log_b, 168).hedge_ratio[-1]
    assert hedge == pytest.approx(np.cov(log_a, log_b)[0, 1] / np.var(log_b, ddof=1), rel=1e-12)
    assert hedge != pytest.approx(np.cov(log_a, log_b)[0, 1] / np.var(log_a, ddof=1), rel=0.2)


@pytest.mark.parametrize(("present", "defined"), [(151, False), (152, True), (168, True)])
def test_ninety_percent_of_168_bars_are_152(present, defined):
    rng = np.random.default_rng(present)
    a, b = cointegrated(rng, 168)
    a[rng.permutation(167)[: 168 - present]] = np.nan
    assert np.isfinite(rolling_correlation(np.log(a), np.log(b), 168)[-1]) == defined
    assert np.isfinite(hedge_and_half_life(np.log(a), np.log(b), 168).hedge_ratio[-1]) == defined


def test_a_young_series_counts_the_bars_before_its_first_as_missing():
    a, b = cointegrated(np.random.default_rng(2), 200)
    defined = np.isfinite(hedge_and_half_life(np.log(a), np.log(b), 168).hedge_ratio)
    assert np.argmax(defined) == 151
    assert defined[151:].all()


def test_short_windows_need_every_value():
    values = np.array([1.0, 2.0, NAN, 4.0, 5.0, 7.0])
    assert np.isnan(rolling_mean(values, 3)).tolist() == [True] * 5 + [False]
    assert np.isnan(rolling_std(values, 3)).tolist() == [True] * 5 + [False]


@pytest.mark.parametrize("value", [3.0, 0.1, 1e9, 1e-8])
def test_a_constant_series_has_no_deviation_even_where_division_left_rounding(value):
    noise = value * (1 + np.random.default_rng(1).integers(-2, 3, 50) * 2.0**-52)
    assert (rolling_std(noise, 24)[23:] == 0.0).all()
    returns = noise[1:] / noise[:-1] - 1
    assert (rolling_std(returns, 24, scale=1.0)[23:] == 0.0).all()
    assert np.isnan(rolling_correlation(returns, np.random.default_rng(2).normal(0, 1, 49), 24)).all()
    assert np.isnan(hedge_and_half_life(np.random.default_rng(2).normal(0, 1, 50), np.log(noise), 24).hedge_ratio).all()


def test_the_smallest_real_move_is_not_taken_for_rounding():
    ticks = 100_000.0 + 0.1 * np.random.default_rng(3).integers(0, 2, 50)
    assert rolling_std(ticks, 24)[-1] == pytest.approx(np.std(ticks[-24:], ddof=1), rel=1e-9)


def test_a_pair_that_moves_as_one_has_a_hedge_ratio_and_no_half_life():
    log_b = np.cumsum(np.random.default_rng(4).normal(0, 0.01, 200))
    hedge, half_life = hedge_and_half_life(1.5 * log_b + math.log(7.0), log_b, 168)
    assert hedge[-1] == pytest.approx(1.5, rel=1e-12)
    assert np.isnan(half_life).all()


def test_no_half_life_where_the_residual_does_not_revert():
    steps = np.arange(168.0)
    log_b = 0.01 * np.sin(steps)
    trend = np.exp(0.05 * steps)  # explodes: φ > 0
    assert np.isnan(hedge_and_half_life(trend, log_b, 168).half_life[-1])
    alternating = np.where(steps % 2 == 0, 1.0, -1.0)  # overshoots: φ = −2
    assert np.isnan(hedge_and_half_life(alternating, log_b, 168).half_life[-1])


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 400), cut=st.integers(1, 400))
def test_a_value_depends_on_its_window_alone_to_the_bit(seed, count, cut):
    rng = np.random.default_rng(seed)
    a, b = (np.log(side) for side in cointegrated(rng, count))
    a[rng.random(count) < 0.05] = np.nan
    cut = min(cut, count)
    last = slice(max(0, cut - 30), cut)
    for compute in (
        lambda x, y: rolling_mean(x, 12),
        lambda x, y: rolling_std(x, 12),
        lambda x, y: rolling_correlation(x, y, 30),
        lambda x, y: hedge_and_half_life(x, y, 30).hedge_ratio,
        lambda x, y: hedge_and_half_life(x, y, 30).half_life,
    ):
        everything, up_to, window = compute(a, b), compute(a[:cut], b[:cut]), compute(a[last], b[last])
        assert everything[:cut].tobytes() == up_to.tobytes()
        assert window[-1:].tobytes() == up_to[-1:].tobytes()


def test_what_left_the_window_leaves_no_trace():
    calm = np.random.default_rng(6).normal(5.0, 1e-6, 100)
    shocked = calm.copy()
    shocked[10] = 1e15
    assert rolling_std(shocked, 24)[34:].tobytes() == rolling_std(calm, 24)[34:].tobytes()


def rational(compute, window, *series):
    """`compute` of every full or young window, in rational numbers; None is NaN."""
    for row in range(len(series[0])):
        cut = [exact_windows.exact(side[max(0, row + 1 - window) : row + 1]) for side in series]
        padded = [[None] * (window - len(side)) + side for side in cut]
        found = compute(*padded)
        yield found if isinstance(found, tuple) else (found,)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    count=st.sampled_from([1, 2, 9, 40]),
    window=st.sampled_from([3, 8, 20]),
    holes=st.sampled_from([0.0, 0.05, 0.3]),
    level=st.sampled_from([1.0, 1e9, 1e-8]),
)
def test_kernels_equal_rational_arithmetic(seed, count, window, holes, level):
    rng = np.random.default_rng(seed)
    a, b = cointegrated(rng, count, level)
    a[rng.random(count) < holes] = np.nan
    needed = math.ceil(0.9 * window)
    returns = [np.diff(side, prepend=NAN) / side for side in (a, b)]
    reversions = hedge_and_half_life(np.log(a), np.log(b), window)
    phi = np.expm1(-math.log(2.0) / reversions.half_life)
    expected = {
        "mean": (rational(exact_windows.mean, window, a), rolling_mean(a, window)),
        "deviation": (rational(exact_windows.deviation, window, a), rolling_std(a, window)),
        "correlation": (
            rational(lambda x, y: exact_windows.correlation(x, y, needed), window, *returns),
            rolling_correlation(*returns, window),
        ),
    }
    for name, (exact, found) in expected.items():
        wanted = [NAN if value is None else value for (value,) in exact]
        assert found.tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True), name
    exact = rational(lambda x, y: exact_windows.slope_and_phi(x, y, needed), window, np.log(a), np.log(b))
    for row, (slope, speed) in enumerate(exact):
        assert reversions.hedge_ratio[row] == pytest.approx(NAN if slope is None else slope, rel=1e-9, nan_ok=True)
        reverts = speed is not None and -1 < speed < 0
        assert phi[row] == pytest.approx(speed if reverts else NAN, rel=1e-7, nan_ok=True)


@settings(deadline=None, max_examples=20)
@given(values=st.lists(st.one_of(st.floats(-1e15, 1e15), st.just(NAN)), min_size=1, max_size=30))
def test_means_of_anything_equal_the_exactly_rounded_sum(values):
    found = rolling_mean(np.array(values), 5)
    for row in range(len(values)):
        window = values[row - 4 : row + 1] if row >= 4 else [NAN]
        assert found[row] == pytest.approx(math.fsum(window) / 5, abs=1e-15 * 6 * max(map(abs, window)), nan_ok=True)


def test_the_slope_is_that_of_statsmodels_rolling_regression():
    from statsmodels.regression.rolling import RollingOLS
    from statsmodels.tools import add_constant

    log_a, log_b = (np.log(side) for side in cointegrated(np.random.default_rng(9), 400))
    theirs = np.asarray(RollingOLS(log_a, add_constant(log_b), window=168).fit().params)[:, 1]
    ours = hedge_and_half_life(log_a, log_b, 168).hedge_ratio
    np.testing.assert_allclose(ours[167:], theirs[167:], rtol=1e-9)


def test_the_half_life_is_that_of_two_statsmodels_regressions():
    from statsmodels.api import OLS, add_constant

    log_a, log_b = (np.log(side) for side in cointegrated(np.random.default_rng(10), 400))
    half_life = hedge_and_half_life(log_a, log_b, 168).half_life
    for row in range(167, 400, 29):
        window = slice(row - 167, row + 1)
        residual = OLS(log_a[window], add_constant(log_b[window])).fit().resid
        phi = OLS(np.diff(residual), add_constant(residual[:-1])).fit().params[1]
        assert half_life[row] == pytest.approx(-math.log(2) / math.log1p(phi), rel=1e-8), row
