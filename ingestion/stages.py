"""Stages of the ingestion that can run alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingestion.admission_record import AdmissionRecord
from ingestion.feature_admission import FeatureAdmission
from ingestion.lake import Lake
from ingestion.publishing import Publisher, list_left_out_pairs
from ingestion.report import LeftOutPair, QuarantinedPartition, ViewRows
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings


@dataclass(frozen=True, slots=True)
class FeaturesReport:
    """Report of the features stage: what was published, withheld and left out."""

    views: tuple[ViewRows, ...]
    quarantined: tuple[QuarantinedPartition, ...]
    left_out: tuple[LeftOutPair, ...]


def publish_features(settings: Settings, until: datetime, now: datetime, progress: Progress) -> FeaturesReport:
    """Compute, judge, publish and materialize the features of months whose inputs changed, up to `until`.

    MissingDataError where the lake has nothing of `features.venue`.
    """
    from feature_repo.store import apply, open_store

    lake = Lake(Layout.of(settings), venue=settings.features.venue)
    with lake.writing():
        if not lake.partitions():
            raise MissingDataError(
                f"the lake {lake.root} holds nothing of venue {settings.features.venue!r}",
                "collect it first, or set features.venue to a venue that is there",
            )
        record = AdmissionRecord(settings, now)
        store = open_store(settings)
        publisher = Publisher(settings, lake, FeatureAdmission(record), store)
        publisher.publish_due(until, now, progress, online_is_new=apply(settings, store))
        return FeaturesReport(
            publisher.count_rows(), tuple(record.quarantined), list_left_out_pairs(settings, lake, {})
        )
