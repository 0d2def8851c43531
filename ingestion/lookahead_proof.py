"""Proof over one stored month that no feature looks ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ingestion.due_months import find_newest_close
from ingestion.lake import Lake
from ingestion.withheld import WithheldRows, make_reader
from pairity.errors import TimeRangeError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import month_start, next_month
from validation.lookahead import LookaheadReport, prove, sample_instants


def prove_month(
    settings: Settings, month: datetime | None, samples: int, views: Sequence[str], progress: Progress
) -> LookaheadReport:
    """Recompute `views` at `samples` instants of a month without, and with other, later data; return what differs.

    `month` is the first instant of the month; None means the newest month with candles. Raises TimeRangeError where the
    lake has no candles.
    """
    layout = Layout.of(settings)
    lake = Lake(layout, venue=settings.features.venue)
    newest = find_newest_close(settings, lake)
    if newest is None:
        raise TimeRangeError(
            f"there are no candles of venue {lake.venue!r} in {lake.root}",
            "run `pairity ingest` first, or set features.venue to a venue that is there",
        )
    start = month or month_start(newest)
    until = min(newest, next_month(start))
    return prove(
        make_reader(settings, lake, WithheldRows.of(layout, lake)),
        start,
        until,
        settings,
        sample_instants(start, until, samples),
        views=tuple(views),
        progress=progress,
    )
