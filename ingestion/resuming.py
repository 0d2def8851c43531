"""What a killed run had fetched and not admitted yet: it is admitted as that run would have, by its choice."""

from __future__ import annotations

from ingestion.admission_record import AdmissionRecord
from ingestion.known_from import CHOICES, SAID
from ingestion.lake import Lake
from ingestion.raw_admission import Admitted, RawAdmission
from ingestion.staging import Staging
from pairity.progress import Progress


def admit_all_staged(
    own: Staging, lake: Lake, record: AdmissionRecord, left_behind: Admitted, *, resumed: bool
) -> Admitted:
    """Admit what this run staged, by its choice; return it together with what it found `left_behind`."""
    admitted = RawAdmission(record, own.choice, own.source, resumed).admit_staged(own, lake)
    admitted.add(left_behind)
    return admitted


def admit_left_behind(own: Staging, lake: Lake, record: AdmissionRecord, progress: Progress) -> Admitted:
    """Admit what killed runs of another choice than that of `own` had staged of the lake's venue.

    Call it before anything is fetched: older answers must not come after newer ones. What a run of the same choice left
    is part of `own`.
    """
    found = Admitted()
    for choice in (None, *CHOICES.values()):
        staging = Staging(record.layout, venue=lake.venue, choice=choice)
        if choice == own.choice or not staging.datasets():
            continue
        sources = " + ".join(staging.sources())
        admitted = RawAdmission(record, choice, sources, resumed=True).admit_staged(staging, lake)
        found.add(admitted)
        how = "" if choice is None else f", {SAID[choice.known_from]}, as that run was told"
        progress.say(f"{sum(admitted.new_rows.values()):,} rows that a killed run had fetched are let in{how}")
    return found
