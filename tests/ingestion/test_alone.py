"""A trading process computes its months by itself in the profile `cluster`: no scheduler keeps it from its looks."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from feature_repo import feature_store
from ingestion import cluster_features
from ingestion.admission_record import AdmissionRecord
from ingestion.feature_admission import FeatureAdmission
from ingestion.pipeline import Pipeline
from tests.feature_repo.test_chunks import MAY
from tests.ingestion.live_process import LiveProcess, assert_same_results, complete_in
from tests.ingestion.test_continued_month import both, minutes_and_rates
from tests.ingestion.venue import SINCE, UNTIL, synthetic, venue

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CLUSTER = {"scheduler": "tcp://127.0.0.1:9", "redis": "redis://127.0.0.1:9/0", "postgres": "127.0.0.1:9/none"}


@pytest.fixture
def asked(monkeypatch):
    """What was asked of Dask; each question is refused, where a cluster without workers would never answer."""
    asked = []

    def refuse(scheduler):
        asked.append(scheduler)
        raise AssertionError("Dask was asked")

    monkeypatch.setattr(cluster_features, "connect_workers", refuse)
    return asked


def in_cluster(settings):
    return type(settings).model_validate(settings.model_dump() | {"profile": "cluster", "cluster": CLUSTER})


def live_through(process: LiveProcess, frames, *, prepare):
    first = MAY - 2 * HOUR
    process.run(first, complete_in(frames, MAY - timedelta(days=60), first), first + MINUTE)
    for hour in range(-1, 3):
        close = MAY + hour * HOUR
        process.live(close, complete_in(frames, close - HOUR, close))
        if close == MAY and prepare:
            record = AdmissionRecord(process.settings, MAY + MINUTE)
            process.publisher.prepare_month(FeatureAdmission(record), MAY)


def test_months_that_begin_are_prepared_or_cannot_go_on_are_computed_here(tmp_path, asked):
    frames = minutes_and_rates()
    alone, embedded = both(tmp_path)[0], LiveProcess(tmp_path / "embedded", ("A", "B", "C"), keeps=True)
    alone.publisher.settings, alone.publisher.alone = in_cluster(alone.settings), True
    for process in (alone, embedded):
        live_through(process, frames, prepare=process is alone)
    assert asked == []
    assert_same_results(alone, embedded)


def test_other_jobs_of_the_profile_ask_dask(tmp_path, asked):
    job = LiveProcess(tmp_path, ("A", "B", "C"), keeps=True)
    job.publisher.settings = in_cluster(job.settings)
    with pytest.raises(AssertionError, match="Dask was asked"):
        live_through(job, minutes_and_rates(), prepare=False)


@pytest.mark.parametrize("live", [True, False])
def test_a_pipeline_asks_dask_only_where_nobody_trades(tmp_path, monkeypatch, asked, live):
    open_store = feature_store.open_store
    embedded = {"profile": "embedded"}
    monkeypatch.setattr(feature_store, "open_store", lambda given: open_store(given.model_copy(update=embedded)))
    with venue(synthetic()) as okx:
        settings = okx.settings(tmp_path)

        async def run():
            async with Pipeline(in_cluster(settings), okx) as pipeline:
                await pipeline.run(SINCE, UNTIL, live=live)
                return pipeline.work_ahead(UNTIL)

        if live:
            assert asyncio.run(run()) == []
        else:
            with pytest.raises(AssertionError, match="Dask was asked"):
                asyncio.run(run())
    assert bool(asked) is not live


def test_a_process_that_trades_after_a_job_goes_on_alone(tmp_path):
    pipeline = Pipeline(LiveProcess(tmp_path, ("A", "B"), keeps=True).settings, None)
    job, _ = pipeline._open_publisher(alone=False)
    trading, _ = pipeline._open_publisher(alone=True)
    assert (job.alone, trading.alone) == (False, True)
    assert trading is not job, "a month that was begun on workers is not continued"
    assert trading.store is job.store
    assert pipeline._open_publisher(alone=True)[0] is trading
