"""Online rows → what the decision function sees. Nothing is filled in: null stays None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from feature_repo.catalog import EVENT_TIME
from pairity.strategy.types import AssetView, MarketView
from pairity.universe import ContractSpec


def asset_views(
    rows: pl.DataFrame, assets: Sequence[str], specs: Mapping[str, ContractSpec], event_timestamp: datetime
) -> dict[str, AssetView]:
    """One view per asset, in order; an asset whose row is not of `event_timestamp` is known by name only.

    `rows` holds asset, event_timestamp and the features of the market-state service, as read online.
    """
    by_asset = {row["asset"]: row for row in rows.iter_rows(named=True)}
    return {asset: _view(asset, by_asset.get(asset), specs.get(asset), event_timestamp) for asset in assets}


def market(
    pair_rows: pl.DataFrame, views: dict[str, AssetView], decision_time: datetime, event_timestamp: datetime
) -> MarketView:
    """The market of one decision; correlations are those of the pairs whose features are of `event_timestamp`."""
    fresh = pair_rows.filter(pl.col(EVENT_TIME) == event_timestamp)
    correlations = dict(zip(fresh["pair_id"].to_list(), fresh["correlation_168h"].to_list(), strict=True))
    return MarketView(decision_time, event_timestamp, views, correlations)


def _view(asset: str, row: Mapping[str, Any] | None, spec: ContractSpec | None, event_timestamp: datetime) -> AssetView:
    if row is None or row[EVENT_TIME] != event_timestamp:
        return AssetView(asset, None, None, None, None, spec)
    return AssetView(asset, row["close"], row["atr_14"], row["realized_vol_24h"], row["funding_rate"], spec)
