"""Circumstances of a book: costs, hours, delay, capital, names left out, names exchanged; each set traded at once.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pairity.books.families import BookFamily
from pairity.books.fits import BookFit
from pairity.universe import ContractSpec
from training.books.account import BookCosts
from training.books.batch import make_targets, simulate_books
from training.books.engine import BookRun, BookTerms, run_book
from training.books.evidence import Variation, compute_ratio, compute_returns, measure_returns
from training.books.history_features import FeatureHistory
from training.books.placebo import PERMUTATIONS, Placebo, Shuffle, permute_targets, rank_among
from training.books.plan import PlannedDecision, plan_book

Floats = NDArray[np.float64]
FACTORS = (2, 3)
CAPITALS = (1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8)
_DAY_PHASES, _SHORT_PHASES = (3, 6, 9, 12, 15, 18, 21), (2, 4, 6)
"""Hours after 00:00 UTC of other first decisions: of books of a day, and of books of eight hours."""
_DELAY_H = 24


@dataclass(frozen=True)
class BookBench:
    """One family with everything that its circumstances share."""

    history: FeatureHistory
    family: BookFamily
    terms: BookTerms
    specs: Mapping[str, ContractSpec]
    first: int
    fit: BookFit | None = None
    """What the family learnt at one moment, where that speaks; None: it learns walk-forward, or nothing."""

    def run(self) -> BookRun:
        """Return the book itself, with its trades and decisions."""
        return run_book(self.history, self.family, self.terms, self.specs, first=self.first, plan=self._plan)

    def trade_costs(self) -> list[Variation]:
        """Trade the book at multiples of the costs, impact left as it is."""
        own = self.terms.costs
        dearer = [own.multiply(by) for by in FACTORS]
        equity = self._simulate(self._targets, dearer, [self.terms.initial_equity] * len(dearer))
        return [self._name(f"costs × {by}", row) for by, row in zip(FACTORS, equity, strict=True)]

    def trade_capitals(self) -> list[tuple[float, Variation]]:
        """Trade the book with more and more capital: impact grows with the square root of what is traded."""
        equity = self._simulate(self._targets, [self.terms.costs] * len(CAPITALS), CAPITALS)
        return [
            (capital, self._name(f"capital {capital:,.0f} USDT", row, capital))
            for capital, row in zip(CAPITALS, equity, strict=True)
        ]

    def trade_late(self) -> Variation:
        """Fill every decision a day later."""
        (row,) = self._simulate(self._targets, [self.terms.costs], [self.terms.initial_equity], delay_h=_DELAY_H)
        return self._name("filled a day later", row)

    def trade_hour(self, phase_h: int) -> Variation:
        """Decide `phase_h` hours after 00:00 UTC and then as often as ever."""
        plan = self.plan(phase_h=phase_h)
        targets = make_targets(self.history.panel, plan)
        (row,) = self._simulate(targets, [self.terms.costs], [self.terms.initial_equity], plan=plan)
        return self._name(f"decided at {phase_h:02}:00 UTC", row)

    def list_phases(self) -> tuple[int, ...]:
        """Return the other hours of decision that are tried."""
        return _DAY_PHASES if self.family.every_hours == 24 else _SHORT_PHASES

    def list_names(self) -> list[str]:
        """Return the names that can be traded."""
        return [name for name in self.history.panel.names if name in self.specs]

    def leave_out(self, name: str) -> float | None:
        """Return the Sharpe ratio without one name, which another one of the universe takes the place of.

        What learns keeps the models that it made with the name: it is not traded, and its past stays known.
        """
        plan = self.plan(without=name)
        (row,) = self._simulate(
            make_targets(self.history.panel, plan), [self.terms.costs], [self.terms.initial_equity], plan=plan
        )
        return measure_returns(compute_returns(row, self.terms.initial_equity))["sharpe"]

    def try_placebos(self, shuffle: Shuffle, *, with_costs: bool, count: int = PERMUTATIONS) -> Placebo:
        """Rank the book among books of the same weights on other names; without costs funding is paid still."""
        costs = self.terms.costs if with_costs else replace(self.terms.costs.multiply(0), impact=0.0)
        dealt = permute_targets(self.history.panel, self._plan, shuffle, count)
        targets = (np.vstack([own, others]) for own, others in zip(self._targets, dealt, strict=True))
        capital = self.terms.initial_equity
        equity = self._simulate(targets, [costs] * (count + 1), [capital] * (count + 1))
        own, *others = [compute_ratio(compute_returns(row, capital)) for row in equity]
        return rank_among(own, others, shuffle, with_costs=with_costs)

    def plan(self, *, phase_h: int = 0, without: str | None = None) -> tuple[PlannedDecision, ...]:
        """Return the decisions of the family, at another hour or without one name."""
        able = frozenset(name for name in self.list_names() if name != without)
        terms = self.terms
        return plan_book(
            self.history,
            self.family,
            able,
            first=self.first,
            phase_h=phase_h,
            limits=terms.limits,
            costs=terms.costs,
            learnt=frozenset(self.list_names()),
            fit=self.fit,
        )

    @cached_property
    def _plan(self) -> tuple[PlannedDecision, ...]:
        return self.plan()

    @cached_property
    def _targets(self) -> Floats:
        return make_targets(self.history.panel, self._plan)

    def _simulate(
        self,
        targets: Iterable[Floats],
        costs: Sequence[BookCosts],
        capital: Sequence[float],
        *,
        plan: Sequence[PlannedDecision] | None = None,
        delay_h: int = 0,
    ) -> Floats:
        return simulate_books(
            self.history.panel,
            self._plan if plan is None else plan,
            targets,
            self.specs,
            costs,
            capital,
            band=self.family.band,
            margin=self.terms.limits.margin,
            first=self.first,
            delay_h=delay_h,
        )

    def _name(self, name: str, equity: Floats, capital: float | None = None) -> Variation:
        returns = compute_returns(equity, self.terms.initial_equity if capital is None else capital)
        return Variation(name, returns, measure_returns(returns))


def find_half_capital(capacity: Sequence[tuple[float, Variation]]) -> float | None:
    """Return the capital at which half of the net return of the smallest one is left, between two that were traded.

    Interpolated in the logarithm of the capital. None where the smallest loses, and where more than half is left of the
    largest.
    """
    net = [one.metrics["net_return"] or 0.0 for _, one in capacity]
    half = net[0] / 2
    if half <= 0:
        return None
    for (below, _), (above, _), more, less in zip(capacity, capacity[1:], net, net[1:], strict=False):
        if more > half >= less:
            return float(below * (above / below) ** ((more - half) / (more - less)))
    return None
