"""Positions of a book in the making: prices, costs and funding of each name, from flat to flat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pairity.strategy.types import Side
from pairity.universe import ContractSpec


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution: `contracts` signed (bought > 0); prices and money in USDT."""

    contracts: Decimal
    size: float
    """Base units, signed."""
    reference: float
    """Price before slippage."""
    price: float
    fee: float

    @property
    def notional(self) -> float:
        """Value at the fill price, never negative."""
        return abs(self.size) * self.price


@dataclass(slots=True)
class Holding:
    """One name that is held, from the fill that opened it; money in USDT, `funding` > 0 was paid."""

    number: int
    name: str
    spec: ContractSpec
    opened_at: datetime
    opened_hour: int
    weight: float
    """Target weight of the decision that opened it."""
    contracts: Decimal = Decimal(0)
    most: Decimal = Decimal(0)
    """Most contracts ever held, either way."""
    bought: float = 0.0
    bought_size: float = 0.0
    sold: float = 0.0
    sold_size: float = 0.0
    slippage: float = 0.0
    fees: float = 0.0
    funding: float = 0.0

    @property
    def size(self) -> float:
        """Base units held, signed."""
        return float(self.contracts * self.spec.ct_val)

    def take(self, fill: Fill) -> None:
        """Book a fill of this name, which does not turn it to the other side."""
        self.contracts += fill.contracts
        self.most = max(self.most, abs(self.contracts))
        if fill.size > 0:
            self.bought += fill.notional
            self.bought_size += fill.size
        else:
            self.sold += fill.notional
            self.sold_size -= fill.size
        self.slippage += abs(fill.size) * abs(fill.price - fill.reference)
        self.fees += fill.fee

    def make_trade(self, at: datetime, hour: int, reason: str) -> dict[str, Any]:
        """Make the row (`records.TRADE_SCHEMA`) of this name, which is flat now: averages of its entries and exits."""
        side = Side.BUY if self.weight > 0 else Side.SELL
        sides = (self.bought / self.bought_size, self.sold / self.sold_size)
        entry, leave = sides if side is Side.BUY else sides[::-1]
        earned = self.sold - self.bought
        return {
            "position_id": f"{self.name}-{self.number}",
            "leg": 0,
            "pair_id": self.name,
            "asset": self.name,
            "side": side.value,
            "contracts": str(self.most),
            "size_base": float(self.most * self.spec.ct_val),
            "decided_at": self.opened_at,
            "opened_at": self.opened_at,
            "closed_at": at,
            "bars_held": hour - self.opened_hour,
            "entry_score": self.weight,
            "entry_price": entry,
            "exit_price": leave,
            "exit_reason": reason,
            "traded_notional": self.bought + self.sold,
            "gross_pnl": earned + self.slippage,
            "slippage": self.slippage,
            "leg_pnl": earned,
            "fees": self.fees,
            "funding": self.funding,
            "net_pnl": earned - self.fees - self.funding,
        }
