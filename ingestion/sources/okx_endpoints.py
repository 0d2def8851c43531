"""Which endpoint of OKX gives which dataset, and how it is paged. The answers are read in `okx_rows`.

Everything is paged from new to old: `before` alone answers the *latest* page, whatever it says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import polars as pl

from feature_repo.raw_datasets import DATASETS
from ingestion.sources.instants import FIRST, describe_unit, last_instant
from ingestion.sources.okx_rows import (
    BOOK_LEVELS,
    OkxRows,
    SnapshotReader,
    read_book,
    read_funding,
    read_liquidations,
    read_open_interest,
    read_series,
    read_snapshots,
    read_trades,
    read_whole_number,
)
from pairity.bounded_numbers import show
from pairity.errors import VenueAnswerError, VenueRejectedError
from pairity.timeline import HOUR, MINUTE, ceil_to, floor_to, to_ms
from pairity.universe import inst_id
from venue.okx_answers import short

Request = Callable[[str, Mapping[str, str]], Awaitable[list[Any]]]
"""One read of the venue: method and parameters to `data`."""
_PAGE, _FUNDING_PAGE = 100, 400
# The busiest swaps have some thousand trades a minute on average, and more for a while.
_TRADE_PAGES, _TRADE_PAGES_PER_MINUTE = 1_000, 50
_MILLISECOND = timedelta(milliseconds=1)
_REFUSED_PARAMETER, _NO_INSTRUMENT = "51000", "51001"


class History(Protocol):
    """A dataset with a history."""

    @property
    def in_contracts(self) -> bool:
        """Whether its sizes are contracts on the wire."""
        ...

    async def pages(self, call: Request, asset: str, since: datetime, until: datetime, page_size: int) -> list[Any]:
        """Return all of the venue's rows with since <= time < until, newest page first."""
        ...

    def read(self, answers: Sequence[OkxRows]) -> pl.DataFrame:
        """Return the rows of all answers, typed (see `type_rows`); bars that are not complete are left out."""
        ...

    def is_missing(self, refusal: VenueRejectedError) -> bool:
        """Return whether a refusal says that the venue does not have the dataset for the instrument."""
        ...


def index_id(asset: str) -> str:
    """Return the venue's id of the index that a swap follows (`BTC-USDT`); also the swap's instrument family."""
    return inst_id(asset).removesuffix("-SWAP")


def lacks_dataset(refusal: VenueRejectedError) -> bool:
    """Return whether the venue refused the instrument or the request for it: it has no such data."""
    return refusal.code in {_REFUSED_PARAMETER, _NO_INSTRUMENT}


