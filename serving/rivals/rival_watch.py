"""The watch for rivals: gives our signs of life, reads those of others, and says whether somebody else trades here."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from pairity.errors import VenueError
from pairity.timeline import Clock
from pairity.universe import ContractSpec
from serving.execution.venue import VenuePort
from serving.journal import Journal
from serving.rivals.lease import Lease
from serving.rivals.rivals import HELD_FOR, SILENT_FOR, Rivals

_READ_EVERY = timedelta(minutes=1)
"""How old the knowledge of finished orders may be where no stream says that there are new ones."""
_LATE = timedelta(seconds=30)
"""How long the list may lack an order that the stream has told of: every look reads it until then."""
_OVERLAP = timedelta(minutes=2)
"""An order may come into the list late."""


class RivalWatch:
    """Watch for rivals on one account; `signs`: give signs of life."""

    def __init__(
        self,
        venue: VenuePort,
        journal: Journal,
        clock: Clock,
        contracts: Mapping[str, ContractSpec],
        *,
        signs: bool,
    ) -> None:
        self._venue, self._clock = venue, clock
        process = secrets.token_hex(3)
        self._rivals = Rivals(journal.scope, process, journal.owns)
        self._lease = Lease(venue, clock, contracts, journal.scope, process) if signs else None
        self._read_at: datetime | None = None
        self._read_until = clock.now()
        self._failure = "they were not read yet"
        self._met: set[str] = set()

    @property
    def lease(self) -> str | None:
        """What became of our last sign of life, for a person; None where none are given."""
        return None if self._lease is None else self._lease.state

    @property
    def unread(self) -> bool:
        """Whether nothing is known yet."""
        return self._read_at is None

    async def look(self, resting: Mapping[str, datetime | None], *, woken: bool) -> None:
        """Sign where it is due and read where it is due; `resting` are orders of other journals that rest, by id.

        A failure raises nothing: it is explained when it has lasted.
        """
        now = self._clock.now()
        for client_id, at in resting.items():
            self._rivals.see_resting(client_id, now if at is None else at)
        # Ours first: of two processes that start together, at least one sees the other.
        if self._lease is not None:
            await self._lease.renew()
        if woken:
            self._read_until = now + _LATE
        if self._read_at is None or now <= self._read_until or now - self._read_at >= _READ_EVERY:
            await self._read(now)
        alive = set(self._rivals.list_alive(now))
        if alive - self._met and self._lease is not None:
            self._lease.answer()
            await self._lease.renew()
        self._met = alive

    def explain(self) -> str | None:
        """Return who else trades here, or why that is not known; None where nobody does."""
        now = self._clock.now()
        if self._read_at is None or now - self._read_at >= HELD_FOR:
            return f"whether another process trades on this account is not known: {self._failure}"
        return "; ".join(self._rivals.list_alive(now).values()) or None

    def is_alone(self) -> bool:
        """Return whether what is not in the journal can be taken for nobody's."""
        return self.explain() is None

    def has_copy(self) -> bool:
        """Return whether a process with a copy of this journal trades here."""
        return self._rivals.has_copy(self._clock.now())

    def forgive(self) -> None:
        """Forget who was seen until now, by a person's word."""
        self._rivals.forgive(self._clock.now())

    async def release(self) -> None:
        """Say that this process leaves the account."""
        if self._lease is not None:
            await self._lease.release()

    async def _read(self, now: datetime) -> None:
        since = now - SILENT_FOR if self._read_at is None else self._read_at - _OVERLAP
        try:
            orders = await self._venue.finished_orders(since)
        except VenueError as error:
            self._failure = error.what
            return
        for order in orders:
            self._rivals.see_order(order.client_order_id, order.updated_at)
        self._read_at = now
