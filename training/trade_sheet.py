"""The daily trade sheet: the assets furthest above their VWAP, from what was known at the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, ASSET_VWAP_DISTANCE, CREATED_TIME, EVENT_TIME, VWAP_DISTANCE
from feature_repo.offline_files import read_latest_view, scan_view
from feature_repo.transforms.vwap_distance import find_last_bar_close
from feature_repo.universes import StoredUniverse
from pairity.csv_files import escape_formulas
from pairity.durable import replace_file_with
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, ceil_to
from training.evaluation.ranking import RankingReport, evaluate_ranking
from training.sheet_choices import REFERENCE, SheetChoice, choose_windows, empty_signals, rank_again

if TYPE_CHECKING:
    from feast import FeatureStore

COLUMNS = (
    "date",
    "futures_ticker",
    "exp_vol",
    "sharpe",
    "rolling_return",
    "avg_notional",
    "dist",
    "rank",
    "exit_date",
    "ranked_dist",
    "close",
    "vwap",
    "realized_vol",
    "assets_ranked",
)
"""Columns of a sheet. `exp_vol` is in % per day, `realized_vol` in % per year, `rolling_return` and `dist` in %,
`avg_notional`, `close` and `vwap` in USDT; `rank` is 1 for the furthest above VWAP."""
_LOOK = timedelta(days=60)
"""How much of the view is read at once in search of the newest day: memory does not grow with history."""


def find_decision_time(day: date, settings: Settings) -> datetime:
    """Return the instant (UTC) at which the sheet of `day` is decided: `rebalancing_hour` on its zone's wall clock."""
    local = datetime.combine(day, time(settings.vwap.rebalancing_hour), ZoneInfo(settings.vwap.time_zone))
    return local.astimezone(UTC)


def find_latest_day(now: datetime, settings: Settings) -> date:
    """Return the newest day whose sheet is decided at `now`; days are those of `vwap.time_zone`."""
    today = now.astimezone(ZoneInfo(settings.vwap.time_zone)).date()
    return today if find_decision_time(today, settings) <= now else today - timedelta(days=1)


def find_newest_day(now: datetime, settings: Settings, universe: StoredUniverse | None = None) -> date:
    """Return the newest day at or before `now` of which a sheet can be decided from what is stored.

    MissingDataError where nothing stored decides a sheet.
    """
    assets = settings.universe.assets if universe is None else universe.assets
    rows = scan_view(Layout.of(settings), ASSET_VWAP_DISTANCE).filter(
        pl.col("asset").is_in(assets), pl.col("dist_from_vwap").is_not_null()
    )
    first, end = (
        rows.select(pl.col(EVENT_TIME).min().alias("first"), pl.col(EVENT_TIME).max().alias("last")).collect().row(0)
    )
    while end is not None and end >= first:  # from the newest on: mostly the first look finds it
        part = rows.filter(pl.col(EVENT_TIME).is_between(end - _LOOK, end, closed="right"))
        day = _find_newest_decided(settings, part, now, universe)
        if day is not None:
            return day
        end -= _LOOK
    raise MissingDataError(
        "no day can be decided: no bar that closed last at a decision is stored with a distance from VWAP",
        f"ingest at least {settings.vwap.window_bars * settings.vwap.bar_hours + 1} hours, or build the universe from "
        "an earlier date on",
    )


def _find_newest_decided(
    settings: Settings, rows: pl.LazyFrame, now: datetime, universe: StoredUniverse | None
) -> date | None:
    """Return the newest day at or before `now` that `rows` (asset, event and created time, …) decide; None without."""
    zone = ZoneInfo(settings.vwap.time_zone)
    found = rows.group_by(EVENT_TIME, "asset").agg(pl.col(CREATED_TIME).min()).sort(EVENT_TIME).collect()
    known = {close: part for (close,), part in found.group_by(EVENT_TIME)}
    latest = find_latest_day(now, settings)
    # Only the newest bar before a decision counts: days are those on which, or before which, a bar closed.
    days = {close.astimezone(zone).date() + timedelta(days=later) for close in known for later in (0, 1)}
    for day in sorted((day for day in days if day <= latest), reverse=True):
        decided = find_decision_time(day, settings)
        part = known.get(find_last_bar_close(decided, settings.vwap))
        if part is None or not _has_snapshot(universe, decided):
            continue
        own = part.filter(pl.col(CREATED_TIME) <= decided + settings.features.decision_lag)
        if universe is not None:
            own = own.filter(pl.col("asset").is_in(universe.list_members(decided)))
        if own.height:
            return day
    return None


