"""Errors of statistics against resampling by hand, published formulas, and simulated series of known truth."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from training.evaluation.blocks import choose_block_length, count_drawn_hours
from training.evaluation.uncertainty import (
    estimate_auc,
    estimate_auc_difference,
    estimate_rank_ic,
    estimate_sharpe_difference,
    estimate_sharpe_error,
)


def resample_by_hand(hours, block, draws, seed, statistic):
    """Literal moving blocks: lists of row numbers, put together block by block, and the statistic of those rows."""
    rng = np.random.default_rng(seed)
    span = int(hours.max()) + 1
    rows = [np.flatnonzero(hours == hour) for hour in range(span)]
    values = []
    for _ in range(draws):
        chosen = []
        while len(chosen) < span:
            start = int(rng.integers(0, span))
            chosen += [(start + step) % span for step in range(block)]
        values.append(statistic(np.concatenate([rows[hour] for hour in chosen[:span]])))
    return float(np.std(values, ddof=1))


def wave(rng, hours, memory):
    values, now = np.empty(hours), rng.normal()
    for hour in range(hours):
        now = memory * now + math.sqrt(1 - memory**2) * rng.normal()
        values[hour] = now
    return values


def scored_market(seed, hours, pairs, memory, skill=0.5):
    """Rows of pairs that share most of what moves them: hours, labels, scores."""
    rng = np.random.default_rng(seed)
    common, told = wave(rng, hours, memory), wave(rng, hours, memory)
    outcome = (common + skill * told)[:, None] + 0.3 * rng.normal(size=(hours, pairs))
    score = told[:, None] + 0.3 * rng.normal(size=(hours, pairs))
    return np.repeat(np.arange(hours), pairs), (outcome > 0).astype(np.int64).ravel(), score.ravel(), outcome.ravel()


@pytest.mark.parametrize(("hours", "block", "wanted"), [(50, 7, 50), (50, 50, 50), (30, 4, 61), (5, 1, 3), (9, 4, 2)])
def test_draws_are_unbroken_blocks_of_the_wanted_length(hours, block, wanted):
    counts = count_drawn_hours(hours, block=block, draws=40, seed=1, wanted=wanted)
    assert counts.shape == (40, hours)
    assert (counts.sum(axis=1) == wanted).all()
    assert (counts >= 0).all()
    starts = np.random.default_rng(1).integers(0, hours, (40, -(-wanted // block)))
    for row, own in zip(counts, starts, strict=True):
        by_hand, left = [0] * hours, wanted
        for start in own:
            for step in range(min(block, left)):
                by_hand[(start + step) % hours] += 1
            left -= block
        assert row.tolist() == by_hand


def test_the_error_of_a_sharpe_ratio_is_that_of_resampling_by_hand():
    returns = wave(np.random.default_rng(3), 900, 0.7) * 0.01 + 0.0004
    found = estimate_sharpe_error(returns)
    ratio = returns.mean() / returns.std(ddof=1) * math.sqrt(8760)
    assert found.value == pytest.approx(ratio, rel=1e-9)

    def again(rows):
        return returns[rows].mean() / returns[rows].std(ddof=1) * math.sqrt(8760)

    by_hand = resample_by_hand(np.arange(900), choose_block_length(900), 400, 5, again)
    assert found.error == pytest.approx(by_hand * math.sqrt(6 / 5), rel=0.15)
    assert found.low < found.value < found.high
    assert found == estimate_sharpe_error(returns)


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_intervals_of_sharpe_ratios_hold_the_truth(memory):
    """Where returns remember, errors of independent returns hold it in six cases of ten only."""
    rng = np.random.default_rng(4)
    held, as_independent = 0, 0
    for _ in range(120):
        returns = 0.01 * wave(rng, 1500, memory) + 0.0003
        found = estimate_sharpe_error(returns)
        truth = 0.03 * math.sqrt(8760)
        held += found.low <= truth <= found.high
        as_independent += abs(found.value - truth) <= 1.96 * math.sqrt(8760 / 1500)
    assert held >= 0.88 * 120
    assert (as_independent < 0.7 * 120) == (memory > 0.5)


def test_a_difference_is_surer_than_its_sides_where_one_market_moves_both():
    rng = np.random.default_rng(5)
    market, edge = rng.normal(0, 0.01, 2000), rng.normal(0.0003, 0.001, 2000)
    better = estimate_sharpe_difference(market + edge, market)
    alone = estimate_sharpe_error(market + edge)
    assert better.error < 0.3 * alone.error
    assert better.low > 0
    assert better.probability_above() > 0.97
    assert better.value == pytest.approx(alone.value - estimate_sharpe_error(market).value, rel=1e-9)
    assert estimate_sharpe_difference(market, market) is None


def delong(labels, scores):
    """Error of the area for independent rows (DeLong et al. 1988), placement by placement."""
    up, down = scores[labels == 1], scores[labels == 0]
    psi = (up[:, None] > down).astype(float) + 0.5 * (up[:, None] == down)
    return math.sqrt(psi.mean(axis=1).var(ddof=1) / len(up) + psi.mean(axis=0).var(ddof=1) / len(down))


def test_the_area_and_its_error_for_independent_rows_are_those_of_delong():
    rng = np.random.default_rng(6)
    labels = (rng.random(3000) < 0.3).astype(np.int64)
    scores = np.round(rng.normal(labels * 0.6, 1.0), 1)  # with ties
    found = estimate_auc(np.arange(3000), labels, scores, reach=1)
    assert found.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found.error == pytest.approx(delong(labels, scores), rel=0.2)


def test_the_error_of_an_area_is_that_of_resampling_by_hand():
    hours, labels, scores, _ = scored_market(7, 400, 4, 0.9)
    found = estimate_auc(hours, labels, scores, reach=24)
    block = choose_block_length(400)
    by_hand = resample_by_hand(hours, block, 150, 8, lambda rows: roc_auc_score(labels[rows], scores[rows]))
    blocks = math.ceil(400 / block)
    assert found.error == pytest.approx(by_hand * math.sqrt(blocks / (blocks - 1)), rel=0.25)
    # 1,600 rows that are worth far fewer: the error of independent rows is a fraction of it
    assert found.error > 3 * delong(labels, scores)


def test_intervals_of_areas_hold_the_truth_where_pairs_move_together():
    held, as_independent = 0, 0
    for seed in range(40):
        hours, labels, scores, _ = scored_market(seed, 1400, 12, 0.9, skill=0.0)
        found = estimate_auc(hours, labels, scores, reach=24)
        held += found.low <= 0.5 <= found.high
        as_independent += abs(found.value - 0.5) <= 1.96 * math.sqrt(1 / 12 / 4200)
    assert held >= 0.88 * 40
    assert as_independent < 0.4 * 40


def test_areas_are_compared_row_by_row():
    hours, labels, scores, _ = scored_market(9, 1400, 6, 0.9)
    worse = scores + np.random.default_rng(1).normal(0, 0.7, len(scores))
    found = estimate_auc_difference(hours, labels, scores, worse, reach=24)
    assert found.value == pytest.approx(roc_auc_score(labels, scores) - roc_auc_score(labels, worse), abs=1e-12)
    assert found.low > 0
    assert found.error < 0.5 * estimate_auc(hours, labels, scores, reach=24).error
    assert estimate_auc_difference(hours, labels, scores, scores, reach=24) is None


def test_a_rank_correlation_and_its_error():
    hours, _, scores, outcome = scored_market(10, 900, 4, 0.9)
    found = estimate_rank_ic(hours, scores, outcome, reach=24)
    assert found.value == pytest.approx(spearmanr(scores, outcome).statistic, abs=1e-12)
    block = choose_block_length(900)
    by_hand = resample_by_hand(hours, block, 200, 11, lambda rows: spearmanr(scores[rows], outcome[rows]).statistic)
    assert found.error == pytest.approx(by_hand * math.sqrt(6 / 5), rel=0.25)


def test_what_says_nothing_has_no_error():
    hours = np.arange(50)
    labels = hours % 2
    assert estimate_sharpe_error(np.zeros(50)) is None
    assert estimate_sharpe_error(np.full(50, 0.01)) is None
    assert estimate_sharpe_error(np.random.default_rng(1).normal(size=9)) is None
    assert estimate_auc(hours, np.ones(50, dtype=np.int64), hours * 1.0, 1) is None
    assert estimate_auc(hours[:4], labels[:4], hours[:4] * 1.0, 1) is None
    assert estimate_auc(hours, labels, np.ones(50), 1) is None  # always a half, whatever is drawn
    assert estimate_rank_ic(hours, np.ones(50), hours * 1.0, 1) is None
    assert estimate_rank_ic(hours[:0], np.empty(0), np.empty(0), 1) is None
