"""Raw datasets of the lake: which exist, the exact columns of their files, and when a row is complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import polars as pl

from pairity.errors import DataError, UnknownNameError
from pairity.timeline import DAY, HOUR, MINUTE

INSTANT = pl.Datetime("us", "UTC")
KNOWN_AT = "known_at"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def instant(at: datetime) -> pl.Expr:
    """Return the literal of an instant.

    Polars makes a series of each `datetime` that it is given, converts its zone, and only then compares with it. A live
    hour compares with so many that this takes longer than the comparisons.
    """
    return pl.lit((at - _EPOCH) // _MICROSECOND, dtype=INSTANT)


@dataclass(frozen=True, slots=True)
class RawDataset:
    """One kind of raw rows of one instrument: at most one row per instant, and one more per correction of it."""

    name: str
    time: str
    values: tuple[str, ...]
    """All float64. Prices in USDT, volumes in base coins unless the name says otherwise."""
    nullable: frozenset[str]
    known_after: timedelta
    """From the labelled instant until the row is complete: one bar for candles, 0 for settlements and snapshots."""
    every: timedelta | None
    """Distance of the rows of a complete history; None where rows have no grid."""
    description: str

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Columns of the files, in order: time, values (float64), `known_at`."""
        return {self.time: INSTANT, **{name: pl.Float64() for name in self.values}, KNOWN_AT: INSTANT}

    def empty(self) -> pl.DataFrame:
        """Return a frame with the columns of the files and no rows."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return `rows` with the exact columns and types; a nullable column that a source does not give is null.

        DataError names a required column that is missing or has nulls.
        """
        missing = [name for name in self.schema if name not in rows.columns and name not in self.nullable]
        if missing:
            raise DataError(f"rows for {self.name} lack the columns {', '.join(missing)}; found {rows.columns}")
        conformed = rows.select(
            (pl.col(name) if name in rows.columns else pl.lit(None).alias(name)).cast(dtype)
            for name, dtype in self.schema.items()
        )
        for name in self.schema:
            if name not in self.nullable and conformed[name].null_count():
                raise DataError(f"{conformed[name].null_count()} rows for {self.name} have no {name}")
        return conformed

    def empty_of_assets(self) -> pl.DataFrame:
        """Return a frame with `asset` and the columns of the files, and no rows."""
        return pl.DataFrame(schema={"asset": pl.String(), **self.schema})

    def conform_assets(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return `rows` of many instruments with `asset` (text, no nulls) and the exact columns: see `conform`."""
        if "asset" not in rows.columns or rows["asset"].null_count():
            raise DataError(f"rows for {self.name} do not all say their asset", "give a column asset with short names")
        return rows.select(pl.col("asset").cast(pl.String)).hstack(self.conform(rows).get_columns())


_NOTHING = timedelta(0)
_PRICES = ("open", "high", "low", "close")
_TRADED = ("volume", "volume_quote", "trade_count", "taker_buy_volume")
_NOT_EVERY_VENUE = frozenset({"volume_quote", "trade_count", "taker_buy_volume"})

DATASETS: Mapping[str, RawDataset] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            RawDataset(
                name="candles_1m",
                time="open_time",
                values=(*_PRICES, *_TRADED),
                nullable=_NOT_EVERY_VENUE,
                known_after=MINUTE,
                every=MINUTE,
                description="traded prices and volumes of one minute",
            ),
            RawDataset(
                name="candles_1h",
                time="open_time",
                values=(*_PRICES, *_TRADED),
                nullable=_NOT_EVERY_VENUE,
                known_after=HOUR,
                every=HOUR,
                description="traded prices and volumes of one hour, for instruments without minutes",
            ),
            RawDataset(
                name="funding",
                time="funding_time",
                values=("funding_rate",),
                nullable=frozenset(),
                known_after=_NOTHING,
                every=None,
                description="settled funding, fraction per interval",
            ),
            RawDataset(
                name="mark_1h",
                time="open_time",
                values=_PRICES,
                nullable=frozenset(),
                known_after=HOUR,
                every=HOUR,
                description="mark price of one hour",
            ),
            RawDataset(
                name="index_1h",
                time="open_time",
                values=_PRICES,
                nullable=frozenset(),
                known_after=HOUR,
                every=HOUR,
                description="index price of one hour",
            ),
            RawDataset(
                name="open_interest",
                time="time",
                values=("open_interest", "open_interest_usd"),
                nullable=frozenset({"open_interest", "open_interest_usd"}),
                known_after=_NOTHING,
                every=None,
                description="open interest, base coins or USD, at least one of them",
            ),
            RawDataset(
                name="taker_volume_1h",
                time="open_time",
                values=("buy_volume", "sell_volume"),
                nullable=frozenset(),
                known_after=HOUR,
                every=HOUR,
                description="taker volumes of one hour",
            ),
            RawDataset(
                name="trade_bars_1m",
                time="open_time",
                values=(*_PRICES, *_TRADED),
                nullable=frozenset(),
                known_after=MINUTE,
                every=None,
                description="one minute's trades, where there were any",
            ),
            RawDataset(
                name="book_tops",
                time="time",
                values=("bid_price", "bid_size", "ask_price", "ask_size", "bid_size_20", "ask_size_20"),
                nullable=frozenset({"bid_size_20", "ask_size_20"}),
                known_after=_NOTHING,
                every=None,
                description="top of book, and the sizes of its first 20 levels together",
            ),
            RawDataset(
                name="liquidations",
                time="time",
                values=("long_notional", "short_notional"),
                nullable=frozenset(),
                known_after=_NOTHING,
                every=None,
                description="liquidated positions of one instant, USDT by side of the position",
            ),
            RawDataset(
                name="inflow",
                time="time",
                values=("inflow",),
                nullable=frozenset(),
                known_after=DAY,
                every=DAY,
                description="coins that flowed to exchanges in one day",
            ),
        )
    }
)
CANDLES = ("candles_1m", "candles_1h")
BAR_SOURCES = (*CANDLES, "trade_bars_1m")
"""Datasets of which hourly bars are made, the ones that count first in front."""


def find_dataset(name: str) -> RawDataset:
    """Return the raw dataset of that name; UnknownNameError lists those that exist."""
    if name not in DATASETS:
        raise UnknownNameError("dataset", name, DATASETS)
    return DATASETS[name]
