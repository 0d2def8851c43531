"""Books that are combined, date by date: their newest targets, and what they had earned on paper until then.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pairity.books.families import Target
from training.books.account import BookCosts
from training.books.history_windows import read_known
from training.books.panel import BookPanel

Floats = NDArray[np.float64]
Targets = Sequence[tuple[int, Target]]
"""Row and target of each decision, ascending."""


class WalkForwardBooks:
    """What a combination sees of its members, decision by decision in the order of time."""

    def __init__(
        self,
        panel: BookPanel,
        plans: Mapping[str, Targets],
        costs: BookCosts,
        begun: Mapping[str, Sequence[float]] = MappingProxyType({}),
    ) -> None:
        """`begun`: members that had begun before the first decision, with their returns until then."""
        self._panel, self._plans, self._costs = panel, plans, costs
        self._rows = {name: [at for at, _ in plan] for name, plan in plans.items()}
        self._begun = {name: next((at for at, one in plan if one.weights), None) for name, plan in plans.items()}
        self._begun |= {name: plan[0][0] for name, plan in plans.items() if name in begun and plan}
        self._past: dict[str, list[float]] = {name: [*begun.get(name, ())] for name in plans}
        self._before: int | None = None

    def see(self, hour: int) -> tuple[dict[str, Target], dict[str, list[float]]]:
        """Return the newest targets of the members that have begun, and their returns from decision to decision.

        Hours must ascend. A member begins with the first decision that wants anything. Returns are those of
        `measure_paper`, each measured once, at the close that ends it.
        """
        books: dict[str, Target] = {}
        before, self._before = self._before, hour
        for name, plan in self._plans.items():
            begun = self._begun[name]
            if begun is None or begun > hour:
                continue
            if before is not None and begun <= before:
                self._past[name].append(measure_paper(self._panel, plan, before, hour, self._costs))
            books[name] = plan[bisect_right(self._rows[name], hour) - 1][1]
        return books, {name: [*self._past[name]] for name in books}


def measure_paper(panel: BookPanel, plan: Targets, begin: int, end: int, costs: BookCosts) -> float:
    """Return what targets earned from the close of row `begin` to that of `end`, a fraction of equity.

    Weights of a decision hold from the next hour on, without drift; what changes pays taker fee and slippage, and
    settlements are paid on weights. Only bars count that were known at the close of `end`; an hour without a bar moves
    nothing.
    """
    column = {name: place for place, name in enumerate(panel.names)}
    held, before = _list_held(plan, begin, end)
    closes = read_known(panel, panel.closes, end, end - begin + 1)
    moves = np.nan_to_num(closes[1:] / closes[:-1] - 1.0)
    rates = np.nan_to_num(panel.rates[begin + 1 : end + 1])
    earned, rate = [], (costs.fee_bps + costs.slippage_bps) / 1e4
    for place, (at, target) in enumerate(held):
        until = held[place + 1][0] if place + 1 < len(held) else end
        own = slice(max(at, begin) - begin, until - begin)
        for name, weight in target.weights.items():
            steps = moves[own, column[name]] - rates[own, column[name]]
            earned.append(weight * math.fsum(steps.tolist()))
        if at >= begin:
            was = before.weights if before is not None else {}
            names = {*was, *target.weights}
            earned += [-rate * abs(target.weights.get(name, 0.0) - was.get(name, 0.0)) for name in names]
        before = target
    return math.fsum(earned)


def _list_held(plan: Targets, begin: int, end: int) -> tuple[list[tuple[int, Target]], Target | None]:
    """Return the decisions that hold in the hours after `begin` up to `end`, and the one before the first of them."""
    first = max(0, bisect_right(plan, begin, key=_read_row) - 1)
    until = bisect_left(plan, end, key=_read_row)
    return [*plan[first:until]], plan[first - 1][1] if first > 0 else None


def _read_row(decided: tuple[int, Target]) -> int:
    return decided[0]