def _has_snapshot(universe: StoredUniverse | None, instant: datetime) -> bool:
    return universe is None or universe.snapshots[0] <= instant


def build_trade_sheet(
    settings: Settings,
    store: FeatureStore,
    day: date,
    top: int,
    *,
    choice: SheetChoice = REFERENCE,
    universe: StoredUniverse | None = None,
) -> pl.DataFrame:
    """Build the sheet of one day (`COLUMNS`), best rank first, from what the store knew at the decision.

    Candidates are the assets of the settings, or the members of `universe` at the decision. Only the bar that closed
    last at the decision counts: an asset without it is left out, because an older distance cannot stand in the same
    ranking. MissingDataError where no asset has it, and where the universe is not known yet.
    """
    known = _read_known(settings, store, [day], choice, universe)
    ranked = known.drop_nulls("ranked_dist")
    if ranked.is_empty():
        decided_at = find_decision_time(day, settings)
        raise MissingDataError(
            f"no asset has a distance from VWAP at {decided_at:%Y-%m-%d %H:%M} UTC: nothing is known of the "
            f"bar that closed at {find_last_bar_close(decided_at, settings.vwap):%Y-%m-%d %H:%M} UTC",
            f"ingest at least {settings.vwap.window_bars * settings.vwap.bar_hours + 1} hours up to then",
        )
    best = ranked.sort("ranked_dist", "asset", descending=[True, False]).head(top)
    best = choose_windows(settings, best, find_decision_time(day, settings), choice)
    return best.with_columns(
        pl.lit(day).alias("date"),
        (pl.col("asset") + "_USDT").alias("futures_ticker"),
        pl.col("dist_from_vwap").alias("dist"),
        pl.int_range(1, pl.len() + 1).alias("rank"),
        pl.lit(day + timedelta(days=1)).alias("exit_date"),
    ).select(COLUMNS)


def write_sheet(layout: Layout, sheet: pl.DataFrame, day: date, label: str = "") -> tuple[Path, Path]:
    """Write the sheet as CSV and Parquet below `reports/trade-sheet`; both appear whole. Returns their paths.

    `label` (see `SheetChoice.describe`) keeps sheets of one day apart.
    """
    folder, stem = layout.reports / "trade-sheet", f"{day.isoformat()}{label}"
    paths = folder / f"{stem}.csv", folder / f"{stem}.parquet"
    replace_file_with(paths[0], escape_formulas(sheet).write_csv)
    replace_file_with(paths[1], sheet.write_parquet)
    return paths


def write_evaluation(
    layout: Layout, report: RankingReport, first: date, last: date, label: str = ""
) -> tuple[Path, Path]:
    """Write the measures and the buckets as CSV below `reports/trade-sheet`; both appear whole. Returns their paths."""
    named = {name: value for name, value in asdict(report).items() if name != "by_bucket"}
    measures = pl.DataFrame(
        {"measure": list(named), "value": pl.Series(named.values(), dtype=pl.Float64, strict=False)}
    )
    stem = f"evaluation-{first.isoformat()}-{last.isoformat()}{label}"
    folder = layout.reports / "trade-sheet"
    paths = folder / f"{stem}.csv", folder / f"{stem}-buckets.csv"
    for path, rows in zip(paths, (measures, report.by_bucket), strict=True):
        replace_file_with(path, escape_formulas(rows).write_csv)
    return paths


