"""Contents: what the oracle says, value by value; sums of parts; indifferent to order and to columns that are null."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.raw_datasets import DATASETS, INSTANT
from ingestion.lake.content import MODULUS, content_text, digest_partition, digest_rows, digest_runs
from tests.examples import examples
from tests.oracles.row_content import content

KIND = DATASETS["open_interest"]
PINNED = "ed842c0696981d28549ed10c496bcf3b"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(-(10**15), 4 * 10**15).map(lambda us: EPOCH + timedelta(microseconds=us))
FLOATS = st.floats(allow_nan=False)
ROW = st.tuples(st.sampled_from(["ADA", "BTC", "ETH"]), INSTANTS, FLOATS, st.one_of(st.none(), FLOATS), INSTANTS)


def frame(rows: list[tuple]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"asset": pl.String, **KIND.schema}, orient="row")


def by_hand(rows: list[tuple]) -> int:
    return content([dict(zip(KIND.schema, row[1:], strict=True)) for row in rows])


@settings(deadline=None, max_examples=examples(200))
@given(rows=st.lists(ROW, max_size=30), cut=st.integers(0, 30), seed=st.integers(0, 1000))
def test_it_is_the_oracles_and_adds_up(rows: list[tuple], cut: int, seed: int) -> None:
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    expected = {asset: by_hand([row for row in rows if row[0] == asset]) for asset in {row[0] for row in rows}}
    assert digest_rows(KIND, frame(shuffled)) == expected
    whole = digest_partition(KIND, frame(rows))
    assert whole == by_hand(rows)
    lengths = [min(cut, len(rows)), max(len(rows) - cut, 0)]
    assert sum(digest_runs(KIND, frame(rows), lengths)) % MODULUS == whole


@settings(deadline=None, max_examples=100)
@given(row=ROW, column=st.integers(1, 4), other=st.one_of(st.none(), FLOATS))
def test_any_other_value_is_another_content(row: tuple, column: int, other: float | None) -> None:
    changed = list(row)
    if column in (1, 4):
        changed[column] += timedelta(microseconds=1)
    elif other is None and column == 2:
        changed[column] = -row[2]  # another sign bit, of zero too
    else:
        changed[column] = other
    same = repr(changed) == repr(list(row))
    assert (digest_partition(KIND, frame([row])) == digest_partition(KIND, frame([tuple(changed)]))) == same


def test_a_null_is_no_value_and_values_know_their_column() -> None:
    at = EPOCH
    contents = {
        digest_partition(DATASETS["book_tops"], rows)
        for rows in (
            tops(at, 1.0, None),
            tops(at, None, 1.0),
            tops(at, 0.0, None),
            tops(at, -0.0, None),
            tops(at, None, None),
            tops(at, float("nan"), None),
        )
    }
    assert len(contents) == 6


def tops(at: datetime, bid_size_20: float | None, ask_size_20: float | None) -> pl.DataFrame:
    kind = DATASETS["book_tops"]
    row = (at, 1.0, 1.0, 2.0, 1.0, bid_size_20, ask_size_20, at)
    return pl.DataFrame([row], schema=dict(kind.schema), orient="row")


def test_a_nullable_column_that_comes_later_leaves_older_rows_as_they_are() -> None:
    wider = replace(KIND, values=("note", *KIND.values), nullable=KIND.nullable | {"note"})
    rows = frame([("BTC", EPOCH, 1.0, 2.0, EPOCH)]).drop("asset")
    assert digest_partition(wider, wider.conform(rows)) == digest_partition(KIND, rows)


def test_nothing_has_the_content_zero() -> None:
    assert digest_partition(KIND, KIND.empty()) == 0
    assert digest_rows(KIND, KIND.empty_of_assets()) == {}
    assert content_text(255) == "0" * 30 + "ff"


def test_the_sum_carries_from_the_lower_half_to_the_upper() -> None:
    rows = [("BTC", EPOCH + timedelta(hours=n), float(n), None, EPOCH) for n in range(500)]
    assert digest_partition(KIND, frame(rows)) == by_hand(rows)


def test_chunks_and_processes_do_not_matter() -> None:
    rows = frame([("BTC", EPOCH + timedelta(hours=n), float(n), None, EPOCH) for n in range(40)]).drop("asset")
    chunked = pl.concat([rows.slice(start, 7) for start in range(0, 40, 7)], rechunk=False)
    assert chunked.n_chunks() > 1
    assert digest_partition(KIND, chunked) == digest_partition(KIND, rows)
    code = (
        "from datetime import timedelta\n"
        "from tests.ingestion.lake.test_content import EPOCH, KIND, frame, digest_partition\n"
        "rows = [('BTC', EPOCH + timedelta(hours=n), float(n), None, EPOCH) for n in range(40)]\n"
        "print(digest_partition(KIND, frame(rows)))"
    )
    assert int(subprocess.check_output([sys.executable, "-c", code], text=True)) == digest_partition(KIND, rows)


def test_the_digest_is_part_of_stored_data() -> None:
    """Another function would make every snapshot id and every month's inputs another one."""
    row = ("BTC", datetime(2025, 3, 31, tzinfo=UTC), 1.5, None, datetime(2025, 3, 31, 1, tzinfo=UTC))
    assert content_text(digest_partition(KIND, frame([row]))) == PINNED


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_contents(name: str) -> None:
    kind = DATASETS[name]
    at = pl.Series([EPOCH], dtype=INSTANT)
    rows = pl.DataFrame({kind.time: at, **{value: [1.0] for value in kind.values}, "known_at": at})
    by_name = content([dict(zip(kind.schema, rows.row(0), strict=True))])
    assert digest_partition(kind, kind.conform(rows)) == by_name
