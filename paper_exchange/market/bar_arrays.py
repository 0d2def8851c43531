"""Finest bars as arrays: what markets store, and what candles are aggregated from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from paper_exchange.market.market import Bar

Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars by column, ascending by open time. Volume is in base units, volume_quote in quote units; no nulls."""

    open_ms: Instants
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    volume_quote: Floats

    def __len__(self) -> int:
        return len(self.open_ms)

    def between(self, since_ms: int, until_ms: int) -> Columns:
        """Bars with since_ms <= open_ms < until_ms; views, not copies."""
        first, last = np.searchsorted(self.open_ms, (since_ms, until_ms), "left")
        return self.rows(slice(int(first), max(int(first), int(last))))

    def rows(self, rows: slice | Instants | npt.NDArray[np.bool_]) -> Columns:
        """Selected rows."""
        return Columns(
            self.open_ms[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
            self.volume_quote[rows],
        )

    def bar(self, row: int) -> Bar:
        """One row as a record."""
        return Bar(
            int(self.open_ms[row]),
            float(self.open[row]),
            float(self.high[row]),
            float(self.low[row]),
            float(self.close[row]),
            float(self.volume[row]),
        )

    def newest_at(self, at_ms: int) -> Bar | None:
        """The newest bar that opened at or before `at_ms`, None before the first."""
        row = int(np.searchsorted(self.open_ms, at_ms, "right")) - 1
        return self.bar(row) if row >= 0 else None


def columns(
    open_ms: Instants,
    prices: tuple[Floats, Floats, Floats, Floats],
    volume: Floats,
    volume_quote: Floats | None = None,
) -> Columns:
    """Columns of `prices` (open, high, low, close).

    Quote volume is the recorded one, or volume × (high + low + close)/3 where none was recorded.
    """
    open_, high, low, close = prices
    typical = volume * (high + low + close) / 3
    quote = typical if volume_quote is None else np.where(np.isfinite(volume_quote), volume_quote, typical)
    return Columns(open_ms, open_, high, low, close, volume, quote)


def joined(parts: Sequence[Columns]) -> Columns:
    """Parts in a row, in the order given."""
    return Columns(
        np.concatenate([part.open_ms for part in parts]),
        np.concatenate([part.open for part in parts]),
        np.concatenate([part.high for part in parts]),
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.close for part in parts]),
        np.concatenate([part.volume for part in parts]),
        np.concatenate([part.volume_quote for part in parts]),
    )


class BarSlice(Sequence[Bar]):
    """A sequence of bars that is arrays underneath."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> Bar: ...
    @overload
    def __getitem__(self, index: slice) -> BarSlice: ...
    def __getitem__(self, index: int | slice) -> Bar | BarSlice:
        if isinstance(index, slice):
            return BarSlice(self.columns.rows(index))
        return self.columns.bar(range(len(self))[index])

    def __iter__(self) -> Iterator[Bar]:
        c = self.columns
        arrays = (c.open_ms, c.open, c.high, c.low, c.close, c.volume)
        return map(Bar, *(array.tolist() for array in arrays))


def columns_of(bars: Sequence[Bar]) -> Columns:
    """Arrays of any sequence of bars."""
    if isinstance(bars, BarSlice):
        return bars.columns
    table = np.array(bars, dtype=np.float64).reshape(-1, 6)
    open_ms = np.fromiter((bar.open_ms for bar in bars), dtype=np.int64, count=len(bars))
    return columns(open_ms, (table[:, 1], table[:, 2], table[:, 3], table[:, 4]), table[:, 5])


def rounded(values: Floats, decimals: int) -> Floats:
    """`values` to `decimals` (numpy's own signature promises less about the type)."""
    return np.asarray(np.round(values, decimals), dtype=np.float64)
