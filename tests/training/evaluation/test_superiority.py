"""Against loops that share no code, and against worlds in which the truth is known."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm

from pairity.errors import DataError
from tests.oracles import superiority_loops
from training.evaluation.superiority import assess_superiority


def make_world(seed, hours, means, correlation=0.0, memory=0.0):
    rng = np.random.default_rng(seed)
    noise = np.sqrt(correlation) * rng.standard_normal((hours, 1))
    noise = noise + np.sqrt(1 - correlation) * rng.standard_normal((hours, len(means)))
    return np.asarray(means) + lfilter([1.0], [1.0, -memory], noise, axis=0)


@pytest.mark.parametrize(
    ("means", "correlation", "memory"),
    [([0.0, 0.05, 0.12], 0.0, 0.0), ([0.1, 0.1, -0.5, 0.0], 0.6, 0.0), ([0.15, 0.0], 0.2, 0.4), ([-0.2, -0.01], 0, 0)],
)
def test_p_values_equal_loops_with_draws_of_their_own(means, correlation, memory):
    world = make_world(1, 320, means, correlation, memory)
    found = assess_superiority(world, draws=1500, block_hours=8)
    best, adjusted = superiority_loops.test(world.T.tolist(), 8, 600, seed=5)
    assert found.best == pytest.approx(best, abs=0.06) or (best == 1.0 and found.best == 1.0)
    np.testing.assert_allclose(found.adjusted, adjusted, atol=0.06)


def test_one_trial_alone_is_a_test_of_its_mean():
    """With independent hours the p-value is that of the normal's tail."""
    for seed in range(5):
        world = make_world(seed, 2000, [0.03])
        score = world.mean() / world.std() * np.sqrt(2000)
        found = assess_superiority(world, block_hours=1, draws=4000)
        assert found.adjusted[0] == pytest.approx(norm.sf(score), abs=0.02)


def test_losers_beside_a_winner_change_nothing_for_the_best():
    winner = make_world(3, 1000, [0.08])
    alone = assess_superiority(winner)
    beside = assess_superiority(np.column_stack([winner, make_world(4, 1000, [-1.0] * 40)]))
    assert beside.best <= alone.best + 0.01


def test_copies_change_nothing_and_unrelated_trials_do():
    one = make_world(6, 1000, [0.04])
    alone = assess_superiority(one).best
    copies = assess_superiority(np.repeat(one, 30, axis=1))
    assert copies.best == pytest.approx(alone, abs=1e-9)
    assert copies.adjusted[0] == pytest.approx(alone, abs=1e-9)
    assert assess_superiority(np.column_stack([one, make_world(7, 1000, [0.0] * 30)])).adjusted[0] > 3 * alone


@pytest.mark.parametrize(("trials", "correlation", "memory"), [(1, 0.0, 0.0), (13, 0.0, 0.0), (20, 0.7, 0.3)])
def test_of_worlds_without_an_edge_at_most_the_promised_share_says_yes(trials, correlation, memory):
    worlds = 150
    yes = [
        assess_superiority(make_world(seed, 1000, [0.0] * trials, correlation, memory), draws=200)
        for seed in range(worlds)
    ]
    # 5% and three standard errors of a share of 150
    assert np.mean([found.best <= 0.05 for found in yes]) <= 0.105
    assert np.mean([found.adjusted.min() <= 0.05 for found in yes]) <= 0.105


def test_a_true_edge_is_found_and_only_that_one():
    world = make_world(9, 3000, [0.0, 0.1, 0.0, 0.0])
    found = assess_superiority(world)
    assert found.best <= 0.002
    assert (found.adjusted <= 0.05).tolist() == [False, True, False, False]


def test_a_trial_that_never_moves_is_no_winner():
    found = assess_superiority(np.column_stack([np.zeros(1000), np.full(1000, 0.001)]))
    assert (found.best, found.adjusted.tolist()) == (1.0, [1.0, 1.0])


def test_the_same_returns_have_the_same_p_values():
    world = make_world(2, 1000, [0.02, 0.01])
    assert assess_superiority(world).adjusted.tobytes() == assess_superiority(world).adjusted.tobytes()


@pytest.mark.parametrize("table", [np.zeros((10, 2)), np.zeros((959, 2)), np.zeros((1000, 0)), np.zeros(1000)])
def test_too_little_is_refused(table):
    with pytest.raises(DataError, match="too small"):
        assess_superiority(table)


def test_nan_is_refused():
    with pytest.raises(DataError, match="no numbers"):
        assess_superiority(np.full((1000, 1), np.nan))
