"""Votes mapped to frequencies by the other folds, against scikit-learn's own regressions and by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from feature_repo.catalog import PAIR_FOREST_FEATURES
from pairity.settings import Settings
from training.models.cross_calibration import calibrate_across_folds
from training.models.families import FAMILIES
from training.models.purged_scores import score_purged

ROWS = 900


def draw(seed=0):
    """Return votes that are too high for what they stand for, labels, weights and three folds with a gap."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 0.6, ROWS)
    labels = (rng.uniform(size=ROWS) < truth).astype(np.int64)
    votes = np.clip(truth**0.5 + rng.normal(scale=0.03, size=ROWS), 0.0, 1.0)
    places = np.arange(ROWS)
    tests = np.array_split(places, 3)
    splits = [(places[(places < test[0] - 5) | (places > test[-1] + 5)], test) for test in tests]
    return votes, labels, rng.uniform(0.5, 1.5, ROWS), splits


@pytest.mark.parametrize("weighted", [False, True])
def test_isotonic_is_the_regression_of_the_other_folds(weighted):
    votes, labels, weights, splits = draw()
    own = weights if weighted else None
    found = calibrate_across_folds(votes, labels, own, splits, "isotonic")
    for train, test in splits:
        regression = IsotonicRegression(out_of_bounds="clip", y_min=0.0, y_max=1.0)
        regression.fit(votes[train], labels[train], sample_weight=None if own is None else own[train])
        assert found[test] == pytest.approx(regression.predict(votes[test]), abs=1e-12)
    assert abs(found.mean() - labels.mean()) < 0.03 < abs(votes.mean() - labels.mean())


def test_sigmoid_is_platts_curve_of_the_other_folds():
    votes, labels, _, splits = draw(1)
    found = calibrate_across_folds(votes, labels, None, splits, "sigmoid")
    train, test = splits[0]
    positives = labels[train].sum()
    negatives = len(train) - positives
    targets = np.where(labels[train] == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(terms):
        odds = terms[0] * votes[train] + terms[1]
        return np.sum(np.logaddexp(0.0, odds) - targets * odds)

    slope, intercept = minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-8}).x
    assert found[test] == pytest.approx(1.0 / (1.0 + np.exp(-slope * votes[test] - intercept)), abs=1e-4)


def test_no_label_of_a_row_says_anything_about_its_own_probability():
    votes, labels, _, splits = draw(2)
    found = calibrate_across_folds(votes, labels, None, splits, "isotonic")
    test = splits[1][1]
    turned = labels.copy()
    turned[test] = 1 - turned[test]
    assert calibrate_across_folds(votes, turned, None, splits, "isotonic")[test].tolist() == found[test].tolist()


def test_rows_without_votes_and_folds_of_one_class_say_nothing():
    votes, labels, _, splits = draw(3)
    votes[splits[0][1]] = np.nan
    found = calibrate_across_folds(votes, labels, None, splits, "isotonic")
    assert np.isnan(found[splits[0][1]]).all()
    assert np.isfinite(found[splits[1][1]]).all()
    labels[splits[2][1]] = 1  # all that is left to learn from for the second fold
    found = calibrate_across_folds(votes, labels, None, splits, "isotonic")
    assert np.isnan(found[splits[1][1]]).all()
    assert np.isfinite(found[splits[2][1]]).all()


class Shares:
    """Says three times the share of positive labels that its rows had: votes that count positive rows three times."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.share = float(rows["label"].mean())

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        return np.clip(3.0 * self.share + 0.1 * (rows["label"].to_numpy() - 0.5), 0.0, 1.0)


@pytest.mark.parametrize(("name", "kind"), [("pair_forest_calibrated", "none"), ("pair_forest", "sigmoid")])
def test_purged_scores_of_a_calibrated_family_are_frequencies_of_three_fits(name, kind):
    start, fits = datetime(2026, 1, 1, tzinfo=UTC), []
    times = [start + timedelta(hours=hour) for hour in range(ROWS)]
    ends = [time + timedelta(hours=1) for time in times]
    labels = [int(place % 5 == 0) for place in range(ROWS)]
    rows = pl.DataFrame({"event_timestamp": times, "t0": times, "t1": ends, "label": labels})

    def refit(part, _service, _settings, _chosen):
        fits.append(part.height)
        return Shares(part)

    settings = Settings()
    settings = settings.model_copy(
        update={
            "model": settings.model.model_copy(update={"calibration": kind}),
            "label": settings.label.model_copy(update={"weights": "none"}),
        }
    )
    purged = score_purged(replace(FAMILIES[name], refit=refit), rows, PAIR_FOREST_FEATURES, settings, chosen={})
    assert len(fits) == 3
    assert abs(purged.probabilities.mean() - 0.2) < 0.02  # the votes' mean is above 0.55


def test_votes_of_the_purged_folds_are_not_calibrated_themselves():
    seen = []
    settings = Settings()
    for name in ("pair_forest", "pair_forest_calibrated"):
        family = FAMILIES[name]
        seen.append(family.refit)
    assert seen[0] is seen[1]
    assert FAMILIES["pair_forest"].name_calibration(settings) == "none"
    assert FAMILIES["pair_forest_calibrated"].name_calibration(settings) == "isotonic"
    assert FAMILIES["pair_boosting"].name_calibration(settings) == "none"
