"""The lease on an account: signs of life that this process puts where every other one can read them.

A sign is an order that cannot be executed and never rests: to buy the smallest size for one tick, at once or not at
all. The venue cancels it, and keeps its id in the list of finished orders for two hours. Nothing follows from what
becomes of it, so it is no intent of the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from pairity.backoff import Backoff
from pairity.errors import OrderUnknownError, PairityError, VenueError, VenueRejectedError
from pairity.timeline import Clock
from pairity.universe import ContractSpec
from serving.execution.venue import VenuePort
from serving.execution.venue_records import SignRequest
from serving.rivals.signs import make_sign_id

RENEWED_EVERY = timedelta(minutes=5)
_RETRIES = Backoff(first_s=30.0, cap_s=300.0)
"""Seconds of the clock in use between two tries: a venue that refuses signs is not asked for ever."""
_ANSWERED_AFTER = timedelta(seconds=5)
"""Least time between two signs."""
_RELEASE_S = 5.0


class Lease:
    """Lease of one process, by its journal's `scope` and its own name `process`."""

    def __init__(
        self, venue: VenuePort, clock: Clock, contracts: Mapping[str, ContractSpec], scope: str, process: str
    ) -> None:
        self._venue, self._clock, self._contracts = venue, clock, contracts
        self._scope, self._process = scope, process
        self._due: datetime | None = None
        self._signed_at: datetime | None = None
        self._failed = self._refused = 0
        self.state = "not signed yet"
        """What became of the last sign, for a person."""

    async def renew(self) -> None:
        """Give a sign of life where one is due. What fails is in `state`, and tried again."""
        now = self._clock.now()
        if self._due is not None and now < self._due:
            return
        try:
            await self._sign(held=True)
        except OrderUnknownError as error:
            self._fail(now, f"not confirmed: {error.what}")
            self._signed_at = now
        except VenueRejectedError as error:
            self._refused += 1  # the next contract may do
            self._fail(now, f"refused, so that only orders tell of this process: {error.what}")
        except VenueError as error:
            self._fail(now, f"not signed: {error.what}")
        else:
            self._signed_at, self._due, self._failed = now, now + RENEWED_EVERY, 0
            self.state = f"signed at {now:%Y-%m-%d %H:%M:%S} UTC"

    def answer(self) -> None:
        """Give the next sign at once: a process that has just come must not wait for it."""
        if self._signed_at is not None and self._due is not None:
            self._due = min(self._due, self._signed_at + _ANSWERED_AFTER)

    async def release(self) -> None:
        """Say that this process leaves the account, if that can be said within seconds."""
        if self._signed_at is None:
            return
        with contextlib.suppress(PairityError, TimeoutError):
            async with asyncio.timeout(_RELEASE_S):
                await self._sign(held=False)
        self._signed_at = None

    async def _sign(self, *, held: bool) -> None:
        spec = self._choose_contract()
        await self._venue.place_sign(
            SignRequest(
                client_order_id=make_sign_id(self._scope, self._process, self._clock.now(), held=held),
                instrument=spec.instrument,
                contracts=spec.min_sz,
                # Of no answer of the venue: a wrong price could make a purchase of it.
                price=spec.tick_sz,
            )
        )

    def _choose_contract(self) -> ContractSpec:
        """Return a contract to sign with: the first one by name, after a refusal the next one."""
        specs = sorted(self._contracts.values(), key=lambda spec: spec.instrument)
        if not specs:
            raise VenueError("no contract is known to sign with")
        return specs[self._refused % len(specs)]

    def _fail(self, now: datetime, said: str) -> None:
        self._due, self.state = now + timedelta(seconds=_RETRIES.delay_s(self._failed)), said
        self._failed += 1
