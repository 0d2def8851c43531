"""Many accounts through one plan at once: what costs, capital and weights change, without a trade log.

The engine (`engine.run_book`) trades one account, contract by contract in exact decimals, and keeps its trades. Here
the same hours are traded by hundreds of accounts as arrays, accounts × names: equities are the engine's to 1e-9, and
nothing else is kept. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pairity.universe import ContractSpec
from training.books.account import BookCosts
from training.books.panel import BookPanel
from training.books.plan import PlannedDecision

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_ROUNDING = 1e-9
"""Part of a lot that division in floats may lack."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """Lots of each name in base units, and the least and most of one order; 0: not traded."""

    lots: Floats
    least: Floats
    most: Floats

    @classmethod
    def of(cls, panel: BookPanel, specs: Mapping[str, ContractSpec]) -> Contracts:
        """Return the contracts of the panel's names."""
        rows = []
        for name in panel.names:
            spec = specs.get(name)
            if spec is None:
                rows.append((0.0, 0.0, 0.0))
                continue
            most = spec.max_entry_sz
            rows.append(
                (
                    float(spec.lot_sz * spec.ct_val),
                    float(spec.min_sz * spec.ct_val),
                    np.inf if most is None else float(most * spec.ct_val),
                )
            )
        table = np.array(rows)
        return cls(table[:, 0], table[:, 1], table[:, 2])

    def round(self, sizes: Floats) -> Floats:
        """Return whole lots of at most |size|, base units; 0 where they are fewer than the least."""
        lots = np.where(self.lots > 0, self.lots, 1.0)
        whole = np.floor(np.minimum(np.abs(sizes), self.most) / lots + _ROUNDING) * lots
        return np.where((whole >= self.least * (1 - _ROUNDING)) & (self.lots > 0), np.copysign(whole, sizes), 0.0)


def make_targets(panel: BookPanel, plan: Sequence[PlannedDecision]) -> Floats:
    """Return the weights of a plan, decisions × names; 0 where a name is not wanted."""
    column = {name: place for place, name in enumerate(panel.names)}
    targets = np.zeros((len(plan), len(panel.names)))
    for row, one in enumerate(plan):
        for name, weight in one.weights.items():
            targets[row, column[name]] = weight
    return targets


def simulate_books(
    panel: BookPanel,
    plan: Sequence[PlannedDecision],
    targets: Iterable[Floats],
    specs: Mapping[str, ContractSpec],
    costs: Sequence[BookCosts],
    capital: Sequence[float],
    *,
    band: float,
    margin: float | None = None,
    first: int = 0,
    delay_h: int = 0,
) -> Floats:
    """Return the equity at each close from row `first` on, accounts × hours.

    `targets`: one table for each decision of `plan`, in its order: accounts × names, or the weights by name that all
    accounts want. They are taken one by one: an iterator need never hold those of all decisions, which are gigabytes
    for hundreds of accounts and names. `costs` and `capital`: one per account. `margin`: that of `BookLimits`, into
    which increases must fit. An account that is ruined has 0 from
    then on; whether decisions are limit orders first is the same for all of `costs`.
    """
    book = _Books(panel, plan, targets, Contracts.of(panel, specs), costs, capital, band, margin)
    return book.run(first, delay_h)


@dataclass(slots=True)
class _Orders:
    """What was decided at a close: the names that each account trades, and the sizes that it wants."""

    traded: Bools
    wanted: Floats
    volatility: Floats


