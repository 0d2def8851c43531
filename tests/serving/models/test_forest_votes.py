"""A forest's votes summed by us are scikit-learn's own probabilities, bit for bit, and its own refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from serving.models.forest_votes import predict_probabilities

NAMES = ["BTC", "ETH", "SOL"]


def make_matrix(rows: int, seed: int, nulls: float = 0.1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 5)) * 10.0 ** rng.integers(-30, 30, (rows, 5))
    numbers[rng.random((rows, 5)) < nulls] = np.nan
    matrix = pd.DataFrame(numbers, columns=list("vwxyz"))
    matrix["base"] = rng.choice(NAMES, rows)
    return matrix


def fit(last: object, labels: int = 2, nulls: float = 0.1) -> Pipeline:
    encoder = ColumnTransformer(
        [("assets", OrdinalEncoder(categories=[NAMES]), ["base"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    matrix = make_matrix(600, 1, nulls)
    answers = (matrix["v"].fillna(0.0) > 0).to_numpy().astype(int) + np.random.default_rng(2).integers(0, labels, 600)
    return Pipeline([("encode", encoder), ("last", last)]).fit(matrix, np.minimum(answers, labels - 1))


def forest(**changes: object) -> RandomForestClassifier:
    return RandomForestClassifier(**{"n_estimators": 40, "max_depth": 9, "random_state": 5, "n_jobs": 1} | changes)


MODELS = {
    "forest": lambda: fit(forest()),
    "three classes": lambda: fit(forest(), labels=3),
    "weighted": lambda: fit(forest(class_weight={0: 1.0, 1: 1.7}, min_samples_leaf=3)),
    "fitted without nulls": lambda: fit(forest(), nulls=0.0),
    "calibrated": lambda: fit(CalibratedClassifierCV(forest(), cv=2, ensemble=False)),
    "other trees": lambda: fit(ExtraTreesClassifier(n_estimators=20, random_state=1, n_jobs=1)),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_probabilities_are_scikit_learns_own(name):
    model = MODELS[name]()
    for rows, seed in ((1, 3), (45, 4), (1000, 5)):
        matrix = make_matrix(rows, seed)
        expected = model.predict_proba(matrix)
        assert predict_probabilities(model, matrix).tobytes() == expected.tobytes()


def refusal(call) -> tuple[type[Exception], str]:
    with pytest.raises(ValueError, match=r".") as caught:
        call()
    return caught.type, str(caught.value)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")  # scikit-learn says it too
@pytest.mark.parametrize("value", [float("inf"), 1e39], ids=["infinite", "too large for 32 bits"])
def test_what_a_forest_refuses_is_refused_in_its_words(value):
    model, matrix = fit(forest()), make_matrix(5, 6)
    matrix.loc[2, "x"] = value
    assert refusal(lambda: predict_probabilities(model, matrix)) == refusal(lambda: model.predict_proba(matrix))


def test_an_unknown_asset_and_a_missing_column_are_refused_in_the_encoders_words():
    model = fit(forest())
    for matrix in (make_matrix(5, 6).assign(base="DOGE"), make_matrix(5, 6).drop(columns="x")):
        assert refusal(lambda m=matrix: predict_probabilities(model, m)) == refusal(
            lambda m=matrix: model.predict_proba(m)
        )
