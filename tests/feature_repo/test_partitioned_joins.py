"""Entity rows are cut by month and entity, and put together again, whatever they are."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo import partitioned_joins
from feature_repo.partitioned_joins import join_in_parts, split_labels
from tests.examples import examples

TIMES = st.datetimes(datetime(2024, 11, 1), datetime(2025, 3, 1))
LABELS = st.lists(st.tuples(st.sampled_from(["A", "B", "C", "D", None]), TIMES, st.integers(0, 9)), max_size=30)
SCHEMA = {"pair_id": pl.String, "event_timestamp": pl.Datetime("us", "UTC"), "n": pl.Int64}


class Here:
    """Workers that are this process."""

    def submit(self, name, function, *arguments):
        assert name.startswith("view-202")
        return function(*arguments)

    def gather(self, futures):
        return futures


def describe(labels):
    return labels.with_columns(pl.format("{}@{}", pl.col("pair_id"), pl.col("event_timestamp")).alias("joined"))


@settings(max_examples=examples(100), deadline=None)
@given(LABELS, st.integers(1, 3))
def test_the_parts_together_are_the_whole(rows, at_once):
    labels = pl.DataFrame([(name, at.replace(tzinfo=UTC), n) for name, at, n in rows], schema=SCHEMA, orient="row")
    before = partitioned_joins.ENTITIES_AT_ONCE, partitioned_joins.connect_workers
    partitioned_joins.ENTITIES_AT_ONCE, partitioned_joins.connect_workers = at_once, lambda _: Here()
    try:
        joined = join_in_parts("tcp://nowhere:1", "view", labels, ["pair_id"], describe)
        parts = list(split_labels(labels, ["pair_id"]))
    finally:
        partitioned_joins.ENTITIES_AT_ONCE, partitioned_joins.connect_workers = before
    assert joined.equals(describe(labels))
    assert sum(part.height for _, part in parts) == labels.height
    for month, part in parts:
        assert part["event_timestamp"].dt.strftime("%Y-%m").unique().to_list() == [f"{month:%Y-%m}"]
        assert part["pair_id"].drop_nulls().n_unique() <= at_once
