import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from training.evaluation import metrics


@settings(max_examples=examples(80), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=60))
def test_agrees_with_scikit_learn(rows):
    from sklearn import metrics as reference

    labels = np.array([row[0] for row in rows], dtype=np.int64)
    scores = np.array([row[1] for row in rows])
    found = metrics.measure_classification(labels, scores, 0.5)
    called = scores > 0.5
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(labels, called))
    assert found["brier"] == pytest.approx(reference.brier_score_loss(labels, scores, pos_label=1))
    expected = reference.log_loss(labels, np.clip(scores, 1e-15, 1 - 1e-15), labels=[0, 1])
    assert found["log_loss"] == pytest.approx(expected, abs=1e-9)
    for key, function in (("precision", reference.precision_score), ("recall", reference.recall_score)):
        value = function(labels, called, zero_division=np.nan)
        assert (found[key] is None) == np.isnan(value)
        assert found[key] is None or found[key] == pytest.approx(value)


def test_perfect_and_useless_rankings():
    labels = np.array([0, 0, 1, 1])
    perfect = metrics.measure_classification(labels, np.array([0.1, 0.2, 0.8, 0.9]), 0.5)
    assert [perfect[key] for key in ("accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc")] == [1.0] * 6
    flat = metrics.measure_classification(labels, np.full(4, 0.6), 0.5)
    assert (flat["roc_auc"], flat["pr_auc"], flat["base_rate"]) == (0.5, 0.5, 0.5)


def test_a_probability_at_the_threshold_is_not_a_call():
    assert metrics.measure_classification(np.array([1]), np.array([0.5]), 0.5)["recall"] == 0.0


def test_undefined_metrics_are_none_and_keys_are_always_the_same():
    nothing = metrics.measure_classification(np.array([], dtype=np.int64), np.array([]), 0.5)
    assert tuple(nothing) == metrics.KEYS
    assert nothing["rows"] == 0.0
    assert all(value is None for key, value in nothing.items() if key != "rows")
    negative = metrics.measure_classification(np.array([0, 0]), np.array([0.1, 0.2]), 0.5)
    assert tuple(negative) == metrics.KEYS
    assert [key for key, value in negative.items() if value is None] == [
        "precision",
        "recall",
        "f1",
        "roc_auc",
        "pr_auc",
    ]
    positive = metrics.measure_classification(np.array([1, 1]), np.array([0.9, 0.2]), 0.5)
    assert positive["roc_auc"] is None
    assert positive["pr_auc"] == 1.0


def test_certain_and_wrong_is_finite():
    assert metrics.measure_classification(np.array([1]), np.array([0.0]), 0.5)["log_loss"] == pytest.approx(
        34.5, abs=0.1
    )


def test_per_pair_has_one_line_each():
    scored = pl.DataFrame(
        {"pair_id": ["B", "A", "A"], "label": [1, 0, 1], "probability": [0.9, 0.2, 0.7]},
        schema_overrides={"label": pl.Int8},
    )
    table = metrics.measure_by_pair(scored, 0.5)
    assert table["pair_id"].to_list() == ["A", "B"]
    assert table["rows"].to_list() == [2.0, 1.0]
    assert table["roc_auc"].to_list() == [1.0, None]


def test_calibration_bins():
    table = metrics.tabulate_calibration(np.array([0, 1, 1, 1]), np.array([0.05, 0.08, 0.95, 1.0]))
    assert table["bin"].to_list() == [0, 9]
    assert table["observed"].to_list() == [0.5, 1.0]
    assert table["rows"].to_list() == [2, 2]
