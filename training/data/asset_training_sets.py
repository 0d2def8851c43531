"""Training sets of single assets: what was known at each decision, and the return that followed.

They have the shape of the pairs' training set, an asset being written as its pair with USDT, so that folds, engine and
leaderboard treat both alike.
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
from training.data import training_sets as datasets
from training.data.training_sets import Dataset, Join
from training.trade_sheet import decision_time

_INSTANT = pl.Datetime("us", "UTC")


def asset_pair(asset: str) -> Pair:
    """How a position in one asset alone is called."""
    return Pair(asset, QUOTE)


def build(
    settings: Settings,
    service: Service,
    join: Join,
    now: datetime,
    *,
    assets: Sequence[str],
    horizon_bars: int,
    daily: bool = False,
) -> Dataset:
    """Every decision about `assets` with the features of an asset service and the return of the next hours.

    Rows by (event_timestamp, pair_id): event_timestamp is the hour of the decision, every bar's close or with `daily`
    the instant at which the trade sheet is decided; decision_time, known, the service's features as known then; label
    = ln(close `horizon_bars` later / close), null where either is missing; t0, t1 (label interval). Bars are as they
    are known at `now`. MissingDataError where the service's view has no rows of these assets.
    """
    layout, kind = Layout.of(settings), find_view(service.view)
    from feature_repo.offline_files import scan_view

    wanted = pl.col("asset").is_in(list(assets))
    latest = now - settings.features.decision_lag
    stored = scan_view(layout, kind).filter(wanted & (pl.col(EVENT_TIME) <= latest))
    keys = datasets.newest_known(stored, kind, now).select("asset", EVENT_TIME, datasets.FIRST_KNOWN)
    if keys.is_empty():
        raise MissingDataError(
            f"no row of {kind.name} is published for any of {len(assets)} assets", _remedy(kind)
        )  # fmt: skip
    spine = _sheet_rows(keys, settings, now) if daily else datasets.decision_rows(keys, settings)
    joined = datasets.join_checked(join, service, spine).drop(EVENT_TIME)
    hours = spine.select(_decided_at(settings))
    rows = pl.concat([hours, joined], how="horizontal")
    bars = datasets.newest_known(scan_view(layout, ASSET_HOURLY).filter(wanted), ASSET_HOURLY, now)
    labelled = _with_returns(rows, bars, horizon_bars)
    return Dataset(rows=labelled, service=service, snapshot_id=datasets.read_snapshot_id(layout))


def _remedy(kind: View) -> str:
    return f"ingest what it is computed from ({', '.join(kind.inputs)}), or leave the family out"


def _decided_at(settings: Settings) -> pl.Expr:
    """The first whole hour at or after the decision: the close at which a backtest decides."""
    instant = pl.col(datasets.DECISION_TIME) - settings.features.decision_lag
    return instant.dt.offset_by("1h").dt.offset_by("-1us").dt.truncate("1h").alias(EVENT_TIME)


def _sheet_rows(keys: pl.DataFrame, settings: Settings, now: datetime) -> pl.DataFrame:
    """The rows of bars that closed last at a day's decision, asked for at that decision."""
    first, last = keys.select(pl.col(EVENT_TIME).min().alias("first"), pl.col(EVENT_TIME).max().alias("last")).row(0)
    days: list[date] = [first.date() + timedelta(days=number) for number in range(-1, (last - first).days + 3)]
    decided = [(decision_time(day, settings), settings.features.decision_lag) for day in days]
    table = pl.DataFrame(
        [(find_last_bar_close(at, settings.vwap), at + lag) for at, lag in decided if ceil_to(at, HOUR) + lag <= now],
        schema={EVENT_TIME: _INSTANT, datasets.DECISION_TIME: _INSTANT}, orient="row",
    )  # fmt: skip
    found = keys.join(table, on=EVENT_TIME, how="inner")
    return found.select("asset", EVENT_TIME, datasets.FIRST_KNOWN, datasets.DECISION_TIME).sort(EVENT_TIME, "asset")


def _with_returns(rows: pl.DataFrame, bars: pl.DataFrame, horizon_bars: int) -> pl.DataFrame:
    horizon = horizon_bars * HOUR
    closes = bars.select("asset", EVENT_TIME, "close")
    later = closes.select("asset", (pl.col(EVENT_TIME) - horizon).alias(EVENT_TIME), pl.col("close").alias("__later"))
    on = ["asset", EVENT_TIME]
    held = rows.join(closes.rename({"close": "__close"}), on=on, how="left", maintain_order="left")
    held = held.join(later, on=on, how="left", maintain_order="left")
    return (
        held.with_columns(
            (pl.col("asset") + pl.lit(f"__{QUOTE}")).alias("pair_id"),
            (pl.col("__later") / pl.col("__close")).log().alias("label"),
            pl.col(EVENT_TIME).alias("t0"),
            (pl.col(EVENT_TIME) + horizon).alias("t1"),
        )
        .drop("__close", "__later", "asset")
        .sort(EVENT_TIME, "pair_id")
    )
