"""Exposures to risk factors by the minute, computed from the minutes that the lake has stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from feature_repo.transforms.exposures import compute_minute_exposures, find_first_minute
from ingestion.lake import Lake
from ingestion.withheld import WithheldRows, make_reader
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings


def regress_minutes(
    settings: Settings, first: datetime, end: datetime, assets: Sequence[str], design: str
) -> pl.DataFrame:
    """Return the exposures of `assets` for every minute in (first, end] for which the regression has a result.

    Factors are made of all assets of the universe with minutes in the lake; withheld rows are not used. Raises
    MissingDataError where there is no result at all.
    """
    layout = Layout.of(settings)
    lake = Lake(layout, venue=settings.features.venue)
    read = make_reader(settings, lake, WithheldRows.of(layout, lake))
    begin = find_first_minute(first, settings.features)
    minutes = read("candles_1m", begin, end).collect()
    rows = compute_minute_exposures(minutes, design, settings.features, tuple(assets))
    rows = rows.filter(rows["time"] > first).drop_nulls("r2") if rows.height else rows
    if rows.is_empty():
        raise MissingDataError(
            f"no exposure of {', '.join(assets)} can be computed from {first.isoformat()} to {end.isoformat()}: "
            f"the lake holds {minutes.height:,} minutes there",
            f"ingest minutes from {begin:%Y-%m-%d} on, of more than a few assets: "
            "factors that are made of the same ones give no number",
        )
    return rows
