"""How decisions of a book are filled: at the next bar's open, or by limit orders first and market orders at its end.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import polars as pl

from pairity.books.decision import NameDecision
from pairity.books.families import Target
from pairity.books.rebalance import Change
from training.books.account import BookAccount, BookCosts, FillKind
from training.books.panel import BookPanel
from training.books.plan import PlannedDecision


@dataclass(frozen=True, slots=True)
class BookDecision:
    """What was decided at one close: per name why it is traded or not, and its contracts."""

    plan: PlannedDecision
    names: tuple[NameDecision, ...]
    margin: str = ""
    """Why increases were scaled to the account's margin; empty where none was."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """Per name why it is traded or not."""
        return tuple(one.change for one in self.names)

    @property
    def hour(self) -> int:
        """Row at whose close it was made."""
        return self.plan.hour

    @property
    def target(self) -> Target:
        """What the family wanted, before the limits."""
        return self.plan.target


@dataclass(frozen=True, slots=True)
class BookOrder:
    """What is wanted of one name: signed contracts, the target weight behind them, the hourly volatility known then."""

    name: str
    contracts: Decimal
    weight: float
    volatility: float | None


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of a decision within a bar."""

    unfilled: int
    """Names that stay as they are for want of a bar."""
    missed: tuple[BookOrder, ...]
    """Limit orders that the bar did not trade through: market orders at its end."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Fills orders of one account against the bars of a panel."""

    account: BookAccount
    panel: BookPanel
    column: Mapping[str, int]
    costs: BookCosts

    def fill(self, hour: int, decision: BookDecision) -> Filled:
        """Fill a decision within row `hour`.

        At the bar's open; or, with limit orders first, at the close before the bar where the bar trades through it. A
        limit is of the moment at which it is placed: one of an earlier close might be marketable.
        """
        unfilled, missed = 0, []
        for one in decision.names:
            change, place = one.change, self.column[one.name]
            if not change.is_traded:
                continue
            price = float(self.panel.opens[hour, place])
            if math.isnan(price):
                unfilled += 1
                continue
            known = decision.plan.features.get(change.name)
            order = BookOrder(change.name, one.wanted, change.target, None if known is None else known.volatility)
            if not self.costs.limit_first:
                self._take(order, price, hour, at_open=True)
            elif self._is_reached(order, hour, place, limit := float(self.panel.closes[hour - 1, place])):
                self.account.trade(
                    order.name, order.contracts, limit, order.weight, at=self.panel.close_of(hour - 1), hour=hour,
                    kind=FillKind.MAKER,
                )  # fmt: skip
            else:
                missed.append(order)
        return Filled(unfilled, tuple(missed))

    def finish(self, hour: int, missed: tuple[BookOrder, ...]) -> None:
        """Fill what limit orders missed in row `hour` at its close, as market orders."""
        for order in missed:
            self._take(order, float(self.panel.closes[hour, self.column[order.name]]), hour, at_open=False)

    def _is_reached(self, order: BookOrder, hour: int, place: int, limit: float) -> bool:
        """Return whether the bar trades through the limit: touching is not enough, others stand in front.

        Without a bar before it there is no price to rest at.
        """
        held = self.account.holdings.get(order.name)
        buys = order.contracts > (held.contracts if held is not None else 0)
        return bool(self.panel.lows[hour, place] < limit if buys else self.panel.highs[hour, place] > limit)

    def _take(self, order: BookOrder, price: float, hour: int, *, at_open: bool) -> None:
        before = hour - 1 if at_open else hour
        place = self.column[order.name]
        self.account.trade(
            order.name,
            order.contracts,
            price,
            order.weight,
            at=self.panel.close_of(before),
            hour=hour,
            volatility=order.volatility,
            hour_notional=float(np.nan_to_num(self.panel.volumes[before, place] * self.panel.closes[before, place])),
            at_open=at_open,
        )


def summarise_fills(fills: pl.DataFrame) -> tuple[float | None, int]:
    """Return the share of the traded notional that limit orders filled (None without a trade), and their number.

    `fills`: rows of `engine.FILL_SCHEMA`.
    """
    worth = fills["size_base"].abs() * fills["price"]
    whole = float(worth.sum())
    return (float(worth.filter(fills["maker"]).sum()) / whole if whole else None), int(fills["maker"].sum())
