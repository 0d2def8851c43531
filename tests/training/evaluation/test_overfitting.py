"""CSCV against a loop that concatenates blocks, and against markets whose answer is known."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import DataError
from training.evaluation.overfitting import estimate_overfitting, estimate_overfitting_of_distinct


def slow(returns, blocks):
    """The paper's algorithm, step by step."""
    parts = np.array_split(returns, blocks)
    logits, losses = [], []
    for inside in combinations(range(blocks), blocks // 2):
        within = np.concatenate([parts[i] for i in inside])
        without = np.concatenate([parts[i] for i in range(blocks) if i not in inside])
        a, b = (np.prod(1 + part, axis=0) - 1 for part in (within, without))
        best = int(a.argmax())
        below, same = (b < b[best]).sum(), (b == b[best]).sum()
        rank = (below + (same + 1) / 2) / (len(b) + 1)
        logits.append(np.log(rank / (1 - rank)))
        losses.append(b[best] < 0)
    return np.array(logits), float(np.mean(losses))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 12), st.sampled_from([2, 4, 6, 8]), st.integers(2, 30))
def test_equals_the_loop(seed, trials, blocks, size):
    returns = np.random.default_rng(seed).normal(0.0002, 0.01, (blocks * size, trials))
    found = estimate_overfitting(returns, blocks)
    logits, loss = slow(returns, blocks)
    np.testing.assert_allclose(found.logits, logits, atol=1e-9)
    assert found.probability == float((logits <= 1e-12).mean()) or found.probability == float((logits <= 0).mean())
    assert found.loss_probability == loss


def test_noise_is_a_coin_toss():
    rng = np.random.default_rng(1)
    found = [estimate_overfitting(rng.normal(0, 0.01, (960, 20)), 8).probability for _ in range(40)]
    assert 0.4 < np.mean(found) < 0.65


def test_a_strategy_that_is_really_better_is_not_overfitted():
    returns = np.random.default_rng(2).normal(0, 0.01, (1600, 27))
    returns[:, 5] += 0.003
    found = estimate_overfitting(returns)
    assert found.probability == 0.0
    assert found.loss_probability == 0.0
    assert (found.trials, found.splits) == (27, 12_870)


def test_ranks_are_those_of_the_net_return_and_not_of_the_ratio():
    """The first trial has the best ratio in every block, the second the best return."""
    steady = np.full((320, 1), 0.0001) + np.random.default_rng(3).normal(0, 1e-5, (320, 1))
    jumpy = np.random.default_rng(4).normal(0.01, 0.02, (320, 1))
    found = estimate_overfitting(np.column_stack([steady, jumpy, -jumpy]), 8)
    assert found.probability == 0.0
    assert found.logits.min() == found.logits.max() == pytest.approx(np.log(3.0))


def test_ruin_is_the_worst_and_breaks_nothing():
    returns = np.random.default_rng(3).normal(0.001, 0.01, (400, 4))
    returns[7, 0] = -1.0
    assert np.isfinite(estimate_overfitting(returns, 8).logits).all()


def test_trials_that_repeat_each_other_are_no_choice():
    """27 settings that made the same trades were once called overfitted for certain."""
    one, other = np.random.default_rng(4).normal(0.001, 0.01, (2, 400))
    assert estimate_overfitting_of_distinct(np.column_stack([one] * 27)) is None
    assert estimate_overfitting_of_distinct(np.column_stack([one, np.zeros(400)])) is None
    found = estimate_overfitting_of_distinct(np.column_stack([one, other, one, np.zeros(400)]))
    assert found.trials == 2
    assert found.probability == estimate_overfitting(np.column_stack([one, other])).probability
    assert estimate_overfitting_of_distinct(np.column_stack([one, other])[:20]) is None


@pytest.mark.parametrize(
    ("returns", "blocks", "message"),
    [
        (np.ones((100, 1)), 4, "at least 2 trials"),
        (np.ones((100, 3)), 5, "cannot be halved"),
        (np.ones((10, 3)), 16, "too few"),
        (np.full((100, 3), np.nan), 4, "no numbers"),
    ],
)
def test_what_cannot_be_judged_is_refused(returns, blocks, message):
    with pytest.raises(DataError, match=message):
        estimate_overfitting(returns, blocks)
