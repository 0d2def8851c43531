"""What is known of the market that is followed: bars as the source closed them, and never a bar that it did not have.

A bar counts once the source has closed it. Of the present minute only the open is kept, which is all that this
exchange uses of it (see `market.py` of the markets); what the source lacks is a hole.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from pairity.errors import UnknownNameError
from paper_exchange.market.bar_arrays import BarArrays, BarSlice, arrays_from_bars, join_bar_arrays
from paper_exchange.market.market import Bar, Funding, Instrument, PriceKind
from paper_exchange.mirror.rows import LAST_MS, MINUTE_MS

Followed = Literal["last", "mark"]
KINDS: tuple[Followed, ...] = ("last", "mark")
_FOLD_AFTER = 1_440
_KEPT_INTEREST = 50_000
INTEREST_AGE_MS = 10 * MINUTE_MS
"""An older open interest is not shown as the present one."""


class _Tape:
    """Bars of one price of an instrument, ascending: most of them in arrays, the newest as records."""

    def __init__(self) -> None:
        self._folded: BarArrays = arrays_from_bars([])
        self._fresh: list[Bar] = []
        self.forming: Bar | None = None

    @property
    def newest_ms(self) -> int:
        """Open of the newest closed bar, -1 without one."""
        if self._fresh:
            return self._fresh[-1].open_ms
        return int(self._folded.open_ms[-1]) if len(self._folded) else -1

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return self.newest_ms < 0 and self.forming is None

    def add(self, bars: Sequence[Bar]) -> None:
        """Take closed bars that are newer than all others, ascending."""
        self._fresh.extend(bars)
        if len(self._fresh) > _FOLD_AFTER:
            self._folded = join_bar_arrays([self._folded, arrays_from_bars(self._fresh)])
            self._fresh = []

    def between(self, since_ms: int, until_ms: int) -> Sequence[Bar]:
        folded = BarSlice(self._folded.between(since_ms, until_ms))
        first = bisect_left(self._fresh, since_ms, key=_read_open)
        fresh = self._fresh[first : bisect_left(self._fresh, until_ms, key=_read_open)]
        if self.forming is not None and since_ms <= self.forming.open_ms < until_ms:
            fresh = [*fresh, self.forming]
        if not fresh:
            return folded
        return [*folded, *fresh] if len(folded) else fresh

    def newest_at(self, at_ms: int) -> Bar | None:
        if self.forming is not None and self.forming.open_ms <= at_ms:
            return self.forming
        place = bisect_right(self._fresh, at_ms, key=_read_open)
        return self._fresh[place - 1] if place else self._folded.newest_at(at_ms)


class MirrorMarket:
    """The instruments of a source from `start_ms` on. The index is its mark price; all bars are of one minute."""

    end_ms = LAST_MS

    def __init__(self, label: str, start_ms: int, names: Sequence[str]) -> None:
        self.label, self.start_ms = label, start_ms
        self.instruments: Mapping[str, Instrument] = {}
        self._tapes: dict[tuple[str, Followed], _Tape] = {(name, kind): _Tape() for name in names for kind in KINDS}
        self._funding: dict[str, list[Funding]] = {name: [] for name in names}
        self._interest: dict[str, deque[tuple[int, float]]] = {name: deque(maxlen=_KEPT_INTEREST) for name in names}

    def bar_ms(self, inst_id: str) -> int:
        """Return one minute."""
        self._find(inst_id, "last")
        return MINUTE_MS

    def bars(self, inst_id: str, since_ms: int, until_ms: int, kind: PriceKind = "last") -> Sequence[Bar]:
        """Return the bars with since_ms <= open_ms < until_ms; of the present minute the open alone."""
        return self._choose(inst_id, kind).between(since_ms, until_ms)

    def bar_at(self, inst_id: str, at_ms: int, kind: PriceKind = "last") -> Bar | None:
        """Return the bar that contains `at_ms`, or the newest before a hole; None before the first."""
        return self._choose(inst_id, kind).newest_at(at_ms)

    def funding(self, inst_id: str, since_ms: int, until_ms: int) -> Sequence[Funding]:
        """Return the settlements of [since_ms, until_ms) that the source has published."""
        self._find(inst_id, "last")
        return [each for each in self._funding[inst_id] if since_ms <= each.settle_ms < until_ms]

    def open_interest(self, inst_id: str, at_ms: int) -> float | None:
        """Return the newest open interest that was read until `at_ms`; None where that is ten minutes ago or never."""
        self._find(inst_id, "last")
        newest = next((each for each in reversed(self._interest[inst_id]) if each[0] <= at_ms), None)
        return newest[1] if newest is not None and at_ms - newest[0] <= INTEREST_AGE_MS else None

    def newest_ms(self, inst_id: str, kind: Followed) -> int:
        """Return the open of the newest closed bar, -1 without one."""
        return self._find(inst_id, kind).newest_ms

    def last_settlement_ms(self, inst_id: str) -> int:
        """Return when the newest known settlement was, -1 without one."""
        settled = self._funding[inst_id]
        return settled[-1].settle_ms if settled else -1

    def add_bars(self, inst_id: str, kind: Followed, closed: Sequence[Bar], forming: Bar | None) -> None:
        """Take closed bars that are newer than all known ones, ascending, and the open of the present minute."""
        tape = self._find(inst_id, kind)
        tape.add(closed)
        tape.forming = None
        if forming is not None:
            price = forming.open
            tape.forming = Bar(open_ms=forming.open_ms, open=price, high=price, low=price, close=price, volume=0.0)

    def add_settlement(self, inst_id: str, settlement: Funding) -> None:
        """Take a settlement, once."""
        settled = self._funding[inst_id]
        if all(known.settle_ms != settlement.settle_ms for known in settled):
            insort(settled, settlement)

    def add_interest(self, inst_id: str, read_ms: int, value: float) -> None:
        """Take an open interest in base units, as read at an instant."""
        self._interest[inst_id].append((read_ms, value))

    def _find(self, inst_id: str, kind: Followed) -> _Tape:
        if (inst_id, kind) not in self._tapes:
            raise UnknownNameError("instrument", inst_id, self.instruments)
        return self._tapes[inst_id, kind]

    def _choose(self, inst_id: str, kind: PriceKind) -> _Tape:
        """Return the bars that stand for a price: those of the last price where no mark is known."""
        mark = self._find(inst_id, "mark")
        return self._find(inst_id, "last") if kind == "last" or mark.is_empty else mark


def _read_open(bar: Bar) -> int:
    return bar.open_ms


def find_typical_price(bars: Sequence[Bar]) -> float:
    """Return the median close of bars; of none, 1."""
    return float(np.median([bar.close for bar in bars])) if bars else 1.0
