"""What kinds of raw rows exist, and the exact columns of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import polars as pl

from pairity.errors import DataError, UnknownNameError
from pairity.timeline import DAY, HOUR, MINUTE

INSTANT = pl.Datetime("us", "UTC")
KNOWN_AT = "known_at"


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of raw row of one instrument; at most one row per instant, and one per correction of it."""

    name: str
    time: str
    values: tuple[str, ...]
    """All float64. Prices in USDT, volumes in base coins unless the name says otherwise."""
    nullable: frozenset[str]
    known_after: timedelta
    """From the labelled time until the row is complete: one bar for candles, nothing for settlements and snapshots."""
    every: timedelta | None
    """Distance of the rows of a complete history; None where instants come as they come."""
    description: str

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Columns of the files, in order: time, values (float64), `known_at`."""
        return {self.time: INSTANT, **{name: pl.Float64() for name in self.values}, KNOWN_AT: INSTANT}

    def empty(self) -> pl.DataFrame:
        """No rows, right columns."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` in the exact columns and types; a nullable column that a source does not give is null.

        DataError names what is missing or null but must not be.
        """
        missing = [name for name in self.schema if name not in rows.columns and name not in self.nullable]
        if missing:
            raise DataError(f"rows for {self.name} lack the columns {', '.join(missing)}; found {rows.columns}")
        conformed = rows.select(
            (pl.col(name) if name in rows.columns else pl.lit(None).alias(name)).cast(kind)
            for name, kind in self.schema.items()
        )
        for name in self.schema:
            if name not in self.nullable and conformed[name].null_count():
                raise DataError(f"{conformed[name].null_count()} rows for {self.name} have no {name}")
        return conformed


_NOTHING = timedelta(0)
_PRICES = ("open", "high", "low", "close")
_TRADED = ("volume", "volume_quote", "trade_count", "taker_buy_volume")
_NOT_EVERY_VENUE = frozenset({"volume_quote", "trade_count", "taker_buy_volume"})

DATASETS: Mapping[str, Dataset] = MappingProxyType({kind.name: kind for kind in (
    Dataset("candles_1m", "open_time", (*_PRICES, *_TRADED), _NOT_EVERY_VENUE, MINUTE, MINUTE,
            "traded prices and volumes of one minute"),
    Dataset("candles_1h", "open_time", (*_PRICES, *_TRADED), _NOT_EVERY_VENUE, HOUR, HOUR,
            "traded prices and volumes of one hour, for instruments without minutes"),
    Dataset("funding", "funding_time", ("funding_rate",), frozenset(), _NOTHING, None,
            "settled funding, fraction per interval"),
    Dataset("mark_1h", "open_time", _PRICES, frozenset(), HOUR, HOUR, "mark price of one hour"),
    Dataset("index_1h", "open_time", _PRICES, frozenset(), HOUR, HOUR, "index price of one hour"),
    Dataset("open_interest", "time", ("open_interest", "open_interest_usd"), frozenset({"open_interest_usd"}), _NOTHING,
            None, "open interest, base coins"),
    Dataset("taker_volume_1h", "open_time", ("buy_volume", "sell_volume"), frozenset(), HOUR, HOUR,
            "taker volumes of one hour"),
    Dataset("trade_bars_1m", "open_time", (*_PRICES, *_TRADED), frozenset(), MINUTE, None,
            "one minute's trades, where there were any"),
    Dataset("book_tops", "time", ("bid_price", "bid_size", "ask_price", "ask_size", "bid_size_20", "ask_size_20"),
            frozenset({"bid_size_20", "ask_size_20"}), _NOTHING, None,
            "top of book, and the sizes of its first 20 levels together"),
    Dataset("liquidations", "time", ("long_notional", "short_notional"), frozenset(), _NOTHING, None,
            "liquidated positions of one instant, USDT by side of the position"),
    Dataset("inflow", "time", ("inflow",), frozenset(), DAY, DAY, "coins that flowed to exchanges in one day"),
)})  # fmt: skip
CANDLES = ("candles_1m", "candles_1h")


def dataset(name: str) -> Dataset:
    """The dataset of that name; UnknownNameError lists those that exist."""
    if name not in DATASETS:
        raise UnknownNameError("dataset", name, DATASETS)
    return DATASETS[name]
