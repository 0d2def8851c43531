"""Placebos of a book: the same weights on other names. What is left of a result is luck, costs and the market.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from training.books.panel import BookPanel
from training.books.plan import PlannedDecision

Floats = NDArray[np.float64]
PERMUTATIONS = 200
SEED = 20_241


class Shuffle(StrEnum):
    """How weights are given to other names of the universe."""

    EACH_DECISION = "anew at each decision"
    THROUGHOUT = "the same names throughout"


@dataclass(frozen=True, slots=True)
class Placebo:
    """A book's Sharpe ratio among those of its placebos."""

    shuffle: Shuffle
    with_costs: bool
    permutations: int
    below: int
    """Placebos whose ratio is below the book's: equal ones are not; one without a ratio is below a ratio."""
    median: float | None
    highest: float | None

    @property
    def p(self) -> float:
        """Share of placebos, the book counted among them, whose ratio is at least the book's."""
        return (1 + self.permutations - self.below) / (1 + self.permutations)


def permute_targets(
    panel: BookPanel,
    plan: Sequence[PlannedDecision],
    shuffle: Shuffle,
    count: int = PERMUTATIONS,
    seed: int = SEED,
) -> Iterator[Floats]:
    """Yield, for each decision, targets whose weights are dealt to the names of its universe: `count` × names.

    `EACH_DECISION` deals anew each time: nothing of the choice is left, and the book trades itself through at every
    decision. `THROUGHOUT` swaps names once, by two orders of all names that stay as they are: the i-th name of the
    universe by one order gets the weight of the i-th by the other, so that it trades as seldom as the book does while
    its universe stays. Weights outside of the universe are 0 as the book's are.
    """
    draw = np.random.default_rng(seed)
    column = {name: place for place, name in enumerate(panel.names)}
    giving, taking = (draw.random((count, len(panel.names))) for _ in range(2))
    for one in plan:
        targets = np.zeros((count, len(panel.names)))
        places = np.array([column[name] for name in one.target.universe], dtype=np.int64)
        if not len(places):
            yield targets
            continue
        weights = np.array([one.weights.get(name, 0.0) for name in one.target.universe])
        if shuffle is Shuffle.EACH_DECISION:
            to, dealt = (
                draw.random((count, len(places))).argsort(axis=1),
                np.broadcast_to(weights, (count, len(places))),
            )
        else:
            to = taking[:, places].argsort(axis=1)
            dealt = weights[giving[:, places].argsort(axis=1)]
        targets[np.arange(count)[:, None], places[to]] = dealt
        yield targets


def rank_among(own: float | None, others: Sequence[float | None], shuffle: Shuffle, *, with_costs: bool) -> Placebo:
    """Return where the Sharpe ratio `own` stands among those of placebos; one without a ratio counts as lowest."""
    known = [ratio for ratio in others if ratio is not None]
    # Equal ones count against the book: where every account is ruined, nothing was shown.
    at_least = len(others) if own is None else sum(ratio >= own for ratio in known)
    return Placebo(
        shuffle=shuffle,
        with_costs=with_costs,
        permutations=len(others),
        below=len(others) - at_least,
        median=float(np.median(known)) if known else None,
        highest=max(known, default=None),
    )
