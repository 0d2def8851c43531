"""Finest bars as arrays: markets store them, candles are aggregated from them."""

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
class BarArrays:
    """Bars as one array per field, ascending by open time.

    `volume` is in base units, `volume_quote` in quote units; no nulls.
    """

    open_ms: Instants
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    volume_quote: Floats

    def __len__(self) -> int:
        return len(self.open_ms)

    def between(self, since_ms: int, until_ms: int) -> BarArrays:
        """Return the bars with since_ms <= open_ms < until_ms; views, not copies."""
        first, last = np.searchsorted(self.open_ms, (since_ms, until_ms), "left")
        return self.rows(slice(int(first), max(int(first), int(last))))

    def rows(self, rows: slice | Instants | npt.NDArray[np.bool_]) -> BarArrays:
        """Return the selected rows."""
        return BarArrays(
            open_ms=self.open_ms[rows],
            open=self.open[rows],
            high=self.high[rows],
            low=self.low[rows],
            close=self.close[rows],
            volume=self.volume[rows],
            volume_quote=self.volume_quote[rows],
        )

    def bar(self, row: int) -> Bar:
        """Return one row as a record."""
        return Bar(
            open_ms=int(self.open_ms[row]),
            open=float(self.open[row]),
            high=float(self.high[row]),
            low=float(self.low[row]),
            close=float(self.close[row]),
            volume=float(self.volume[row]),
        )

    def newest_at(self, at_ms: int) -> Bar | None:
        """Return the newest bar that opened at or before `at_ms`; None before the first."""
        row = int(np.searchsorted(self.open_ms, at_ms, "right")) - 1
        return self.bar(row) if row >= 0 else None


def make_bar_arrays(
    open_ms: Instants,
    prices: tuple[Floats, Floats, Floats, Floats],
    volume: Floats,
    volume_quote: Floats | None = None,
) -> BarArrays:
    """Return arrays of `prices` (open, high, low, close).

    Quote volume is the recorded one, or volume × (high + low + close)/3 where none was recorded.
    """
    open_, high, low, close = prices
    typical = volume * (high + low + close) / 3
    quote = typical if volume_quote is None else np.where(np.isfinite(volume_quote), volume_quote, typical)
    return BarArrays(open_ms=open_ms, open=open_, high=high, low=low, close=close, volume=volume, volume_quote=quote)


def join_bar_arrays(parts: Sequence[BarArrays]) -> BarArrays:
    """Return the bars of all parts, in the order given."""
    return BarArrays(
        open_ms=np.concatenate([part.open_ms for part in parts]),
        open=np.concatenate([part.open for part in parts]),
        high=np.concatenate([part.high for part in parts]),
        low=np.concatenate([part.low for part in parts]),
        close=np.concatenate([part.close for part in parts]),
        volume=np.concatenate([part.volume for part in parts]),
        volume_quote=np.concatenate([part.volume_quote for part in parts]),
    )


class BarSlice(Sequence[Bar]):
    """A sequence of bars that makes its records only when they are read."""

    def __init__(self, arrays: BarArrays) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays)

    @overload
    def __getitem__(self, index: int) -> Bar: ...
    @overload
    def __getitem__(self, index: slice) -> BarSlice: ...
    def __getitem__(self, index: int | slice) -> Bar | BarSlice:
        if isinstance(index, slice):
            return BarSlice(self.arrays.rows(index))
        return self.arrays.bar(range(len(self))[index])

    def __iter__(self) -> Iterator[Bar]:
        c = self.arrays
        arrays = (c.open_ms, c.open, c.high, c.low, c.close, c.volume)
        # Whole arrays at once, by position: days of minutes are read here, and `bar` costs ten times as much a row.
        return map(Bar, *(array.tolist() for array in arrays))


def arrays_from_bars(bars: Sequence[Bar]) -> BarArrays:
    """Return the arrays of any sequence of bars."""
    if isinstance(bars, BarSlice):
        return bars.arrays
    table = np.array(bars, dtype=np.float64).reshape(-1, 6)
    # Apart from the table, which is float64: an instant must not pass through it.
    open_ms = np.fromiter((bar.open_ms for bar in bars), dtype=np.int64, count=len(bars))
    return make_bar_arrays(open_ms, (table[:, 1], table[:, 2], table[:, 3], table[:, 4]), table[:, 5])


def round_values(values: Floats, decimals: int) -> Floats:
    """Return `values` rounded to `decimals` (numpy's own signature promises less about the type)."""
    return np.asarray(np.round(values, decimals), dtype=np.float64)
