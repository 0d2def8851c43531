"""Stages of the ingestion that run alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingestion.admission import Gate
from ingestion.lake import Lake
from ingestion.publishing import Publisher, left_out_pairs
from ingestion.report import LeftOutPair, QuarantinedPartition, ViewRows
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings


@dataclass(frozen=True, slots=True)
class FeaturesReport:
    """What was published, held back and left out."""

    views: tuple[ViewRows, ...]
    quarantined: tuple[QuarantinedPartition, ...]
    left_out: tuple[LeftOutPair, ...]


def publish_features(settings: Settings, until: datetime, now: datetime, progress: Progress) -> FeaturesReport:
    """Features of the lake's months whose inputs changed, up to `until`: computed, judged, published, materialized.

    MissingDataError where the lake holds nothing of `features.venue`.
    """
    from feature_repo.feature_store import apply_definitions, open_store

    lake = Lake(Layout.of(settings), venue=settings.features.venue)
    with lake.writing():
        if not lake.partitions():
            raise MissingDataError(
                f"the lake {lake.root} holds nothing of venue {settings.features.venue!r}",
                "collect it first, or set features.venue to a venue that is there",
            )
        gate = Gate(settings, now)
        store = open_store(settings)
        publisher = Publisher(settings, lake, gate, store)
        publisher.publish_due(until, now, progress, online_is_new=apply_definitions(settings, store))
        return FeaturesReport(publisher.rows(), tuple(gate.quarantined), left_out_pairs(settings, lake, {}))
