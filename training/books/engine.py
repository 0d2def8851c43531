"""The engine of books: target weights over closed hourly bars, netted, in whole lots.

Within one hour, in this order: what was decided at the previous close fills at the bar's open, or by limit orders;
settlements at the close are booked on what is held into it; an account below its maintenance margin is liquidated; a
name whose last bar this is, is closed at its close; what limit orders missed is filled at the close; equity is marked;
where it is due, the family decides. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np
import polars as pl

from pairity.books.decision import choose_contracts, find_unknown
from pairity.books.families import BookFamily
from pairity.books.limits import BookLimits
from pairity.universe import ContractSpec
from training.backtest.records import DECISION_SCHEMA, EQUITY_SCHEMA, TRADE_SCHEMA, BacktestResult
from training.books.account import DELISTED, ENDED, BookAccount, BookCosts
from training.books.executions import BookDecision, BookOrder, Desk
from training.books.history_features import FeatureHistory
from training.books.panel import BookPanel
from training.books.plan import PlannedDecision, plan_book

_BALANCE = 1e-6
"""Largest gap between the books and the equity, as a fraction of the initial equity."""


FILL_SCHEMA: dict[str, pl.DataType] = {
    "hour": pl.Int64(),
    "at_open": pl.Boolean(),
    "name": pl.String(),
    "size_base": pl.Float64(),
    "price": pl.Float64(),
    "fee": pl.Float64(),
    "maker": pl.Boolean(),
}
"""Fills: row of the panel, whether before the hour's close or at it, base units (bought > 0), USDT, whether a limit
order's."""


@dataclass(frozen=True, slots=True)
class BookTerms:
    """Account and costs of a book; `delay_h` moves each decision's fills by so many hours more.

    `marks`: by name and settlement, the mark prices that funding was paid on, where they are known.
    """

    initial_equity: float
    costs: BookCosts
    phase_h: int = 0
    """Hours after 00:00 UTC at which a day's first decision is due."""
    delay_h: int = 0
    limits: BookLimits = field(default_factory=BookLimits)
    marks: Mapping[str, Mapping[datetime, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BookRun:
    """Result of a book, with its decisions and fills."""

    result: BacktestResult
    decisions: tuple[BookDecision, ...]
    fills: pl.DataFrame
    """One row per fill (`FILL_SCHEMA`), in their order."""


def run_book(
    history: FeatureHistory,
    family: BookFamily,
    terms: BookTerms,
    specs: Mapping[str, ContractSpec],
    *,
    first: int = 0,
    leave_out: frozenset[str] = frozenset(),
    plan: Sequence[PlannedDecision] | None = None,
    late: Mapping[datetime, int] | None = None,
) -> BookRun:
    """Trade `family` from row `first` of the panel to its end; close what is left at the last close.

    Names without a contract and those of `leave_out` are not traded. Hours before `first` are history that features may
    use. `plan`: the decisions, where they are made already. A book that is ruined has an equity of 0 from then on.
    `late`: by how many hours more the fills of single decisions are moved, by close; fewer than lie between two
    decisions. ArithmeticError if the books do not balance.
    """
    panel, late = history.panel, late or {}
    account = BookAccount(terms.initial_equity, specs, terms.costs)
    column = {name: place for place, name in enumerate(panel.names)}
    desk = Desk(account, panel, column, terms.costs)
    able = frozenset(name for name in panel.names if name in specs) - leave_out
    last_bars = dict(zip(panel.names, panel.list_last_bars(), strict=True))
    decisions: list[BookDecision] = []
    if plan is None:
        plan = plan_book(
            history, family, able, first=first, phase_h=terms.phase_h, limits=terms.limits, costs=terms.costs
        )
    due = {one.hour: one for one in plan}
    waiting: list[tuple[int, BookDecision]] = []
    equity: list[tuple[object, float, float, int, float, float]] = []
    unknown = unfilled = 0
    for hour in range(first, panel.hours):
        close = panel.close_of(hour)
        missed: tuple[BookOrder, ...] = ()
        if waiting and waiting[0][0] == hour:
            filled = desk.fill(hour, waiting.pop(0)[1])
            unfilled, missed = unfilled + filled.unfilled, filled.missed
        for name in sorted(account.holdings):
            price = panel.closes[hour, column[name]]
            if not math.isnan(price):
                account.marks[name] = float(price)
            rate = panel.rates[hour, column[name]]
            if not math.isnan(rate):
                account.settle(name, float(rate), terms.marks.get(name, {}).get(close))
            else:
                unknown += math.isnan(_rate_in_force(panel, hour, column[name]))
        if account.is_liquidated:
            account.liquidate(close, hour)
            waiting, missed = [], ()
        for name in sorted(account.holdings):
            gone = last_bars[name] == hour and hour < panel.hours - 1
            if gone or hour == panel.hours - 1:
                _close(account, name, close, hour, DELISTED if gone else ENDED)
        if hour < panel.hours - 1:
            desk.finish(hour, tuple(one for one in missed if last_bars[one.name] > hour))
        worth = account.equity
        equity.append(
            (close, worth, account.gross / worth if worth > 0 else 0.0, len(account.holdings),
             account.costs_paid, account.funding_paid)
        )  # fmt: skip
        if (wanted := due.get(hour)) is not None:
            prices = {
                name: float(panel.closes[hour, column[name]]) for name, weight in wanted.weights.items() if weight
            }
            held = account.read_held(prices)
            stay = find_unknown(held.contracts, wanted.target, wanted.features, able)
            chosen = choose_contracts(held, wanted.weights, family.band, specs, stay, margin=terms.limits.margin)
            decision = BookDecision(wanted, chosen.names, chosen.margin)
            decisions.append(decision)
            waiting.append((hour + 1 + terms.delay_h + late.get(close, 0), decision))
    result = BacktestResult(
        initial_equity=terms.initial_equity,
        trades=pl.DataFrame(account.trades, schema=TRADE_SCHEMA),
        equity=pl.DataFrame(equity, schema=EQUITY_SCHEMA, orient="row"),
        decisions=pl.DataFrame(
            [(panel.close_of(one.hour), "rebalance", _summarise(one)) for one in decisions],
            schema=DECISION_SCHEMA,
            orient="row",
        ),
        unfilled_entries=unfilled,
        funding_unknown_hours=unknown,
    )
    _check_balance(result)
    fills = pl.DataFrame(account.fills, schema=FILL_SCHEMA, orient="row")
    return BookRun(result, tuple(decisions), fills)


def _close(account: BookAccount, name: str, at: datetime, hour: int, reason: str) -> None:
    account.trade(name, Decimal(0), account.marks[name], 0.0, at=at, hour=hour, reason=reason, at_open=False)


def _rate_in_force(panel: BookPanel, hour: int, place: int) -> float:
    """Return the newest rate of the last 24 hours; NaN where none is known."""
    recent = panel.rates[max(0, hour - 23) : hour + 1, place]
    known = recent[~np.isnan(recent)]
    return float(known[-1]) if len(known) else math.nan


def _summarise(decision: BookDecision) -> str:
    traded = sum(change.is_traded for change in decision.changes)
    said = f"{traded} of {len(decision.changes)} names traded; {len(decision.target.universe)} in the universe"
    return "; ".join(part for part in (said, *map(str, decision.plan.steps), decision.margin) if part)


def _check_balance(result: BacktestResult) -> None:
    earned = float(result.trades["net_pnl"].sum())
    gap = result.initial_equity + earned - float(result.equity["equity"][-1])
    if abs(gap) > _BALANCE * result.initial_equity:
        raise ArithmeticError(f"the trades of the book and its equity differ by {gap} USDT")
