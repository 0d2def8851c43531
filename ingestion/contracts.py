"""Contracts of the universe as the venue lists them now: what an order may be, and what cannot be traded at present."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.contract_specs import write_contracts
from feature_repo.raw_datasets import CANDLES, DATASETS
from feature_repo.raw_files import scan_versions
from ingestion.report import InstrumentFailure
from ingestion.sources.okx import OkxSource, require_listed
from ingestion.sources.okx_rows import Listing
from pairity.contract_files import find_contract_file, read_contract_file
from pairity.errors import DataError
from pairity.layout import Layout


async def store_contracts(
    layout: Layout, source: OkxSource, assets: Sequence[str], now: datetime, *, live: bool
) -> tuple[tuple[str, ...], tuple[InstrumentFailure, ...]]:
    """Store the contracts of `assets`; return the assets that can be collected, and those that cannot be traded now.

    An asset that is delisted, suspended or not open yet is a failure of its own, with its date: it keeps none of the
    others out. UnknownNameError, before anything is stored, where the venue lists not one of `assets` and this is not
    `live`: then the universe is wrong. `now` is the venue's time.
    """
    listings = await source.listings(assets)
    if not live and not listings:
        require_listed(assets, listings, await source.assets())
    write_contracts(layout, (listing.spec for listing in listings.values()))
    failures = [
        InstrumentFailure(asset, _explain_absence(layout, asset, now)) for asset in assets if asset not in listings
    ]
    failures += [
        InstrumentFailure(asset, _explain_state(listing, now))
        for asset, listing in listings.items()
        if listing.state != "live"
    ]
    return tuple(asset for asset in assets if asset in listings), tuple(failures)


def store_recorded_contracts(layout: Layout, folder: Path, assets: Sequence[str]) -> tuple[str, ...]:
    """Store the contracts of `assets` that travel with the recordings in `folder`; return whose they are.

    ConfigError where the file beside the recordings cannot be used.
    """
    path = find_contract_file(folder)
    given = {} if path is None else read_contract_file(path)
    found = tuple(asset for asset in assets if asset in given)
    if found:
        write_contracts(layout, (given[asset] for asset in found))
    return found


def _explain_state(listing: Listing, now: datetime) -> str:
    reason = f"the venue does not trade it now (state {listing.state}, seen {_format(now)})"
    if listing.state == "preopen" and listing.lists_at is not None and listing.lists_at > now:
        return f"{reason}: it opens {_format(listing.lists_at)}"
    if listing.ends_at is None:
        return reason
    return f"{reason}: it {'ends' if listing.ends_at > now else 'ended'} {_format(listing.ends_at)}"


def _explain_absence(layout: Layout, asset: str, now: datetime) -> str:
    reason = f"the venue does not list it (seen {_format(now)})"
    last = _find_last_bar(layout, asset)
    if last is None:
        return f"{reason}, and nothing of it is stored: it is not listed yet, or spelt otherwise"
    return f"{reason}: delisted after its last bar of {_format(last)}"


def _find_last_bar(layout: Layout, asset: str) -> datetime | None:
    """Return the open of the newest stored bar of the traded venue; None where there is none that can be read."""
    try:
        lasts = [
            scan_versions(layout, name, OkxSource.venue, asset).select(pl.col(DATASETS[name].time).max()).collect()
            for name in CANDLES
        ]
    except (DataError, OSError):  # what is wrong with the lake is said where it is read for its own sake
        return None
    known = [at for last in lasts if isinstance(at := last.item(), datetime)]
    return max(known, default=None)


def _format(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
