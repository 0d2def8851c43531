"""A live process without a venue: what arrives in an hour is staged, admitted and published, and its files compared."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from feature_repo.catalog import SERVICES, VIEWS
from feature_repo.feature_store import apply_definitions, open_store, read_online
from feature_repo.knowledge_time import live_known_at
from feature_repo.offline_files import scan_view
from feature_repo.raw_datasets import DATASETS
from ingestion.admission_record import AdmissionRecord
from ingestion.feature_admission import FeatureAdmission
from ingestion.lake import Lake
from ingestion.publishing import Publisher
from ingestion.raw_admission import RawAdmission
from ingestion.staging import Staging
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import FeatureSettings, Settings, UniverseSettings
from validation.quarantine import read_items

SAID = ("new", "corrected")
ARRIVES_AFTER = timedelta(seconds=30)


class LiveProcess:
    """Hours of a process on a data directory of its own. `keeps`: it continues its month; else it computes it anew."""

    def __init__(self, home: Path, assets: tuple[str, ...], *, keeps: bool) -> None:
        self.settings = Settings(
            home=home,
            universe=UniverseSettings(assets=assets, min_aligned_bars=24),
            features=FeatureSettings(risk_days=2, exposure_minutes=240),
        )
        self.layout, self.keeps = Layout(home), keeps
        self.lake = Lake(self.layout, durable=False)
        self.store = open_store(self.settings)
        apply_definitions(self.settings, self.store)
        self.publisher = Publisher(settings=self.settings, lake=self.lake, store=self.store)
        self.said: list[object] = []
        self.continued = 0
        """How many runs computed the newest hours alone."""

    def live(self, close: datetime, rows: Mapping[str, pl.DataFrame], *, now: datetime | None = None) -> None:
        """Take what arrived since the last hour, and publish up to `close`."""
        now = now or close + ARRIVES_AFTER
        self.run(close, {name: frame.with_columns(live_known_at(now)) for name, frame in rows.items()}, now)

    def run(self, until: datetime, rows: Mapping[str, pl.DataFrame], now: datetime) -> None:
        """Admit `rows` (`asset` and the dataset's columns, by dataset) as they are, and publish up to `until`."""
        if not self.keeps:
            self.publisher = Publisher(settings=self.settings, lake=self.lake, store=self.store)
        staging, record = Staging(self.layout, persistent=False), AdmissionRecord(self.settings, now)
        with self.lake.writing():
            before = self.lake.version
            for name, frame in rows.items():
                staging.add_all(name, frame, {})
            admitted = RawAdmission(record).admit_staged(staging, self.lake)
            self.publisher.publish_due(
                FeatureAdmission(record),
                until,
                now,
                SilentProgress(),
                lake_before=before,
                changed_at=admitted.changed_at,
            )
        memory = self.publisher._memory
        self.continued += memory is not None and memory.chunk.since is not None
        published = {key: count for key, count in self.publisher.counts.items() if count and key[1] in SAID}
        self.said.append((record.checks_passed, record.checks_failed, record.quarantined, published))

    def results(self) -> dict[str, object]:
        """Return everything that a run leaves behind, as values that can be compared."""
        found: dict[str, object] = {"reports": self.said}
        for name, view in VIEWS.items():
            rows = scan_view(self.layout, view).collect()
            found[f"offline {name}"] = _bits(rows).sort(rows.columns).rows()
        for name, service in SERVICES.items():
            view = VIEWS[service.view]
            entities = scan_view(self.layout, view).select(pl.col(view.entity).unique().sort()).collect()[view.entity]
            found[f"online {name}"] = _bits(read_online(self.store, name, entities.to_list())).rows()
        found["quarantine"] = [
            (item.dataset, item.key, item.state, _bits(item.read_rows().drop("broken_rules")).rows())
            for item in sorted(read_items(self.layout), key=lambda item: item.id)
        ]
        found["ledger"] = (self.layout.features / "inputs.json").read_text()
        found["snapshot"] = (self.layout.features / "snapshot.json").read_text()
        return found


def complete_in(frames: Mapping[str, pl.DataFrame], since: datetime, until: datetime) -> dict[str, pl.DataFrame]:
    """Return the rows that became complete in (since, until]."""
    return {
        name: frame.filter(
            (pl.col(DATASETS[name].time) + DATASETS[name].known_after).is_between(since, until, closed="right")
        )
        for name, frame in frames.items()
    }


def assert_same_results(one: LiveProcess, other: LiveProcess) -> None:
    """Compare what two processes left behind."""
    ours, theirs = one.results(), other.results()
    for name, found in ours.items():
        assert found == theirs[name], name


def _bits(rows: pl.DataFrame) -> pl.DataFrame:
    floats = [name for name, kind in rows.schema.items() if kind == pl.Float64]
    return rows.with_columns(pl.col(floats).reinterpret(dtype=pl.Int64))
