"""The port to a market, made up or recorded: instruments, finest bars, funding and open interest.

Prices exist on *finest bars* (1 minute, or coarser where nothing finer was recorded). Within a bar the exchange knows
only what could be known: from the bar's open until its close the last price is the bar's **open**; its high, low and
close become effective at its close, adverse extreme first. A market order at any moment inside the bar thus fills at
the bar's open (plus half spread), and stops trigger when the bar closes: exactly what a backtest can reproduce.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

PriceKind = Literal["last", "mark", "index"]


class Bar(NamedTuple):
    """One finest bar. `open_ms` is its open time; volume is in base units (0.0 for mark and index)."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Tier:
    """One position tier: up to `max_sz` contracts, margined by these rates of the mark notional."""

    max_sz: Decimal
    maintenance_rate: Decimal
    max_leverage: Decimal


@dataclass(frozen=True, slots=True)
class Band:
    """Limits of order prices around the index, as fractions of it.

    `initial` holds in the first ten minutes after the listing; later prices may lie `floating` beyond index plus
    premium, and never further than `most` from the index.
    """

    initial: Decimal
    floating: Decimal
    most: Decimal


WIDE_BAND = Band(Decimal("0.02"), Decimal("0.02"), Decimal("0.02"))


@dataclass(frozen=True, slots=True)
class Instrument:
    """Contract of one USDT-margined linear swap, as `public/instruments` shows it.

    `ct_val` is in base units; sizes are in contracts, prices in USDT. `tiers` ascend in size and
    begin with `maintenance_rate` and `max_leverage`; where none are given, these hold up to the largest order.
    """

    inst_id: str
    ct_val: Decimal
    lot_sz: Decimal
    min_sz: Decimal
    tick_sz: Decimal
    max_leverage: Decimal
    max_limit_sz: Decimal
    max_market_sz: Decimal
    list_ms: int
    state: str = "live"
    maintenance_rate: Decimal = Decimal("0.004")
    tiers: tuple[Tier, ...] = ()
    band: Band = WIDE_BAND
    max_stop_sz: Decimal | None = None

    @property
    def largest_stop(self) -> Decimal:
        """The most contracts of one stop-loss or take-profit; those of a market order where nothing else is given."""
        return self.max_market_sz if self.max_stop_sz is None else self.max_stop_sz

    def list_tiers(self) -> tuple[Tier, ...]:
        """Return the position tiers, ascending; the last one's `max_sz` is the largest position that may be held."""
        return self.tiers or (Tier(self.max_limit_sz, self.maintenance_rate, self.max_leverage),)

    def place_in_tiers(self, contracts: Decimal) -> int:
        """Return the number of the tier (from 0) of a position; the last one for what is beyond all of them."""
        tiers = self.list_tiers()
        return next((at for at, tier in enumerate(tiers) if contracts <= tier.max_sz), len(tiers) - 1)

    def find_tier(self, contracts: Decimal) -> Tier:
        """Return the tier by which a position of so many contracts is margined, whole."""
        return self.list_tiers()[self.place_in_tiers(contracts)]

    def count_contracts(self, base: Decimal) -> Decimal:
        """Return base units as contracts; fractional where the recording's volume is finer than a lot."""
        return round(base / self.ct_val, 8)


class Funding(NamedTuple):
    """One settlement: at `settle_ms` longs pay `rate` of the mark notional to shorts (rate > 0)."""

    settle_ms: int
    rate: float


class Market(Protocol):
    """A market over [start_ms, end_ms). Deterministic: the same question has the same answer, in any order."""

    label: str
    """Shown wherever results are shown, e.g. `synthetic (seed 7)` or `recorded (okx_swap, 1m)`."""
    start_ms: int
    end_ms: int

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Instruments that are listed now."""
        ...

    def bar_ms(self, inst_id: str) -> int:
        """Return the size of the finest bars of an instrument, in milliseconds."""
        ...

    def bars(self, inst_id: str, since_ms: int, until_ms: int, kind: PriceKind = "last") -> Sequence[Bar]:
        """Return the finest bars with since_ms <= open_ms < until_ms, ascending; holes are holes."""
        ...

    def bar_at(self, inst_id: str, at_ms: int, kind: PriceKind = "last") -> Bar | None:
        """Return the bar that contains `at_ms`; in a hole or after the end the newest before; None before the first."""
        ...

    def funding(self, inst_id: str, since_ms: int, until_ms: int) -> Sequence[Funding]:
        """Return the settlements with since_ms <= settle_ms < until_ms, ascending; callers show no future ones."""
        ...

    def open_interest(self, inst_id: str, at_ms: int) -> float | None:
        """Return the open interest in base units known at `at_ms`, or None where nothing is known."""
        ...
