"""The map of a calibrated forest is data that is checked: votes rise, frequencies rise from 0 to 1, all are finite."""

import io
import math

import numpy as np
import pytest

from model_registry.forest_schema import require_calibrated_forest, require_forest
from pairity.errors import ModelIntegrityError
from tests.model_registry.archives import archive, build, find, fitted, frame, npy, pack, state, unpack
from training.models import pair_forest


@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic"])
def test_a_calibrated_forest_is_one_by_its_file(calibration):
    require_calibrated_forest(archive(calibration), "here")
    again = build(archive(calibration))
    scores = [pair_forest.predict_probability(model, frame()).tobytes() for model in (again, fitted(calibration))]
    assert scores[0] == scores[1]


def test_a_plain_forest_is_none():
    require_forest(archive(), "here")
    with pytest.raises(ModelIntegrityError, match="its votes are not calibrated"):
        require_calibrated_forest(archive(), "here")


def rewritten(calibration, owner, attribute, change):
    """The archive with other numbers in one array."""
    schema, members = unpack(archive(calibration))
    name = state(find(schema, owner))[attribute]["file"]
    before = np.load(io.BytesIO(members[name]))
    members[name] = npy(np.ascontiguousarray(change(before.copy())).reshape(before.shape if before.ndim == 0 else -1))
    return pack(schema, members)


def put(place, value):
    def change(values):
        values[place] = value
        return values

    return change


ISOTONIC = {
    "votes that fall": ("X_thresholds_", lambda values: values[::-1]),
    "votes twice": ("X_thresholds_", lambda values: np.repeat(values[:1], len(values))),
    "votes that are no numbers": ("X_thresholds_", put(1, math.nan)),
    "votes without end": ("X_thresholds_", put(-1, math.inf)),
    "a vote less": ("X_thresholds_", lambda values: values[:-1]),
    "no votes": ("X_thresholds_", lambda values: values[:0]),
    "frequencies that fall": ("y_thresholds_", lambda values: values[::-1]),
    "a frequency above 1": ("y_thresholds_", put(-1, 1.5)),
    "a frequency below 0": ("y_thresholds_", put(0, -0.5)),
    "a frequency that is no number": ("y_thresholds_", put(0, math.nan)),
    "a frequency more": ("y_thresholds_", lambda values: np.append(values, 1.0)),
    "another least vote": ("X_min_", lambda _: np.float64(-3.0)),
    "a greatest vote without end": ("X_max_", lambda _: np.float64(math.inf)),
}


@pytest.mark.parametrize("trick", ISOTONIC)
def test_steps_that_are_no_map_to_frequencies_are_refused(trick):
    attribute, change = ISOTONIC[trick]
    with pytest.raises(ModelIntegrityError, match="the model in here is refused: "):
        require_forest(rewritten("isotonic", "IsotonicRegression", attribute, change), "here")


@pytest.mark.parametrize("attribute", ["a_", "b_"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_logistic_map_has_finite_parameters(attribute, value):
    with pytest.raises(ModelIntegrityError, match="not finite"):
        require_forest(rewritten("sigmoid", "_SigmoidCalibration", attribute, lambda _: np.float64(value)), "here")


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.5, 1.5])
def test_a_leaf_holds_shares_of_its_classes(value):
    schema, members = unpack(archive())
    name = state(find(schema, "Tree"))["values"]["file"]
    values = np.load(io.BytesIO(members[name])).copy()
    values[-1, 0, 1] = value
    members[name] = npy(values)
    with pytest.raises(ModelIntegrityError, match="shares of classes that are none"):
        require_forest(pack(schema, members), "here")
