"""One hour of the cross-section as it was known then: of all assets, or among the members of a stored universe."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.catalog import ASSET_CROSS_SECTION, ASSET_HOURLY, CREATED_TIME, EVENT_TIME, View
from feature_repo.offline_files import keep_newest, scan_view
from feature_repo.transforms.cross_section import MIN_PANEL_SHARE
from feature_repo.transforms.settlements import rate_per_hour
from feature_repo.universes import StoredUniverse
from pairity.csv_files import escape_formulas
from pairity.durable import replace_file_with
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.settings import Settings


def find_newest_hour(settings: Settings, now: datetime) -> datetime:
    """Return the newest hour (its close) at or before `now` that has a cross-section; MissingDataError without any."""
    rows = scan_view(Layout.of(settings), ASSET_CROSS_SECTION).filter(pl.col(EVENT_TIME) <= now)
    newest = rows.select(pl.col(EVENT_TIME).max()).collect().item()
    if newest is None:
        raise MissingDataError("no cross-section is stored", "ingest hours, or run pairity features")
    assert isinstance(newest, datetime)
    return newest


def read_cross_section(settings: Settings, hour: datetime, universe: StoredUniverse | None = None) -> pl.DataFrame:
    """Return asset and the features of `asset_cross_section` at the hour's close, sorted by asset.

    Rows are those known `features.decision_lag_s` after the close. With a universe, its members at `hour` alone are the
    cross-section: `funding_pressure`, `relative_volume` and `assets_observed` are made anew among them; everything else
    depends on the asset itself. MissingDataError where nothing is known of the hour, and where fewer than half of the
    members have data: a median of a few says nothing about the others.
    """
    rows = _read_known(settings, ASSET_CROSS_SECTION, hour)
    if rows.is_empty():
        raise MissingDataError(
            f"nothing is known of the cross-section at {hour:%Y-%m-%d %H:%M} UTC",
            "choose a full hour that is ingested; hours in which half of the assets have no bar have none",
        )
    if universe is None:
        return rows.select("asset", *ASSET_CROSS_SECTION.feature_names)
    members = universe.list_members(hour)
    bars = _read_known(settings, ASSET_HOURLY, hour).select(
        "asset", "funding_rate", "funding_interval_h", "volume_quote"
    )
    own = rows.filter(pl.col("asset").is_in(members)).join(bars, on="asset", how="left", maintain_order="left")
    if own.is_empty() or own.height < MIN_PANEL_SHARE * len(members):
        raise MissingDataError(
            f"only {own.height} of {format_count(len(members), 'member')} of universe {universe.name} with data at "
            f"{hour:%Y-%m-%d %H:%M} UTC",
            "put them into universe.assets and ingest them",
        )
    # A plain sum in the order of the names: the same bits whatever the threads.
    mean_volume = sum(own["volume_quote"].drop_nulls().to_list()) / own.height
    relative = pl.col("volume_quote") / mean_volume if mean_volume > 0 else pl.lit(None, pl.Float64)
    return own.with_columns(
        (rate_per_hour() - rate_per_hour().median()).alias("funding_pressure"),
        relative.alias("relative_volume"),
        pl.lit(own.height, pl.Int64).alias("assets_observed"),
    ).select("asset", *ASSET_CROSS_SECTION.feature_names)


def write_cross_section(
    layout: Layout, rows: pl.DataFrame, hour: datetime, universe: str | None = None
) -> tuple[Path, Path]:
    """Write the rows as CSV and Parquet below `reports/cross-section`; both appear whole. Returns their paths."""
    of_universe = "" if universe is None else f"-{universe}"
    stem = layout.reports / "cross-section" / f"{hour:%Y-%m-%dT%H%M}{of_universe}"
    paths = stem.with_suffix(".csv"), stem.with_suffix(".parquet")
    replace_file_with(paths[0], escape_formulas(rows).write_csv)
    replace_file_with(paths[1], rows.write_parquet)
    return paths


def _read_known(settings: Settings, view: View, hour: datetime) -> pl.DataFrame:
    known = pl.col(CREATED_TIME) <= hour + settings.features.decision_lag
    rows = scan_view(Layout.of(settings), view).filter(pl.col(EVENT_TIME) == hour, known)
    return keep_newest(rows, view).collect()
