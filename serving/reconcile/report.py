"""Report of one reconciliation."""

from __future__ import annotations

from dataclasses import dataclass, field

from pairity.strategy.types import PairPosition
from serving.execution.exits import Closed


@dataclass
class ReconcileReport:
    """What one reconciliation saw and did. `unresolved` names orders whose outcome the venue still does not say.

    While anything is unresolved, nothing may be opened.
    """

    settled: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    positions: tuple[PairPosition, ...] = ()

    def add_closed(self, closed: Closed) -> None:
        """Note a position that was closed, with its problems."""
        self.closed.append(closed)
        self.problems += closed.problems
