"""The newest row of each entity: what a walk over all rows finds, in memory that does not grow with history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.isolated_process import IsolatedJob
from feature_repo import offline_files
from feature_repo.catalog import ASSET_LAGS, PAIR_HOURLY
from feature_repo.offline_files import make_schema, publish, read_newest, scan_view
from pairity.layout import Layout
from tests.examples import examples
from tests.feature_repo.rows import HOUR, START, as_bits, make_rows

MINUTE = timedelta(minutes=1)
MONTHS, ROWS = 8, 100_000


def walk(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    """The newest row of each entity, found by looking at one row after the other."""
    newest: dict[str, tuple[object, ...]] = {}
    for row in as_bits(rows).iter_rows():
        before = newest.get(row[0])
        if before is None or row[1:3] > before[1:3]:
            newest[row[0]] = row
    return [newest[name] for name in sorted(newest)]


def shift(rows: pl.DataFrame, known_later: timedelta) -> pl.DataFrame:
    return rows.with_columns(pl.col("created_timestamp") + known_later)


parts = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["A", "B", "C", "D"]), min_size=1, max_size=3, unique=True),
        st.integers(0, 24 * 70),  # from February into May
        st.integers(1, 30),
        st.integers(1, 5),
    ),
    max_size=6,
)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=parts, at_once=st.sampled_from([1, 20_000, 2**40]))
def test_it_is_what_a_walk_over_all_rows_finds(tmp_path_factory, parts, at_once):
    """Entities that begin and end in any month, corrections included, however many files are read at once."""
    layout = Layout(tmp_path_factory.mktemp("newest"))
    for number, (names, first, hours, step) in enumerate(parts):
        rows = make_rows(ASSET_LAGS, names, range(first, first + hours * step, step), seed=number)
        publish(layout, ASSET_LAGS, shift(rows, number * MINUTE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offline_files, "_READ_AT_ONCE", at_once)
        found = read_newest(layout, ASSET_LAGS)
    assert list(as_bits(found).iter_rows()) == walk(scan_view(layout, ASSET_LAGS).collect())
    assert found.schema == make_schema(ASSET_LAGS)


def test_a_file_is_read_whole_where_it_alone_is_larger_than_the_limit(tmp_path, monkeypatch):
    layout = Layout(tmp_path)
    for first in (0, 5):
        publish(layout, PAIR_HOURLY, make_rows(PAIR_HOURLY, hours=range(first, first + 5)))
    monkeypatch.setattr(offline_files, "_READ_AT_ONCE", 1)
    assert read_newest(layout, PAIR_HOURLY)["event_timestamp"].to_list() == [START + 9 * HOUR] * 2


def make_history(home: str, months: int) -> Callable[[], str]:
    """A job that publishes a history of so many months."""

    def work() -> str:
        layout, rng, schema = Layout(Path(home)), np.random.default_rng(1), make_schema(PAIR_HOURLY)
        names = pl.DataFrame({"pair_id": [f"P{number:04}" for number in range(1000)]})
        for month in range(months):
            times = [START + (month * 31 * 24 + hour) * HOUR for hour in range(ROWS // names.height)]
            known = (pl.col("event_timestamp") + MINUTE).alias("created_timestamp")
            keys = names.join(pl.DataFrame({"event_timestamp": times}), how="cross").with_columns(known)
            values = [
                pl.Series(name, rng.normal(size=ROWS)) if dtype == pl.Float64 else pl.lit(1).alias(name)
                for name, dtype in schema.items()
                if name not in keys.columns
            ]
            rows = keys.with_columns(values)
            publish(layout, PAIR_HOURLY, rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items()))
        return f"{months} months"

    return work


def make_reader(home: str) -> Callable[[], str]:
    """A job that reads the newest rows."""
    return lambda: f"{read_newest(Layout(Path(home)), PAIR_HOURLY).height} rows"


@pytest.mark.slow
def test_memory_does_not_grow_with_history(tmp_path):
    IsolatedJob(__name__, "make_history", (str(tmp_path), MONTHS)).seconds()
    reader = IsolatedJob(__name__, "make_reader", (str(tmp_path),))
    reader.seconds()
    one_file = ROWS * len(PAIR_HOURLY.columns) * 8 / 2**20
    used = reader.outcomes[0].peak_mb - reader.outcomes[0].inputs_mb
    assert reader.answer == "1000 rows"
    # All of it at once takes more than five times what the files hold.
    assert used < 2 * MONTHS * one_file, f"{used:.0f} MB for {MONTHS} months of {one_file:.0f} MB each"
