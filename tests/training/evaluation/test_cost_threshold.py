"""The threshold that costs set: against the formula by hand, at its edges, and against simulated worlds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.evaluation.cost_threshold import CLOSED, LEAST_OF_A_KIND, MARGINS, choose_threshold

FOLDS = 3


def split(count):
    """Three blocks, each tested with the two others as training rows."""
    groups = np.array_split(np.arange(count), FOLDS)
    return [(np.concatenate([g for k, g in enumerate(groups) if k != own]), groups[own]) for own in range(FOLDS)]


def world(count=6000, seed=1, win=0.02, loss=-0.02, noise=0.0, tilt=1.0):
    """Rows whose label comes true with the frequency σ(tilt · logit p), and whose outcome follows from the label."""
    draw = np.random.default_rng(seed)
    probability = draw.uniform(0.05, 0.95, count)
    truth = 1.0 / (1.0 + np.exp(-tilt * np.log(probability / (1.0 - probability))))
    label = (draw.uniform(size=count) < truth).astype(np.int64)
    outcome = np.where(label == 1, win, loss) + noise * draw.standard_normal(count)
    return probability, label, outcome, np.arange(count)


def choose(probability, label, outcome, hours):
    return choose_threshold(probability, label, outcome, hours, split(len(probability)))


@pytest.mark.parametrize(
    ("win", "loss", "fair"), [(0.02, -0.02, 0.5), (0.01, -0.03, 0.75), (0.03, -0.01, 0.25), (0.02, -0.08, 0.8)]
)
def test_frequencies_are_traded_above_the_share_of_wins_that_pays_for_the_losses(win, loss, fair):
    found = choose(*world(win=win, loss=loss))
    exact = (found.margin - loss) / (win - loss)
    assert found.value == pytest.approx(exact, abs=0.03)
    assert found.value >= fair - 0.03
    assert (found.win, found.loss) == (pytest.approx(win), pytest.approx(loss))
    assert found.margin in MARGINS
    assert not found.note


def test_the_threshold_of_votes_is_that_of_the_frequency_that_they_prove_to_be():
    """Votes that overstate: q = σ(logit(p)/2 …) puts a frequency of 0.75 at p with logit p = 2·logit 0.75."""
    found = choose(*world(count=20_000, win=0.01, loss=-0.03, tilt=0.5))
    needed = (found.margin + 0.03) / 0.04
    assert found.value == pytest.approx(1 / (1 + ((1 - needed) / needed) ** 2), abs=0.03)


def test_dearer_outcomes_raise_it():
    values = [choose(*world(win=0.02 - cost, loss=-0.02 - cost)).value for cost in (0.0, 0.004, 0.008)]
    assert values[0] < values[1] < values[2]


def calibrate_by_hand(probability, label):
    """Platt's curve with a level for each fold, by brute force; then the one level at which as many come true."""
    from scipy.optimize import brentq, minimize

    logit = np.log(probability / (1 - probability))
    folds = np.zeros(len(label), dtype=int)
    for number, (_, test) in enumerate(split(len(label))):
        folds[test] = number
    target = np.empty(len(label))
    for fold in range(FOLDS):
        own = folds == fold
        wins, losses = label[own].sum(), (label[own] == 0).sum()
        target[own] = np.where(label[own] == 1, (wins + 1) / (wins + 2), 1 / (losses + 2))

    def loss_of(terms):
        said = 1 / (1 + np.exp(-(terms[folds] + terms[FOLDS] * logit)))
        return -np.sum(target * np.log(said) + (1 - target) * np.log(1 - said))

    slope = minimize(loss_of, np.array([0.0] * FOLDS + [1.0]), method="BFGS", options={"gtol": 1e-8}).x[FOLDS]
    wins, losses = label.sum(), (label == 0).sum()
    wanted = np.where(label == 1, (wins + 1) / (wins + 2), 1 / (losses + 2)).mean()
    level = brentq(lambda a: np.mean(1 / (1 + np.exp(-(a + slope * logit)))) - wanted, -20, 20, xtol=1e-12)
    return level, slope


