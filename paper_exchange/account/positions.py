"""One net position per instrument, and its arithmetic (docs/okx-protocol.md, Margin, profit and liquidation)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(slots=True)
class Position:
    """A signed position in contracts.

    `avg_px` weighs opening fills only; closing fills leave it. Money is in USDT; `largest` is the peak of |size|.
    `closed_ms` is the last time at which a part was closed (0: never), `direction` is `long` or `short`.
    """

    inst_id: str
    ct_val: Decimal
    pos_id: str
    opened_ms: int
    size: Decimal = ZERO
    avg_px: Decimal = ZERO
    pnl: Decimal = ZERO
    fee: Decimal = ZERO
    funding: Decimal = ZERO
    largest: Decimal = ZERO
    closed_size: Decimal = ZERO
    closed_notional: Decimal = ZERO
    closed_ms: int = 0
    direction: str = ""
    updated_ms: int = 0
    trade_id: str = ""

    @property
    def realized(self) -> Decimal:
        """Closing profit, fees and funding since the position was opened."""
        return self.pnl + self.fee + self.funding

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
