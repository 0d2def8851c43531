from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from pairity.settings import LabelSettings
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training.data.training_sets import build_training_set
from training.forest_fit import fit_forest
from training.labels.weights import (
    compute_average_uniqueness,
    count_effective_pairs,
    measure_likeness,
    weigh_rows,
)
from training.models import pair_forest

START, HOUR = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
LABELS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 30), st.integers(0, 12)), min_size=1, max_size=40)


def frame(labels):
    rows = [(pair, START + first * HOUR, START + (first + length) * HOUR) for pair, first, length in labels]
    return pl.DataFrame(rows, schema=["pair_id", "t0", "t1"], orient="row")


def alone(labels):
    """No pair is like another one."""
    names = sorted({pair for pair, _, _ in labels})
    return pl.DataFrame(np.eye(len(names)), schema=names)


def slow(labels, alike):
    """Hour by hour, label by label."""
    weights = []
    for pair, first, length in labels:
        hours = range(first, first + length + 1)
        shares = [1 / sum(alike(pair, p) for p, f, n in labels if f <= h <= f + n) for h in hours]
        weights.append(sum(shares) / len(shares))
    return weights


@settings(deadline=None, max_examples=80)
@given(LABELS, st.floats(0, 1))
def test_equals_counting(labels, alike):
    likeness = alone(labels)
    if likeness.width == 2:
        likeness = pl.DataFrame([[1.0, alike], [alike, 1.0]], schema=likeness.columns)
    expected = slow(labels, lambda one, other: 1.0 if one == other else alike)
    assert compute_average_uniqueness(frame(labels), likeness).tolist() == pytest.approx(expected, rel=1e-9)


def test_a_label_alone_weighs_one_and_crowded_ones_little():
    apart = [("A", 0, 5), ("B", 2, 5)]
    assert compute_average_uniqueness(frame(apart), alone(apart)).tolist() == [1.0, 1.0]
    labels = [("A", bar, 102) for bar in range(600)]
    crowded = compute_average_uniqueness(frame(labels), alone(labels))
    assert crowded[300] == pytest.approx(1 / 103)
    assert crowded[0] > crowded[300]


def test_a_pair_that_is_there_twice_counts_half_and_one_of_its_own_whole():
    labels = [(pair, bar, 5) for pair in "ABC" for bar in range(40)]
    likeness = pl.DataFrame([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], schema=["A", "B", "C"])
    weights = compute_average_uniqueness(frame(labels), likeness)
    np.testing.assert_allclose(weights[:40] / weights[80:], 0.5)
    np.testing.assert_allclose(weights[40:80] / weights[80:], 0.5)


def test_nothing_changes_when_rows_are_shuffled():
    labels = [("A", 0, 3), ("B", 1, 4), ("A", 2, 9), ("A", 2, 1)]
    weights = compute_average_uniqueness(frame(labels), alone(labels))
    assert compute_average_uniqueness(frame(labels[::-1]), alone(labels)).tolist() == weights[::-1].tolist()


def market(assets, hours, seed=0):
    """z-scores of all pairs of assets that walk on their own: rows of pair_id, event_timestamp, z_score, t0, t1."""
    moves = np.random.default_rng(seed).normal(size=(hours, assets))
    rows = []
    for a in range(assets):
        for b in range(a + 1, assets):
            times = [START + hour * HOUR for hour in range(hours)]
            rows.append(
                pl.DataFrame({"event_timestamp": times, "z_score": moves[:, a] - moves[:, b]}).select(
                    pl.lit(f"P{a}__P{b}").alias("pair_id"), pl.all()
                )
            )
    return pl.concat(rows).with_columns(t0=pl.col("event_timestamp"), t1=pl.col("event_timestamp") + 24 * HOUR)


def test_likeness_is_the_squared_correlation_of_numpy_over_common_hours():
    rows = market(4, 200).filter(pl.int_range(pl.len()) * 7919 % 11 > 0)
    rows = rows.filter((pl.col("pair_id") != "P0__P1") | (pl.col("event_timestamp") < START + 20 * HOUR))
    likeness = measure_likeness(rows)
    names = likeness.columns
    assert names == sorted(rows["pair_id"].unique())
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            both = (
                rows.filter(pl.col("pair_id") == one)
                .select("event_timestamp", "z_score")
                .join(rows.filter(pl.col("pair_id") == other), on="event_timestamp", suffix="_other")
            )
            expected = np.corrcoef(both["z_score"], both["z_score_other"])[0, 1] ** 2 if both.height >= 24 else 0.0
            assert likeness[one][j] == pytest.approx(1.0 if i == j else expected, abs=1e-12)


def test_all_pairs_of_ten_assets_that_walk_alone_are_worth_nine_and_of_one_market_one():
    rows = market(10, 800)
    assert count_effective_pairs(measure_likeness(rows)) == pytest.approx(9.0, abs=0.3)
    common = pl.Series(np.tile(np.random.default_rng(1).normal(size=800), 45))
    turned = pl.when(pl.col("pair_id") < "P3").then(-2.0).otherwise(1.0) * common
    assert count_effective_pairs(measure_likeness(rows.with_columns(z_score=turned))) == pytest.approx(1.0)


def test_weights_have_mean_one_and_say_which_pairs_stand_alone():
    rows = market(3, 300)
    other = rows.filter(pl.col("pair_id") == "P0__P1").with_columns(
        pair_id=pl.lit("Q0__Q1"), z_score=pl.Series(np.random.default_rng(9).normal(size=300))
    )
    both = pl.concat([rows, other])
    weights = weigh_rows(both, LabelSettings(weights="uniqueness"))
    assert weights.mean() == pytest.approx(1.0)
    assert weights[900:].mean() > 1.2 > 1.0 > weights[:900].mean()
    assert weigh_rows(both, LabelSettings()) is None


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
        weights=weigh_rows(rows, weighted.label),
    )
    scores = [pair_forest.predict_probability(model, matrix).tobytes() for model in (plain, own, again)]
    assert scores[0] != scores[1] == scores[2]
