"""Means of groups are the same bits, however often and wherever they are computed."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.metrics import average_by_place, tabulate_calibration


@given(seed=st.integers(0, 10**6), rows=st.integers(0, 300), count=st.integers(1, 12))
def test_each_place_is_added_from_its_first_row_to_its_last(seed, rows, count):
    draw = np.random.default_rng(seed)
    places, values = draw.integers(0, count, rows), draw.normal(0, 10.0 ** draw.integers(-3, 4), rows)
    (means,), counts = average_by_place(places, count, values)
    for place in range(count):
        total, seen = 0.0, 0
        for at in range(rows):
            if places[at] == place:
                total, seen = total + values[at], seen + 1
        assert counts[place] == seen
        assert np.isnan(means[place]) if seen == 0 else means[place] == total / seen


def test_a_table_is_the_same_each_time():
    draw = np.random.default_rng(5)
    labels, probabilities = draw.integers(0, 2, 20_000), draw.uniform(0, 1, 20_000)
    tables = [tabulate_calibration(labels, probabilities) for _ in range(20)]
    assert all(table.equals(tables[0]) for table in tables)
    assert tables[0].schema == {
        "bin": pl.Int64,
        "rows": pl.UInt32,
        "mean_probability": pl.Float64,
        "observed": pl.Float64,
    }
