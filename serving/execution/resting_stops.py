"""The venue's list of resting stops, read once for everything that one pass looks at.

A list is one answer about all instruments. It counts as the present one for a moment, and only as long as this process
has sent nothing: whatever is sent may place, trigger or cancel a stop. A list that could not be read is no list, and is
asked for again by whoever needs it next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from serving.execution.venue import VenuePort
from serving.execution.venue_records import VenueAlgo

_PRESENT_S = 2.0
"""Seconds for which a list counts as the present one: a pass over many positions is over by then."""


class RestingStops:
    """List of resting stops of one pass over `venue`; `monotonic` says seconds."""

    def __init__(self, venue: VenuePort, monotonic: Callable[[], float]) -> None:
        self._venue = venue
        self._monotonic = monotonic
        self._read: tuple[Sequence[VenueAlgo], int, float] | None = None

    async def list(self) -> Sequence[VenueAlgo]:
        """Return the stops that rest on the venue, all pages; VenueError where they cannot be read.

        They are read anew where anything was sent since the last reading began, and after two seconds.
        """
        if self._read is not None:
            stops, sent, at = self._read
            if sent == self._venue.sent and self._monotonic() - at <= _PRESENT_S:
                return stops
        self._read = None
        # Before the request: what is sent while it is under way may not be in its answer.
        sent, at = self._venue.sent, self._monotonic()
        stops = await self._venue.algo_orders()
        self._read = stops, sent, at
        return stops
