"""What a live process does ahead of later hours never stops it."""

from datetime import timedelta

import pytest

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME
from feature_repo.offline_files import locate_view, publish, scan_view
from feature_repo.view_files import list_month
from ingestion.lake import Lake
from ingestion.pipeline import FOLDED_COMMITS, KEPT_COMMITS, Pipeline
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR
from tests.feature_repo.rows import as_bits, make_rows
from tests.feature_repo.transforms.markets import START, settlements
from venue.clock import SystemClock

NAMES = ("A", "B")


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline whose lake has as many commits as are folded at once."""
    pipeline = Pipeline(Settings(home=tmp_path), SystemClock())
    with pipeline.lake.writing():
        for hour in range(KEPT_COMMITS + FOLDED_COMMITS):
            with pipeline.lake.batch() as batch:
                batch.write("funding", settlements(NAMES, 8, start=START + hour * 8 * HOUR, seed=hour))
    return pipeline


def test_the_oldest_commits_are_folded_and_the_rows_stay(pipeline):
    before = pipeline.lake.snapshot_id()
    assert pipeline.work_ahead(START + HOUR) == []
    assert pipeline.lake.pending == KEPT_COMMITS
    assert pipeline.lake.snapshot_id() == before
    assert pipeline.work_ahead(START + HOUR) == []
    assert pipeline.lake.pending == KEPT_COMMITS


def test_at_midnight_small_files_of_features_are_folded_and_the_rows_stay(pipeline):
    layout = Layout.of(pipeline.settings)
    for hour in range(20):
        publish(layout, ASSET_HOURLY, make_rows(ASSET_HOURLY, hours=range(hour, hour + 1)))
    before = as_bits(scan_view(layout, ASSET_HOURLY).sort("asset", EVENT_TIME).collect())
    midnight = START.replace(hour=0) + 24 * HOUR
    assert pipeline.work_ahead(midnight - HOUR) == []
    assert count_files(layout) == 20
    assert pipeline.work_ahead(midnight) == []
    assert count_files(layout) == 1
    assert as_bits(scan_view(layout, ASSET_HOURLY).sort("asset", EVENT_TIME).collect()).equals(before)


def test_features_that_cannot_be_folded_do_not_stop_the_process(pipeline):
    layout = Layout.of(pipeline.settings)
    for hour in range(20):
        publish(layout, ASSET_HOURLY, make_rows(ASSET_HOURLY, hours=range(hour, hour + 1)))
    damaged = sorted(locate_view(layout, ASSET_HOURLY).rglob("*.parquet"))[3]
    damaged.write_bytes(damaged.read_bytes()[:-9])
    (problem,) = pipeline.work_ahead(START.replace(hour=0) + 24 * HOUR)
    assert "small files of features are not folded" in problem
    assert damaged.name in problem
    assert count_files(layout) == 20


def count_files(layout):
    return sum(len(list_month(folder)) for folder in locate_view(layout, ASSET_HOURLY).glob("month=*"))


def test_another_writer_is_named_and_waited_for(pipeline, tmp_path):
    with Lake(Layout(tmp_path)).writing():
        (problem,) = pipeline.work_ahead(START + HOUR)
    assert "not folded into month files yet" in problem
    assert "is writing to" in problem
    assert pipeline.lake.pending == KEPT_COMMITS + FOLDED_COMMITS
    assert pipeline.work_ahead(START + HOUR) == []


def test_a_damaged_segment_is_named_and_does_not_stop_the_process(pipeline, tmp_path):
    segment = sorted(tmp_path.rglob("segments/**/*-funding.parquet"))[0]
    segment.write_bytes(segment.read_bytes()[:-9])
    again = Pipeline(pipeline.settings, SystemClock())
    (problem,) = again.work_ahead(START + timedelta(hours=1))
    assert segment.name in problem
