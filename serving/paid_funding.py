"""Funding that open positions have paid or received so far, for those who look: no decision goes by it.

The venue books funding every one to eight hours. It is read once after each hour in which it may have done so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from pairity.errors import VenueError
from pairity.strategy.types import PairPosition
from pairity.timeline import HOUR, floor_to
from pairity.universe import inst_id
from serving.execution.venue import VenuePort

_BOOKED_WITHIN = timedelta(minutes=2)
"""Time from a settlement to its bill in the list."""
_AGAIN_AFTER = timedelta(minutes=5)
"""Time without a try after a failure: a list that does not answer must not hold up the watch."""


class FundingSighting(NamedTuple):
    """Funding of one position from its opening to `at`, all legs, in USDT; negative where it was paid."""

    at: datetime
    usdt: Decimal


class PaidFunding:
    """Reader of the funding of one account's open positions; what it cannot read it tries again minutes later."""

    def __init__(self, venue: VenuePort) -> None:
        self._venue = venue
        self._not_before = datetime.min.replace(tzinfo=UTC)
        self.seen: dict[str, FundingSighting] = {}
        """By position id, of positions that are open."""

    async def follow(self, positions: Iterable[PairPosition], now: datetime) -> None:
        """Read what may have been booked since the last time; raises nothing."""
        due, known = floor_to(now - _BOOKED_WITHIN, HOUR) + _BOOKED_WITHIN, self.seen
        self.seen = {}
        for position in positions:
            sighting = known.get(position.position_id)
            if now >= self._not_before and (sighting is None or sighting.at < due):
                try:
                    sighting = FundingSighting(now, await self._add_up(position, now))
                except VenueError:  # what was read before is kept
                    self._not_before = now + _AGAIN_AFTER
            if sighting is not None:
                self.seen[position.position_id] = sighting

    async def _add_up(self, position: PairPosition, now: datetime) -> Decimal:
        total = Decimal(0)
        for leg in position.legs:
            total += await self._venue.funding_paid(inst_id(leg.asset), position.opened_at, now)
        return total
