"""OKX as a source: contracts, closed candles and settled funding, each as rows of the lake.

Everything is paged from new to old by `after` alone (`before` alone answers the *latest* page), and only what the venue
marks as closed is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.raw_datasets import DATASETS, INSTANT, KNOWN_AT, Dataset
from ingestion.sources.okx_client import DEFAULT_BACKOFF, Backoff, call
from pairity.errors import UnknownNameError, VenueAnswerError, VenueRejectedError
from pairity.timeline import HISTORY_LAG, to_ms
from pairity.universe import ContractSpec, inst_id, short_name

if TYPE_CHECKING:
    from ccxt.async_support import okx

BARS: Mapping[str, str] = {"candles_1m": "1m", "candles_1h": "1H"}
_FUNDING_PAGE = 400
_REFUSED_PARAMETER = "51000"
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

    async def listings(self, assets: Sequence[str]) -> dict[str, Listing]:
        """Listings of those `assets` (short names) that the venue has; the caller decides about the others."""
        rows = await self._call("publicGetPublicInstruments", {"instType": "SWAP"})
        by_id = {row.get("instId"): row for row in rows if isinstance(row, dict)}
        return {asset: _listing(by_id[inst_id(asset)]) for asset in assets if inst_id(asset) in by_id}

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

    async def _call(self, method: str, request: Mapping[str, str]) -> list[Any]:
        return await call(self.client, method, request, retries=self.retries, backoff=self.backoff)

    async def _pages(
        self, method: str, request: dict[str, str], time_of: _TimeOf, since: datetime, until: datetime
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


class _TimeOf:
    """Unix milliseconds of a row, checked: a row without a time breaks the protocol."""

    def __init__(self, key: int | str) -> None:
        self._key = key

    def __call__(self, row: Any) -> int:  # noqa: ANN401 - the venue's JSON
        try:
            return int(row[self._key])
        except (IndexError, KeyError, TypeError, ValueError):
            raise VenueAnswerError(f"the venue sent a row without a time: {row!r}") from None


_candle_time, _funding_time = _TimeOf(0), _TimeOf("fundingTime")


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


def _candle_frame(dataset: Dataset, rows: list[Any]) -> pl.DataFrame:
    if not rows:
        return dataset.empty()
    if any(len(row) != _CANDLE_COLUMNS for row in rows):
        odd = next(row for row in rows if len(row) != _CANDLE_COLUMNS)
        raise VenueAnswerError(f"a candle has {len(odd)} columns instead of {_CANDLE_COLUMNS}: {odd!r}")
    names = ["open_time", "open", "high", "low", "close", "contracts", "volume", "volume_quote", "confirm"]
    raw = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return _finish(dataset, raw, "candle")


def _funding_frame(rows: list[Any]) -> pl.DataFrame:
    """The rate that was realized; the announced one where the venue does not tell."""
    texts = [(str(row["fundingTime"]), row.get("realizedRate") or row.get("fundingRate")) for row in rows]
    raw = pl.DataFrame(texts, schema={"funding_time": pl.String, "funding_rate": pl.String}, orient="row")
    return _finish(DATASETS["funding"], raw, "funding rate")


def _finish(dataset: Dataset, raw: pl.DataFrame, what: str) -> pl.DataFrame:
    """Text to numbers and instants; VenueAnswerError shows the row that is not what the protocol promises."""
    time = pl.col(dataset.time).cast(pl.Int64).cast(pl.Datetime("ms", "UTC")).cast(INSTANT)
    numbers = [pl.col(name).replace("", None).cast(pl.Float64) for name in dataset.values if name in raw.columns]
    try:
        typed = raw.select(time, *numbers)
    except pl.exceptions.InvalidOperationError as error:
        raise VenueAnswerError(f"the venue sent a {what} that is not a number: {error}") from None
    required = [name for name in typed.columns if name not in dataset.nullable]
    broken = typed.filter(pl.any_horizontal(pl.col(required).is_null()))
    if broken.height:
        raise VenueAnswerError(f"the venue sent a {what} with empty fields: {broken.row(0, named=True)}")
    known = (pl.col(dataset.time) + dataset.known_after + HISTORY_LAG).alias(KNOWN_AT)
    return dataset.conform(typed.with_columns(known)).unique(maintain_order=True).sort(dataset.time)
