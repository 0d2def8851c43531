"""Sightings: what the trading process saw last of the venue, its account and its model, kept for whoever asks.

The loop and the watch write here what they know anyway; nothing is asked of the venue for it, and nothing that trades
reads it. Readers are in other threads: every value is replaced as a whole and never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from pairity.margin import MarginMode
from pairity.universe import inst_id

if TYPE_CHECKING:
    from model_registry.records import ModelRef
    from pairity.strategy.types import PairPosition
    from pairity.universe import ContractSpec
    from serving.execution.position_protection import Confirmation
    from serving.execution.venue_records import Balance, VenuePosition
    from serving.journal.verdict_records import ParityVerdict
    from serving.limits import AccountMeasures


@dataclass(frozen=True, slots=True)
class StopSighting:
    """Stops of one leg at the instant of the last look that read them: whether a stop-loss rests, and at which prices.

    Not protected and without a problem: the stop was triggered.
    """

    at: datetime
    protected: bool
    stop: Decimal | None
    target: Decimal | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The last comparison of journal and venue, and the number of things on which they did not agree."""

    at: datetime
    differences: int


@dataclass(frozen=True, slots=True)
class AccountSighting:
    """The account as it was last measured; `available` is what new positions may take, in USDT."""

    measures: AccountMeasures
    available: Decimal


@dataclass(frozen=True, slots=True)
class DriftSighting:
    """Share of the features of the bar that closed at `at` far outside of training's, by feature, and by pair."""

    at: datetime
    share: float
    by_feature: Mapping[str, float]
    by_pair: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParitySighting:
    """The newest verdict of parity: when it was made, what was compared, what differed."""

    at: datetime
    """By this machine's clock."""
    decisions: int
    values: int
    different: int
    blocks: bool
    """Whether differences of this or an earlier check still keep promotions back."""

    @classmethod
    def of(cls, verdict: ParityVerdict, *, blocks: bool) -> ParitySighting:
        """Return what is seen of a verdict."""
        return cls(verdict.at, verdict.decisions, verdict.values, verdict.different, blocks)


@dataclass
class Sightings:
    """Sightings of one process. None and empty: not seen yet."""

    started_at: datetime | None = None
    next_decision_at: datetime | None = None
    """When the next decision is made, by the clock in use."""
    looked_at: datetime | None = None
    """When the venue was last looked at, with success or without."""
    reachable: bool | None = None
    """Whether that look could read the venue."""
    clock_skew_s: float | None = None
    """Seconds by which this machine's clock is ahead of the venue's; None where the venue's own clock is used."""
    reconciliation: Reconciliation | None = None
    stops: Mapping[tuple[str, str], StopSighting] = field(default_factory=dict)
    """By position id and asset, of open positions."""
    positions: Mapping[str, VenuePosition] = field(default_factory=dict)
    """By instrument, as reconciliation read them last: where one is ours, that in its margin mode, else in cross."""
    positions_at: datetime | None = None
    contracts: Mapping[str, ContractSpec] = field(default_factory=dict)
    """Contracts by asset, as the watch keeps them."""
    account: AccountSighting | None = None
    model: ModelRef | None = None
    """The champion as it was loaded, with the gate's verdict."""
    drift: DriftSighting | None = None
    parity: ParitySighting | None = None
    blind: str | None = None
    """Why not one pair could be scored at the last decision; None where some could."""

    def note_stops(self, confirmed: Mapping[str, Confirmation]) -> None:
        """Note the stops that were read back, by position id."""
        self.stops = {
            (name, asset): StopSighting(seen.at, shield.protected, shield.stop, shield.target, shield.problem)
            for name, seen in confirmed.items()
            for asset, shield in seen.shields.items()
        }

    def note_positions(self, rows: Iterable[VenuePosition], at: datetime, ours: Iterable[PairPosition]) -> None:
        """Note the list of positions that reconciliation read, and which of them are of open positions of ours."""
        modes = {inst_id(leg.asset): position.margin_mode for position in ours for leg in position.legs}
        self.positions = {
            row.instrument: row for row in rows if row.margin_mode == modes.get(row.instrument, MarginMode.CROSS)
        }
        self.positions_at = at

    def note_account(self, measures: AccountMeasures | None, balance: Balance) -> None:
        """Note what the limiter measured, with the balance that it read."""
        if measures is not None:
            self.account = AccountSighting(measures, balance.available)
