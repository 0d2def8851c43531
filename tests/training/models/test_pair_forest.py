import io
import pickle

import numpy as np
import pandas as pd
import pytest

from model_registry.forest_schema import TRUSTED_TYPES
from pairity.errors import MissingDataError
from pairity.settings import ModelSettings
from training.models import pair_forest

UNIVERSE = ("BTC", "ETH", "SOL", "XRP")
SMALL = ModelSettings(n_estimators=12, min_samples_leaf=5)


def matrix(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"z_score": rng.normal(size=rows), "spread_rsi": rng.uniform(0, 100, rows)})
    frame.loc[::7, "spread_rsi"] = np.nan
    frame["base_asset"] = rng.choice(["BTC", "ETH"], rows)
    frame["quote_asset"] = rng.choice(["SOL", "XRP"], rows)
    return frame


def labels(frame, seed=1):
    noise = np.random.default_rng(seed).normal(size=len(frame))
    return (frame["z_score"].to_numpy() + noise > 0.8).astype(np.int64)


@pytest.fixture(scope="module")
def fitted():
    frame = matrix()
    return pair_forest.fit_pipeline(frame, labels(frame), UNIVERSE, SMALL, fit_threads=1)


def test_thread_count_changes_no_byte_and_no_probability(fitted):
    frame = matrix()
    other = pair_forest.fit_pipeline(frame, labels(frame), UNIVERSE, SMALL, fit_threads=2)
    assert pickle.dumps(other) == pickle.dumps(fitted)
    fresh = matrix(seed=3)
    assert (
        pair_forest.predict_probability(other, fresh).tobytes()
        == pair_forest.predict_probability(fitted, fresh).tobytes()
    )


def test_another_seed_gives_another_forest(fitted):
    frame = matrix()
    other = pair_forest.fit_pipeline(
        frame, labels(frame), UNIVERSE, SMALL.model_copy(update={"seed": 43}), fit_threads=1
    )
    assert (pair_forest.predict_probability(other, frame) != pair_forest.predict_probability(fitted, frame)).any()


def test_the_reference_settings_reach_the_forest():
    frame = matrix()
    forest = pair_forest.build_pipeline(UNIVERSE, ModelSettings(), fit_threads=1).named_steps["forest"]
    assert (forest.n_estimators, forest.max_depth, forest.min_samples_leaf) == (300, 5, 30)
    assert (forest.class_weight, forest.random_state) == ({0: 1.0, 1: 3.0}, 42)
    assert len(frame) > 0


def test_a_row_scores_the_same_alone_and_among_others(fitted):
    frame = matrix(seed=5, rows=50)
    together = pair_forest.predict_probability(fitted, frame)
    alone = [pair_forest.predict_probability(fitted, frame.iloc[[row]])[0] for row in range(len(frame))]
    assert together.tolist() == alone


def test_an_asset_outside_the_universe_is_refused(fitted):
    frame = matrix(rows=2)
    frame["base_asset"] = "DOGE"
    with pytest.raises(ValueError, match="DOGE"):
        pair_forest.predict_probability(fitted, frame)


def test_assets_keep_their_code_when_training_has_not_seen_all_of_them(fitted):
    frame = matrix()
    only = frame["base_asset"] == "ETH"
    other = pair_forest.fit_pipeline(frame[only], labels(frame[only]), UNIVERSE, SMALL, fit_threads=1)
    encoder = other.named_steps["encode"].named_transformers_["assets"]
    assert [list(categories) for categories in encoder.categories_] == [list(UNIVERSE)] * 2
    assert np.isfinite(pair_forest.predict_probability(other, frame[~only])).all()


def test_missing_features_are_scored(fitted):
    frame = matrix(rows=3)
    frame[["z_score", "spread_rsi"]] = np.nan
    assert np.isfinite(pair_forest.predict_probability(fitted, frame)).all()


def test_nothing_to_score(fitted):
    assert pair_forest.predict_probability(fitted, matrix(rows=5).head(0)).tolist() == []


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_only_is_refused(value):
    frame = matrix(rows=100)
    with pytest.raises(MissingDataError, match=f"all 100 training labels are {value}"):
        pair_forest.fit_pipeline(frame, np.full(100, value, dtype=np.int64), UNIVERSE, SMALL)


