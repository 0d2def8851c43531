"""The threshold of a version as its tag: to the last bit, and never a guess."""

import pytest

from model_registry.records import ModelRef, read_threshold
from pairity.errors import RegistryError


def ref(**tags):
    return ModelRef(
        name="m",
        version="3",
        run_id="",
        uri="",
        sha256="",
        feature_service="",
        snapshot_id="",
        train_end="",
        tags=tags,
    )


@pytest.mark.parametrize("value", [0.0, 0.5632, 0.1 + 0.2, 1.0])
def test_it_comes_back_to_the_last_bit(value):
    assert ref(threshold=repr(value)).threshold == value


def test_a_version_without_one_has_none():
    assert ref().threshold is None


@pytest.mark.parametrize("text", ["", "half", "nan", "inf", "-0.1", "1.1", "1e400", "0.5.1"])
def test_what_is_no_number_from_0_to_1_is_refused(text):
    with pytest.raises(RegistryError, match="version 3 of model 'm' has the threshold") as caught:
        _ = ref(threshold=text).threshold
    assert "train again" in str(caught.value.remedy)
    with pytest.raises(RegistryError, match="it has"):
        read_threshold({"threshold": text}, "it")
