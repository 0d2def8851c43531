"""Recorded minutes of three assets staged as the collector would, with one fault; then admitted and published."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.catalog import VIEWS
from feature_repo.feature_store import apply_definitions, open_store
from feature_repo.offline_files import keep_newest, scan_view
from feature_repo.raw_datasets import DATASETS
from ingestion.admission_record import AdmissionRecord
from ingestion.feature_admission import FeatureAdmission
from ingestion.lake import Lake
from ingestion.publishing import Publisher
from ingestion.raw_admission import RawAdmission
from ingestion.staging import Staging
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings

ASSETS = ("BTC", "ETH", "SOL")
SINCE, UNTIL = datetime(2025, 3, 20, tzinfo=UTC), datetime(2025, 3, 23, tzinfo=UTC)
BAD = datetime(2025, 3, 21, 10, 30, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def recorded(name: str) -> Path:
    root = os.environ.get("PAIRITY_RECORDED_DATA")
    if not root:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded minutes to put faults into")
    return Path(root) / name


def minutes(asset: str) -> pl.DataFrame:
    """Recorded minutes as the OKX source gives them."""
    rows = pl.read_parquet(recorded("okx_swap/1m_20250318_20250417") / f"{asset}-USDT.parquet")
    time = pl.from_epoch("ts", "ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    known = (pl.col("open_time") + timedelta(minutes=1, milliseconds=1)).alias("known_at")
    frame = rows.with_columns(time.alias("open_time")).filter(
        pl.col("open_time").is_between(SINCE, UNTIL, closed="left")
    )
    return DATASETS["candles_1m"].conform(frame.with_columns(known))


def settlements(asset: str) -> pl.DataFrame:
    """Eight-hourly rates: the recordings have none for these days."""
    times = pl.datetime_range(SINCE, UNTIL, "8h", time_zone="UTC", eager=True).cast(pl.Datetime("us", "UTC"))
    rates = pl.DataFrame({"funding_time": times, "funding_rate": 0.0001 * (1 + ASSETS.index(asset))})
    return rates.with_columns((pl.col("funding_time") + timedelta(milliseconds=1)).alias("known_at"))


def settings_of(home: Path) -> Settings:
    return Settings(home=home, universe=UniverseSettings(assets=ASSETS, min_aligned_bars=24))


class Run:
    """One data directory: stage rows, judge, publish; as often as wanted."""

    def __init__(self, home: Path, **faults) -> None:
        """`faults`: `BTC_candles_1m=change` and the like, applied to what the venue gives."""
        self.settings, self.layout = settings_of(home), Layout(home)
        self.lake, self.staging = Lake(self.layout), Staging(self.layout)
        self.store = open_store(self.settings)
        apply_definitions(self.settings, self.store)
        self.faults = faults

    def ingest(self, now=UNTIL + MINUTE, since=SINCE, until=UNTIL, assets=ASSETS) -> AdmissionRecord:
        with self.lake.writing():
            self.staging.recover()
            for asset in assets:
                for name, make in (("candles_1m", minutes), ("funding", settlements)):
                    rows = self.faults.get(f"{asset}_{name}", lambda frame: frame)(make(asset))
                    time = DATASETS[name].time
                    asked = rows.filter(
                        pl.col(time).is_between(since, until, closed="left" if name != "funding" else "both")
                    )
                    self.staging.add(name, asset, asked, covered=[(since, until)])
            record = AdmissionRecord(self.settings, now)
            RawAdmission(record).admit_staged(self.staging, self.lake)
            admission = FeatureAdmission(record)
            publisher = Publisher(settings=self.settings, lake=self.lake, store=self.store)
            publisher.publish_due(admission, until, now, SilentProgress())
        return record

    def view(self, name: str) -> pl.DataFrame:
        return keep_newest(scan_view(self.layout, VIEWS[name]), VIEWS[name]).collect()

    def raw(self, name: str, asset: str) -> pl.DataFrame:
        return self.lake.scan(name, [asset], SINCE, UNTIL + HOUR).collect()


def change(first: datetime, last: datetime | None = None, time: str = "open_time", **values):
    """Values (or expressions) of the rows with first <= time <= last."""

    def apply_to(frame: pl.DataFrame) -> pl.DataFrame:
        inside = pl.col(time).is_between(first, last or first)
        return frame.with_columns(
            pl.when(inside)
            .then(value if isinstance(value, pl.Expr) else pl.lit(value))
            .otherwise(pl.col(name))
            .alias(name)
            for name, value in values.items()
        )

    return apply_to
