"""Hourly microstructure of a lake of minutes, month by month, as the feature job makes it: computed, judged, published.

The parts are those of `pairity features`; left out are the other views and the online store. Which profile computes is
a matter of settings, as everywhere.
"""

from __future__ import annotations

import os
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.isolated_process import read_resident_mb, reset_peak
from benchmarks.scale_bars import START, VENUE, make_settings
from feature_repo.catalog import ASSET_HOURLY, ASSET_MICROSTRUCTURE, VIEWS
from feature_repo.catalog.policies import LOOKBACK
from feature_repo.chunks import Chunk
from feature_repo.offline_files import publish_new
from ingestion.admission_record import AdmissionRecord
from ingestion.cluster_features import choose_engine
from ingestion.continued_month import ContinuedMonth
from ingestion.feature_admission import FeatureAdmission
from ingestion.lake import Lake
from ingestion.withheld import WithheldRows, make_reader
from pairity.configuration import load_settings
from pairity.digest import digest_bytes
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import DAY, MINUTE, months_between, next_month

if TYPE_CHECKING:
    from distributed import Client

_VIEWS = (ASSET_HOURLY.name, ASSET_MICROSTRUCTURE.name)


def run_feature_job(home: str, instruments: int, minutes: int, on_workers: bool) -> dict[str, Any]:
    """Make the features of the first `minutes` of the lake, and remove them again; return what it took.

    seconds, cpu_s (of this process and of all workers together, which depends less on what else the machine does),
    minutes_read (bars, those that months share included), hours (rows published), digest (of the names of the
    files, each of which is the digest of its content), before_mb and peak_mb (resident sizes of this process before the
    job and at most), worker_mb (of each worker, at most).
    """
    settings = make_settings(Path(home), instruments)
    workers = _Workers(settings) if on_workers else None
    if workers is not None:
        settings = workers.settings
    _publish(settings, START + DAY)  # imports and compiled kernels, here and there
    shutil.rmtree(Layout.of(settings).features)
    if workers is not None:
        workers.reset_peaks()
    reset_peak()
    before, worked = read_resident_mb("VmRSS"), time.process_time()
    begun = time.perf_counter()
    hours = _publish(settings, START + minutes * MINUTE)
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    there = [] if workers is None else workers.read_costs()
    layout = Layout.of(settings)
    names = sorted(str(path.relative_to(layout.features)) for path in layout.features.rglob("*.parquet"))
    shutil.rmtree(layout.features)
    return {
        "seconds": seconds,
        "cpu_s": worked + sum(cpu for _, cpu in there),
        "minutes_read": instruments * _count_minutes_read(START + minutes * MINUTE),
        "hours": hours,
        "files": len(names),
        "digest": digest_bytes("\n".join(names).encode())[:16],
        "before_mb": before,
        "peak_mb": read_resident_mb("VmHWM"),
        "worker_mb": [megabytes for megabytes, _ in there],
    }


def _publish(settings: Settings, until: datetime) -> int:
    """Compute, judge and publish every month from the first on; return how many rows of microstructure there are."""
    layout = Layout.of(settings)
    lake, hours = Lake(layout, venue=VENUE), 0
    with lake.writing():
        admission = FeatureAdmission(AdmissionRecord(settings=settings, now=until + 5 * DAY))
        withheld = WithheldRows.of(layout, lake)
        reader = make_reader(settings, lake, withheld)
        for month in months_between(START, until):
            memory = ContinuedMonth(chunk=Chunk(month, settings, _VIEWS, engine=choose_engine(settings, withheld)))
            frames = memory.chunk.advance(reader, until, accept=admission.accept)
            for name, rows in admission.admit(memory, memory.chunk.since, frames).items():
                hours += publish_new(layout, VIEWS[name], rows).new_rows if name == ASSET_MICROSTRUCTURE.name else 0
        assert not admission.record.quarantined, admission.record.quarantined[:3]
    return hours


def _count_minutes_read(until: datetime) -> int:
    """Return the minutes of one instrument that are read: each month reads a lookback before it too."""
    months = months_between(START, until)
    return sum((min(until, next_month(month)) - max(START, month - LOOKBACK)) // MINUTE for month in months)


class _Workers:
    """The workers of the cluster that the environment names, and what each has cost since `reset_peaks`."""

    def __init__(self, settings: Settings) -> None:
        from distributed import Client

        given = load_settings()
        self.settings = settings.model_copy(update={"profile": "cluster", "cluster": given.cluster})
        self._client: Client = Client(given.cluster.scheduler, set_as_default=False)
        self._begun: dict[int, float] = {}

    def reset_peaks(self) -> None:
        """Begin to measure: the high-water mark of each worker is what is resident now."""
        self._begun = dict(self._client.run(_begin).values())

    def read_costs(self) -> list[tuple[float, float]]:
        """Return the largest resident size of each worker (MB), and the CPU seconds that it took.

        AssertionError where one was started anew.
        """
        found = sorted(self._client.run(_read_costs).values())
        assert [pid for pid, _, _ in found] == sorted(self._begun), "a worker was started anew meanwhile"
        return [(megabytes, cpu - self._begun[pid]) for pid, megabytes, cpu in found]


def _begin() -> tuple[int, float]:
    reset_peak()
    return os.getpid(), time.process_time()


def _read_costs() -> tuple[int, float, float]:
    return os.getpid(), read_resident_mb("VmHWM"), time.process_time()
