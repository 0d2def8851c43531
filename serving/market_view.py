"""Online rows as the decision function sees them. Nothing is filled in: null stays None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from feature_repo.catalog import EVENT_TIME
from pairity.strategy.types import AssetView, MarketView
from pairity.universe import ContractSpec


def make_asset_views(
    rows: pl.DataFrame, assets: Sequence[str], contracts: Mapping[str, ContractSpec], event_timestamp: datetime
) -> dict[str, AssetView]:
    """Return one view per asset, in order; an asset whose row is not of `event_timestamp` is known by name only.

    `rows` holds asset, event_timestamp and the features of the market-state service, as read online.
    """
    by_asset = {row["asset"]: row for row in rows.iter_rows(named=True)}
    return {asset: _make_view(asset, by_asset.get(asset), contracts.get(asset), event_timestamp) for asset in assets}


def make_market_view(
    pair_rows: pl.DataFrame, views: dict[str, AssetView], decision_time: datetime, event_timestamp: datetime
) -> MarketView:
    """Return the market of one decision; correlations are those of the pairs with features of `event_timestamp`."""
    fresh = pair_rows.filter(pl.col(EVENT_TIME) == event_timestamp)
    correlations = dict(zip(fresh["pair_id"].to_list(), fresh["correlation_168h"].to_list(), strict=True))
    return MarketView(decision_time, event_timestamp, views, correlations)


def _make_view(
    asset: str, row: Mapping[str, Any] | None, contract: ContractSpec | None, event_timestamp: datetime
) -> AssetView:
    # Feast does not enforce a TTL online: a row of an earlier bar is as good as none.
    if row is None or row[EVENT_TIME] != event_timestamp:
        return AssetView(asset=asset, close=None, atr=None, volatility=None, funding_rate=None, spec=contract)
    return AssetView(
        asset=asset,
        close=row["close"],
        atr=row["atr_14"],
        volatility=row["realized_vol_24h"],
        funding_rate=row["funding_rate"],
        spec=contract,
        funding_interval_h=row["funding_interval_h"],
    )
