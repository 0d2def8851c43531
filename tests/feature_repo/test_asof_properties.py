"""The as-of join against brute force, on generated rows and labels (ties, gaps, late versions, nulls, duplicates)."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.asof_join import asof_join
from tests.examples import examples
from tests.feature_repo.stores import FAST, TIME, at
from tests.oracles.pit_join import pit_join

ASSETS = st.sampled_from(["A", "B", "C"])
QUARTERS = st.integers(0, 40).map(lambda quarter: at(quarter / 4))
VALUES = st.none() | st.floats(allow_nan=False, width=64) | st.just(-0.0) | st.just(5e-324)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "asset": st.none() | ASSETS,
            "event_timestamp": QUARTERS,
            "created_timestamp": st.none() | QUARTERS,
            "x": VALUES,
            "n": st.none() | st.integers(-(2**63), 2**63 - 1),
            "s": st.none() | st.text(max_size=3),
        }
    ),
    max_size=40,
)
LABELS = st.lists(
    st.fixed_dictionaries({"asset": st.none() | ASSETS | st.just("D"), "event_timestamp": QUARTERS}), max_size=25
)
NAMED = {"time": "event_timestamp", "event": "e", "created": "c"}
TTL = st.sampled_from([None, timedelta(0), timedelta(minutes=15), timedelta(hours=2), timedelta(days=9)])


@settings(max_examples=examples(150), deadline=None)
@given(rows=ROWS, labels=LABELS, ttl=TTL, known_only=st.booleans())
def test_join_equals_brute_force(rows, labels, ttl, known_only):
    columns = ["x", "n", "s"]
    frame = pl.DataFrame(labels, schema={"asset": pl.String, "event_timestamp": TIME})
    answer = asof_join(
        frame,
        pl.DataFrame(rows, schema=FAST, orient="row").lazy().rename({"event_timestamp": "e", "created_timestamp": "c"}),
        keys=["asset"],
        **NAMED,
        columns=columns,
        ttl=ttl,
        known_only=known_only,
    )
    truth = pit_join(labels, rows, key="asset", features=columns, ttl=ttl, known_only=known_only)
    assert answer.select(frame.columns).equals(frame)
    assert answer.select(columns).to_dicts() == truth
    signs = [None if row["x"] is None else str(row["x"]) for row in truth]
    assert [None if value is None else str(value) for value in answer["x"]] == signs


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, times=st.lists(QUARTERS, max_size=10))
def test_without_keys_there_is_one_series_for_all(rows, times):
    frame = pl.DataFrame({"event_timestamp": times}, schema={"event_timestamp": TIME})
    answer = asof_join(
        frame,
        pl.DataFrame(rows, schema=FAST, orient="row").lazy().select(e="event_timestamp", c="created_timestamp", x="x"),
        keys=[],
        **NAMED,
        columns=["x"],
        ttl=None,
        known_only=True,
    )
    one = [{**row, "asset": "A"} for row in rows]
    labels = [{"asset": "A", "event_timestamp": time} for time in times]
    assert answer["x"].to_list() == [
        row["x"] for row in pit_join(labels, one, key="asset", features=["x"], ttl=None, known_only=True)
    ]


FEW = st.sampled_from("AB")


@settings(max_examples=examples(150), deadline=None)
@given(
    # Few entities and instants: exact duplicates, versions and ages equal to the TTL are common, not rare.
    rows=st.lists(
        st.tuples(FEW, st.integers(0, 1), st.integers(0, 3), st.integers(0, 4), VALUES), min_size=8, max_size=40
    ),
    asked=st.lists(st.tuples(FEW, st.integers(0, 2), st.integers(0, 6)), min_size=8, max_size=25),
    ttl=st.none() | st.integers(1, 3).map(lambda ticks: timedelta(microseconds=ticks)),
    created=st.booleans(),
)
def test_several_keys_single_microseconds_and_sources_without_created_time(rows, asked, ttl, created):
    """Two keys, instants one microsecond apart, and files that do not say when a row was known."""
    tick = timedelta(microseconds=1)
    stored = pl.DataFrame(
        [(a, k, at(0) + e * tick, at(0) + c * tick, x) for a, k, e, c, x in rows],
        schema={"asset": pl.String, "venue": pl.Int64, "e": TIME, "c": TIME, "x": pl.Float64},
        orient="row",
    )
    labels = pl.DataFrame(
        [(a, k, at(0) + t * tick, n) for n, (a, k, t) in enumerate(asked)],
        schema={"asset": pl.String, "venue": pl.Int64, "event_timestamp": TIME, "note": pl.Int64},
        orient="row",
    )
    answer = asof_join(
        labels,
        stored.lazy(),
        keys=["asset", "venue"],
        **NAMED | ({} if created else {"created": None}),
        columns=["x"],
        ttl=ttl,
        known_only=True,
    )
    # Without created time a row counts as known at its event.
    facts = [
        {
            "key": (a, k),
            "event_timestamp": at(0) + e * tick,
            "created_timestamp": at(0) + (c if created else e) * tick,
            "x": x,
        }
        for a, k, e, c, x in rows
    ]
    questions = [{"key": (a, k), "event_timestamp": at(0) + t * tick} for a, k, t in asked]
    truth = pit_join(questions, facts, key="key", features=["x"], ttl=ttl, known_only=True)
    assert answer.select(labels.columns).equals(labels)
    assert [str(value) for value in answer["x"]] == [str(row["x"]) for row in truth]


def test_features_may_share_names_with_nothing_but_their_own_labels():
    labels = pl.DataFrame({"asset": ["A"], "event_timestamp": [at(1)], "note": ["kept"]}).cast(
        {"event_timestamp": TIME}
    )
    rows = pl.DataFrame([{"asset": "A", "event_timestamp": at(0), "created_timestamp": at(0), "x": 1.0}], schema=FAST)
    answer = asof_join(
        labels,
        rows.lazy().select("asset", "x", e="event_timestamp", c="created_timestamp"),
        keys=["asset"],
        **NAMED,
        columns=["x"],
        ttl=None,
        known_only=True,
    )
    assert answer.row(0) == ("A", at(1), "kept", 1.0)


def test_of_exact_duplicates_the_one_stored_last_is_seen_in_long_files_too():
    """Long enough for several threads: whichever of them is done first must not decide."""
    count = 150_000
    rows = pl.DataFrame({"number": pl.int_range(count, eager=True)}).select(
        asset=(pl.col("number") % 7).cast(pl.String),
        e=(pl.lit(at(0)).cast(TIME) + pl.duration(hours=pl.col("number") % 501)),
        x=pl.col("number").cast(pl.Float64),
    )
    labels = rows.select("asset", event_timestamp="e").unique().sort("asset", "event_timestamp")
    last = {(asset, event): x for asset, event, x in rows.iter_rows()}
    for _ in range(3):
        answer = asof_join(
            labels,
            rows.lazy().with_columns(c="e"),
            keys=["asset"],
            **NAMED,
            columns=["x"],
            ttl=None,
            known_only=True,
        )
        assert answer["x"].to_list() == [last[label] for label in labels.iter_rows()]