def shifting_world(shift, seed, tilt=1.0, count=9000, spread=0.15):
    """Thirds with other frequencies, and a model that knows the frequency of the two other thirds, as folds do.

    Within a third its logit varies by `spread` around that, and the label's true logit by `tilt` times as much.
    """
    draw = np.random.default_rng(seed)
    levels = np.repeat(np.array([-shift, 0.0, shift]), count // FOLDS)
    own = spread * draw.standard_normal(count)
    said = 1 / (1 + np.exp(-(-levels / 2 + own)))  # the mean level of the two others
    label = (draw.uniform(size=count) < 1 / (1 + np.exp(-(levels + tilt * own)))).astype(np.int64)
    outcome = np.where(label == 1, 0.02, -0.02)
    return said, label, outcome, np.arange(count)


def test_what_a_model_knows_is_measured_within_folds_where_frequencies_shift_between_them():
    """One curve over all folds says that higher probabilities are worse, of a model that is right within each."""
    from sklearn.linear_model import LogisticRegression

    pooled, within, refused = [], [], 0
    for seed in range(20):
        said, label, outcome, hours = shifting_world(0.3, seed)
        logit = np.log(said / (1 - said))[:, None]
        pooled.append(LogisticRegression(C=1e9).fit(logit, label).coef_[0, 0])
        within.append(calibrate_by_hand(said, label)[1])
        refused += "do not go with" in choose(said, label, outcome, hours).note
    assert np.mean(pooled) < 0.0
    assert np.mean(within) == pytest.approx(1.0, abs=0.1)
    assert refused == 0


def test_a_model_that_is_wrong_within_folds_is_not_helped_by_shifts():
    for seed in range(10):
        assert choose(*shifting_world(0.3, seed, tilt=-1.0)).value == CLOSED


def test_what_is_chosen_is_what_the_formula_says_on_all_rows():
    """By hand: Platt's curve by brute force, the means, the inverse, rounded up to four digits."""
    probability, label, outcome, hours = world(count=900, seed=4, noise=0.01, tilt=0.8)
    found = choose(probability, label, outcome, hours)
    a, b = calibrate_by_hand(probability, label)
    win, loss = outcome[label == 1].mean(), outcome[label == 0].mean()
    needed = (found.margin - loss) / (win - loss)
    exact = 1 / (1 + math.exp(-(math.log(needed / (1 - needed)) - a) / b))
    assert found.value == pytest.approx(exact, abs=1.5e-4)
    assert found.value >= exact - 1e-6
    assert round(found.value, 4) == found.value
    assert found.passing == int((probability > found.value).sum())


def test_nothing_is_traded_where_every_margin_lost_in_the_folds():
    """Labels are forecast, and their payoff turns from fold to fold: what passed in one lost in the next."""
    probability, label, _, hours = world()
    turns = np.repeat([1.0, -2.5, 1.9], len(hours) // FOLDS)
    outcome = np.where(label == 1, 0.02 * turns, -0.02)
    found = choose(probability, label, outcome, hours)
    assert found.value == CLOSED
    assert found.passing == 0
    assert found.note


@pytest.mark.parametrize("kind", [0, 1])
def test_without_enough_wins_or_losses_nothing_is_traded_and_it_says_which(kind):
    probability, label, outcome, hours = world(count=600)
    label[label == kind] = 1 - kind
    label[: LEAST_OF_A_KIND - 1] = kind
    found = choose(probability, label, outcome, hours)
    assert (found.value, found.margin) == (CLOSED, None)
    assert f"{LEAST_OF_A_KIND - 1} of 600 candidates have the label {kind}" in found.note
    assert ("wins" if kind else "loses") in found.note


def test_no_candidate_at_all_trades_nothing():
    nothing = np.full(50, np.nan)
    found = choose(nothing, np.zeros(50, dtype=np.int64), nothing, np.arange(50))
    assert (found.value, found.candidates) == (CLOSED, 0)
    assert "0 of 0 candidates" in found.note


def test_scores_that_say_nothing_or_the_contrary_trade_nothing():
    probability, label, outcome, hours = world()
    for said in (np.full(len(hours), 0.7), 1.0 - probability):
        found = choose(said, label, outcome, hours)
        assert found.value == CLOSED
        assert "higher probabilities do not go with more labels" in found.note


def test_labels_that_are_worth_nothing_trade_nothing():
    found = choose(*world(win=-0.01, loss=0.01))
    assert found.value == CLOSED
    assert "earn no more where the label comes true" in found.note


def test_a_threshold_beyond_all_scores_is_said():
    probability, label, outcome, hours = world(win=0.01, loss=-0.2)
    found = choose(probability * 0.5, label, outcome, hours)
    assert found.passing == 0
    assert found.value > 0.475
    assert "no candidate of the training rows is above it" in found.note


def test_a_threshold_below_all_scores_does_not_bind_and_is_said():
    found = choose(*world(win=0.2, loss=0.01))
    assert found.value == 0.0
    assert found.passing == found.candidates
    assert "does not bind" in found.note


def test_rows_without_a_probability_or_an_outcome_change_nothing():
    rows = world(count=900)
    before = choose(*rows)
    longer = [np.concatenate([own, own[:90]]) for own in rows]
    longer[0][900:945] = np.nan
    longer[2][945:] = np.nan
    spliced = [(train, test) for train, test in split(900)]
    assert choose_threshold(*longer, spliced) == before


def test_a_hundred_candidates_of_one_hour_count_as_one_position():
    """A lucky hour with many candidates must not decide on the margin."""
    probability, label, outcome, hours = world(count=3000, seed=3)
    crowd = [np.full(3000, 0.9), np.ones(3000, dtype=np.int64), np.full(3000, 0.02), np.full(3000, hours[0])]
    joined = [
        np.concatenate([own, more]) for own, more in zip((probability, label, outcome, hours), crowd, strict=True)
    ]
    lonely = [
        np.concatenate([own, more[:1]]) for own, more in zip((probability, label, outcome, hours), crowd, strict=True)
    ]
    folds = split(3000)
    crowded = [
        (train, np.concatenate([test, np.arange(3000, 6000)]) if k == 0 else test)
        for k, (train, test) in enumerate(folds)
    ]
    single = [(train, np.append(test, 3000) if k == 0 else test) for k, (train, test) in enumerate(folds)]
    assert choose_threshold(*joined, crowded).margin == choose_threshold(*lonely, single).margin


def test_the_same_rows_give_the_same_bits():
    rows = world(noise=0.01, tilt=0.7)
    assert choose(*rows) == choose(*rows)


def test_separable_scores_have_a_finite_threshold():
    label = np.repeat([0, 1], 200)
    probability = np.where(label == 1, 0.8, 0.2)
    order = np.random.default_rng(0).permutation(400)
    found = choose(probability[order], label[order], np.where(label == 1, 0.01, -0.01)[order], np.arange(400))
    assert 0.2 < found.value < 0.8
    assert found.passing == 200
