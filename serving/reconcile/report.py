"""Report of one reconciliation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pairity.strategy.types import PairPosition
from serving.execution.exits import Closed
from serving.execution.venue_records import VenuePosition


@dataclass
class ReconcileReport:
    """What one reconciliation saw and did. `unresolved` names orders whose outcome the venue still does not say.

    `doubts` say what one fact claims and no second one confirms, `stuck` which exits and protections the venue does not
    take, `disagreements` what the journal and the venue say against each other. While there is any of these, or
    anything is unresolved, nothing may be opened. `rivals` are orders of other journals that rest, with when they were
    placed: `serving.rivals` says whether one of their processes is alive. `blocked` are instruments (with the reason)
    in which somebody else has a position: nothing may be opened there. `resting` are positions whose entry waits for
    a limit order. `rows` are the venue's positions as they were compared.
    """

    settled: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    resting: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    stuck: dict[str, str] = field(default_factory=dict)
    disagreements: list[str] = field(default_factory=list)
    rivals: dict[str, datetime | None] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    positions: tuple[PairPosition, ...] = ()
    rows: tuple[VenuePosition, ...] = ()

    @property
    def differences(self) -> int:
        """Number of things on which journal and venue do not agree, or of which the venue says nothing."""
        found = (self.doubts, self.disagreements, self.unresolved, self.stuck, self.blocked)
        return sum(len(items) for items in found)

    def add_closed(self, closed: Closed) -> None:
        """Note a position that was closed, with its problems."""
        self.closed.append(closed)
        self.problems += closed.problems

    def add_doubt(self, doubt: str) -> None:
        """Note what only one fact says; it is a problem too."""
        self.doubts.append(doubt)
        self.problems.append(doubt)

    def add_stuck(self, position_id: str, reason: str) -> None:
        """Note a position that the venue does not let be closed or protected; it is a problem too."""
        self.stuck[position_id] = reason
        self.problems.append(reason)
