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
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, ceil_to
from training.evaluation.ranking import RankingReport, evaluate_ranking

if TYPE_CHECKING:
    from feast import FeatureStore

_SIGNALS = ("dist_from_vwap", "vwap", "close", "avg_notional", "realized_vol", "rolling_return", "sharpe")


def decision_time(day: date, settings: Settings) -> datetime:
    """The instant (UTC) at which the sheet of `day` is decided: `rebalancing_hour` on the wall clock of its zone."""
    local = datetime.combine(day, time(settings.vwap.rebalancing_hour), ZoneInfo(settings.vwap.time_zone))
    return local.astimezone(UTC)


def latest_day(now: datetime, settings: Settings) -> date:
    """The newest day whose sheet is decided at `now`: a day begins where `vwap.time_zone` says so."""
    today = now.astimezone(ZoneInfo(settings.vwap.time_zone)).date()
    return today if decision_time(today, settings) <= now else today - timedelta(days=1)


def trade_sheet(settings: Settings, store: FeatureStore, day: date, top: int) -> pl.DataFrame:
    """The sheet of one day, best rank first: date, ticker, rank, ranked_dist, signal values, known_close, exit_date.

    Only the bar that closed last at the decision counts: an asset without it is left out, because an older distance
    cannot stand in the same ranking. MissingDataError where no asset has it.
    """
    ranked = _known_at(settings, store, [day]).drop_nulls("ranked_dist")
    if ranked.is_empty():
        raise MissingDataError(
            f"no asset has a distance from VWAP at {decision_time(day, settings).isoformat()}: nothing is known of the "
            f"bar that closed at {find_last_bar_close(decision_time(day, settings), settings.vwap).isoformat()}",
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
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{day.isoformat()}.csv", folder / f"{day.isoformat()}.parquet"
    unfinished = [path.with_name(f".{path.name}.tmp") for path in paths]
    sheet.write_csv(unfinished[0])
    sheet.write_parquet(unfinished[1])
    for temporary, path in zip(unfinished, paths, strict=True):
        temporary.replace(path)
    return paths


def write_evaluation(layout: Layout, report: RankingReport, first: date, last: date) -> tuple[Path, Path]:
    """Write the measures and the buckets as CSV below `reports/trade-sheet`; both appear whole. Returns their paths."""
    named = {name: value for name, value in asdict(report).items() if name != "by_bucket"}
    measures = pl.DataFrame(
        {"measure": list(named), "value": pl.Series(named.values(), dtype=pl.Float64, strict=False)}
    )
    stem = f"evaluation-{first.isoformat()}-{last.isoformat()}"
    folder = layout.reports / "trade-sheet"
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{stem}.csv", folder / f"{stem}-buckets.csv"
    for path, rows in zip(paths, (measures, report.by_bucket), strict=True):
        unfinished = path.with_name(f".{path.name}.tmp")
        rows.write_csv(unfinished)
        unfinished.replace(path)
    return paths


def evaluate_sheets(settings: Settings, store: FeatureStore, first: date, last: date, top: int) -> RankingReport:
    """All sheets of `top` assets from `first` to `last`, with the returns from each decision to the next day's."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    known = _known_at(settings, store, days).select("day", "asset", pl.col("dist_from_vwap").alias("signal"))
    returns = _forward_returns(settings, days)
    costs = settings.costs.taker_fee_bps + settings.costs.slippage_bps
    rows = known.join(returns, on=["day", "asset"], how="left")
    return evaluate_ranking(rows, top=top, cost_bps_per_side=costs)


def _known_at(settings: Settings, store: FeatureStore, days: Sequence[date]) -> pl.DataFrame:
    from feature_repo.feature_store import read_historical

    at = {day: decision_time(day, settings) + settings.features.decision_lag for day in days}
    asked = pl.DataFrame(
        [(asset, at[day], day) for day in days for asset in settings.universe.assets],
        schema={"asset": pl.String, EVENT_TIME: pl.Datetime("us", "UTC"), "day": pl.Date},
        orient="row",
    )
    known = read_historical(store, VWAP_DISTANCE.name, asked)
    return known.join(_with_newest_bar(settings, at), on=["day", "asset"], how="semi", maintain_order="left")


def _with_newest_bar(settings: Settings, at: Mapping[date, datetime]) -> pl.DataFrame:
    """day, asset: those whose row of the bar that closed last at the day's decision was known at `at`.

    The join gives the newest row within the TTL, which may be of the bar before, ranked among other assets.
    """
    closes = [
        (day, known, find_last_bar_close(decision_time(day, settings), settings.vwap)) for day, known in at.items()
    ]
    instant = pl.Datetime("us", "UTC")
    wanted = pl.LazyFrame(closes, schema={"day": pl.Date, "known": instant, EVENT_TIME: instant}, orient="row")
    rows = scan_view(Layout.of(settings), ASSET_VWAP_DISTANCE).select("asset", EVENT_TIME, CREATED_TIME)
    found = rows.join(wanted, on=EVENT_TIME).filter(pl.col(CREATED_TIME) <= pl.col("known"))
    return found.select("day", "asset").unique().collect()


def _forward_returns(settings: Settings, days: Sequence[date]) -> pl.DataFrame:
    """day, asset, forward_return: from the first full hour at or after the decision to that of the next day."""
    nexts = (days[-1] + timedelta(days=1),)
    hours = {day: ceil_to(decision_time(day, settings), HOUR) for day in (*days, *nexts)}
    bars = read_latest_view(Layout.of(settings), ASSET_HOURLY, min(hours.values()) - HOUR, max(hours.values()) + HOUR)
    closes = {(asset, at): close for asset, at, close in bars.select("asset", EVENT_TIME, "close").iter_rows()}
    rows = []
    for day in days:
        for asset in settings.universe.assets:
            entry = closes.get((asset, hours[day]))
            leave = closes.get((asset, hours[day + timedelta(days=1)]))
            rows.append((day, asset, None if entry is None or leave is None else leave / entry - 1.0))
    return pl.DataFrame(rows, schema={"day": pl.Date, "asset": pl.String, "forward_return": pl.Float64}, orient="row")
