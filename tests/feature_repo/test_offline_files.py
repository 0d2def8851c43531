"""Append-only publishing: what is skipped, appended and refused; bytes, names, and killed writers."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_HOURLY, PAIR_HOURLY
from feature_repo.offline_files import (
    keep_newest,
    locate_view,
    make_schema,
    publish,
    read_latest_view,
    scan_since,
    scan_view,
)
from pairity.errors import DataError, LakeCorruptError
from pairity.layout import Layout
from tests.examples import examples
from tests.feature_repo.rows import HOUR, START, as_bits, make_rows

MINUTE = timedelta(minutes=1)


def contents(layout: Layout) -> dict[str, bytes]:
    return {str(p.relative_to(layout.root)): p.read_bytes() for p in layout.features.rglob("*") if p.is_file()}


def changed(rows: pl.DataFrame, column: str, value: float | None, *, known_later: timedelta) -> pl.DataFrame:
    return rows.with_columns(
        pl.Series(column, [value] * rows.height, dtype=pl.Float64),
        (pl.col("created_timestamp") + known_later).alias("created_timestamp"),
    )


def test_rows_come_back_as_published_in_month_partitions(layout):
    rows = make_rows(ASSET_HOURLY, hours=range(40, 56))
    report = publish(layout, ASSET_HOURLY, rows)
    assert (report.new_rows, report.corrected_rows, report.unchanged_rows) == (32, 0, 0)
    assert {path.parent.name for path in report.files} == {"month=2025-02", "month=2025-03"}
    stored = scan_view(layout, ASSET_HOURLY).collect()
    assert stored.schema == make_schema(ASSET_HOURLY)
    order = ["asset", "event_timestamp"]
    assert as_bits(stored.sort(order)).equals(as_bits(rows.sort(order)))


def test_publishing_again_writes_nothing(layout):
    rows = make_rows(PAIR_HOURLY)
    publish(layout, PAIR_HOURLY, rows)
    before = contents(layout)
    report = publish(layout, PAIR_HOURLY, rows.sample(fraction=1, shuffle=True, seed=3))
    assert (report.new_rows, report.corrected_rows, report.unchanged_rows, report.files) == (0, 0, rows.height, ())
    assert contents(layout) == before


def test_names_and_bytes_depend_on_rows_alone(tmp_path):
    rows = make_rows(ASSET_HOURLY)
    one, other = Layout(tmp_path / "one"), Layout(tmp_path / "other")
    publish(one, ASSET_HOURLY, rows)
    publish(other, ASSET_HOURLY, rows.reverse())
    assert contents(one) == contents(other)


def test_names_and_bytes_do_not_depend_on_how_the_rows_lie_in_memory(tmp_path):
    rows = make_rows(PAIR_HOURLY, entities=[f"P{i}" for i in range(20)], hours=range(20))
    one, other = Layout(tmp_path / "one"), Layout(tmp_path / "other")
    publish(one, PAIR_HOURLY, rows)
    pieces = pl.concat([rows[start : start + 7] for start in range(0, rows.height, 7)], rechunk=False)
    assert pieces.n_chunks() > 1
    publish(other, PAIR_HOURLY, pieces)
    assert contents(one) == contents(other)


@pytest.mark.parametrize(("old", "new"), [(0.0, -0.0), (1.0, None), (None, 1.0), (1.0, 1.0 + 2**-52)])
def test_a_change_of_one_bit_is_a_correction(layout, old, new):
    rows = make_rows(ASSET_HOURLY, entities=["A"], hours=[0]).with_columns(pl.Series("close", [old], dtype=pl.Float64))
    publish(layout, ASSET_HOURLY, rows)
    correction = changed(rows, "close", new, known_later=MINUTE)
    assert publish(layout, ASSET_HOURLY, correction).corrected_rows == 1
    assert scan_view(layout, ASSET_HOURLY).collect().height == 2
    latest = keep_newest(scan_view(layout, ASSET_HOURLY), ASSET_HOURLY).collect()
    assert latest.equals(correction)
    assert publish(layout, ASSET_HOURLY, correction).unchanged_rows == 1


def test_not_a_number_equals_itself(layout):
    rows = make_rows(ASSET_HOURLY, entities=["A"], hours=[0]).with_columns(pl.lit(float("nan")).alias("close"))
    publish(layout, ASSET_HOURLY, rows)
    assert publish(layout, ASSET_HOURLY, rows).unchanged_rows == 1


@pytest.mark.parametrize("lag", [timedelta(0), -MINUTE])
def test_a_correction_must_be_known_later_than_what_it_corrects(layout, lag):
    rows = make_rows(ASSET_HOURLY)
    publish(layout, ASSET_HOURLY, rows)
    before = contents(layout)
    with pytest.raises(DataError, match=r"claim to be known no later.*A at 2025-02-27"):
        publish(layout, ASSET_HOURLY, changed(rows, "close", 1.0, known_later=lag))
    assert contents(layout) == before


@pytest.mark.parametrize("bad_month", ["2025-02", "2025-03", "2025-04"])
def test_a_refusal_in_one_month_leaves_every_month_as_it_was(layout, bad_month):
    rows = make_rows(ASSET_HOURLY, entities=["A"], hours=[0, 100, 1000])
    publish(layout, ASSET_HOURLY, rows)
    before = contents(layout)
    is_bad = pl.col("event_timestamp").dt.strftime("%Y-%m") == bad_month
    known = pl.when(is_bad).then("created_timestamp").otherwise(pl.col("created_timestamp") + MINUTE)
    with pytest.raises(DataError, match=f"1 corrected row .* A at {bad_month}"):
        publish(layout, ASSET_HOURLY, rows.with_columns(close=pl.lit(7.5), created_timestamp=known))
    assert contents(layout) == before


def test_other_columns_types_duplicates_and_nulls_are_refused(layout):
    rows = make_rows(ASSET_HOURLY)
    with pytest.raises(DataError, match="have columns"):
        publish(layout, ASSET_HOURLY, rows.drop("close"))
    with pytest.raises(DataError, match="have columns"):
        publish(layout, ASSET_HOURLY, rows.with_columns(pl.col("close").cast(pl.Float32)))
    with pytest.raises(DataError, match="2 rows for view asset_hourly share a key, the first is A at"):
        publish(layout, ASSET_HOURLY, pl.concat([rows, rows[:1]]))
    for column in ("asset", "event_timestamp", "created_timestamp"):
        with pytest.raises(DataError, match=f"1 rows for view asset_hourly have no {column}"):
            publish(layout, ASSET_HOURLY, rows.with_columns(pl.when(pl.int_range(pl.len()) > 0).then(column)))
    assert contents(layout) == {}


def test_nothing_published_is_an_empty_frame(layout):
    assert scan_view(layout, PAIR_HOURLY).collect().equals(pl.DataFrame(schema=make_schema(PAIR_HOURLY)))
    report = publish(layout, PAIR_HOURLY, pl.DataFrame(schema=make_schema(PAIR_HOURLY)))
    assert (report.files, contents(layout)) == ((), {})


def test_latest_view_is_the_newest_version_within_the_range(layout):
    rows = make_rows(ASSET_HOURLY, entities=["A"], hours=range(40, 56))
    publish(layout, ASSET_HOURLY, rows)
    publish(layout, ASSET_HOURLY, changed(rows[3:4], "close", 7.0, known_later=MINUTE))
    since, until = START + 42 * HOUR, START + 50 * HOUR
    latest = read_latest_view(layout, ASSET_HOURLY, since, until)
    assert latest["event_timestamp"].to_list() == [since + hour * HOUR for hour in range(8)]
    assert latest["close"][1] == 7.0
    assert scan_since(layout, ASSET_HOURLY, START + 50 * HOUR).collect().height == 6


@pytest.mark.parametrize("keep", [0, 3, 200])
def test_a_file_that_was_cut_is_named(layout, keep):
    path = publish(layout, ASSET_HOURLY, make_rows(ASSET_HOURLY)).files[0]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LakeCorruptError, match=f"{path.name} is cut short"):
        scan_view(layout, ASSET_HOURLY)


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), cuts=st.lists(st.integers(0, 24), max_size=4), shuffle=st.integers(0, 999))
def test_any_chunking_gives_the_same_latest_view(tmp_path_factory, seed, cuts, shuffle):
    """First the rows, then corrections of some of them: in one piece each, or in any pieces in any order."""
    rows = make_rows(ASSET_HOURLY, hours=range(42, 54), seed=seed)
    corrections = changed(rows.gather_every(3), "close", 7.0, known_later=MINUTE)
    whole, pieces = (Layout(tmp_path_factory.mktemp("chunks")) for _ in range(2))
    for part in (rows, corrections):
        publish(whole, ASSET_HOURLY, part)
        mixed = part.sample(fraction=1, shuffle=True, seed=shuffle)
        edges = [0, *sorted(min(cut, part.height) for cut in cuts), part.height]
        for start, end in itertools.pairwise(edges):
            publish(pieces, ASSET_HOURLY, mixed[start:end])
    views = [keep_newest(scan_view(layout, ASSET_HOURLY), ASSET_HOURLY).collect() for layout in (whole, pieces)]
    assert as_bits(views[0]).equals(as_bits(views[1]))


KILLED = """
    import os, signal, stat, sys
    from pathlib import Path
    import polars as pl
    from feature_repo import offline_files
    from feature_repo.catalog import ASSET_HOURLY
    from pairity.layout import Layout

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    really_flush, really_replace = os.fsync, os.replace
    flushed = []

    def die_at_file(number):
        def flush(handle):
            if stat.S_ISREG(os.fstat(handle).st_mode):
                flushed.append(handle)
            die() if len(flushed) == number else really_flush(handle)
        return flush

    def die_after_the_rename(*names):
        really_replace(*names)
        die()

    if sys.argv[3] == "before":
        os.fsync = die_at_file(1)
    elif sys.argv[3] == "between":
        os.fsync = die_at_file(2)
    else:
        os.replace = die_after_the_rename
    offline_files.publish(Layout(Path(sys.argv[1])), ASSET_HOURLY, pl.read_parquet(sys.argv[2]))
