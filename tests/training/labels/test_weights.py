from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training.data.training_sets import build_training_set
from training.forest_fit import fit_forest
from training.labels.weights import compute_average_uniqueness
from training.models import pair_forest

START, HOUR = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
LABELS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 30), st.integers(0, 12)), min_size=1, max_size=40)


def frame(labels):
    rows = [(pair, START + first * HOUR, START + (first + length) * HOUR) for pair, first, length in labels]
    return pl.DataFrame(rows, schema=["pair_id", "t0", "t1"], orient="row")


def slow(labels):
    """Hour by hour, label by label."""
    weights = []
    for pair, first, length in labels:
        hours = range(first, first + length + 1)
        shares = [1 / sum(p == pair and f <= h <= f + n for p, f, n in labels) for h in hours]
        weights.append(sum(shares) / len(shares))
    return weights


@settings(deadline=None, max_examples=80)
@given(LABELS)
def test_equals_counting(labels):
    assert compute_average_uniqueness(frame(labels)).tolist() == pytest.approx(slow(labels), rel=1e-12)


def test_a_label_alone_weighs_one_and_crowded_ones_little():
    assert compute_average_uniqueness(frame([("A", 0, 5), ("B", 2, 5)])).tolist() == [1.0, 1.0]
    crowded = compute_average_uniqueness(frame([("A", bar, 102) for bar in range(600)]))
    assert crowded[300] == pytest.approx(1 / 103)
    assert crowded[0] > crowded[300]


def test_nothing_changes_when_rows_are_shuffled():
    labels = [("A", 0, 3), ("B", 1, 4), ("A", 2, 9), ("A", 2, 1)]
    weights = compute_average_uniqueness(frame(labels))
    assert compute_average_uniqueness(frame(labels[::-1])).tolist() == weights[::-1].tolist()


def test_weights_reach_the_model_and_change_it_only_where_asked_for(tmp_path):
    settings = settings_for(tmp_path)
    publish_all(settings)
    join = brute_join(settings)
    weighted = settings.model_copy(update={"label": settings.label.model_copy(update={"weights": "uniqueness"})})
    rows = build_training_set(settings, PAIR_FOREST_FEATURES, join, NOW).labelled(settings.label)
    matrix = build_model_matrix(rows, PAIR_FOREST_FEATURES)
    plain, own = (fit_forest(rows, PAIR_FOREST_FEATURES, one) for one in (settings, weighted))
    again = pair_forest.fit_pipeline(
        matrix,
        rows["label"].cast(pl.Int64).to_numpy(),
        settings.universe.assets,
        settings.model,
        weights=compute_average_uniqueness(rows),
    )
    scores = [pair_forest.predict_probability(model, matrix).tobytes() for model in (plain, own, again)]
    assert scores[0] != scores[1] == scores[2]
