"""Candles of any size from the finest bars, and the pages in which they are served.

See docs/okx-protocol.md, Candles, and its section on Cursors.

Known at `now`: finest bars that have closed, and of the current one its open alone (see `market.py`). A candle whose
end has not come carries confirm "0". Candles that would begin before the market does are left out: nobody saw them
whole. Where every finest bar of a candle is missing, the candle is missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from paper_exchange.market.bar_arrays import BarArrays, Instants, arrays_from_bars, round_values
from paper_exchange.market.market import Market, PriceKind
from paper_exchange.wire import WireError, bad_parameter

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
RECENT_BARS = 1_440
_SHORT = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1H": 60, "2H": 120, "4H": 240}
_LONG = {"6H": 6, "12H": 12, "1D": 24, "2D": 48, "3D": 72, "1W": 168}
_MONTHS = {"1M": 1, "3M": 3}
# Long bars without suffix open on Hong Kong's clock; weeks begin on Monday (1970-01-01 was a Thursday).
_HONG_KONG_MS = 8 * HOUR_MS
_MONDAY_MS = 4 * DAY_MS


class BarSize(NamedTuple):
    """Size of a bar: its length, and the distance of its opens from multiples of that length since the Unix epoch.

    Bars of months (`months` > 0) open with the calendar's month; `ms` is then only about their length.
    """

    ms: int
    offset_ms: int = 0
    months: int = 0

    def start_of(self, instant_ms: int) -> int:
        """Return the open of the bar that contains an instant."""
        if self.months:
            return int(self.starts_of(np.array([instant_ms], dtype=np.int64))[0])
        return (instant_ms - self.offset_ms) // self.ms * self.ms + self.offset_ms

    def starts_of(self, instants_ms: Instants) -> Instants:
        """Return the opens of the bars that contain the instants of an array."""
        if self.months:
            month = (instants_ms - self.offset_ms).astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
            return self._open_months(month // self.months * self.months)
        return (instants_ms - self.offset_ms) // self.ms * self.ms + self.offset_ms

    def moved(self, starts_ms: Instants, bars: int) -> Instants:
        """Return the opens of the bars that come `bars` after the ones that open at `starts_ms`."""
        if self.months:
            month = (starts_ms - self.offset_ms).astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
            return self._open_months(month + bars * self.months)
        return starts_ms + bars * self.ms

    def move(self, start_ms: int, bars: int) -> int:
        """Return the open of the bar that comes `bars` after the one that opens at `start_ms` (before it if < 0)."""
        return int(self.moved(np.array([start_ms], dtype=np.int64), bars)[0])

    def _open_months(self, months: Instants) -> Instants:
        """Return the first instants of months, counted from January 1970."""
        return months.astype("datetime64[M]").astype("datetime64[ms]").astype(np.int64) + self.offset_ms


class Candle(NamedTuple):
    """One candle; `closed` is the wire's confirm. Volumes in base and quote units."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    volume_quote: float
    closed: bool


def parse_bar_size(name: str) -> BarSize:
    """Return the size of an OKX bar name (case sensitive; `utc` bars open on UTC); 51000 for any other.

    >>> instant_ms = 1_742_316_660_000
    >>> parse_bar_size("1Dutc").start_of(instant_ms) % DAY_MS, parse_bar_size("1D").start_of(instant_ms) % DAY_MS
    (0, 57600000)
    """
    if name in _SHORT:
        return BarSize(_SHORT[name] * MINUTE_MS)
    base = name.removesuffix("utc")
    shift_ms = 0 if name.endswith("utc") else _HONG_KONG_MS
    if base in _MONTHS:
        return BarSize(_MONTHS[base] * 30 * DAY_MS, -shift_ms, _MONTHS[base])
    if base not in _LONG:
        raise bad_parameter("bar")
    return BarSize(_LONG[base] * HOUR_MS, (_MONDAY_MS if base == "1W" else 0) - shift_ms)


