"""What kinds of raw rows exist, and the exact columns of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import polars as pl

from pairity.errors import DataError, UnknownNameError
from pairity.timeline import HOUR, MINUTE

INSTANT = pl.Datetime("us", "UTC")
KNOWN_AT = "known_at"


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of raw row. `time` labels a row; `known_after` later it could first be known."""

    name: str
    time: str
    values: tuple[str, ...]
    nullable: frozenset[str]
    known_after: timedelta
    """From the labelled time until the row is complete: one bar for candles, nothing for settlements."""

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Columns of the files, in order: time, values (float64), `known_at`."""
        return {self.time: INSTANT, **{name: pl.Float64() for name in self.values}, KNOWN_AT: INSTANT}

    def empty(self) -> pl.DataFrame:
        """No rows, right columns."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` in the exact columns and types; DataError names what is missing or null but must not be."""
        missing = [name for name in self.schema if name not in rows.columns]
        if missing:
            raise DataError(f"rows for {self.name} lack the columns {', '.join(missing)}; found {rows.columns}")
        conformed = rows.select(pl.col(name).cast(kind) for name, kind in self.schema.items())
        for name in self.schema:
            if name not in self.nullable and conformed[name].null_count():
                raise DataError(f"{conformed[name].null_count()} rows for {self.name} have no {name}")
        return conformed


_PRICES = ("open", "high", "low", "close", "volume", "volume_quote")
_NO_QUOTE = frozenset({"volume_quote"})

DATASETS: Mapping[str, Dataset] = MappingProxyType({
    "candles_1m": Dataset("candles_1m", "open_time", _PRICES, _NO_QUOTE, MINUTE),
    "candles_1h": Dataset("candles_1h", "open_time", _PRICES, _NO_QUOTE, HOUR),
    "funding": Dataset("funding", "funding_time", ("funding_rate",), frozenset(), timedelta(0)),
})  # fmt: skip


def dataset(name: str) -> Dataset:
    """The dataset of that name; UnknownNameError lists those that exist."""
    if name not in DATASETS:
        raise UnknownNameError("dataset", name, DATASETS)
    return DATASETS[name]
