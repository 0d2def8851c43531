"""OKX as a source: contracts, closed candles and settled funding, each as rows of the lake.

Everything is paged from new to old by `after` alone (`before` alone answers the *latest* page), and only what the venue
marks as closed is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.raw_datasets import DATASETS, RawDataset
from ingestion.sources.okx_market_data import MARKET_DATA, SNAPSHOTS
from ingestion.sources.okx_rows import TimeOf, finish
from pairity.errors import UnknownNameError, VenueAnswerError, VenueRejectedError
from pairity.timeline import to_ms
from pairity.universe import ContractSpec, inst_id, short_name
from venue.okx_client import DEFAULT_BACKOFF, Backoff, call

if TYPE_CHECKING:
    from ccxt.async_support import okx

BARS: Mapping[str, str] = {"candles_1m": "1m", "candles_1h": "1H"}
_FUNDING_PAGE = 400
_REFUSED_PARAMETER = "51000"
_NOT_SERVED = frozenset({_REFUSED_PARAMETER, "51001"})
_CANDLE_COLUMNS = 9


@dataclass(frozen=True, slots=True)
class Listing:
    """One swap as the venue lists it: its contract, and whether it trades now (`live`) or is suspended."""

    spec: ContractSpec
    state: str


@dataclass(frozen=True, slots=True)
class OkxSource:
    """Reads of one client; `retries` and `page_size` are those of the settings."""

    client: okx
    retries: int
    page_size: int = 300
    backoff: Backoff = DEFAULT_BACKOFF
    _contract_values: dict[str, float] = field(default_factory=dict)
    """Base coins per contract, by asset."""

    name = "okx"
    venue = "okx"
    datasets = (*BARS, "funding", *MARKET_DATA, *SNAPSHOTS)

    async def listings(self, assets: Sequence[str]) -> dict[str, Listing]:
        """Listings of those `assets` (short names) that the venue has; the caller decides about the others."""
        rows = await self._call("publicGetPublicInstruments", {"instType": "SWAP"})
        by_id = {row.get("instId"): row for row in rows if isinstance(row, dict)}
        found = {asset: _listing(by_id[inst_id(asset)]) for asset in assets if inst_id(asset) in by_id}
        self._contract_values.update((asset, float(listing.spec.ct_val)) for asset, listing in found.items())
        return found

    async def listed_assets(self) -> tuple[str, ...]:
        """Short names of all USDT-margined swaps that the venue lists."""
        rows = await self._call("publicGetPublicInstruments", {"instType": "SWAP"})
        ids = (str(row.get("instId")) for row in rows if isinstance(row, dict))
        return tuple(sorted(short_name(name) for name in ids if name.endswith("-USDT-SWAP")))

    async def candles(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Closed candles with since <= open_time < until, ascending; holes of the venue are holes here.

        `known_at` is the bar's close plus 1 ms (the convention for history). None where the venue does not serve this
        bar size for the instrument. Volume is in base coins, `volume_quote` in USDT (null where the venue gives none).
        """
        request = {"instId": inst_id(asset), "bar": BARS[dataset], "limit": str(self.page_size)}
        try:
            rows = await self._pages("publicGetMarketHistoryCandles", request, _candle_time, since, until)
        except VenueRejectedError as refusal:
            if refusal.code == _REFUSED_PARAMETER and "bar" in refusal.what:
                return None
            raise
        return _candle_frame(DATASETS[dataset], [row for row in rows if row[-1] == "1"])

    async def funding(self, asset: str, since: datetime, until: datetime) -> pl.DataFrame:
        """Settled funding with since <= funding_time < until, ascending; `known_at` is settlement plus 1 ms."""
        request = {"instId": inst_id(asset), "limit": str(_FUNDING_PAGE)}
        rows = await self._pages("publicGetPublicFundingRateHistory", request, _funding_time, since, until)
        return _funding_frame(rows)

    async def fetch(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Rows of any dataset that has a history, since <= time < until, complete bars only, ascending.

        None where the venue does not serve the dataset for the instrument; UnknownNameError for other datasets.
        """
        if dataset in BARS:
            return await self.candles(dataset, asset, since, until)
        if dataset == "funding":
            return await self.funding(asset, since, until)
        if dataset not in MARKET_DATA:
            raise UnknownNameError("dataset with a history at okx", dataset, (*BARS, "funding", *MARKET_DATA))
        kind = MARKET_DATA[dataset]
        try:
            value = await self._contract_value(asset) if kind.in_contracts else 1.0
            rows = await kind.pages(self._call, asset, since, until)
        except VenueRejectedError as refusal:
            if refusal.code in _NOT_SERVED:
                return None
            raise
        return kind.frame(rows, value, since, until)

    async def snapshot(self, dataset: str, asset: str) -> pl.DataFrame | None:
        """What the venue shows of `dataset` now (book, latest liquidations, open interest); None where not served."""
        if dataset not in SNAPSHOTS:
            raise UnknownNameError("dataset with a present state at okx", dataset, SNAPSHOTS)
        kind = SNAPSHOTS[dataset]
        try:
            value = await self._contract_value(asset) if kind.in_contracts else 1.0
            rows = await self._call(kind.method, kind.request(asset))
        except VenueRejectedError as refusal:
            if refusal.code in _NOT_SERVED:
                return None
            raise
        return kind.frame([row for row in rows if isinstance(row, dict)], value)

    async def _contract_value(self, asset: str) -> float:
        if asset not in self._contract_values:
            require_listed([asset], await self.listings([asset]), ())
        return self._contract_values[asset]

    async def _call(self, method: str, request: Mapping[str, str]) -> list[Any]:
        return await call(self.client, method, request, retries=self.retries, backoff=self.backoff)

    async def _pages(
        self, method: str, request: dict[str, str], time_of: TimeOf, since: datetime, until: datetime
    ) -> list[Any]:
        """All rows in [since, until) from newest to oldest, whatever the order inside a page."""
        first, cursor = to_ms(since), to_ms(until)
        found: list[Any] = []
        while cursor > first:
            page = await self._call(method, {**request, "after": str(cursor)})
            if not page:
                break
            times = [time_of(row) for row in page]
            oldest = min(times)
            if oldest >= cursor:
                raise VenueAnswerError(
                    f"{method} for {request['instId']} answered rows at {oldest} when asked for rows before {cursor}",
                    "the venue does not page as OKX v5 does; nothing of this range was stored",
                )
            found += [row for row, at in zip(page, times, strict=True) if first <= at < cursor]
            cursor = oldest
        return found


_candle_time, _funding_time = TimeOf(0), TimeOf("fundingTime")


def require_listed(assets: Iterable[str], listings: Mapping[str, Listing], listed: Iterable[str]) -> None:
    """UnknownNameError for the first of `assets` that the venue does not list."""
    for asset in assets:
        if asset not in listings:
            raise UnknownNameError("instrument (not listed by the venue)", asset, listed)


def _listing(row: Mapping[str, Any]) -> Listing:
    try:
        maximum = row.get("maxMktSz")
        spec = ContractSpec(
            instrument=row["instId"],
            ct_val=Decimal(row["ctVal"]),
            lot_sz=Decimal(row["lotSz"]),
            min_sz=Decimal(row["minSz"]),
            tick_sz=Decimal(row["tickSz"]),
            max_leverage=Decimal(row["lever"]),
            max_market_sz=Decimal(maximum) if maximum else None,
        )
        return Listing(spec, str(row["state"]))
    except (KeyError, InvalidOperation, TypeError) as error:
        raise VenueAnswerError(f"public/instruments describes {row.get('instId')} without {error}") from None


def _candle_frame(dataset: RawDataset, rows: list[Any]) -> pl.DataFrame:
    if not rows:
        return dataset.empty()
    if any(len(row) != _CANDLE_COLUMNS for row in rows):
        odd = next(row for row in rows if len(row) != _CANDLE_COLUMNS)
        raise VenueAnswerError(f"a candle has {len(odd)} columns instead of {_CANDLE_COLUMNS}: {odd!r}")
    names = ["open_time", "open", "high", "low", "close", "contracts", "volume", "volume_quote", "confirm"]
    raw = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return finish(dataset, raw, "candle")


def _funding_frame(rows: list[Any]) -> pl.DataFrame:
    """The rate that was realized; the announced one where the venue does not tell."""
    texts = [(str(row["fundingTime"]), row.get("realizedRate") or row.get("fundingRate")) for row in rows]
    raw = pl.DataFrame(texts, schema={"funding_time": pl.String, "funding_rate": pl.String}, orient="row")
    return finish(DATASETS["funding"], raw, "funding rate")
