"""Account of a book: cash, holdings in whole lots, fills with costs, funding, and the rows of the trade log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pairity.universe import ContractSpec, exact
from training.books.positions import Fill, Holding

BOOK_REASON, DELISTED, ENDED = "rebalance", "delisted", "end of the range"


@dataclass(frozen=True, slots=True)
class BookCosts:
    """Costs per side in basis points of notional, and what size adds.

    A fill pays `slippage_bps` and `impact`·volatility·√(notional/notional of the hour before): the square-root law of
    market impact (Tóth et al. 2011), with the hourly volatility of the name.
    """

    fee_bps: float
    slippage_bps: float
    impact: float = 0.0

    def compute_slip(self, notional: float, volatility: float | None, hour_notional: float) -> float:
        """Return the fraction of the price that a fill of `notional` USDT gives away."""
        slip = self.slippage_bps / 1e4
        if self.impact and volatility and hour_notional > 0:
            slip += self.impact * volatility * math.sqrt(notional / hour_notional)
        return slip


class BookAccount:
    """Money and holdings. Equity is cash and the value of what is held at the last known closes."""

    def __init__(self, initial: float, specs: Mapping[str, ContractSpec], costs: BookCosts) -> None:
        self.cash = initial
        self.holdings: dict[str, Holding] = {}
        self.marks: dict[str, float] = {}
        self.trades: list[dict[str, Any]] = []
        self.fills: list[tuple[int, bool, str, float, float, float]] = []
        """Hour, whether at its open, name, base units (bought > 0), price and fee of every fill."""
        self.costs_paid = 0.0
        self.funding_paid = 0.0
        self._specs, self._costs, self._opened = specs, costs, 0

    @property
    def equity(self) -> float:
        """Cash and holdings at the marks, USDT."""
        return self.cash + math.fsum(one.size * self.marks[name] for name, one in self.holdings.items())

    @property
    def gross(self) -> float:
        """Notional held at the marks, USDT, never negative."""
        return math.fsum(abs(one.size) * self.marks[name] for name, one in self.holdings.items())

    def weigh(self) -> dict[str, float]:
        """Return the weight of each holding: signed notional over equity."""
        equity = self.equity
        return {name: one.size * self.marks[name] / equity for name, one in self.holdings.items()}

    def size(self, name: str, weight: float, equity: float, price: float) -> Decimal:
        """Return the contracts (signed, whole lots) whose notional at `price` is at most |weight|·equity."""
        lots = self._specs[name].contracts_for(exact(abs(weight) * equity), exact(price))
        return lots.copy_sign(exact(weight)) if lots else lots

    def trade(
        self,
        name: str,
        contracts: Decimal,
        reference: float,
        weight: float,
        *,
        at: datetime,
        hour: int,
        volatility: float | None = None,
        hour_notional: float = 0.0,
        reason: str = BOOK_REASON,
    ) -> None:
        """Bring a name to `contracts` (signed) at `reference` and the costs; a change of side closes and opens."""
        held = self.holdings.get(name)
        now = held.contracts if held is not None else Decimal(0)
        if now * contracts < 0:
            self.trade(
                name, Decimal(0), reference, 0.0, at=at, hour=hour, volatility=volatility,
                hour_notional=hour_notional, reason=reason,
            )  # fmt: skip
            held, now = None, Decimal(0)
        if contracts == now:
            return
        spec = self._specs[name]
        size = float((contracts - now) * spec.ct_val)
        slip = self._costs.compute_slip(abs(size) * reference, volatility, hour_notional)
        price = reference * (1 + math.copysign(slip, size))
        fill = Fill(contracts - now, size, reference, price, abs(size) * price * self._costs.fee_bps / 1e4)
        if held is None:
            self._opened += 1
            held = self.holdings[name] = Holding(
                number=self._opened, name=name, spec=spec, opened_at=at, opened_hour=hour, weight=weight
            )
            self.marks.setdefault(name, reference)
        held.take(fill)
        self.fills.append((hour, reason == BOOK_REASON, name, size, price, fill.fee))
        self.cash -= size * price + fill.fee
        self.costs_paid += fill.fee + abs(size) * abs(price - reference)
        if not held.contracts:
            self.trades.append(held.make_trade(at, hour, reason))
            del self.holdings[name]

    def settle(self, name: str, rate: float) -> None:
        """Book a funding settlement on a holding: longs pay `rate` of their notional at the mark (rate > 0)."""
        held = self.holdings[name]
        paid = held.size * self.marks[name] * rate
        held.funding += paid
        self.funding_paid += paid
        self.cash -= paid
