"""The semantics table, through the as-of store, a brute-force oracle and Feast's DuckDB store on the same files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from tests.feature_repo.semantics import CASES, Case
from tests.feature_repo.stores import ASOF, DASK, DUCKDB, TTLS, open_small_store, write_rows
from tests.oracles.pit_join import pit_join

# Positions of the labels that come back, in the order in which they do.
DASK_DIFFERS = {
    "older than the TTL": [],
    "the newest row is stale": [0],
    "unsorted labels": [2, 3, 0],
    "duplicate labels": [1, 3],
}
FEATURES = ["fast:x", "fast:n", "fast:s", "slow:y"]


def write_cases(folder: Path, cases: Sequence[Case]) -> None:
    for view in ("fast", "slow"):
        rows = [row for case in cases for row in case.stored(view)]
        write_rows(folder, view, rows[::2], "even")
        write_rows(folder, view, rows[1::2], "odd")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("semantics")
    write_cases(folder, CASES)
    return {engine: open_small_store(folder, engine) for engine in (ASOF, DUCKDB)}


def entity_rows(case: Case) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "asset": [case.asset] * len(case.labels),
            "event_timestamp": list(case.labels),
            "label": range(len(case.labels)),
        }
    )


def ask(store, case: Case, features: Sequence[str] = FEATURES) -> pl.DataFrame:
    job = store.get_historical_features(
        entity_df=entity_rows(case), features=list(features), filter_by_created_timestamp=case.known_only
    )
    return pl.DataFrame(pl.from_arrow(job.to_arrow()))


def expected(case: Case) -> tuple[list[float | None], list[float | None]]:
    nothing = (None,) * len(case.labels)
    other = case.other_expected or nothing
    return list(case.expected if case.view == "fast" else other), list(case.expected if case.view == "slow" else other)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_as_of_store_answers_as_the_table_says(stores, case):
    answer = ask(stores[ASOF], case)
    assert answer["label"].to_list() == list(range(len(case.labels)))
    x, y = expected(case)
    assert answer["x"].to_list() == x
    assert answer["n"].to_list() == [None if value is None else int(value) for value in x]
    assert answer["y"].to_list() == y


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_oracle_answers_as_the_table_says(case):
    labels = [
        {"asset": case.asset, "event_timestamp": pd.Timestamp(row).tz_localize("UTC") if row.tzinfo is None else row}
        for row in case.labels
    ]
    for view, column, values in zip(("fast", "slow"), "xy", expected(case), strict=True):
        rows = [row for other in CASES for row in other.stored(view)]
        answer = pit_join(labels, rows, key="asset", features=[column], ttl=TTLS[view], known_only=case.known_only)
        assert [row[column] for row in answer] == values


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # ibis calls DuckDB's older name
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_feasts_duckdb_store_gives_the_same_values(stores, case):
    answer = ask(stores[DUCKDB], case).sort("label")  # it promises no order
    x, y = expected(case)
    assert answer["x"].to_list() == x
    assert answer["y"].to_list() == y


@pytest.mark.filterwarnings("ignore:Downcasting object dtype arrays:FutureWarning")  # that store's own pandas code
def test_feasts_default_store_drops_collapses_and_reorders_labels(tmp_path):
    """Why that store is not used: what training asked for is not what it gets back."""
    cases = [case for case in CASES if case.name in DASK_DIFFERS]
    write_cases(tmp_path, cases)
    store = open_small_store(tmp_path, DASK)
    assert {case.name: ask(store, case, ["fast:x"])["label"].to_list() for case in cases} == DASK_DIFFERS


def test_only_the_as_of_store_answers_before_the_first_file(tmp_path):
    case = next(case for case in CASES if case.name == "exactly at the event")
    answer = open_small_store(tmp_path, ASOF).get_historical_features(entity_rows(case), ["slow:y"]).to_df()
    assert answer["y"].isna().tolist() == [True]
    with pytest.raises(duckdb.IOException, match="No files found"):
        open_small_store(tmp_path, DUCKDB).get_historical_features(entity_rows(case), ["slow:y"]).to_df()


def test_documentation_shows_this_table():
    text = (Path(__file__).parents[2] / "docs" / "point-in-time.md").read_text()
    missing = [case.name for case in CASES if f"| {case.name} | {case.rule} |" not in text]
    assert not missing