def evaluate_sheets(
    settings: Settings,
    store: FeatureStore,
    first: date,
    last: date,
    top: int,
    *,
    choice: SheetChoice = REFERENCE,
    universe: StoredUniverse | None = None,
) -> RankingReport:
    """Evaluate all sheets of `top` assets from `first` to `last` by the returns from each decision to the next."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    read = _read_known(settings, store, days, choice, universe)
    known = read.select("day", "asset", pl.col("dist_from_vwap").alias("signal"))
    returns = _compute_forward_returns(
        settings, days, settings.universe.assets if universe is None else universe.assets
    )
    costs = settings.costs.taker_fee_bps + settings.costs.slippage_bps
    rows = known.join(returns, on=["day", "asset"], how="left")
    return evaluate_ranking(rows, top=top, cost_bps_per_side=costs)


def _read_known(
    settings: Settings, store: FeatureStore, days: Sequence[date], choice: SheetChoice, universe: StoredUniverse | None
) -> pl.DataFrame:
    from feature_repo.feature_store import read_historical

    decided = {day: find_decision_time(day, settings) for day in days}
    at = {day: instant + settings.features.decision_lag for day, instant in decided.items()}
    requested = pl.DataFrame(
        [
            (asset, at[day], day)
            for day in days
            for asset in (settings.universe.assets if universe is None else universe.list_members(decided[day]))
        ],
        schema={"asset": pl.String, EVENT_TIME: pl.Datetime("us", "UTC"), "day": pl.Date},
        orient="row",
    )
    if requested.is_empty():
        return rank_again(requested.with_columns(empty_signals()), choice)
    known = read_historical(store, VWAP_DISTANCE.name, requested)
    newest = known.join(_find_newest_bars(settings, at), on=["day", "asset"], how="semi", maintain_order="left")
    return newest if universe is None and choice.vwap == "weighted" else rank_again(newest, choice)


def _find_newest_bars(settings: Settings, at: Mapping[date, datetime]) -> pl.DataFrame:
    """Return (day, asset) where the row of the bar that closed last at the day's decision was known at `at`.

    The point-in-time join alone would give the newest row within the TTL, which may be an older bar, ranked among other
    assets.
    """
    closes = [
        (day, known, find_last_bar_close(find_decision_time(day, settings), settings.vwap)) for day, known in at.items()
    ]
    instant = pl.Datetime("us", "UTC")
    wanted = pl.LazyFrame(closes, schema={"day": pl.Date, "known": instant, EVENT_TIME: instant}, orient="row")
    rows = scan_view(Layout.of(settings), ASSET_VWAP_DISTANCE).select("asset", EVENT_TIME, CREATED_TIME)
    newest = rows.join(wanted, on=EVENT_TIME).filter(pl.col(CREATED_TIME) <= pl.col("known"))
    return newest.select("day", "asset").unique().collect()


def _compute_forward_returns(settings: Settings, days: Sequence[date], assets: Sequence[str]) -> pl.DataFrame:
    """Return day, asset, forward_return: from the first full hour at or after the decision to that of the next day."""
    nexts = (days[-1] + timedelta(days=1),)
    hours = {day: ceil_to(find_decision_time(day, settings), HOUR) for day in (*days, *nexts)}
    bars = read_latest_view(Layout.of(settings), ASSET_HOURLY, min(hours.values()) - HOUR, max(hours.values()) + HOUR)
    closes = {(asset, at): close for asset, at, close in bars.select("asset", EVENT_TIME, "close").iter_rows()}
    rows = []
    for day in days:
        for asset in assets:
            entry = closes.get((asset, hours[day]))
            leave = closes.get((asset, hours[day + timedelta(days=1)]))
            rows.append((day, asset, None if entry is None or leave is None else leave / entry - 1.0))
    return pl.DataFrame(rows, schema={"day": pl.Date, "asset": pl.String, "forward_return": pl.Float64}, orient="row")
