import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import DataError
from training.evaluation.drift import compute_stability_index, tabulate_drift

NAN = float("nan")


def by_hand(reference, current, bins=10):
    """Counts, bin by bin, in plain Python."""
    present = [v for v in reference if not math.isnan(v)]
    edges = sorted(set(np.quantile(present, [i / bins for i in range(1, bins)]))) if present else []

    def shares(values):
        counts = [0] * (len(edges) + 2)
        for value in values:
            counts[-1 if math.isnan(value) else sum(edge < value for edge in edges)] += 1
        return [max(count / len(values), 1e-4) for count in counts]

    return sum((q - p) * math.log(q / p) for p, q in zip(shares(reference), shares(current), strict=True))


VALUES = st.lists(st.floats(-5, 5) | st.sampled_from([0.0, 1.0, NAN]), min_size=1, max_size=60)


@settings(deadline=None, max_examples=60)
@given(VALUES, VALUES)
def test_equals_counting_by_hand(reference, current):
    found = compute_stability_index(np.array(reference), np.array(current))
    assert found == pytest.approx(by_hand(reference, current), abs=1e-9)
    assert found >= 0.0


def test_the_same_population_is_stable_and_another_is_not():
    rng = np.random.default_rng(0)
    assert compute_stability_index(rng.normal(size=5000), rng.normal(size=5000)) < 0.02
    assert compute_stability_index(rng.normal(size=5000), rng.normal(1.0, 1.0, size=5000)) > 0.25


def test_values_that_stop_coming_are_drift():
    values = np.random.default_rng(0).normal(size=1000)
    assert compute_stability_index(values, np.where(np.arange(1000) % 2, values, NAN)) > 0.25


def test_empty_and_constant_and_infinite():
    assert compute_stability_index(np.empty(0), np.ones(3)) is None
    assert compute_stability_index(np.ones(3), np.empty(0)) is None
    assert compute_stability_index(np.ones(3), np.ones(5)) == 0.0
    with pytest.raises(DataError, match="infinite"):
        compute_stability_index(np.array([1.0, np.inf]), np.ones(2))


def test_a_table_names_the_most_drifted_first():
    then = pl.DataFrame({"a": [1.0, 2.0, 3.0] * 30, "b": [1.0, 2.0, 3.0] * 30, "asset": ["BTC"] * 90})
    now = then.with_columns(pl.col("b") + 2.0)
    table = tabulate_drift(then, now, ["a", "b", "asset"])
    assert table["feature"].to_list() == ["b", "a"]
    assert table["psi"][1] == 0.0
    assert table.row(0, named=True)["median"] == 4.0
