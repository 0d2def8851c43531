from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.weights import average_uniqueness

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
    assert average_uniqueness(frame(labels)).tolist() == pytest.approx(slow(labels), rel=1e-12)


def test_a_label_alone_weighs_one_and_crowded_ones_little():
    assert average_uniqueness(frame([("A", 0, 5), ("B", 2, 5)])).tolist() == [1.0, 1.0]
    crowded = average_uniqueness(frame([("A", bar, 102) for bar in range(600)]))
    assert crowded[300] == pytest.approx(1 / 103)
    assert crowded[0] > crowded[300]


def test_nothing_changes_when_rows_are_shuffled():
    labels = [("A", 0, 3), ("B", 1, 4), ("A", 2, 9), ("A", 2, 1)]
    weights = average_uniqueness(frame(labels))
    assert average_uniqueness(frame(labels[::-1])).tolist() == weights[::-1].tolist()
