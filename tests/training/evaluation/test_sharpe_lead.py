"""Leads of one Sharpe ratio over another: against a bootstrap, a classic formula, and worlds with known truth."""

import numpy as np
import pytest
from scipy.stats import norm

from pairity.errors import DataError
from training.evaluation.sharpe import SharpeLead, compare_sharpe, estimate_sharpe


def make_two(seed, periods, edges=(0.0, 0.0), correlation=0.0, tail=None):
    rng = np.random.default_rng(seed)
    kind = rng.standard_normal if tail is None else lambda size: rng.standard_t(tail, size) / np.sqrt(tail / (tail - 2))
    shared, own = kind((periods, 1)), kind((periods, 2))
    both = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    return (both + np.asarray(edges)).T


def test_beside_nothing_the_error_is_the_ratios_own():
    returns, _ = make_two(1, 500, (0.05, 0), tail=6)
    lead, alone = compare_sharpe(returns, np.zeros(500)), estimate_sharpe(returns)
    assert lead.value == alone.value
    # Moments of the sample in both, a different divisor in the ratio itself
    assert lead.standard_error == pytest.approx(alone.standard_error, rel=2e-3)
    assert lead.probability == pytest.approx(alone.probability_above(), abs=1e-3)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.95])
def test_the_error_of_normal_returns_is_that_of_jobson_and_korkie(correlation):
    """Memmel's correction: (2 − 2ρ + (a² + b² − 2abρ²)/2)/T."""
    one, other = make_two(2, 200_000, (0.1, 0.05), correlation)
    a, b, rho = one.mean() / one.std(), other.mean() / other.std(), np.corrcoef(one, other)[0, 1]
    expected = np.sqrt((2 - 2 * rho + (a * a + b * b - 2 * a * b * rho * rho) / 2) / len(one))
    assert compare_sharpe(one, other).standard_error == pytest.approx(expected, rel=0.02)


def test_the_error_of_any_returns_is_that_of_a_bootstrap():
    rng = np.random.default_rng(4)
    one, other = make_two(3, 1500, (0.05, 0.0), 0.6, tail=7)
    drawn = []
    for _ in range(2000):
        chosen = rng.integers(0, 1500, 1500)
        a, b = one[chosen], other[chosen]
        drawn.append(a.mean() / a.std(ddof=1) - b.mean() / b.std(ddof=1))
    assert compare_sharpe(one, other).standard_error == pytest.approx(np.std(drawn), rel=0.06)


def test_of_equal_series_as_many_seem_ahead_as_promised():
    ahead = [
        compare_sharpe(*make_two(seed, 400, (0.03, 0.03), 0.7, tail=6)).probability >= 0.95 for seed in range(1500)
    ]
    assert np.mean(ahead) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 1500))


def test_a_null_is_not_ahead_of_itself():
    one, _ = make_two(5, 300)
    for other in (one, 3.0 * one):
        assert compare_sharpe(one, other).probability <= 0.5
    still = np.zeros(300)
    assert compare_sharpe(still, still) == SharpeLead(0.0, 0.0, len(still))
    assert compare_sharpe(still, still).probability == 0.0


def test_the_probability_is_the_normals():
    assert SharpeLead(0.02, 0.01, 100).probability == pytest.approx(norm.cdf(2.0))
    assert SharpeLead(0.02, 0.0, 100).probability == 1.0


@pytest.mark.parametrize("lengths", [(10, 9), (2, 2), (0, 0)])
def test_what_cannot_be_compared_is_refused(lengths):
    with pytest.raises(DataError, match="cannot be compared"):
        compare_sharpe(*(np.arange(length, dtype=float) for length in lengths))
