"""What a live process does ahead of later hours never stops it."""

from datetime import timedelta

import pytest

from ingestion.lake import Lake
from ingestion.pipeline import FOLDED_COMMITS, KEPT_COMMITS, Pipeline
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR
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
