"""Where an hour's features come from: one more bar through the pipeline, and what the online store holds after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import polars as pl

from feature_repo import feature_store
from ingestion.pipeline import Pipeline
from ingestion.report import IngestReport

if TYPE_CHECKING:
    from feast import FeatureStore


class HourlyData(Protocol):
    """Features of the hour that has just closed, for one trading process."""

    async def run(self, since: datetime, until: datetime, *, live: bool) -> IngestReport:
        """Make the features complete for the bars that close in (since, until]; return what happened."""
        ...

    def work_ahead(self, close: datetime) -> list[str]:
        """Do what would delay a later hour; return what could not be done, and why."""
        ...

    def read_online(self, service_name: str, entities: Sequence[str], *, at: datetime) -> pl.DataFrame:
        """Return one row per entity, in order, as `feature_store.read_online` does."""
        ...


class LiveData:
    """The ingestion pipeline, and the online store that it writes to."""

    def __init__(self, pipeline: Pipeline, store: FeatureStore) -> None:
        self._pipeline = pipeline
        self._store = store

    async def run(self, since: datetime, until: datetime, *, live: bool) -> IngestReport:
        """Run the pipeline; raises what `Pipeline.run` raises."""
        return await self._pipeline.run(since, until, live=live)

    def work_ahead(self, close: datetime) -> list[str]:
        """Fold and prepare, as `Pipeline.work_ahead` does."""
        return self._pipeline.work_ahead(close)

    def read_online(self, service_name: str, entities: Sequence[str], *, at: datetime) -> pl.DataFrame:
        """Read the online store; raises what `feature_store.read_online` raises."""
        return feature_store.read_online(self._store, service_name, entities, at=at)
