"""The logistic family against scikit-learn's, and where data are missing, constant, wild or separable."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from feature_repo.catalog import PAIR_FOREST_FEATURES
from model_registry.logistic_terms import LogisticTerms, map_logistic
from pairity.errors import MissingDataError
from pairity.settings import Settings
from tests.model_registry.family_models import labelled
from training.labels.weights import weigh_rows
from training.models.pair_logistic import fit_logistic

SETTINGS = Settings(universe={"assets": ("BTC", "ETH", "SOL")})
WEIGHTED = Settings(universe={"assets": ("BTC", "ETH", "SOL")}, label={"weights": "uniqueness"})
NUMERIC = [name for name in PAIR_FOREST_FEATURES.features if name not in ("base_asset", "quote_asset")]


def fit(rows, settings=SETTINGS):
    return fit_logistic(rows, PAIR_FOREST_FEATURES, settings)


@pytest.mark.parametrize("settings", [SETTINGS, WEIGHTED])
def test_slopes_are_those_of_scikit_learn(settings):
    rows = labelled()
    model = fit(rows, settings)
    inputs = rows.select(pl.col(NUMERIC).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    missing = np.isnan(inputs)
    # None, where nothing is known
    spread = np.array([rows[name].std(ddof=0) or 0.0 for name in NUMERIC])
    mean = np.array([rows[name].mean() or 0.0 for name in NUMERIC])
    known = np.where(missing, 0.0, np.clip((inputs - mean) / np.where(spread > 0, spread, 1.0), -10, 10))
    peer = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-12, max_iter=200)
    peer.fit(np.column_stack([known, missing]), rows["label"].to_numpy(), weigh_rows(rows, settings.label))
    ours = [*model.terms.slopes, *model.terms.missing, model.terms.intercept]
    np.testing.assert_allclose(ours, [*peer.coef_[0], peer.intercept_[0]], atol=1e-6)
    assert missing.any()
    np.testing.assert_allclose(
        model.predict(rows), peer.predict_proba(np.column_stack([known, missing]))[:, 1], atol=1e-6
    )


def test_the_same_rows_give_the_same_bits_and_importances_add_up():
    one, other = fit(labelled()), fit(labelled())
    assert one.terms == other.terms
    shares = one.compute_importances()
    assert sum(shares.values()) == pytest.approx(1.0)
    assert next(iter(shares)) == "z_score"


def test_a_feature_that_is_always_missing_or_never_changes_does_no_harm():
    rows = labelled().with_columns(half_life_h=pl.lit(None, pl.Float64), vol_ratio=pl.lit(3.0))
    model = fit(rows)
    at = NUMERIC.index("vol_ratio")
    assert (model.terms.means[at], model.terms.scales[at], model.terms.slopes[at]) == (3.0, 1.0, 0.0)
    assert model.terms.slopes[NUMERIC.index("half_life_h")] == 0.0
    assert np.isfinite(model.predict(rows)).all()
    assert np.isfinite(model.predict(labelled())).all()


def test_rows_that_a_feature_separates_get_slopes_within_bounds():
    rows = labelled().with_columns(label=(pl.col("z_score") > 0).cast(pl.Int64))
    terms = fit(rows).terms
    assert max(map(abs, (terms.intercept, *terms.slopes, *terms.missing))) <= 10
    assert terms == terms.bounded()


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_too_few_and_so_are_few_rows(label):
    with pytest.raises(MissingDataError, match="needs both classes"):
        fit(labelled().with_columns(label=pl.lit(label)))
    with pytest.raises(MissingDataError, match="too few"):
        fit(labelled().head(30).with_columns(label=(pl.int_range(pl.len()) % 2)))


WILD = st.sampled_from([0.0, 1e308, -1e308, 5e-324, float("nan")]) | st.floats(allow_infinity=False)
BOUNDED = st.floats(-10, 10)


@given(st.lists(st.tuples(WILD, WILD), min_size=1, max_size=6), st.lists(BOUNDED, min_size=5, max_size=5), st.data())
def test_whatever_the_row_the_probability_is_one_and_depends_on_that_row_alone(rows, numbers, data):
    terms = LogisticTerms(
        intercept=numbers[0],
        means=tuple(data.draw(st.tuples(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12)))),
        scales=tuple(data.draw(st.tuples(st.floats(1e-12, 1e12), st.floats(1e-12, 1e12)))),
        slopes=tuple(numbers[1:3]),
        missing=tuple(numbers[3:]),
    )
    inputs = np.array(rows, dtype=float)
    together = terms.score(inputs)
    assert ((together >= 0) & (together <= 1)).all()
    assert together.tolist() == [terms.score(inputs[[place]])[0] for place in range(len(rows))]


def test_a_score_at_its_bound_has_a_probability():
    assert map_logistic(np.array([-500.0, 0.0, 500.0])).tolist() == [pytest.approx(0, abs=1e-200), 0.5, 1.0]


def test_weights_of_the_labels_count():
    assert fit(labelled(), WEIGHTED).terms != fit(labelled()).terms
