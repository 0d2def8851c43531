"""When swaps settle their funding: one answer for all of them spares a question about each that has not settled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ingestion.sources.okx_endpoints import Request
from pairity.errors import VenueError
from pairity.universe import inst_id
from venue.okx_values import read_instant

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Settlements:
    """The settlements around `heard_at`, the venue's time of the answer: none between `previous` and `coming`."""

    previous: datetime
    coming: datetime
    heard_at: datetime

    def exclude(self, since: datetime, until: datetime) -> bool:
        """Return whether there was certainly no settlement in [since, until): it must be past, and between the two.

        A venue that changes the interval moves `coming`, and a settlement that took place is `previous` from then on:
        both are said after the range has passed, so that no announcement is relied upon.
        """
        return self.previous < since and until <= self.coming and until - _MILLISECOND <= self.heard_at


@dataclass(slots=True)
class SettlementSchedule:
    """The schedule of all swaps, heard once, when it is first needed. One object serves one run.

    Where the venue does not answer, or says less than is needed, nothing is excluded: the history is asked. What is
    excluded is not noted as complete: should the schedule be wrong, the next run over that range asks the history.
    """

    call: Request
    _heard: Mapping[str, Settlements] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def exclude(self, asset: str, since: datetime, until: datetime) -> bool:
        """Return whether the venue says that the swap of `asset` did not settle in [since, until)."""
        async with self._turn:
            if self._heard is None:
                self._heard = await self._hear()
        settlements = self._heard.get(inst_id(asset))
        return settlements is not None and settlements.exclude(since, until)

    async def _hear(self) -> Mapping[str, Settlements]:
        try:
            rows = await self.call("publicGetPublicFundingRate", {"instId": "ANY"})
        except VenueError:
            return {}
        return {str(row["instId"]): read for row in rows if (read := read_settlements(row)) is not None}


def read_settlements(row: Any) -> Settlements | None:  # noqa: ANN401 - the venue's JSON
    """Return what a row of `public/funding-rate` says; None where it says too little.

    Older answers lack `prevFundingTime`. While the venue settles, what is previous and what is coming is in doubt.
    """
    try:
        if row["settState"] != "settled" or not row["instId"]:
            return None
        return Settlements(*(read_instant(row[name]) for name in ("prevFundingTime", "fundingTime", "ts")))
    except (LookupError, TypeError, ValueError):
        return None
