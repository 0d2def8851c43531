"""What a backtest walks through, and the join that it was known by."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, MARKET_STATE
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from training.backtest.inputs import hours_between, lake_settlements, market_history
from training.backtest.records import MarketHistory
from training.data import training_sets as datasets
from training.data.training_sets import Dataset, Join

if TYPE_CHECKING:
    from feast import FeatureStore


def load_history(
    settings: Settings, join: Join, dataset: Dataset, since: datetime, now: datetime
) -> tuple[MarketHistory, pl.DataFrame]:
    """The market from `since` to the last decision: what was known at each decision, and the bars that followed.

    Also returns the bars themselves (asset, event_timestamp, open, high, low, close).
    """
    last = dataset.rows[EVENT_TIME].max()
    if not isinstance(last, datetime):
        raise MissingDataError("there is no decision to backtest", "run `make ingest` first")
    return history_between(settings, join, since, last, now)


def history_between(
    settings: Settings, join: Join, since: datetime, last: datetime, now: datetime
) -> tuple[MarketHistory, pl.DataFrame]:
    """`load_history` over the bar closes from `since` to `last`, both included, using nothing unknown at `now`."""
    from feature_repo.contract_specs import read_contracts
    from feature_repo.offline_files import scan_view

    layout, assets = Layout.of(settings), settings.universe.assets
    hours = hours_between(since, last)
    stored = scan_view(layout, ASSET_HOURLY).filter(pl.col("asset").is_in(assets))
    bars = datasets.newest_known(stored.filter(pl.col(EVENT_TIME).is_between(since, last)), ASSET_HOURLY, now)
    keys = pl.DataFrame({"asset": list(assets)}).join(
        pl.DataFrame({EVENT_TIME: hours}, schema={EVENT_TIME: pl.Datetime("us", "UTC")}), how="cross"
    )
    first_known = bars.select("asset", EVENT_TIME, datasets.FIRST_KNOWN)
    keys = keys.join(first_known, on=["asset", EVENT_TIME], how="left")
    known = datasets.join_checked(join, MARKET_STATE, datasets.decision_rows(keys, settings))
    settlements = lake_settlements(layout, assets, now)
    return market_history(hours, known, bars, settlements, read_contracts(layout)), bars


def store_join(settings: Settings) -> Join:
    """The feature store's join; the store is opened (and its definitions applied) by the first question."""

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
