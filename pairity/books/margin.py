"""Initial margin of a book: what an account cannot margin is not asked for. Pure, exact decimals.

The limit `BookLimits.margin` scales targets to what an account can margin. Prices move what is held beyond its targets:
reductions free margin first, what is held after them stays, and where the increases together need more than what is
left, each is scaled by the same factor, in whole lots. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal

from pairity.books.limits import BookLimits
from pairity.number_formats import format_plain
from pairity.universe import ContractSpec, exact

SHARE = 0.99
"""Part of the equity that a book's initial margin may take: fees, spreads and the way to the fill need the rest."""
LEAST_OTHERS = 0.02
"""Part of the equity: margin beside the book's that is less does not count."""


def with_margin(limits: BookLimits, leverage: int) -> BookLimits:
    """Return the limits with what an account can margin at `leverage` times its equity."""
    return replace(limits, margin=leverage * SHARE)


def leave_for_others(limits: BookLimits, equity: float, others: float) -> BookLimits:
    """Return the limits of a book beside which `others` USDT of an account's initial margin are used already.

    Less than `LEAST_OTHERS` of the equity is none: prices move between the questions that it is found by.
    """
    if limits.margin is None or equity <= 0 or others < LEAST_OTHERS * equity:
        return limits
    return replace(limits, margin=limits.margin * max(0.0, equity - others) / equity)


@dataclass(frozen=True, slots=True)
class Stake:
    """One name at a decision: contracts (signed) that are held and wanted, at `price` (USDT)."""

    spec: ContractSpec
    held: Decimal
    wanted: Decimal
    price: float

    @property
    def unit(self) -> Decimal:
        """Notional of one contract, USDT."""
        return self.spec.ct_val * exact(self.price)

    @property
    def kept(self) -> Decimal:
        """Contracts (never negative) that are held before and after."""
        return min(abs(self.held), abs(self.wanted)) if self.held * self.wanted > 0 else Decimal(0)

    @property
    def increase(self) -> Decimal:
        """Contracts (never negative) that are opened."""
        return abs(self.wanted) - self.kept

    def scale(self, factor: Decimal) -> Decimal:
        """Return the contracts (signed) to hold with `factor` of the increase, in whole lots rounded down."""
        lots = (self.increase * factor / self.spec.lot_sz).to_integral_value(ROUND_DOWN) * self.spec.lot_sz
        size = self.kept + (lots if lots >= self.spec.min_sz else 0)
        return size.copy_sign(self.wanted) if size else Decimal(0)


@dataclass(frozen=True, slots=True)
class Margined:
    """Contracts (signed) by name that the account can margin, and what was done for it."""

    contracts: Mapping[str, Decimal]
    factor: Decimal
    """What of each increase is left: 1 where all of it fits."""
    why: str
    """Empty where all of it fits."""


def fit_margin(stakes: Mapping[str, Stake], equity: float, most: float) -> Margined:
    """Return what of `stakes`, all that an account holds or wants, it can margin; `most`: gross over equity."""
    budget = max(Decimal(0), exact(equity)) * exact(most)
    kept = sum((one.kept * one.unit for one in stakes.values()), Decimal(0))
    increase = sum((one.increase * one.unit for one in stakes.values()), Decimal(0))
    if increase == 0 or kept + increase <= budget:
        return Margined({name: one.wanted for name, one in stakes.items()}, Decimal(1), "")
    factor = max(Decimal(0), budget - kept) / increase
    why = (
        f"initial margin: {format_plain(float(kept + increase), 6)} USDT to be held, at most "
        f"{format_plain(float(budget), 6)}; increases × {format_plain(float(factor), 4)}"
    )
    return Margined({name: one.scale(factor) for name, one in stakes.items()}, factor, why)
