"""Books that are combined, as one decision leaves them to the next: what each wants, holds and goes on from.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pairity.books.continuation import PairNames

PairSides = Mapping[PairNames, int]


@dataclass(frozen=True, slots=True)
class MemberStep:
    """What a member decided at a close between two decisions of the combination."""

    close: datetime
    weights: Mapping[str, float]
    """Signed fractions of the member's equity."""
    pairs: PairSides


@dataclass(frozen=True, slots=True)
class MemberState:
    """A member as of one decision of the combination."""

    begun: bool
    """Whether it has ever wanted anything: from then on it has a share."""
    weights: Mapping[str, float]
    """Signed fractions of the member's equity."""
    pairs: PairSides = field(default_factory=dict)
    hours_left: Mapping[PairNames, int] = field(default_factory=dict)
    smoothed: Mapping[tuple[int, str], float] = field(default_factory=dict)
    between: tuple[MemberStep, ...] = ()
    """What it decided since the combination's decision before, oldest first; of those that decide more often."""
    prior: Mapping[str, float] = field(default_factory=dict)
    """Weights that it wanted until then."""
    earned: float | None = None
    """What it earned on paper since the combination's decision before, a fraction of its equity.

    None where nobody asks, and where there is nothing to go on from.
    """


@dataclass(frozen=True, slots=True)
class MembersSince:
    """What members did since the combination's decision before, by name."""

    between: Mapping[str, tuple[MemberStep, ...]] = field(default_factory=dict)
    """As `MemberState` has it."""
    earned: Mapping[str, float] = field(default_factory=dict)
    """As `MemberState` has it; of those that had begun, where shares follow what books earned."""
    past: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """The same at the decisions before, oldest first."""


@dataclass(frozen=True, slots=True)
class MembersLeft:
    """What the combination's decision at `close` left of each member."""

    close: datetime
    members: Mapping[str, MemberState]
    cost_bps: float
    """What trading is taken to cost, basis points of notional a side: fee and slippage."""
