"""Positions and their arithmetic (docs/okx-protocol.md, Margin, profit and liquidation).

In net mode there is one signed position per instrument and margin mode, in hedge mode a long and a short one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

MarginMode = Literal["cross", "isolated"]
PositionSide = Literal["net", "long", "short"]
ZERO = Decimal(0)


def name_holding(inst_id: str, margin_mode: MarginMode, pos_side: PositionSide) -> str:
    """Return the key of a position: the instrument alone in cross margin and net mode.

    >>> name_holding("BTC-USDT-SWAP", "cross", "net"), name_holding("BTC-USDT-SWAP", "isolated", "long")
    ('BTC-USDT-SWAP', 'BTC-USDT-SWAP isolated long')
    """
    if (margin_mode, pos_side) == ("cross", "net"):
        return inst_id
    return f"{inst_id} {margin_mode} {pos_side}"


@dataclass(slots=True)
class Position:
    """A position in contracts, below zero for a short one in either mode.

    `avg_px` weighs opening fills only; closing fills leave it. Money is in USDT; `largest` is the peak of |size|.
    `margin` is what an isolated position holds of its own; `penalty` is what liquidations have taken (not above 0).
    `closed_ms` is the last time at which a part was closed (0: never), `direction` is `long` or `short`.
    """

    inst_id: str
    ct_val: Decimal
    pos_id: str
    opened_ms: int
    margin_mode: MarginMode = "cross"
    pos_side: PositionSide = "net"
    size: Decimal = ZERO
    avg_px: Decimal = ZERO
    pnl: Decimal = ZERO
    fee: Decimal = ZERO
    funding: Decimal = ZERO
    penalty: Decimal = ZERO
    margin: Decimal = ZERO
    largest: Decimal = ZERO
    closed_size: Decimal = ZERO
    closed_notional: Decimal = ZERO
    closed_ms: int = 0
    direction: str = ""
    updated_ms: int = 0
    trade_id: str = ""

    @property
    def holding(self) -> str:
        """Its key among the account's positions."""
        return name_holding(self.inst_id, self.margin_mode, self.pos_side)

    @property
    def isolated(self) -> bool:
        """Whether it stands on margin of its own."""
        return self.margin_mode == "isolated"

    @property
    def realized(self) -> Decimal:
        """Closing profit, fees, funding and penalties since the position was opened."""
        return self.pnl + self.fee + self.funding + self.penalty

    def notional(self, price: Decimal) -> Decimal:
        """Return |size| · ct_val · price, in USDT."""
        return abs(self.size) * self.ct_val * price

    def unrealized(self, mark: Decimal) -> Decimal:
        """Return (mark − avg_px) · size · ct_val, in USDT."""
        return (mark - self.avg_px) * self.size * self.ct_val

    def apply(self, signed: Decimal, price: Decimal) -> Decimal:
        """Book a fill of `signed` contracts that does not reverse the position; return the profit that it realises."""
        if self.size == 0 or (self.size > 0) == (signed > 0):
            self.direction = "long" if signed > 0 else "short"
            total = abs(self.size) + abs(signed)
            self.avg_px = (self.avg_px * abs(self.size) + price * abs(signed)) / total
            self.size += signed
            self.largest = max(self.largest, abs(self.size))
            return ZERO
        profit = (price - self.avg_px) * -signed * self.ct_val
        self.closed_size += abs(signed)
        self.closed_notional += abs(signed) * price
        self.size += signed
        self.pnl += profit
        return profit


def split_reversal(size: Decimal, signed: Decimal) -> list[Decimal]:
    """Split a fill into what closes an opposite position and what opens a new one.

    >>> split_reversal(Decimal(3), Decimal(-5))
    [Decimal('-3'), Decimal('-2')]
    """
    if size == 0 or (size > 0) == (signed > 0) or abs(signed) <= abs(size):
        return [signed]
    return [-size, signed + size]


def count_opening(size: Decimal, signed: Decimal) -> Decimal:
    """Count the contracts of a fill that would open or enlarge a position; never negative."""
    if size == 0 or (size > 0) == (signed > 0):
        return abs(signed)
    return max(abs(signed) - abs(size), ZERO)


def solve_liquidation_price(
    position: Position, equity_elsewhere: Decimal, maintenance: Decimal, taker: Decimal
) -> Decimal | None:
    """Return the price at which the margin ratio is 1 if all else stands still; None where no price above zero is.

    Solves equity_elsewhere + (p − avg)·q = |q|·p·(maintenance + taker) for p, q = size · ct_val.
    """
    quantity = position.size * position.ct_val
    denominator = quantity - abs(quantity) * (maintenance + taker)
    if denominator == 0:
        return None
    price = (position.avg_px * quantity - equity_elsewhere) / denominator
    return price if price > 0 else None
