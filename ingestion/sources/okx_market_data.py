"""What OKX tells of a swap besides candles and funding: how each dataset is asked for, paged and understood.

Sizes of trades, books and liquidations are contracts at OKX; rows carry base coins (contracts × contract value).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from feature_repo.raw_datasets import DATASETS, INSTANT
from feature_repo.transforms.ticks import build_bars_from_trades
from ingestion.sources.okx_rows import TimeOf, finish
from pairity.errors import VenueAnswerError
from pairity.timeline import HISTORY_LAG, MINUTE, ceil_to, floor_to, to_ms
from pairity.universe import inst_id

Request = Callable[[str, Mapping[str, str]], Awaitable[list[Any]]]
"""One read of the venue: method and parameters to `data`."""
_PAGE = "100"
_BOOK_LEVELS = 20


def index_id(asset: str) -> str:
    """The venue's id of the index that a swap follows (`BTC-USDT`), which is also its instrument family."""
    return inst_id(asset).removesuffix("-SWAP")


class History(Protocol):
    """A dataset with a history."""

    @property
    def in_contracts(self) -> bool:
        """Whether its sizes are contracts on the wire."""
        ...

    async def pages(self, call: Request, asset: str, since: datetime, until: datetime) -> list[Any]:
        """All of the venue's rows with since <= time < until."""
        ...

    def frame(self, rows: list[Any], contract_value: float, since: datetime, until: datetime) -> pl.DataFrame:
        """Those rows in the dataset's columns, ascending; bars that are not complete are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """Rows that are lists beginning with their time, paged downwards by the parameter `cursor`.

    `columns` are the cells after the time. Where they end in `confirm`, only confirmed bars count; where the venue
    marks nothing, a bar counts when it ends within the range, so the range must not reach beyond the venue's now.
    """

    dataset: str
    method: str
    columns: tuple[str, ...]
    fixed: Mapping[str, str]
    cursor: str
    of_index: bool = False
    in_contracts: bool = False

    async def pages(self, call: Request, asset: str, since: datetime, until: datetime) -> list[Any]:
        """Pages from new to old."""
        request = {"instId": index_id(asset) if self.of_index else inst_id(asset), "limit": _PAGE, **self.fixed}
        first, cursor, found = to_ms(since), to_ms(until), []
        while cursor > first:
            page = await call(self.method, {**request, self.cursor: str(cursor)})
            times = [_row_time(row) for row in page]
            inside = [(at, row) for at, row in zip(times, page, strict=True) if at < cursor]
            if not inside:
                if any(at > cursor for at in times):
                    raise VenueAnswerError(f"{self.method} for {asset} answered only rows after {cursor}")
                break
            found += [row for at, row in inside if at >= first]
            cursor = min(at for at, _ in inside)
        return found

    def frame(self, rows: list[Any], contract_value: float, since: datetime, until: datetime) -> pl.DataFrame:
        """The rows as they are: this dataset is in base coins or has no sizes."""
        dataset = DATASETS[self.dataset]
        names = (dataset.time, *self.columns)
        odd = next((row for row in rows if len(row) != len(names)), None)
        if odd is not None:
            raise VenueAnswerError(f"{self.dataset}: a row has {len(odd)} columns instead of {len(names)}: {odd!r}")
        if "confirm" in names:
            rows = [row for row in rows if row[-1] == "1"]
        raw = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
        typed = finish(dataset, raw, self.dataset)
        return typed.filter(pl.col(dataset.time) + dataset.known_after <= until)


@dataclass(frozen=True, slots=True)
class Ticks:
    """`history-trades`, found by time, then paged by id (instants repeat, ids do not), as bars of a minute.

    Only minutes that lie in the range as a whole become bars.
    """

    in_contracts: bool = True

    async def pages(self, call: Request, asset: str, since: datetime, until: datetime) -> list[Any]:
        """Trades from new to old."""
        method, request = "publicGetMarketHistoryTrades", {"instId": inst_id(asset), "limit": _PAGE}
        first, last, found = to_ms(ceil_to(since, MINUTE)), to_ms(floor_to(until, MINUTE)), []
        page = await call(method, {**request, "type": "2", "after": str(last)}) if first < last else []
        lowest: int | None = None
        while page:
            times = [_trade_time(row) for row in page]
            found += [row for row, at in zip(page, times, strict=True) if first <= at < last]
            ids = min(_trade_id(row) for row in page)
            if min(times) < first:
                break
            if lowest is not None and ids >= lowest:
                raise VenueAnswerError(f"history-trades of {asset} does not page: id {ids} after id {lowest}")
            lowest = ids
            page = await call(method, {**request, "type": "1", "after": str(ids)})
        return found

    def frame(self, rows: list[Any], contract_value: float, since: datetime, until: datetime) -> pl.DataFrame:
        """Bars; a minute without trades has no row."""
        dataset = DATASETS["trade_bars_1m"]
        if not rows:
            return dataset.empty()
        time = pl.from_epoch("ts", time_unit="ms").dt.replace_time_zone("UTC").cast(INSTANT)
        trades = (
            pl.DataFrame([_trade(row) for row in rows], orient="row", schema=_TRADE_COLUMNS)
            .unique("trade_id", maintain_order=True)
            .select(
                pl.lit("").alias("asset"), time.alias("time"), "trade_id", "price",
                (pl.col("contracts") * contract_value).alias("size"),
                "taker_buys", pl.lit(1, pl.Int64).alias("trades"), time.alias("known_at"),
            )
        )  # fmt: skip
        bars = build_bars_from_trades(trades.lazy(), MINUTE).collect()
        return dataset.conform(bars.with_columns((pl.col("open_time") + MINUTE + HISTORY_LAG).alias("known_at")))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What exists only now: `read` turns an answer into rows of the dataset (milliseconds first)."""

    dataset: str
    method: str
    request: Callable[[str], dict[str, str]]
    read: Callable[[list[dict[str, Any]], float], list[tuple[Any, ...]]]
    in_contracts: bool

    def frame(self, rows: list[dict[str, Any]], contract_value: float) -> pl.DataFrame:
        """Rows in the dataset's columns; an answer that is not as promised is a VenueAnswerError."""
        dataset = DATASETS[self.dataset]
        try:
            values = self.read(rows, contract_value)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise VenueAnswerError(f"{self.method} answered {str(rows)[:200]}: {error!r}") from None
        schema = {dataset.time: pl.Int64, **dict.fromkeys(dataset.values, pl.Float64)}
        return finish(dataset, pl.DataFrame(values, schema=schema, orient="row"), self.dataset)


