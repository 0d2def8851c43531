"""OKX as a source: its contracts, closed bars, settled funding and statistics, each as rows of the lake."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.raw_datasets import DATASETS
from ingestion.lake.spans import Span
from ingestion.sources.okx_endpoints import HISTORIES, SNAPSHOTS, History, Snapshot
from ingestion.sources.okx_rows import Listing, OkxRows, read_listing
from ingestion.sources.okx_schedule import SettlementSchedule
from ingestion.sources.protocol import ANSWER, Answer, NotServedError
from pairity.errors import UnknownNameError, VenueAnswerError, VenueRejectedError
from pairity.names import INSTRUMENT, LISTED
from pairity.timeline import HOUR, floor_to
from pairity.universe import inst_id, short_name
from venue.okx_answers import short
from venue.okx_client import Sleep, call

if TYPE_CHECKING:
    from ccxt.async_support import okx

    from pairity.settings import Settings

BARS = ("candles_1m", "candles_1h")
# Lost at most by a kill: this many pages of one instrument.
_UNIT_PAGES = 48
# Trades are held until bars are made of them: an hour of the busiest swap is a hundred thousand.
_UNIT_OF_TRADES = HOUR
# A snapshot has no range that could end.
_NO_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OkxSource:
    """Reads of one client; `retries`, `page_size` and `concurrency` are those of the settings."""

    client: okx
    retries: int
    page_size: int = 300
    concurrency: int = 8
    sleep: Sleep = asyncio.sleep
    schedule: SettlementSchedule | None = None
    """What spares questions about funding; None asks the history of every swap."""
    _contract_values: dict[str, float] = field(default_factory=dict)
    """Base coins per contract, by asset."""

    name = "okx"
    venue = "okx"
    datasets = tuple(HISTORIES)
    snapshots = tuple(name for name in SNAPSHOTS if name not in HISTORIES)
    # The venue completes its newest bars within minutes; a maintenance window may delay them.
    settles_after = HOUR

    @classmethod
    def of(cls, client: okx, settings: Settings) -> OkxSource:
        """Return the source that reads with `client` as the settings say."""
        own = settings.ingest
        return cls(
            client=client,
            retries=settings.exchange.max_retries,
            page_size=own.page_size,
            concurrency=own.concurrency,
        )

    @classmethod
    def live(cls, client: okx, settings: Settings) -> OkxSource:
        """Return the source of one live hour: funding is asked only of swaps that can have settled."""

        async def ask_briefly(method: str, request: Mapping[str, str]) -> list[Any]:
            # Without an answer the history is asked: it is not worth a long wait.
            return await call(client, method, request, retries=min(1, settings.exchange.max_retries))

        return replace(cls.of(client, settings), schedule=SettlementSchedule(ask_briefly))

    async def listings(self, assets: Sequence[str]) -> dict[str, Listing]:
        """Return the listings of those `assets` (short names) that the venue has; the caller judges the others."""
        rows = await self._call("publicGetPublicInstruments", {"instType": "SWAP"})
        by_id = {row["instId"]: row for row in rows if isinstance(row, dict) and isinstance(row.get("instId"), str)}
        listed = {asset: read_listing(by_id[inst_id(asset)]) for asset in assets if inst_id(asset) in by_id}
        self._contract_values.update((asset, float(listing.spec.ct_val)) for asset, listing in listed.items())
        return listed

    async def assets(self) -> tuple[str, ...]:
        """Return the short names of all USDT-margined swaps that the venue lists."""
        rows = await self._call("publicGetPublicInstruments", {"instType": "SWAP"})
        ids = {row["instId"] for row in rows if isinstance(row, dict) and INSTRUMENT.accepts(row.get("instId"))}
        return tuple(sorted(map(short_name, ids)))

    async def list_instruments(self) -> frozenset[str]:
        """Return the ids of all swaps and spot instruments that the venue lists (`ETH-BTC`, `BTC-USDT-SWAP`)."""
        found = [await self._call("publicGetPublicInstruments", {"instType": kind}) for kind in ("SWAP", "SPOT")]
        ids = (row.get("instId") for rows in found for row in rows if isinstance(row, dict))
        return frozenset(str(name) for name in ids if LISTED.accepts(name))

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Cut [since, until) into runs of pages, or hours of trades; settlements and samples are few and stay whole."""
        length = _UNIT_PAGES * self.page_size * DATASETS[dataset].known_after
        start = since
        while start < until:
            end = min(start + length, until) if length else until
            if dataset == "trade_bars_1m":  # on the hour: a minute that is cut becomes no bar
                end = min(floor_to(start, _UNIT_OF_TRADES) + _UNIT_OF_TRADES, until)
            yield start, end
            start = end

    async def fetch(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame:
        """Return rows with since <= time < until, complete bars only, ascending; holes of the venue are holes here.

        `known_at` is the bar's close plus 1 ms (the convention for history). Volume is in base coins, `volume_quote`
        in USDT (null where the venue gives none). NotServedError where the venue does not have the dataset for the
        instrument, UnknownNameError for a dataset without a history.
        """
        return self.read(dataset, [await self.ask(dataset, asset, (since, until))]).drop(ANSWER)

    async def snapshot(self, dataset: str, asset: str) -> pl.DataFrame:
        """Return what the venue shows of `dataset` now (book, latest liquidations, open interest).

        NotServedError where the venue does not have it, UnknownNameError for a dataset without a present state.
        """
        return self.read(dataset, [await self.ask(dataset, asset, None)]).drop(ANSWER)

    async def ask(self, dataset: str, asset: str, unit: Span | None) -> Answer:
        """Return the venue's rows of one unit (`unit` None: of its present state) as they came; errors as `fetch`."""
        kind = _find(dataset, unit)
        try:
            if kind.in_contracts:
                await self._contract_value(asset)
            if isinstance(kind, Snapshot):
                rows = await self._call(kind.method, kind.request(asset))
            else:
                assert unit is not None
                if dataset == "funding" and self.schedule is not None and await self.schedule.exclude(asset, *unit):
                    return Answer(asset, unit, [], is_first_hand=False)
                rows = await kind.pages(self._call, asset, *unit, self.page_size)
        except VenueRejectedError as refusal:
            if kind.is_missing(refusal):
                raise NotServedError(f"okx does not serve {dataset} of {asset}: {refusal.what}") from None
            raise
        _require_own(dataset, asset, rows)
        return Answer(asset, unit, rows)

    def read(self, dataset: str, answers: Sequence[Answer]) -> pl.DataFrame:
        """Return the rows of all answers in the dataset's columns behind `answer`, the place of each row's answer.

        `answers` are all of units, or all of snapshots. VenueAnswerError where one breaks the protocol.
        """
        kind = _find(dataset, answers[0].unit)
        rows = [
            OkxRows(
                answer.rows,
                self._contract_values[answer.asset] if kind.in_contracts else 1.0,
                answer.unit[1] if answer.unit else _NO_END,
            )
            for answer in answers
        ]
        return kind.read(rows)

    async def _contract_value(self, asset: str) -> float:
        if asset not in self._contract_values:
            require_listed([asset], await self.listings([asset]), ())
        return self._contract_values[asset]

    async def _call(self, method: str, request: Mapping[str, str]) -> list[Any]:
        return await call(self.client, method, request, retries=self.retries, sleep=self.sleep)


def require_listed(assets: Iterable[str], listings: Mapping[str, Listing], listed: Iterable[str]) -> None:
    """Raise UnknownNameError for the first of `assets` that is not in `listings`; `listed` are the choices."""
    for asset in assets:
        if asset not in listings:
            raise UnknownNameError("instrument (not listed by the venue)", asset, listed)


def _require_own(dataset: str, asset: str, rows: Sequence[Any]) -> None:
    """Raise VenueAnswerError for a row that says it is another instrument's; rows of candles do not say."""
    own = inst_id(asset)
    for row in rows:
        if isinstance(row, dict) and row.get("instId", own) != own:
            raise VenueAnswerError(
                f"{dataset} of {asset} came with a row of {short(row['instId'])}", "nothing of it was stored"
            )


def _find(dataset: str, unit: Span | None) -> History | Snapshot:
    known: Mapping[str, History | Snapshot] = SNAPSHOTS if unit is None else HISTORIES
    if dataset not in known:
        what = "dataset with a present state at okx" if unit is None else "dataset with a history at okx"
        raise UnknownNameError(what, dataset, known)
    return known[dataset]
