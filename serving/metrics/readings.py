"""What a scrape reads of the process: functions, so that metrics know neither the loop nor the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pairity.journal_place import JournalPlace
from pairity.trading_settings import LimitSettings
from serving.sightings import Sightings
from serving.status import Status


def nothing_known() -> None:
    """Return None: a reading that nobody has."""
    return


@dataclass(frozen=True, kw_only=True)
class Readings:
    """Readings of one process: its status, what it saw last, its limits, the clock in use (it may raise), the journal.

    `pulse_age_s` are real seconds since the loop gave a sign of life, `lost_lines` lines that the log could not take;
    each is None where nobody knows.
    """

    status: Callable[[], Status]
    now: Callable[[], datetime]
    sightings: Sightings
    limits: LimitSettings
    journal: JournalPlace | None = None
    pulse_age_s: Callable[[], float | None] = nothing_known
    lost_lines: Callable[[], float | None] = nothing_known
