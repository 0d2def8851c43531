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
from pairity.csv_files import escape_formulas
from pairity.durable import replace_file_with
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, ceil_to
from training.evaluation.ranking import RankingReport, evaluate_ranking

if TYPE_CHECKING:
    from feast import FeatureStore

_SIGNALS = ("dist_from_vwap", "vwap", "close", "avg_notional", "realized_vol", "rolling_return", "sharpe")


def find_decision_time(day: date, settings: Settings) -> datetime:
    """Return the instant (UTC) at which the sheet of `day` is decided: `rebalancing_hour` on its zone's wall clock."""
    local = datetime.combine(day, time(settings.vwap.rebalancing_hour), ZoneInfo(settings.vwap.time_zone))
    return local.astimezone(UTC)


def find_latest_day(now: datetime, settings: Settings) -> date:
    """Return the newest day whose sheet is decided at `now`; days are those of `vwap.time_zone`."""
    today = now.astimezone(ZoneInfo(settings.vwap.time_zone)).date()
    return today if find_decision_time(today, settings) <= now else today - timedelta(days=1)


def build_trade_sheet(settings: Settings, store: FeatureStore, day: date, top: int) -> pl.DataFrame:
    """Build the sheet of one day, best rank first, from what the store knew at the decision.

    Columns: date, ticker, rank (1 best), ranked_dist, the signals, assets_ranked, exit_date. Only the bar that closed
    last at the decision counts: an asset without it is left out, because an older distance cannot stand in the same
    ranking. MissingDataError where no asset has it.
    """
    ranked = _read_known(settings, store, [day]).drop_nulls("ranked_dist")
    if ranked.is_empty():
        decided_at = find_decision_time(day, settings)
        raise MissingDataError(
            f"no asset has a distance from VWAP at {decided_at.isoformat()}: nothing is known of the "
            f"bar that closed at {find_last_bar_close(decided_at, settings.vwap).isoformat()}",
            f"ingest at least {settings.vwap.window_bars * settings.vwap.bar_hours + 1} hours up to then",
        )
    best = ranked.sort("ranked_dist", "asset", descending=[True, False]).head(top)
    return best.select(
        pl.lit(day).alias("date"),
        (pl.col("asset") + "_USDT").alias("ticker"),
        pl.int_range(1, pl.len() + 1).alias("rank"),
        "ranked_dist",
        *_SIGNALS,
        "assets_ranked",
        pl.lit(day + timedelta(days=1)).alias("exit_date"),
    )


def write_sheet(layout: Layout, sheet: pl.DataFrame, day: date) -> tuple[Path, Path]:
    """Write the sheet as CSV and Parquet below `reports/trade-sheet`; both appear whole. Returns their paths."""
    folder = layout.root / "reports" / "trade-sheet"
    paths = folder / f"{day.isoformat()}.csv", folder / f"{day.isoformat()}.parquet"
    replace_file_with(paths[0], escape_formulas(sheet).write_csv)
    replace_file_with(paths[1], sheet.write_parquet)
    return paths


def write_evaluation(layout: Layout, report: RankingReport, first: date, last: date) -> tuple[Path, Path]:
    """Write the measures and the buckets as CSV below `reports/trade-sheet`; both appear whole. Returns their paths."""
    named = {name: value for name, value in asdict(report).items() if name != "by_bucket"}
    measures = pl.DataFrame(
        {"measure": list(named), "value": pl.Series(named.values(), dtype=pl.Float64, strict=False)}
    )
    stem = f"evaluation-{first.isoformat()}-{last.isoformat()}"
    folder = layout.reports / "trade-sheet"
    paths = folder / f"{stem}.csv", folder / f"{stem}-buckets.csv"
    for path, rows in zip(paths, (measures, report.by_bucket), strict=True):
        replace_file_with(path, escape_formulas(rows).write_csv)
    return paths


def evaluate_sheets(settings: Settings, store: FeatureStore, first: date, last: date, top: int) -> RankingReport:
    """Evaluate all sheets of `top` assets from `first` to `last` by the returns from each decision to the next."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    known = _read_known(settings, store, days).select("day", "asset", pl.col("dist_from_vwap").alias("signal"))
    returns = _compute_forward_returns(settings, days)
    costs = settings.costs.taker_fee_bps + settings.costs.slippage_bps
    rows = known.join(returns, on=["day", "asset"], how="left")
    return evaluate_ranking(rows, top=top, cost_bps_per_side=costs)


def _read_known(settings: Settings, store: FeatureStore, days: Sequence[date]) -> pl.DataFrame:
    from feature_repo.feature_store import read_historical

    at = {day: find_decision_time(day, settings) + settings.features.decision_lag for day in days}
    requested = pl.DataFrame(
        [(asset, at[day], day) for day in days for asset in settings.universe.assets],
        schema={"asset": pl.String, EVENT_TIME: pl.Datetime("us", "UTC"), "day": pl.Date},
        orient="row",
    )
    known = read_historical(store, VWAP_DISTANCE.name, requested)
    return known.join(_find_newest_bars(settings, at), on=["day", "asset"], how="semi", maintain_order="left")


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


def _compute_forward_returns(settings: Settings, days: Sequence[date]) -> pl.DataFrame:
    """Return day, asset, forward_return: from the first full hour at or after the decision to that of the next day."""
    nexts = (days[-1] + timedelta(days=1),)
    hours = {day: ceil_to(find_decision_time(day, settings), HOUR) for day in (*days, *nexts)}
    bars = read_latest_view(Layout.of(settings), ASSET_HOURLY, min(hours.values()) - HOUR, max(hours.values()) + HOUR)
    closes = {(asset, at): close for asset, at, close in bars.select("asset", EVENT_TIME, "close").iter_rows()}
    rows = []
    for day in days:
        for asset in settings.universe.assets:
            entry = closes.get((asset, hours[day]))
            leave = closes.get((asset, hours[day + timedelta(days=1)]))
            rows.append((day, asset, None if entry is None or leave is None else leave / entry - 1.0))
    return pl.DataFrame(rows, schema={"day": pl.Date, "asset": pl.String, "forward_return": pl.Float64}, orient="row")
