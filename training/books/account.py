"""Account of a book: cash, holdings in whole lots, fills with costs, funding, and the rows of the trade log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pairity.books.decision import HeldBook
from pairity.strategy.types import ExitReason
from pairity.universe import ContractSpec
from training.backtest.records import Quotes
from training.books.positions import Fill, Holding

BOOK_REASON, DELISTED, ENDED = "rebalance", "delisted", "end of the range"
LIQUIDATED = ExitReason.LIQUIDATION.value
MAINTENANCE_RATE = 0.004
"""The venue liquidates when equity falls below this fraction of the notional held, plus the costs of closing it."""


class FillKind(StrEnum):
    """What a fill pays: the taker's fee and slippage, the maker's fee, or nothing where the venue takes over."""

    TAKER = "taker"
    MAKER = "maker"
    TAKEOVER = "takeover"


@dataclass(frozen=True, slots=True)
class BookCosts:
    """Costs per side in basis points of notional, and what size adds.

    A fill pays `slippage_bps` and `impact`·volatility·√(notional/notional of the hour before): the square-root law of
    market impact (Tóth et al. 2011), with the hourly volatility of the name.

    With `maker_fee_bps` set, a decision is a limit order first: at the close before the bar of its fill, with this fee
    and no slippage, if that bar trades through it; else a market order at the bar's end.
    """

    fee_bps: float
    slippage_bps: float
    impact: float = 0.0
    maker_fee_bps: float | None = None
    quotes: Quotes | None = None
    """What a venue asks and bids around a price: market orders fill at these, and pay no other slippage."""

    def multiply(self, by: float) -> BookCosts:
        """Return `by` times the fees and the slippage; impact and a venue's quotes are left as they are."""
        maker = None if self.maker_fee_bps is None else by * self.maker_fee_bps
        return replace(self, fee_bps=by * self.fee_bps, slippage_bps=by * self.slippage_bps, maker_fee_bps=maker)

    @property
    def limit_first(self) -> bool:
        """Whether decisions are limit orders first."""
        return self.maker_fee_bps is not None

    @property
    def closing_rate(self) -> float:
        """Equity per notional held below which an account is liquidated: maintenance margin, and what closing costs."""
        return MAINTENANCE_RATE + (self.fee_bps + self.slippage_bps) / 1e4

    def price(self, name: str, reference: float, size: float, volatility: float | None, hour_notional: float) -> float:
        """Return the price of a market order of `size` base units (signed) around `reference`."""
        if self.quotes is not None:
            return self.quotes(name, reference, 1 if size > 0 else -1)
        return reference * (
            1 + math.copysign(self.compute_slip(abs(size) * reference, volatility, hour_notional), size)
        )

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
        self.fills: list[tuple[int, bool, str, float, float, float, bool]] = []
        """Hour, whether before its close, name, base units (bought > 0), price, fee, and whether a limit order's."""
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

    def read_held(self, prices: Mapping[str, float]) -> HeldBook:
        """Return what is held, for a decision; `prices`: last closes of names that may be wanted."""
        contracts = {name: one.contracts for name, one in self.holdings.items()}
        return HeldBook(contracts, self.equity, {**prices, **{name: self.marks[name] for name in contracts}})

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
        kind: FillKind = FillKind.TAKER,
        at_open: bool = True,
    ) -> None:
        """Bring a name to `contracts` (signed) at `reference` and the costs; a change of side closes and opens.

        `at_open`: before the close of the hour, at which it is marked.
        """
        held = self.holdings.get(name)
        now = held.contracts if held is not None else Decimal(0)
        if now * contracts < 0:
            self.trade(
                name, Decimal(0), reference, 0.0, at=at, hour=hour, volatility=volatility,
                hour_notional=hour_notional, reason=reason, kind=kind, at_open=at_open,
            )  # fmt: skip
            held, now = None, Decimal(0)
        if contracts == now:
            return
        spec = self._specs[name]
        size = float((contracts - now) * spec.ct_val)
        price, fee_bps = reference, 0.0
        if kind is FillKind.TAKER:
            price = self._costs.price(name, reference, size, volatility, hour_notional)
            fee_bps = self._costs.fee_bps
        elif kind is FillKind.MAKER:
            fee_bps = self._costs.maker_fee_bps or 0.0
        fill = Fill(contracts - now, size, reference, price, abs(size) * price * fee_bps / 1e4)
        if held is None:
            self._opened += 1
            held = self.holdings[name] = Holding(
                number=self._opened, name=name, spec=spec, opened_at=at, opened_hour=hour, weight=weight
            )
            self.marks[name] = reference
        held.take(fill)
        self.fills.append((hour, at_open, name, size, price, fill.fee, kind is FillKind.MAKER))
        self.cash -= size * price + fill.fee
        self.costs_paid += fill.fee + abs(size) * abs(price - reference)
        if not held.contracts:
            self.trades.append(held.make_trade(at, hour, reason))
            del self.holdings[name]

    @property
    def is_liquidated(self) -> bool:
        """Whether equity is below what the venue wants for what is held (cross margin)."""
        return bool(self.holdings) and self.equity < self._costs.closing_rate * self.gross

    def liquidate(self, at: datetime, hour: int) -> None:
        """Close everything at the marks, with costs; where that leaves less than nothing, at prices that leave nothing.

        The venue takes the account over then, and its insurance bears the rest: every price is moved in the account's
        favour by the same fraction.
        """
        signs = {name: math.copysign(1.0, one.size) for name, one in self.holdings.items()}
        fee, slip = self._costs.fee_bps / 1e4, self._costs.slippage_bps / 1e4
        costs = math.fsum(
            abs(one.size) * self.marks[name] * (slip + fee * (1 - signs[name] * slip))
            for name, one in self.holdings.items()
        )
        taken = self.equity <= costs
        shift = -self.equity / self.gross if taken else 0.0
        kind = FillKind.TAKEOVER if taken else FillKind.TAKER
        for name in sorted(self.holdings):
            price = self.marks[name] * (1 + signs[name] * shift)
            self.trade(name, Decimal(0), price, 0.0, at=at, hour=hour, reason=LIQUIDATED, kind=kind, at_open=False)
        if taken:
            self.cash = 0.0

    def settle(self, name: str, rate: float, mark: float | None = None) -> None:
        """Book a funding settlement on a holding: longs pay `rate` of their notional (rate > 0).

        `mark` is the venue's mark price then; without it the last close stands in.
        """
        held = self.holdings[name]
        paid = held.size * (self.marks[name] if mark is None else mark) * rate
        held.funding += paid
        self.funding_paid += paid
        self.cash -= paid