class _Books:
    def __init__(
        self,
        panel: BookPanel,
        plan: Sequence[PlannedDecision],
        targets: Iterable[Floats],
        contracts: Contracts,
        costs: Sequence[BookCosts],
        capital: Sequence[float],
        band: float,
        margin: float | None,
    ) -> None:
        self._panel, self._plan, self._contracts, self._band, self._margin = panel, plan, contracts, band, margin
        self._targets: Iterator[tuple[int, Floats]] = enumerate(targets)
        self._fee, self._slip, self._impact = (
            np.array([getattr(one, name) for one in costs])[:, None] * unit
            for name, unit in (("fee_bps", 1e-4), ("slippage_bps", 1e-4), ("impact", 1.0))
        )
        self._closing = np.array([one.closing_rate for one in costs])[:, None]
        limits = [one.maker_fee_bps for one in costs if one.maker_fee_bps is not None]
        if len(limits) not in {0, len(costs)}:
            raise ValueError("accounts with limit orders first, and without, are not traded together")
        self._maker = np.array(limits)[:, None] * 1e-4 if limits else None
        self._cash = np.array(capital, dtype=np.float64)
        self._sizes = np.zeros((len(self._cash), len(panel.names)))
        self._marks = _fill_forward(panel.closes)
        self._flows = self._marks * np.nan_to_num(panel.rates)
        self._volatilities = _read_volatilities(panel, plan)
        self._known = _list_known(panel, plan)
        self._gone = panel.list_last_bars()

    def run(self, first: int, delay_h: int) -> Floats:
        last, gone = self._panel.hours - 1, self._gone
        leaving = {int(hour) for hour in gone if first <= hour < last}
        fills = {one.hour + 1 + delay_h: row for row, one in enumerate(self._plan)}
        decided = {one.hour: row for row, one in enumerate(self._plan)}
        ends = {*leaving, *decided} if self._maker is None else {*leaving, *decided, *fills}
        breaks = sorted({first, last + 1, *(h for h in fills if h <= last), *(h + 1 for h in ends if h <= last)})
        equity = np.empty((len(self._cash), last + 1 - first))
        waiting: dict[int, _Orders] = {}
        for begin, after in pairwise(breaks):
            orders = waiting.pop(fills.get(begin, -1), None)
            if orders is not None:
                self._fill(begin, orders)
            own = slice(begin, after)
            paid = np.cumsum(self._value(self._flows[own]), axis=1)
            worth = self._cash[:, None] + self._value(self._marks[own]) - paid
            self._cash -= paid[:, -1]
            pending = [*waiting.values(), *([] if orders is None else [orders])]
            self._liquidate(begin, worth, pending)
            closing = gone == after - 1 if after <= last else np.ones(len(gone), dtype=np.bool_)
            if closing.any():
                self._close(after - 1, closing)
            if orders is not None and self._maker is not None and after <= last:
                self._finish(begin, orders)
            if closing.any() or (orders is not None and self._maker is not None):
                worth[:, -1] = self._cash + self._value(self._marks[after - 1 : after])[:, 0]
            equity[:, begin - first : after - first] = worth
            if after - 1 in decided:
                row = decided[after - 1]
                waiting[row] = self._decide(row, after - 1, worth[:, -1])
        return equity

    def _value(self, prices: Floats) -> Floats:
        """Return what is held at each row of prices, accounts × rows."""
        # A matrix product would add in an order that depends on the number of accounts and threads.
        return np.einsum("an,hn->ah", self._sizes, prices)

    def _decide(self, row: int, hour: int, worth: Floats) -> _Orders:
        """Return which names each account trades, and the sizes that it wants of them."""
        safe = np.where(worth > 0, worth, 1.0)[:, None]
        held = self._sizes * np.nan_to_num(self._marks[hour]) / safe
        target = np.broadcast_to(next(own for place, own in self._targets if place == row), held.shape)
        leaves, turns = (target == 0) & (held != 0), held * target < 0
        traded = leaves | turns | ((target != 0) & (np.abs(target - held) >= self._band))
        traded &= self._known[row] | (held == 0)
        close = self._panel.closes[hour]
        wanted = target * worth[:, None] / np.where(np.isnan(close), 1.0, close)
        sizes = np.where(traded, self._contracts.round(wanted), self._sizes)
        if self._margin is not None:
            sizes = self._fit(sizes, np.nan_to_num(self._marks[hour]), worth * self._margin)
        return _Orders(traded, sizes, self._volatilities[row])

    def _fit(self, wanted: Floats, prices: Floats, budget: Floats) -> Floats:
        """Return the sizes with what the accounts can margin of the increases (`pairity.books.margin`)."""
        same = self._sizes * wanted > 0
        kept = np.where(same, np.minimum(np.abs(self._sizes), np.abs(wanted)), 0.0)
        more = np.abs(wanted) - kept
        held, asked = (kept * prices).sum(axis=1), (more * prices).sum(axis=1)
        over = (asked > 0) & (held + asked > budget)
        factor = np.maximum(budget - held, 0.0) / np.where(asked > 0, asked, 1.0)
        fitted = np.copysign(kept + self._contracts.round(more * factor[:, None]), wanted)
        return np.where(over[:, None], fitted, wanted)

    def _fill(self, hour: int, orders: _Orders) -> None:
        """Fill orders at the open of row `hour`, or those that it trades through; what is left stays in `orders`."""
        orders.traded &= ~np.isnan(self._panel.opens[hour])
        if self._maker is None:
            self._take(orders, self._panel.opens[hour], hour - 1)
            return
        limit = self._panel.closes[hour - 1]
        buys = orders.wanted > self._sizes
        reached = orders.traded & np.where(buys, self._panel.lows[hour] < limit, self._panel.highs[hour] > limit)
        change = np.where(reached, orders.wanted - self._sizes, 0.0)
        self._pay(change, np.nan_to_num(limit), np.zeros_like(change), self._maker)
        self._sizes = np.where(reached, orders.wanted, self._sizes)
        orders.traded &= ~reached

    def _finish(self, hour: int, orders: _Orders) -> None:
        """Fill what limit orders missed in row `hour` at its close."""
        orders.traded &= self._gone > hour
        self._take(orders, self._panel.closes[hour], hour)

    def _take(self, orders: _Orders, prices: Floats, before: int) -> None:
        """Trade at market prices, with the impact that the turnover of row `before` makes."""
        price = np.nan_to_num(prices)
        turnover = np.nan_to_num(self._panel.volumes[before] * self._panel.closes[before])
        now, after = self._sizes, np.where(orders.traded, orders.wanted, self._sizes)
        turned = now * after < 0
        # A change of side closes and opens: two orders, each with an impact of its own.
        for change in (np.where(turned, -now, after - now), np.where(turned, after, 0.0)):
            notional = np.abs(change) * price
            strain = np.sqrt(notional / np.where(turnover > 0, turnover, np.inf))
            self._pay(change, price, self._slip + self._impact * orders.volatility * strain, self._fee)
        self._sizes = after

    def _pay(self, change: Floats, price: Floats, slip: Floats, fee: Floats) -> None:
        paid = price * (1 + np.sign(change) * slip)
        self._cash -= (change * paid + np.abs(change) * paid * fee).sum(axis=1)

    def _close(self, hour: int, closing: Bools) -> None:
        change = np.where(closing, -self._sizes, 0.0)
        self._pay(change, np.nan_to_num(self._marks[hour]), np.broadcast_to(self._slip, change.shape), self._fee)
        self._sizes = self._sizes + change

    def _liquidate(self, begin: int, worth: Floats, pending: Sequence[_Orders]) -> None:
        """Close accounts in the first hour in which they are below what the venue wants; what is pending lapses."""
        marks = self._marks[begin : begin + worth.shape[1]]
        held = np.einsum("an,hn->ah", np.abs(self._sizes), marks)
        short = worth < self._closing * held
        for account in np.flatnonzero(short.any(axis=1)):
            place = int(short[account].argmax())
            sizes, slip, fee = self._sizes[account], self._slip[account], self._fee[account]
            costs = np.abs(sizes) * marks[place] * (slip + fee * (1 - np.sign(sizes) * slip))
            left = max(0.0, worth[account, place] - float(costs.sum()))
            worth[account, place:] = self._cash[account] = left
            self._sizes[account] = 0.0
            for orders in pending:
                orders.traded[account] = False


def _list_known(panel: BookPanel, plan: Sequence[PlannedDecision]) -> Bools:
    """Return of which names each decision knows enough to trade them (`pairity.books.decision.find_unknown`)."""
    rows = [[not one.target.is_blind and name in one.features for name in panel.names] for one in plan]
    return np.array(rows, dtype=np.bool_).reshape(len(plan), len(panel.names))


def _read_volatilities(panel: BookPanel, plan: Sequence[PlannedDecision]) -> Floats:
    """Return the hourly volatility of each name at each decision; 0 where none was known."""
    rows = [
        [0.0 if (known := one.features.get(name)) is None else known.volatility or 0.0 for name in panel.names]
        for one in plan
    ]
    return np.array(rows).reshape(len(plan), len(panel.names))


def _fill_forward(closes: Floats) -> Floats:
    """Return the last known close of each name at each hour; 0 before its first."""
    rows = np.where(np.isnan(closes), -1, np.arange(len(closes))[:, None])
    latest = np.maximum.accumulate(rows, axis=0)
    known: Floats = np.where(latest >= 0, np.take_along_axis(closes, np.maximum(latest, 0), axis=0), 0.0)
    return known