"""


def publish_until_killed(layout: Layout, rows: pl.DataFrame, moment: str) -> None:
    layout.root.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(layout.root / "rows.parquet")
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), layout.root, layout.root / "rows.parquet", moment],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_writer_leaves_a_whole_file_or_none(layout, moment):
    rows = make_rows(ASSET_HOURLY)
    publish_until_killed(layout, rows, moment)
    assert scan_view(layout, ASSET_HOURLY).collect().height == (0 if moment == "before" else rows.height)
    report = publish(layout, ASSET_HOURLY, rows)
    assert (report.new_rows, report.unchanged_rows) == ((rows.height, 0) if moment == "before" else (0, rows.height))
    directory = locate_view(layout, ASSET_HOURLY) / "month=2025-02"
    assert [path.suffix for path in directory.iterdir()] == [".parquet"]


def test_a_writer_killed_between_two_months_is_completed_by_the_next(layout, tmp_path):
    rows = make_rows(ASSET_HOURLY, hours=range(40, 56))
    publish_until_killed(layout, rows, "between")
    stored = scan_view(layout, ASSET_HOURLY).collect()
    assert stored["event_timestamp"].dt.month().unique().to_list() == [2]
    report = publish(layout, ASSET_HOURLY, rows)
    assert (report.new_rows, report.unchanged_rows) == (rows.height - stored.height, stored.height)
    whole = Layout(tmp_path / "whole")
    publish(whole, ASSET_HOURLY, rows)
    assert contents(layout) == contents(whole)
