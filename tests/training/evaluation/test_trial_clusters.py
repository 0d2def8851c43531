"""Against loops that share no code, and against worlds whose number of independent trials is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import DataError
from tests.oracles import trial_counts
from training.evaluation.sharpe import compute_expected_maximum
from training.evaluation.trial_clusters import CUT, LEAST_COMMON, correlate_trials, count_trials


def make_block(rng, hours, members, correlation):
    shared = rng.standard_normal((hours, 1))
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.standard_normal((hours, members))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 160), st.floats(0, 0.999), st.floats(0, 0.6))
def test_the_count_equals_loops(seed, members, hours, correlation, holes):
    rng = np.random.default_rng(seed)
    matrix = np.column_stack([make_block(rng, hours, members, correlation), rng.standard_normal((hours, 2))])
    for column in range(matrix.shape[1]):  # each trial has its own hours
        cut = int(rng.uniform(0, holes) * hours)
        matrix[:cut, column] = np.nan
    matrix[:, -1] = 0.0
    found = count_trials(matrix)
    series = [[None if np.isnan(v) else float(v) for v in column] for column in matrix.T]
    trials, clusters, worth = trial_counts.count(series, CUT, LEAST_COMMON)
    assert (found.trials, found.clusters) == (trials, clusters)
    assert found.effective == pytest.approx(worth, abs=1e-9)


def test_correlations_equal_numpy_where_nothing_is_missing():
    matrix = make_block(np.random.default_rng(1), 500, 6, 0.4) + 3.0
    np.testing.assert_allclose(correlate_trials(matrix), np.corrcoef(matrix.T), atol=1e-12)


@pytest.mark.parametrize("members", [2, 13, 50, 200])
def test_unrelated_trials_count_in_full(members):
    found = count_trials(np.random.default_rng(members).standard_normal((3000, members)))
    assert found.effective == pytest.approx(members, rel=0.02)
    assert found.clusters == members


def test_copies_of_one_trial_are_one_trial():
    one = np.random.default_rng(3).standard_normal((1000, 1))
    found = count_trials(np.repeat(one, 40, axis=1) * np.linspace(0.5, 2.0, 40))
    assert (found.trials, found.clusters) == (40, 1)
    assert found.effective == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("blocks", "members", "correlation"), [(1, 27, 0.9), (10, 27, 0.9), (5, 20, 0.7), (1, 60, 0.6)]
)
def test_the_hurdle_is_the_luck_of_the_best_and_never_below_it(blocks, members, correlation):
    """The best of correlated trials without an edge, drawn 20,000 times, against what the effective number says."""
    rng = np.random.default_rng(11)
    hours = np.column_stack([make_block(rng, 4000, members, correlation) for _ in range(blocks)])
    found = count_trials(hours)
    assert found.clusters == blocks
    best = np.max([make_block(rng, 20_000, members, correlation).max(axis=1) for _ in range(blocks)], axis=0).mean()
    assert best - 0.02 <= compute_expected_maximum(found.effective) <= best + 0.55
    assert found.effective < blocks * members


def test_opposite_trials_are_two_and_trials_without_a_common_hour_too():
    one = np.random.default_rng(5).standard_normal(400)
    assert count_trials(np.column_stack([one, -one])).effective == pytest.approx(2.0)
    apart = np.full((400, 2), np.nan)
    apart[:200, 0], apart[200:, 1] = one[:200], one[:200]
    assert count_trials(apart).effective == pytest.approx(2.0)


def test_trials_that_merely_drift_together_are_not_related():
    rng = np.random.default_rng(6)
    half = np.full((2000, 2), np.nan)
    drift = np.repeat([0.0, 5.0], 1000)
    half[:, 0] = drift + rng.standard_normal(2000)
    half[1000:, 1] = rng.standard_normal(1000)
    assert count_trials(half).effective == pytest.approx(2.0, abs=0.1)


def test_nothing_that_moves_is_no_trial():
    assert count_trials(np.zeros((100, 3))).trials == 0
    assert count_trials(np.empty((0, 0))).effective == 0.0
    assert count_trials(np.full((10, 2), np.nan)).trials == 0


def test_infinite_returns_are_refused():
    with pytest.raises(DataError, match="finite returns"):
        count_trials(np.array([[1.0], [np.inf]]))
