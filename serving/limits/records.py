"""Records of the limits: what was measured, and what is beyond a limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Consequence(StrEnum):
    """What follows from a breach. Exits, protection and reconciliation go on under both."""

    NO_ENTRY = "no entry"
    """Nothing is opened while it lasts."""
    HALT = "halt"
    """Nothing is opened until a person has looked at it."""


@dataclass(frozen=True, slots=True)
class AccountMeasures:
    """The account at an instant, in USDT. What was paid in or out since a mark is taken out of its equity.

    `day_start` is the first equity known of the UTC day, `peak` the highest ever known; both may be `equity` itself.
    `margin_ratio` is the equity in multiples of the maintenance margin, at 1 of which the venue liquidates, or the own
    ratio of an isolated position of ours where one is smaller; None while nothing takes margin.
    """

    at: datetime
    equity: Decimal
    day_start: Decimal
    peak: Decimal
    gross_notional: Decimal
    orders_last_hour: int
    rejects_last_hour: int
    margin_ratio: Decimal | None

    def add_notional(self, notional: Decimal) -> AccountMeasures:
        """Return the measures with one more position."""
        return replace(self, gross_notional=self.gross_notional + notional)


@dataclass(frozen=True, slots=True)
class AssetMeasures:
    """One asset at the decision: `close` of the bar decided on, `mark` price now, last settled `funding_rate`, and
    the hours that it is of. None where it is not known.
    """

    asset: str
    close: Decimal | None
    mark: Decimal | None
    funding_rate: Decimal | None
    funding_hours: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit (its setting's name) that is exceeded: what was measured, and the limit, as texts with units."""

    limit: str
    measured: str
    allowed: str
    consequence: Consequence

    def __str__(self) -> str:
        return f"{self.limit}: {self.measured}, the limit is {self.allowed}"
