"""The market history that a backtest walks through, and the feature store's point-in-time join."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, MARKET_STATE
from pairity.layout import Layout
from pairity.settings import Settings
from training.backtest.inputs import build_market_history, list_hours, read_lake_settlements
from training.backtest.records import MarketHistory
from training.data.contracts import read_traded_contracts
from training.data.one_unit import OneUnit
from training.data.point_in_time import FIRST_KNOWN, Join, add_decision_times, join_checked, select_newest_known

if TYPE_CHECKING:
    from feast import FeatureStore


def load_history(
    settings: Settings, join: Join, since: datetime, last: datetime, now: datetime
) -> tuple[MarketHistory, pl.DataFrame]:
    """Return the market over the bar closes from `since` to `last`, both included, and the bars it is made of.

    The history holds what was known at each decision and the bars that followed; nothing that is unknown at `now` is
    used. Prices are in the newest unit of each asset (`one_unit`). The bars are rows of (asset, event_timestamp, open,
    high, low, close, …).
    """
    layout, assets = Layout.of(settings), settings.universe.assets
    hours = list_hours(since, last)
    bars = read_bars(settings, assets, since, last, now)
    # Every asset is asked about at every hour: where a bar is missing, an older row must not stand in unnoticed.
    keys = pl.DataFrame({"asset": list(assets)}).join(
        pl.DataFrame({EVENT_TIME: hours}, schema={EVENT_TIME: pl.Datetime("us", "UTC")}), how="cross"
    )
    first_known = bars.select("asset", EVENT_TIME, FIRST_KNOWN)
    keys = keys.join(first_known, on=["asset", EVENT_TIME], how="left")
    known = join_checked(join, MARKET_STATE, add_decision_times(keys, settings))
    known = OneUnit(settings, bars, now).express(known)
    settlements = read_lake_settlements(layout, settings.features.venue, assets, now)
    return build_market_history(hours, known, bars, settlements, read_traded_contracts(settings, layout)), bars


def read_bars(
    settings: Settings, assets: Sequence[str], since: datetime, last: datetime, now: datetime
) -> pl.DataFrame:
    """Return the bars of `assets` whose closes are from `since` to `last`, as they are known at `now`, in one unit."""
    from feature_repo.offline_files import scan_view

    stored = scan_view(Layout.of(settings), ASSET_HOURLY).filter(pl.col("asset").is_in(list(assets)))
    bars = select_newest_known(stored.filter(pl.col(EVENT_TIME).is_between(since, last)), ASSET_HOURLY, now)
    return OneUnit(settings, bars, now).express(bars)


def make_store_join(settings: Settings) -> Join:
    """Return the feature store's join. The first call of the join opens the store and applies its definitions."""

    @cache
    def store() -> FeatureStore:
        from feature_repo.feature_store import apply_definitions, open_store

        opened = open_store(settings)
        apply_definitions(settings, opened)
        return opened

    def join(service_name: str, rows: pl.DataFrame) -> pl.DataFrame:
        from feature_repo.feature_store import read_historical

        return read_historical(store(), service_name, rows)

    return join