def test_too_few_rows_for_two_leaves_are_refused():
    frame = matrix(rows=8)
    with pytest.raises(MissingDataError, match="8 training rows"):
        pair_forest.fit_pipeline(frame, np.array([0, 1] * 4), UNIVERSE, SMALL)


def test_importances_name_every_feature_and_sum_to_one(fitted):
    values = pair_forest.compute_importances(fitted)
    assert set(values) == {"z_score", "spread_rsi", "base_asset", "quote_asset"}
    assert sum(values.values()) == pytest.approx(1.0)
    assert next(iter(values)) == "z_score"


SPLITS = [(np.setdiff1d(np.arange(400), part), part) for part in np.array_split(np.arange(400), 4)]


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_calibration_brings_votes_to_frequencies_and_keeps_trees_and_order(fitted, kind):
    frame = matrix()
    settings = SMALL.model_copy(update={"calibration": kind})
    one, two = (
        pair_forest.fit_pipeline(frame, labels(frame), UNIVERSE, settings, fit_threads=threads, splits=SPLITS)
        for threads in (1, 2)
    )
    assert pickle.dumps(one) == pickle.dumps(two)
    assert pair_forest.compute_importances(one) == pair_forest.compute_importances(fitted)
    fresh = matrix(rows=4000, seed=3)
    actual = labels(fresh, seed=4)
    raw, mapped = pair_forest.predict_probability(fitted, fresh), pair_forest.predict_probability(one, fresh)
    order = np.argsort(raw, kind="stable")
    assert (np.diff(mapped[order]) >= -1e-12).all()
    # positive labels count three times in the forest: its votes say more than what happens
    assert abs(mapped.mean() - actual.mean()) < 0.03 < abs(raw.mean() - actual.mean())
    assert ((mapped - actual) ** 2).mean() < ((raw - actual) ** 2).mean()


def test_calibration_maps_by_forests_that_had_not_seen_the_rows(fitted):
    """The slow way: fit on each training side, predict the test side, regress isotonically on all of them."""
    from sklearn.isotonic import IsotonicRegression

    frame = matrix()
    y = labels(frame)
    unseen = np.empty(len(frame))
    for train, test in SPLITS:
        part = pair_forest.fit_pipeline(frame.iloc[train], y[train], UNIVERSE, SMALL, fit_threads=1)
        unseen[test] = pair_forest.predict_probability(part, frame.iloc[test])
    mapping = IsotonicRegression(out_of_bounds="clip").fit(unseen, y)
    settings = SMALL.model_copy(update={"calibration": "isotonic"})
    whole = pair_forest.fit_pipeline(frame, y, UNIVERSE, settings, fit_threads=1, splits=SPLITS)
    fresh = matrix(seed=3)
    expected = mapping.predict(pair_forest.predict_probability(fitted, fresh))
    np.testing.assert_allclose(pair_forest.predict_probability(whole, fresh), expected, atol=1e-12)


def test_trap_16_the_model_is_stored_without_pickle_and_trusts_named_types_only(fitted):
    import skops.io

    frame = matrix()
    trusted = {
        kind: pair_forest.fit_pipeline(
            frame, labels(frame), UNIVERSE, SMALL.model_copy(update={"calibration": kind}), splits=SPLITS
        )
        for kind in ("none", "sigmoid", "isotonic")
    }
    needed = {name for model in trusted.values() for name in skops.io.get_untrusted_types(data=skops.io.dumps(model))}
    assert needed == set(TRUSTED_TYPES)

    buffer = io.BytesIO()
    skops.io.dump(fitted, buffer)
    assert skops.io.get_untrusted_types(data=buffer.getvalue()) == ["sklearn.tree._tree.Tree"]
    again = skops.io.loads(buffer.getvalue(), trusted=list(TRUSTED_TYPES))
    frame = matrix(seed=9)
    assert (
        pair_forest.predict_probability(again, frame).tobytes()
        == pair_forest.predict_probability(fitted, frame).tobytes()
    )
