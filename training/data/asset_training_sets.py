"""Training sets of single assets: what was known at each decision, and the return that followed.

They have the shape of the pairs' training set, an asset being written as its pair with USDT. Folds, engine and
leaderboard therefore treat both alike. What both have in common lies in `training.data.point_in_time`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, Service, View, find_view
from feature_repo.transforms.vwap_distance import find_last_bar_close
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, ceil_to
from pairity.universe import Pair
from training.backtest.ranking import QUOTE
from training.data.one_unit import OneUnit
from training.data.point_in_time import (
    DECISION_TIME,
    FIRST_KNOWN,
    Join,
    add_decision_times,
    join_checked,
    read_decided_rows,
    read_snapshot_id,
    select_newest_known,
)
from training.data.training_sets import TrainingSet
from training.trade_sheet import find_decision_time

_INSTANT = pl.Datetime("us", "UTC")


def make_asset_pair(asset: str) -> Pair:
    """Return the pair (asset, USDT) that stands for a position in one asset alone."""
    return Pair(asset, QUOTE)


def build_asset_training_set(
    settings: Settings,
    service: Service,
    join: Join,
    now: datetime,
    *,
    assets: Sequence[str],
    horizon_bars: int,
    daily: bool = False,
) -> TrainingSet:
    """Build the rows of every decision about `assets`, with an asset service's features and the return that followed.

    Rows by (event_timestamp, pair_id). event_timestamp: the hour of the decision, which is every bar's close, or with
    `daily` the instant at which the trade sheet is decided. decision_time, known, features: as known then, else null.
    label: ln(close `horizon_bars` later / close), null where either close is missing. t0, t1: the label's interval.
    Bars are as they are known at `now`.

    **Looks ahead**: the label of t0 is known at t1 = t0 + `horizon_bars` hours only; splits purge by that interval.
    MissingDataError where the service's view has no rows of these assets.
    """
    from feature_repo.offline_files import scan_view

    layout, source = Layout.of(settings), find_view(service.view)
    keys = read_decided_rows(settings, source, assets, now).select("asset", EVENT_TIME, FIRST_KNOWN)
    if keys.is_empty():
        raise MissingDataError(f"no row of {source.name} is published for any of {len(assets)} assets", _remedy(source))
    spine = _select_sheet_rows(keys, settings, now) if daily else add_decision_times(keys, settings)
    joined = join_checked(join, service, spine).drop(EVENT_TIME)
    hours = spine.select(_first_hour_after_decision(settings))
    rows = pl.concat([hours, joined], how="horizontal")
    stored_bars = scan_view(layout, ASSET_HOURLY).filter(pl.col("asset").is_in(list(assets)))
    bars = select_newest_known(stored_bars, ASSET_HOURLY, now)
    bars = OneUnit(settings, bars, now).express(bars)
    labelled = _label_by_returns(rows, bars, horizon_bars)
    return TrainingSet(rows=labelled, service=service, snapshot_id=read_snapshot_id(layout))


def _remedy(source: View) -> str:
    return f"ingest what it is computed from ({', '.join(source.inputs)}), or leave the family out"


def _first_hour_after_decision(settings: Settings) -> pl.Expr:
    """Return the first whole hour at or after the decision: the close at which a backtest decides."""
    instant = pl.col(DECISION_TIME) - settings.features.decision_lag
    # Rounded up: an hour later less the smallest step, then truncated, so that a whole hour stays itself.
    return instant.dt.offset_by("1h").dt.offset_by("-1us").dt.truncate("1h").alias(EVENT_TIME)


def _select_sheet_rows(keys: pl.DataFrame, settings: Settings, now: datetime) -> pl.DataFrame:
    """Return the rows of the bars that closed last before each day's decision, with that decision's time."""
    first, last = keys.select(pl.col(EVENT_TIME).min().alias("first"), pl.col(EVENT_TIME).max().alias("last")).row(0)
    # A day more at both ends: days are those of `vwap.time_zone`, event times are UTC.
    days: list[date] = [first.date() + timedelta(days=number) for number in range(-1, (last - first).days + 3)]
    decided = [(find_decision_time(day, settings), settings.features.decision_lag) for day in days]
    decisions = pl.DataFrame(
        [(find_last_bar_close(at, settings.vwap), at + lag) for at, lag in decided if ceil_to(at, HOUR) + lag <= now],
        schema={EVENT_TIME: _INSTANT, DECISION_TIME: _INSTANT},
        orient="row",
    )
    rows = keys.join(decisions, on=EVENT_TIME, how="inner")
    return rows.select("asset", EVENT_TIME, FIRST_KNOWN, DECISION_TIME).sort(EVENT_TIME, "asset")


def _label_by_returns(rows: pl.DataFrame, bars: pl.DataFrame, horizon_bars: int) -> pl.DataFrame:
    horizon = horizon_bars * HOUR
    closes = bars.select("asset", EVENT_TIME, "close")
    later = closes.select("asset", (pl.col(EVENT_TIME) - horizon).alias(EVENT_TIME), pl.col("close").alias("__later"))
    on = ["asset", EVENT_TIME]
    priced = rows.join(closes.rename({"close": "__close"}), on=on, how="left", maintain_order="left")
    priced = priced.join(later, on=on, how="left", maintain_order="left")
    return (
        priced.with_columns(
            (pl.col("asset") + pl.lit(f"__{QUOTE}")).alias("pair_id"),
            (pl.col("__later") / pl.col("__close")).log().alias("label"),
            pl.col(EVENT_TIME).alias("t0"),
            (pl.col(EVENT_TIME) + horizon).alias("t1"),
        )
        .drop("__close", "__later", "asset")
        .sort(EVENT_TIME, "pair_id")
    )
