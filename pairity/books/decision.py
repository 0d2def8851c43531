"""The decision of a book, from scores to whole lots: one for the backtest, a replay and the trading process.

Scores → weights → limits (`plan_weights`); drifted weights → names that are traded → contracts → what the account can
margin (`choose_contracts`).
The two are apart because targets depend on the market alone, and one plan serves many accounts; `decide_book` is both.
No I/O and no clock. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from pairity.books.families import BookFamily, BookMarket, Target
from pairity.books.limits import BookLimits, Step, limit_book
from pairity.books.margin import Stake, fit_margin
from pairity.books.rebalance import Change, choose_changes
from pairity.number_formats import format_plain
from pairity.universe import ContractSpec, exact


@dataclass(frozen=True, slots=True)
class WeightPlan:
    """What is wanted at a close: the family's target, and its weights within the limits."""

    target: Target
    weights: Mapping[str, float]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class NameDecision:
    """One name of a rebalance: why it is traded or not, and its contracts (signed) before and after."""

    change: Change
    held: Decimal
    wanted: Decimal
    note: str = ""
    """What became of the increase where the account cannot margin all of it."""

    @property
    def name(self) -> str:
        """The name."""
        return self.change.name


@dataclass(frozen=True, slots=True)
class HeldBook:
    """What a book holds at a close: contracts (signed) by name, equity in USDT, and prices.

    `prices` has the last known close of every name that is held or may be wanted; `equity` is at these prices.
    """

    contracts: Mapping[str, Decimal]
    equity: float
    prices: Mapping[str, float]

    def weigh(self, specs: Mapping[str, ContractSpec]) -> dict[str, float]:
        """Return the weight of each name that is held: signed notional over equity."""
        return {
            name: float(count * specs[name].ct_val) * self.prices[name] / self.equity
            for name, count in self.contracts.items()
            if count
        }


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a decision asks for of each name, sorted; `margin` says why increases were scaled, "" where none was."""

    names: tuple[NameDecision, ...]
    margin: str = ""


def decide_book(
    family: BookFamily,
    market: BookMarket,
    limits: BookLimits,
    realised: float | None,
    held: HeldBook,
    specs: Mapping[str, ContractSpec],
    able: Collection[str],
    staying: Collection[str] = (),
) -> tuple[WeightPlan, Chosen]:
    """Return the weights of a family at a close, and what they ask for of each name that is held or wanted.

    `realised` is that of `limit_book`, `able` that of `find_unknown`. `staying`: other names that stay as they are.
    """
    plan = plan_weights(family, market, limits, realised)
    unknown = find_unknown(held.contracts, plan.target, market.features, able).union(staying)
    return plan, choose_contracts(held, plan.weights, family.band, specs, unknown, margin=limits.margin)


def find_unknown(held: Iterable[str], target: Target, features: Container[str], able: Container[str]) -> frozenset[str]:
    """Return the names that are held and of which this close says nothing: what is missing is no reason to trade.

    Those without features of this close; all of them where the family had too few names to choose from. `able`: names
    that the book may trade. One that it may not trade any more is none of these: it leaves.
    """
    return frozenset(name for name in held if name in able and (target.is_blind or name not in features))


def plan_weights(family: BookFamily, market: BookMarket, limits: BookLimits, realised: float | None) -> WeightPlan:
    """Return what a family wants of a market, within the limits."""
    target = family.decide(market, family.size)
    weights, steps = limit_book(target.weights, limits, realised)
    return WeightPlan(target, weights, steps)


def choose_contracts(
    held: HeldBook,
    weights: Mapping[str, float],
    band: float,
    specs: Mapping[str, ContractSpec],
    unknown: Collection[str] = (),
    *,
    margin: float | None = None,
) -> Chosen:
    """Return one decision per name that is held or wanted, sorted by name; what is not traded keeps its contracts.

    `unknown`: names that are held and of which nothing is known at this close. They stay as they are: what is missing
    is no reason to trade. `margin`: that of `BookLimits`, into which increases must fit; None: the account has enough.
    """
    drifted = held.weigh(specs)
    decisions = []
    for change in choose_changes(drifted, weights, band, unknown):
        now = held.contracts.get(change.name, Decimal(0))
        wanted = now
        if change.is_traded:
            wanted = size_contracts(specs[change.name], change.target, held.equity, held.prices.get(change.name, 0.0))
        decisions.append(NameDecision(change, now, wanted))
    return Chosen(tuple(decisions)) if margin is None else _fit(decisions, held, specs, margin)


def _fit(
    decisions: Collection[NameDecision], held: HeldBook, specs: Mapping[str, ContractSpec], margin: float
) -> Chosen:
    """Return the decisions with the increases that the account can margin; a name that is scaled says so."""
    stakes = {
        one.name: Stake(specs[one.name], one.held, one.wanted, held.prices[one.name])
        for one in decisions
        if one.held or one.wanted
    }
    fitted = fit_margin(stakes, held.equity, margin)
    names = tuple(
        replace(one, wanted=now, note=f"increase × {format_plain(float(fitted.factor), 4)}: initial margin")
        if (now := fitted.contracts.get(one.name, one.wanted)) != one.wanted
        else one
        for one in decisions
    )
    return Chosen(names, fitted.why)


def size_contracts(spec: ContractSpec, weight: float, equity: float, price: float) -> Decimal:
    """Return the contracts (signed, whole lots) whose notional at `price` is at most |weight|·equity."""
    if weight == 0.0:
        return Decimal(0)
    lots = spec.contracts_for(exact(abs(weight) * equity), exact(price))
    return lots.copy_sign(exact(weight)) if lots else lots