def aggregate(finest: BarArrays, size: BarSize) -> BarArrays:
    """Return candles of `size` from ascending finest bars; nothing from nothing."""
    if len(finest) == 0:
        return finest
    starts = size.starts_of(finest.open_ms)
    # First and last row of each candle: `reduceat` sums and compares whole runs without a loop.
    first = np.flatnonzero(np.r_[True, starts[1:] != starts[:-1]])
    last = np.r_[first[1:], len(starts)] - 1
    return BarArrays(
        open_ms=starts[first],
        open=finest.open[first],
        high=np.maximum.reduceat(finest.high, first),
        low=np.minimum.reduceat(finest.low, first),
        close=finest.close[last],
        volume=round_values(np.add.reduceat(finest.volume, first), 8),
        volume_quote=round_values(np.add.reduceat(finest.volume_quote, first), 8),
    )


def read_page(
    market: Market,
    inst_id: str,
    size: BarSize,
    *,
    now_ms: int,
    limit: int,
    after_ms: int | None = None,
    before_ms: int | None = None,
    recent_only: bool = False,
    kind: PriceKind = "last",
) -> list[Candle]:
    """Return the newest `limit` candles that open in (before_ms, after_ms), newest first.

    `recent_only` leaves out what is older than the last 1,440 candles.
    """
    _check_size(market, inst_id, size)
    current_ms = size.start_of(now_ms)
    oldest_ms = market.start_ms if before_ms is None else max(market.start_ms, before_ms + 1)
    if recent_only:
        oldest_ms = max(oldest_ms, size.move(current_ms, 1 - RECENT_BARS))
    newest_ms = min(current_ms, size.start_of(market.end_ms - 1))
    if after_ms is not None:
        newest_ms = min(newest_ms, size.start_of(after_ms - 1))
    candles: list[Candle] = []
    # Where bars are missing a span yields fewer candles than its length: longer and longer ones are read until enough.
    span = limit
    while len(candles) < limit and newest_ms >= oldest_ms:
        since_ms = max(size.move(newest_ms, 1 - span), _first_start(size, oldest_ms))
        source = _Source(market, inst_id, kind, size, now_ms)
        candles += reversed(source.between(since_ms, size.move(newest_ms, 1)))
        newest_ms, span = size.move(since_ms, -1), span * 2
    return candles[:limit]


def _first_start(size: BarSize, oldest_ms: int) -> int:
    start = size.start_of(oldest_ms)
    return start if start == oldest_ms else size.move(start, 1)


class _Source(NamedTuple):
    """Candles of one series as known at `now_ms`."""

    market: Market
    inst_id: str
    kind: PriceKind
    size: BarSize
    now_ms: int

    def between(self, since_ms: int, until_ms: int) -> list[Candle]:
        """Return the candles that open in [since_ms, until_ms), both on boundaries, ascending."""
        closed_until_ms = min(until_ms, self.now_ms - self.market.bar_ms(self.inst_id) + 1)
        closed = aggregate(
            arrays_from_bars(self.market.bars(self.inst_id, since_ms, closed_until_ms, self.kind)), self.size
        )
        ends = self.size.moved(closed.open_ms, 1)
        prices = (closed.open, closed.high, closed.low, closed.close)
        fields = (closed.open_ms, *prices, closed.volume, closed.volume_quote, ends <= self.now_ms)
        # Whole arrays at once, by position: a page is 300 candles.
        candles = list(map(Candle, *(field.tolist() for field in fields)))
        if since_ms <= self.now_ms < until_ms:
            self._add_current(candles)
        return candles

    def _add_current(self, candles: list[Candle]) -> None:
        """Let the open of the current finest bar enter the forming candle."""
        current = self.market.bar_at(self.inst_id, self.now_ms, self.kind)
        if current is None or current.open_ms + self.market.bar_ms(self.inst_id) <= self.now_ms:
            return
        start_ms, price = self.size.start_of(self.now_ms), current.open
        if candles and candles[-1].open_ms == start_ms:
            forming = candles[-1]
            candles[-1] = forming._replace(high=max(forming.high, price), low=min(forming.low, price), close=price)
        else:
            candles.append(
                Candle(
                    open_ms=start_ms,
                    open=price,
                    high=price,
                    low=price,
                    close=price,
                    volume=0.0,
                    volume_quote=0.0,
                    closed=False,
                )
            )


def _check_size(market: Market, inst_id: str, size: BarSize) -> None:
    bar_ms = market.bar_ms(inst_id)
    if size.ms % bar_ms:
        minutes = bar_ms // MINUTE_MS
        raise WireError("51000", f"Parameter bar error: {inst_id} is known in bars of {minutes} minutes, none finer")
