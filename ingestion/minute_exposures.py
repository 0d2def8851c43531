"""Exposures to risk factors by the minute, computed from the minutes that the lake has stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.transforms.bars import make_bars
from feature_repo.transforms.dead import find_dead_hours, find_dead_minutes
from feature_repo.transforms.exposures import compute_minute_exposures, find_first_minute
from feature_repo.transforms.factor_returns import compute_minute_factors
from feature_repo.transforms.view_transforms import ReadRaw
from ingestion.lake import Lake
from ingestion.withheld import WithheldRows, make_reader
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.timeline import DAY, HOUR, MINUTE, floor_to, format_instant
from pairity.universe import inst_id

MINUTES_OF_A_DAY = DAY // MINUTE
MOST_MINUTES = 4_000_000
"""Minutes of all assets together that are read where nobody chose a range: memory grows with them."""


@dataclass(frozen=True, slots=True)
class FactorStudy:
    """Exposures of assets beside what they are made of, and the returns of all factors; one row a minute."""

    exposures: pl.DataFrame
    """asset, time (the minute's close), const, a coefficient per factor, r2, adj_r2, return (of the asset in that
    minute), and `return_<factor>` of each factor of the design."""
    factors: pl.DataFrame
    """time, and the returns of market, the nine terciles and the three spreads; null where there is none."""
    left_out_before: datetime | None
    """Stored minutes before it were not read: they are too many for a range that nobody chose. None: all were read."""
    dead: dict[str, tuple[datetime, datetime]]
    """Assets asked for that were dead in the range, with the close of the first and of the last dead minute in it."""


def regress_minutes(
    settings: Settings, first: datetime | None, end: datetime, assets: Sequence[str], design: str
) -> FactorStudy:
    """Return the exposures of `assets` for every minute in (first, end] for which the regression has a result.

    `first` None: of the newest stored ones, as many as `MOST_MINUTES` allow, and a few days at least. Factors are made
    of all assets of the universe with minutes in the lake; withheld rows, and minutes of dead contracts, are not used.
    Raises MissingDataError where there is no result at all.
    """
    layout = Layout.of(settings)
    lake = Lake(layout, venue=settings.features.venue)
    read = make_reader(settings, lake, WithheldRows.of(layout, lake))
    cut, window = None, settings.features.exposure_minutes * MINUTE
    if first is None:
        begin, cut = _choose_first(lake, settings, end)
        # Of minutes that were cut off, the first windows would lack some.
        first = begin if cut is None else begin + settings.features.risk_days * DAY + window
    else:
        begin = find_first_minute(first, settings.features)
    minutes = read("candles_1m", begin, end).collect()
    dead = _find_dead_minutes(settings, read, minutes, begin, end)
    rows = compute_minute_exposures(minutes, design, settings.features, tuple(assets), dead)
    rows = rows.filter(rows["time"] > first).drop_nulls("r2") if rows.height else rows
    if rows.is_empty():
        if minutes.is_empty():
            raise MissingDataError(
                f"no minute of the universe's assets is stored of venue {lake.venue} before {format_instant(end)}",
                "pairity ingest, or features.venue (PAIRITY_FEATURES__VENUE) of the venue that has some",
            )
        gone = _describe_dead(dead, assets, first)
        raise MissingDataError(
            f"no exposure of {', '.join(assets)} can be computed from {format_instant(first)} to "
            f"{format_instant(end)}: "
            f"the lake holds {format_count(minutes.height, 'minute')} there"
            + (f", and {', '.join(gone)} did not trade (`pairity anomalies`)" if gone else ""),
            f"ingest minutes from {begin:%Y-%m-%d} on, of more than a few assets: "
            "factors that are made of the same ones give no number",
        )
    factors = compute_minute_factors(minutes, settings.features, dead)
    return FactorStudy(
        exposures=_add_returns(rows, minutes, factors),
        factors=factors.filter(pl.col("time") > first),
        left_out_before=cut,
        dead=_describe_dead(dead, assets, first),
    )


def _find_dead_minutes(
    settings: Settings, read: ReadRaw, minutes: pl.DataFrame, begin: datetime, end: datetime
) -> pl.DataFrame:
    """Return the minutes from `begin` on at whose close a contract is dead, by the bars that features are made of."""
    limit = settings.features.dead_after_hours
    # What died before the range is dead in all of it.
    since = begin - (limit + 2) * HOUR
    before = read("candles_1m", since, begin).collect()
    together = pl.concat([before, minutes.select(before.columns)])
    bars = make_bars(together.lazy(), read("candles_1h", since, end), read("trade_bars_1m", since, end))
    over = find_dead_hours(bars, limit).filter(pl.col("event_timestamp") <= end)
    return find_dead_minutes(minutes, over).filter(pl.col("open_time") >= begin)


def _describe_dead(dead: pl.DataFrame, assets: Sequence[str], first: datetime) -> dict[str, tuple[datetime, datetime]]:
    closes = dead.select("asset", pl.col("open_time") + MINUTE).filter(
        pl.col("asset").is_in(assets), pl.col("open_time") > first
    )
    spans = closes.group_by("asset").agg(
        pl.col("open_time").min().alias("first"), pl.col("open_time").max().alias("last")
    )
    return {asset: (since, until) for asset, since, until in spans.sort("asset").iter_rows()}


def _add_returns(rows: pl.DataFrame, minutes: pl.DataFrame, factors: pl.DataFrame) -> pl.DataFrame:
    of_design = [name for name in rows.columns if name in factors.columns and name != "time"]
    returned = (pl.col("close") - pl.col("open")) / pl.col("open")
    own = minutes.select("asset", (pl.col("open_time") + MINUTE).alias("time"), returned.alias("return"))
    others = factors.select("time", *(pl.col(name).alias(f"return_{name}") for name in of_design))
    joined = rows.join(own, on=["asset", "time"], how="left", maintain_order="left")
    return joined.join(others, on="time", how="left", maintain_order="left")


def _choose_first(lake: Lake, settings: Settings, end: datetime) -> tuple[datetime, datetime | None]:
    """Return the open time of the first minute to read before `end`, and the same where stored ones are left out by it.

    `end` where none is stored.
    """
    instruments = {inst_id(asset) for asset in settings.universe.assets}
    parts = [part for part in lake.contents() if part.dataset == "candles_1m" and part.instrument in instruments]
    stored = [(manifest.first, manifest.last, part.instrument) for part in parts for manifest in [lake.manifest(part)]]
    spans = [(first, last, name) for first, last, name in stored if first is not None and last is not None]
    before = [(first, min(last, end), name) for first, last, name in spans if first < end]
    if not before:
        return end, None
    first, last = min(first for first, _, _ in before), max(last for _, last, _ in before)
    a_day = MINUTES_OF_A_DAY * len({name for _, _, name in before})
    # The buckets of a day come from whole days before it, and the window of the first exposure lies behind that.
    least = settings.features.risk_days + -(-settings.features.exposure_minutes // MINUTES_OF_A_DAY)
    cut = floor_to(last, DAY) - max(least, MOST_MINUTES // a_day) * DAY
    return (first, None) if cut <= first else (cut, cut)