@dataclass(frozen=True, slots=True)
class Pages:
    """How a list of the venue is paged: `cursor` takes the time below which the next page lies.

    `time_key` is the cell of a row's time, `size` the most rows that a page has. Rows are at least `spacing` apart.
    """

    cursor: str
    time_key: int | str
    size: int
    spacing: timedelta

    def limit(self, first_ms: int, oldest_ms: int) -> int:
        """Return how many rows a page needs to reach from below `oldest_ms` to `first_ms` or beyond, at most `size`."""
        fitting = -(-(oldest_ms - first_ms) // (self.spacing // _MILLISECOND))
        # One more: where the range does not begin on the grid, it shows that nothing is left. `end` of the statistics
        # may include its own instant, which takes a place.
        return min(self.size, fitting + (1 if self.cursor == "after" else 2))

    def most(self, since: datetime, until: datetime) -> int:
        """Return the pages that [since, until) can take of a venue that gives a quarter of what is asked for."""
        return 4 * (-(-((until - since) // self.spacing + 1) // self.size)) + 4


async def page_downwards(
    call: Request, method: str, request: Mapping[str, str], pages: Pages, since: datetime, until: datetime
) -> list[Any]:
    """Return all rows in [since, until) from new to old, whatever the order inside a page.

    No page is larger than what is left of the range. VenueAnswerError where a page does not lie below the cursor:
    going on would loop or lose rows; where one is much larger than was asked for; and where there are more pages than
    the range can have.
    """
    first, oldest = to_ms(since), to_ms(until)
    rows: list[Any] = []
    left, most = pages.most(since, until), pages.most(since, until)
    while oldest > first:
        if not left:
            raise _endless(method, request["instId"], f"{most} pages, the limit for {since} to {until}")
        left -= 1
        limit = str(pages.limit(first, oldest))
        page = await call(method, {**request, "limit": limit, pages.cursor: str(oldest)})
        if len(page) > 4 * pages.size:
            raise _endless(method, request["instId"], f"{len(page)} rows at once, where {pages.size} are a page")
        timed = list(zip(_read_times(page, pages.time_key, method, until), page, strict=True))
        below = [(at, row) for at, row in timed if at < oldest]
        if not below:
            # `end` of the statistics includes its own instant: a page with that row alone is the end of the history.
            if any(at > oldest or pages.cursor == "after" for at, _ in timed):
                raise VenueAnswerError(
                    f"{method} for {request['instId']} answered no row before {oldest}, but {short(page[0])}",
                    "the venue does not page as OKX v5 does; nothing of this range was stored",
                )
            break
        rows += [row for at, row in below if at >= first]
        oldest = min(at for at, _ in below)
    return rows


def _read_times(page: Sequence[Any], key: int | str, method: str, until: datetime) -> list[int]:
    """Return the times of rows (ms). A time in another unit would lie outside of every range, as if it were no row."""
    now = max(datetime.now(UTC), until)
    first, last = to_ms(FIRST), to_ms(last_instant(now))
    times = [read_whole_number(row, key) for row in page]
    for at in times:
        if not first <= at <= last:
            raise VenueAnswerError(
                f"{method} sent a time that is no Unix time in ms: {show(str(at))}{describe_unit(at, now)}",
                "nothing of this range was stored",
            )
    return times


def _endless(method: str, instrument: str, what: str) -> VenueAnswerError:
    return VenueAnswerError(
        f"{method} for {instrument} answered {what}",
        "the venue does not page as OKX v5 does; nothing of this range was stored",
    )


@dataclass(frozen=True, slots=True)
class PagedSeries:
    """Rows that are lists: their time, then `columns`, at least `spacing` apart.

    `page_size` None takes that of the settings.
    """

    dataset: str
    method: str
    columns: tuple[str, ...]
    fixed: Mapping[str, str]
    spacing: timedelta
    cursor: str = "after"
    page_size: int | None = _PAGE
    of_index: bool = False
    is_missing: Callable[[VenueRejectedError], bool] = lacks_dataset
    in_contracts: bool = False

    async def pages(self, call: Request, asset: str, since: datetime, until: datetime, page_size: int) -> list[Any]:
        """Return all of the venue's rows with since <= time < until, newest page first."""
        name = index_id(asset) if self.of_index else inst_id(asset)
        pages = Pages(self.cursor, 0, self.page_size or page_size, self.spacing)
        return await page_downwards(call, self.method, {"instId": name, **self.fixed}, pages, since, until)

    def read(self, answers: Sequence[OkxRows]) -> pl.DataFrame:
        """Return the rows as they are: this dataset is in base coins or has no sizes."""
        return read_series(DATASETS[self.dataset], self.columns, answers)


@dataclass(frozen=True, slots=True)
class Settlements:
    """Settled funding."""

    in_contracts: bool = False

    async def pages(self, call: Request, asset: str, since: datetime, until: datetime, page_size: int) -> list[Any]:
        """Return all settlements with since <= time < until, newest page first."""
        pages = Pages("after", "fundingTime", _FUNDING_PAGE, HOUR)  # intervals of 1 to 24 hours exist
        request = {"instId": inst_id(asset)}
        return await page_downwards(call, "publicGetPublicFundingRateHistory", request, pages, since, until)

    def read(self, answers: Sequence[OkxRows]) -> pl.DataFrame:
        """Return the settlements."""
        return read_funding(answers)

    def is_missing(self, refusal: VenueRejectedError) -> bool:
        """Return False: every swap has funding, so a refusal is a failure."""
        return False


@dataclass(frozen=True, slots=True)
class Trades:
    """`history-trades` as bars of a minute. Only minutes that lie in the range as a whole become bars."""

    in_contracts: bool = True

    async def pages(self, call: Request, asset: str, since: datetime, until: datetime, page_size: int) -> list[Any]:
        """Return trades from new to old."""
        method, request = "publicGetMarketHistoryTrades", {"instId": inst_id(asset), "limit": str(_PAGE)}
        first, last = to_ms(ceil_to(since, MINUTE)), to_ms(floor_to(until, MINUTE))
        rows: list[Any] = []
        # The first page is found by time (type 2), the others by id (type 1): instants repeat, ids do not.
        page = await call(method, {**request, "type": "2", "after": str(last)}) if first < last else []
        lowest: int | None = None
        left = most = _TRADE_PAGES + _TRADE_PAGES_PER_MINUTE * ((until - since) // MINUTE)
        while page:
            left -= 1
            if not left:
                raise _endless("history-trades", asset, f"{most} pages, the limit for {since} to {until}")
            if len(page) > 4 * _PAGE:
                raise _endless("history-trades", asset, f"{len(page)} rows at once, where {_PAGE} are a page")
            times = _read_times(page, "ts", method, until)
            rows += [row for row, at in zip(page, times, strict=True) if first <= at < last]
            oldest_id = min(read_whole_number(row, "tradeId") for row in page)
            if min(times) < first:
                break
            if lowest is not None and oldest_id >= lowest:
                raise VenueAnswerError(f"history-trades of {asset} does not page: id {oldest_id} after id {lowest}")
            lowest = oldest_id
            page = await call(method, {**request, "type": "1", "after": str(oldest_id)})
        return rows

    def read(self, answers: Sequence[OkxRows]) -> pl.DataFrame:
        """Return bars in base coins; a minute without trades has no row."""
        return read_trades(answers)

    def is_missing(self, refusal: VenueRejectedError) -> bool:
        """Return whether the venue does not have the instrument's trades."""
        return lacks_dataset(refusal)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What exists only now."""

    dataset: str
    method: str
    request: Callable[[str], dict[str, str]]
    reader: SnapshotReader
    in_contracts: bool

    def read(self, answers: Sequence[OkxRows]) -> pl.DataFrame:
        """Return the present states that the answers show, typed (see `type_rows`)."""
        return read_snapshots(DATASETS[self.dataset], self.method, answers, self.reader)

    def is_missing(self, refusal: VenueRejectedError) -> bool:
        """Return whether the venue does not have the present state of the instrument."""
        return lacks_dataset(refusal)


def _lacks_bar_size(refusal: VenueRejectedError) -> bool:
    # Any other refusal of candles is a failure: an instrument without candles is of no use.
    return refusal.code == _REFUSED_PARAMETER and "bar" in refusal.what


def _candles(dataset: str, bar: str) -> PagedSeries:
    return PagedSeries(
        dataset=dataset,
        method="publicGetMarketHistoryCandles",
        columns=("open", "high", "low", "close", "contracts", "volume", "volume_quote", "confirm"),
        fixed={"bar": bar},
        spacing=DATASETS[dataset].known_after,
        page_size=None,
        is_missing=_lacks_bar_size,
    )


def _reference(dataset: str, method: str, *, of_index: bool = False) -> PagedSeries:
    columns = ("open", "high", "low", "close", "confirm")
    return PagedSeries(
        dataset=dataset, method=method, columns=columns, fixed={"bar": "1H"}, spacing=HOUR, of_index=of_index
    )


_STATISTICS = "publicGetRubikStat"
HISTORIES: Mapping[str, History] = {
    "candles_1m": _candles("candles_1m", "1m"),
    "candles_1h": _candles("candles_1h", "1H"),
    "funding": Settlements(),
    "mark_1h": _reference("mark_1h", "publicGetMarketHistoryMarkPriceCandles"),
    "index_1h": _reference("index_1h", "publicGetMarketHistoryIndexCandles", of_index=True),
    "open_interest": PagedSeries(
        dataset="open_interest",
        method=f"{_STATISTICS}ContractsOpenInterestHistory",
        columns=("contracts", "open_interest", "open_interest_usd"),
        fixed={"period": "1H"},
        spacing=HOUR,
        cursor="end",
    ),
    "taker_volume_1h": PagedSeries(
        dataset="taker_volume_1h",
        method=f"{_STATISTICS}TakerVolumeContract",
        columns=("sell_volume", "buy_volume"),
        fixed={"period": "1H", "unit": "0"},
        spacing=HOUR,
        cursor="end",
    ),
    "trade_bars_1m": Trades(),
}
"""Datasets with a history, by name."""
SNAPSHOTS: Mapping[str, Snapshot] = {
    "book_tops": Snapshot(
        dataset="book_tops",
        method="publicGetMarketBooks",
        request=lambda asset: {"instId": inst_id(asset), "sz": str(BOOK_LEVELS)},
        reader=read_book,
        in_contracts=True,
    ),
    "liquidations": Snapshot(
        dataset="liquidations",
        method="publicGetPublicLiquidationOrders",
        request=lambda asset: {
            "instType": "SWAP",
            "instFamily": index_id(asset),
            "state": "filled",
            "limit": str(_PAGE),
        },
        reader=read_liquidations,
        in_contracts=True,
    ),
    "open_interest": Snapshot(
        dataset="open_interest",
        method="publicGetPublicOpenInterest",
        request=lambda asset: {"instType": "SWAP", "instId": inst_id(asset)},
        reader=read_open_interest,
        in_contracts=False,
    ),
}
"""Datasets with a present state, by name; open interest has a history too."""
