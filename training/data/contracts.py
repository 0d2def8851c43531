"""Contracts of a backtest: as the venue listed them, or assumed where the venue's are not read here.

Contracts are read from the venue that is traded (`pairity ingest`). Recordings of another venue come without them.
"""

from __future__ import annotations

from decimal import Decimal
from math import floor, log10

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME
from feature_repo.contract_specs import read_contracts
from feature_repo.offline_files import scan_view
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.universe import ContractSpec, inst_id

_TRADED_VENUE = "okx"
_LEVERAGE, _TICK_DIGITS = Decimal(125), 5


def read_traded_contracts(settings: Settings, layout: Layout) -> dict[str, ContractSpec]:
    """Return the contracts of the universe by asset: the stored ones, or assumed ones for another venue's recordings.

    An assumed contract is one coin; its lot is the power of ten of coins that was worth nearest to 1 USDT at the
    asset's first stored close, its tick the fifth digit after the first of that price: as venues choose them, and the
    same whatever range is backtested. An asset without bars has none. MissingDataError where the contracts of the
    traded venue are not stored: there they are known, and matter.
    """
    if not _are_assumed(settings, layout):
        return read_contracts(layout)
    own = pl.col("asset").is_in(settings.universe.assets) & (pl.col("close") > 0)
    rows = scan_view(layout, ASSET_HOURLY).filter(own)
    # The newest version: of a contract that was counted in other coins, it is in the unit of today.
    versions = pl.col("close").sort_by(EVENT_TIME, "created_timestamp", descending=[False, True])
    first = rows.group_by("asset").agg(versions.first()).collect()
    return {asset: _assume(asset, close) for asset, close in first.iter_rows()}


def note_assumed_contracts(settings: Settings) -> list[str]:
    """Return a note where `read_traded_contracts` assumes contracts; nothing where they are the venue's own."""
    if not _are_assumed(settings, Layout.of(settings)):
        return []
    venue = settings.features.venue
    return [f"contracts of {venue} are assumed (one coin, lots worth about 1 USDT at the first bar): none are stored"]


def _are_assumed(settings: Settings, layout: Layout) -> bool:
    return settings.features.venue != _TRADED_VENUE and not layout.contracts.exists()


def _assume(asset: str, price: float) -> ContractSpec:
    lot = Decimal(10) ** -round(log10(price))
    return ContractSpec(
        instrument=inst_id(asset),
        ct_val=Decimal(1),
        lot_sz=lot,
        min_sz=lot,
        tick_sz=Decimal(10) ** (floor(log10(price)) - _TICK_DIGITS),
        max_leverage=_LEVERAGE,
    )
