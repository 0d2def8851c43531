"""Contracts of the universe as the venue lists them now: what an order may be, and what cannot be traded at present."""

from __future__ import annotations

from collections.abc import Sequence

from feature_repo.contract_specs import write_contracts
from ingestion.report import InstrumentFailure
from ingestion.sources.okx import OkxSource, require_listed
from pairity.layout import Layout


async def store_contracts(
    layout: Layout, source: OkxSource, assets: Sequence[str], *, live: bool
) -> tuple[tuple[str, ...], tuple[InstrumentFailure, ...]]:
    """Store the contracts of `assets`; return the assets that can be collected, and those that cannot be traded now.

    An asset that the venue does not list is an UnknownNameError before anything is stored. `live` makes it a failure
    of that asset alone: a swap that is delisted must not stop the trading of the others.
    """
    listings = await source.listings(assets)
    if not live and len(listings) < len(assets):
        require_listed(assets, listings, await source.assets())
    write_contracts(layout, (listing.spec for listing in listings.values()))
    failures = [InstrumentFailure(asset, "the venue does not list it") for asset in assets if asset not in listings]
    failures += [
        InstrumentFailure(asset, f"the venue does not trade it now (state {listing.state})")
        for asset, listing in listings.items()
        if listing.state != "live"
    ]
    return tuple(asset for asset in assets if asset in listings), tuple(failures)