def _book(rows: list[dict[str, Any]], value: float) -> list[tuple[Any, ...]]:
    """Top of book and the sizes of 20 levels; the sum is null where a side has fewer. An empty side gives no row."""
    found = []
    for row in rows:
        bids, asks = ([(float(level[0]), float(level[1]) * value) for level in row[side]] for side in ("bids", "asks"))
        if bids and asks:
            deep = [sum(s for _, s in side) if len(side) == _BOOK_LEVELS else None for side in (bids, asks)]
            found.append((int(row["ts"]), *bids[0], *asks[0], *deep))
    return found


def _liquidations(rows: list[dict[str, Any]], value: float) -> list[tuple[Any, ...]]:
    """USDT at the bankruptcy price by side of the position, summed per instant: a forced sale ends a long."""
    sums: dict[int, list[float]] = {}
    for detail in (detail for row in rows for detail in row["details"]):
        side = detail.get("posSide")
        if side not in ("long", "short"):
            side = {"sell": "long", "buy": "short"}[detail["side"]]
        both = sums.setdefault(int(detail["ts"]), [0.0, 0.0])
        both[side == "short"] += float(detail["sz"]) * value * float(detail["bkPx"])
    return [(at, *both) for at, both in sums.items()]


def _interest(rows: list[dict[str, Any]], value: float) -> list[tuple[Any, ...]]:
    """No row where the venue does not know it."""
    return [
        (int(row["ts"]), float(row["oiCcy"]), float(row["oiUsd"]) if row.get("oiUsd") else None)
        for row in rows
        if row["oiCcy"]
    ]


def _trade(row: Mapping[str, Any]) -> tuple[int, int, float, float, bool]:
    try:
        buys = {"buy": True, "sell": False}[row["side"]]
        return int(row["ts"]), int(row["tradeId"]), float(row["px"]), float(row["sz"]), buys
    except (KeyError, TypeError, ValueError):
        raise VenueAnswerError(f"the venue sent a trade that is not one: {row!r}") from None


_row_time, _trade_time, _trade_id = TimeOf(0), TimeOf("ts"), TimeOf("tradeId")
_TRADE_COLUMNS = {"ts": pl.Int64, "trade_id": pl.Int64, "price": pl.Float64, "contracts": pl.Float64,
                  "taker_buys": pl.Boolean}  # fmt: skip
_REFERENCE = ("open", "high", "low", "close", "confirm")
_RUBIK = "publicGetRubikStat"
MARKET_DATA: Mapping[str, History] = {
    "mark_1h": Listed("mark_1h", "publicGetMarketHistoryMarkPriceCandles", _REFERENCE, {"bar": "1H"}, "after"),
    "index_1h": Listed(
        "index_1h", "publicGetMarketHistoryIndexCandles", _REFERENCE, {"bar": "1H"}, "after", of_index=True
    ),
    "open_interest": Listed(
        "open_interest", f"{_RUBIK}ContractsOpenInterestHistory",
        ("contracts", "open_interest", "open_interest_usd"), {"period": "1H"}, "end",
    ),
    "taker_volume_1h": Listed(
        "taker_volume_1h", f"{_RUBIK}TakerVolumeContract", ("sell_volume", "buy_volume"),
        {"period": "1H", "unit": "0"}, "end",
    ),
    "trade_bars_1m": Ticks(),
}  # fmt: skip
SNAPSHOTS: Mapping[str, Snapshot] = {
    "book_tops": Snapshot(
        "book_tops", "publicGetMarketBooks", lambda a: {"instId": inst_id(a), "sz": str(_BOOK_LEVELS)}, _book, True
    ),
    "liquidations": Snapshot(
        "liquidations", "publicGetPublicLiquidationOrders",
        lambda a: {"instType": "SWAP", "instFamily": index_id(a), "state": "filled", "limit": _PAGE},
        _liquidations, True,
    ),
    "open_interest": Snapshot(
        "open_interest", "publicGetPublicOpenInterest",
        lambda a: {"instType": "SWAP", "instId": inst_id(a)}, _interest, False,
    ),
}  # fmt: skip
