"""Files of the lake are read as the lake reads them: in month files, in segments, and in both."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.raw_files import count_rows_by_month, scan_versions
from ingestion.lake import Lake
from pairity.layout import Layout
from tests.feature_repo.transforms.markets import HOUR, START, settlements

NAMES = ("A", "B")


@pytest.fixture
def lake(tmp_path):
    return Lake(Layout(tmp_path))


def rows_of(count, since=START):
    return settlements(NAMES, count * 8, start=since, seed=1)


def stored(lake, asset):
    return [lake.versions(part) for part in lake.partitions() if part.instrument == f"{asset}-USDT-SWAP"]


def assert_same_rows(lake, layout):
    for asset in NAMES:
        found = scan_versions(layout, "funding", "okx", asset).collect().sort("funding_time", "known_at")
        assert found.equals(pl.concat(stored(lake, asset)).sort("funding_time", "known_at"))
    total = sum(rows.height for asset in NAMES for rows in stored(lake, asset))
    assert sum(count_rows_by_month(layout)["funding"].values()) == total > 0


def test_month_files_segments_and_corrections(lake, tmp_path):
    with lake.writing():
        for asset in NAMES:
            lake.write("funding", asset, rows_of(20).filter(asset=asset))
        with lake.batch() as batch:
            batch.write("funding", rows_of(10, START + 200 * HOUR))
        assert lake.pending == 1
        assert_same_rows(lake, Layout(tmp_path))
        changed = rows_of(20).head(3).with_columns(pl.col("funding_rate") + 1e-5)
        with lake.batch() as batch:
            batch.write("funding", changed, arrived_at=START + timedelta(days=40))
        assert_same_rows(lake, Layout(tmp_path))
        lake.compact()
        assert_same_rows(lake, Layout(tmp_path))


def test_a_row_that_is_folded_already_is_read_once(lake, tmp_path, monkeypatch):
    """A compaction that was killed before it deleted the segments."""
    with lake.writing():
        with lake.batch() as batch:
            batch.write("funding", rows_of(10))
        monkeypatch.setattr("ingestion.lake.compaction.delete_folded", lambda state: 0)
        lake.compact()
    assert list(tmp_path.rglob("segments/**/*.parquet"))
    assert_same_rows(Lake(Layout(tmp_path)), Layout(tmp_path))


def test_a_segment_without_its_commit_does_not_count(lake, tmp_path):
    with lake.writing(), lake.batch() as batch:
        batch.write("funding", rows_of(10))
    for record in tmp_path.rglob("segments/**/*.json"):
        record.unlink()
    assert scan_versions(Layout(tmp_path), "funding", "okx", "A").collect().is_empty()
    assert count_rows_by_month(Layout(tmp_path)) == {}


def test_a_plan_that_was_made_before_a_compaction_gives_the_same_rows_after_it(lake, tmp_path):
    """A live process folds its segments whenever it likes: who trains beside it must not lose their rows."""
    layout = Layout(tmp_path)
    with lake.writing():
        lake.write("funding", "A", rows_of(10).filter(asset="A"))
        with lake.batch() as batch:
            batch.write("funding", rows_of(10, START + 400 * HOUR))
        plans = {asset: scan_versions(layout, "funding", "okx", asset) for asset in NAMES}
        before = {
            asset: scan_versions(layout, "funding", "okx", asset).collect().sort("funding_time") for asset in NAMES
        }
        lake.compact()
    for asset, plan in plans.items():
        assert plan.collect().sort("funding_time").equals(before[asset])


@pytest.mark.parametrize("looked_up", ["funding", "segments"])
def test_a_compaction_between_two_looks_at_the_disk_loses_no_row(lake, tmp_path, monkeypatch, looked_up):
    layout, glob = Layout(tmp_path), Path.glob
    with lake.writing():
        with lake.batch() as batch:
            batch.write("funding", rows_of(10))
        whole = scan_versions(layout, "funding", "okx", "A").collect().sort("funding_time")

        def compacting(folder, pattern):
            found = list(glob(folder, pattern))
            if looked_up in {*folder.parts, *pattern.split("/")}:
                lake.compact()
            return iter(found)

        monkeypatch.setattr(Path, "glob", compacting)
        if looked_up == "funding":
            assert scan_versions(layout, "funding", "okx", "A").collect().sort("funding_time").equals(whole)
        assert sum(count_rows_by_month(layout)["funding"].values()) == 2 * whole.height
