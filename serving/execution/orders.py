"""The life of one order: intended, sent once, and then whatever the venue says, never what we would like.

    intended ──▶ sent ──▶ acknowledged ──▶ filled | cancelled | rejected
        ▲         │ └───▶ rejected                (definite answers)
        │         ▼
        └────── unknown                           (any doubt: only a query resolves it)

On any doubt (timeout, reset, aborted body, a page instead of JSON, 50004, 5xx) the order is *unknown* and the venue is
asked for it by client order id. The way back to `intended`, and so to a second sending under the same id, needs several
consistent answers "does not exist" over a settling time: one such answer right after placement means nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pairity.backoff import Backoff
from pairity.errors import (
    JournalError,
    OrderUnknownError,
    VenueAnswerError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from pairity.settings import ServeSettings
from pairity.timeline import Clock
from serving.execution.venue import (
    AlgoState,
    AttachedStops,
    Missing,
    OrderRequest,
    OrderState,
    ProtectionRequest,
    Unclear,
    VenueAlgo,
    VenueOrder,
    VenuePort,
)
from serving.journal.journal import Journal
from serving.journal.records import Intent, IntentState, Purpose

DUPLICATE_CODES = frozenset({"51016", "51065", "51068"})
"""The venue knows the id already: the order exists, whatever we believed."""


@dataclass(frozen=True)
class Pace:
    """How fast, how long and how often. All in real seconds: a stepped venue's clock stands while we wait."""

    poll_s: float = 0.2
    deadline_s: float = 20.0
    """A market order that is not finished by then is cancelled, and its partial fill accounted."""
    settle_s: float = 5.0
    """Absence counts only if it is confirmed at least this long after the first answer."""
    absent_answers: int = 3
    unknown_deadline_s: float = 60.0
    max_sends: int = 3
    max_wait_s: float = 5.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, settings: ServeSettings) -> Pace:
        """The pace of the settings."""
        return cls(poll_s=settings.order_poll_s, deadline_s=settings.order_deadline_s)

    async def wait(self, attempt: int = 0) -> None:
        """Sleep one poll, doubled with every attempt, capped."""
        await self.sleep(Backoff(self.poll_s, max(self.max_wait_s, self.poll_s)).delay_s(attempt))


def no_checkpoint(_step: str) -> None:
    """The default of `checkpoint`: drills put a `kill -9` there."""


class OrderDesk:
    """Carries intents out, one at a time, and writes every step into the journal before the next."""

    def __init__(
        self,
        venue: VenuePort,
        journal: Journal,
        clock: Clock,
        pace: Pace,
        checkpoint: Callable[[str], None] = no_checkpoint,
    ) -> None:
        self.venue = venue
        self.journal = journal
        self.clock = clock
        self.pace = pace
        self.checkpoint = checkpoint

    async def carry_out(self, intent: Intent, attached: AttachedStops | None = None) -> Intent:
        """Bring a journalled entry or exit to its final state, from whatever state it is in; returns it.

        Raises OrderUnknownError (the venue does not answer: the state stays, and nothing may be concluded),
        VenueUnreachableError (never accepted; the intent is still `intended`) and CredentialsError.
        """
        sends = 0
        while not intent.state.final:
            if intent.state is IntentState.INTENDED:
                intent = await self._send(intent, attached, sends)
                sends += 1
            elif intent.state in (IntentState.SENT, IntentState.UNKNOWN):
                intent = await self.settle(intent)
            else:
                intent = await self._await_fill(intent)
        return intent

    async def put_to_rest(self, intent: Intent) -> Intent:
        """Bring a journalled protective order onto the venue; returns it acknowledged or final. Raises as above."""
        sends = 0
        while not (intent.state.final or intent.state is IntentState.ACKNOWLEDGED):
            if intent.state is IntentState.INTENDED:
                intent = await self._send(intent, None, sends)
                sends += 1
            else:
                intent = await self.settle(intent)
        return intent

    async def settle(self, intent: Intent) -> Intent:
        """Ask until an order in doubt is found or is definitely absent (then it is `intended` again)."""
        clock, first_absent, absent, asked = self.pace.monotonic, 0.0, 0, 0
        deadline = clock() + self.pace.unknown_deadline_s
        while True:
            found = await self._find(intent)
            if isinstance(found, VenueOrder | VenueAlgo):
                return self.book(intent, found)
            if isinstance(found, Missing):
                first_absent = clock() if absent == 0 else first_absent
                absent += 1
                if absent >= self.pace.absent_answers and clock() - first_absent >= self.pace.settle_s:
                    return self._advance(intent, IntentState.INTENDED, f"absent {absent} times: {found.answer}")
            else:
                absent = 0
            if clock() > deadline:
                raise OrderUnknownError(
                    f"the outcome of order {intent.client_order_id} ({intent.side} {intent.contracts} "
                    f"{intent.instrument}) is unknown: {found.answer}",
                    "nothing is sent for this position until the venue answers; look there by hand",
                )
            await self.pace.wait(asked)
            asked += 1

    def book(self, intent: Intent, found: VenueOrder | VenueAlgo) -> Intent:
        """Write what the venue shows of an order into the journal, if it says anything new."""
        if (found.instrument, found.side) != (intent.instrument, intent.side):
            raise JournalError(
                f"order {intent.client_order_id} is {intent.side} {intent.instrument} here and {found.side} "
                f"{found.instrument} on the venue",
                "another program uses our order ids: stop it before trading on",
            )
        state = _state_of(found)
        filled = found.filled_contracts if isinstance(found, VenueOrder) else intent.filled_contracts
        if state is intent.state and filled == intent.filled_contracts:
            return intent
        return self.journal.advance(
            intent.client_order_id,
            state,
            self.clock.now(),
            f"venue: {found.state}",
            order_id=found.order_id if isinstance(found, VenueOrder) else found.algo_id,
            filled_contracts=filled,
            average_price=found.average_price if isinstance(found, VenueOrder) else None,
        )

    async def _send(self, intent: Intent, attached: AttachedStops | None, sends: int) -> Intent:
        """One sending; a definite "not acted on" leads back to `intended` and is tried again a few times."""
        if sends >= self.pace.max_sends:
            raise VenueUnreachableError(
                f"order {intent.client_order_id} was sent {sends} times and never reached the venue",
                "look at the venue's status; the order is given up or taken up again in the next cycle",
            )
        if sends:
            await self.pace.wait(sends)
        step = intent.purpose.value
        intent = self._advance(intent, IntentState.SENT, f"sending {sends + 1}")
        self.checkpoint(f"{step}: before the wire")
        try:
            order_id = await self._place(intent, attached)
        except VenueRejectedError as error:
            state = IntentState.UNKNOWN if error.code in DUPLICATE_CODES else IntentState.REJECTED
            return self._advance(intent, state, error.what)
        except (OrderUnknownError, VenueAnswerError) as error:
            return self._advance(intent, IntentState.UNKNOWN, error.what)
        except VenueError as error:
            # Refused at the door (throttled, no connection, credentials): the venue never acted on it.
            intent = self._advance(intent, IntentState.INTENDED, error.what)
            if not isinstance(error, VenueUnreachableError):
                raise
            return intent
        self.checkpoint(f"{step}: after the wire")
        intent = self.journal.advance(
            intent.client_order_id, IntentState.ACKNOWLEDGED, self.clock.now(), "accepted", order_id=order_id
        )
        self.checkpoint(f"{step}: acknowledged")
        return intent

    async def _place(self, intent: Intent, attached: AttachedStops | None) -> str:
        if intent.purpose is Purpose.PROTECT:
            return await self.venue.place_protection(_protection(intent))
        return await self.venue.place(
            OrderRequest(
                intent.client_order_id, intent.instrument, intent.side, intent.contracts, intent.reduce_only, attached
            )
        )

    async def _find(self, intent: Intent) -> VenueOrder | VenueAlgo | Missing | Unclear:
        if intent.purpose is Purpose.PROTECT:
            return await self.venue.find_algo(intent.instrument, intent.client_order_id)
        return await self.venue.find_order(intent.instrument, intent.client_order_id)

    async def _await_fill(self, intent: Intent) -> Intent:
        """Poll an accepted order; past the deadline cancel what is left of it, and see that through."""
        deadline = self.pace.monotonic() + self.pace.deadline_s
        asked = 0
        while True:
            found = await self._find(intent)
            if isinstance(found, VenueOrder | VenueAlgo):
                intent = self.book(intent, found)
                if intent.state.final:
                    return intent
            late_s = self.pace.monotonic() - deadline
            if late_s > self.pace.unknown_deadline_s:
                raise OrderUnknownError(
                    f"order {intent.client_order_id} is neither filled nor cancelled after "
                    f"{self.pace.deadline_s + late_s:.0f} s",
                    "look at it on the venue; it is asked for again in the next cycle",
                )
            if late_s > 0:
                await self._try_cancel(intent)
            await self.pace.wait(asked if late_s > 0 else 0)
            asked += late_s > 0

    async def _try_cancel(self, intent: Intent) -> None:
        """Ask for the cancellation; whether it worked is for the next look-up to tell."""
        try:
            await self.venue.cancel(intent.instrument, intent.client_order_id)
        except (OrderUnknownError, VenueUnreachableError, VenueAnswerError, VenueRejectedError) as error:
            self._advance(intent, IntentState.ACKNOWLEDGED, f"cancellation: {error.what}")

    def _advance(self, intent: Intent, state: IntentState, answer: str) -> Intent:
        return self.journal.advance(intent.client_order_id, state, self.clock.now(), answer)


def _state_of(found: VenueOrder | VenueAlgo) -> IntentState:
    if isinstance(found, VenueOrder):
        return {
            OrderState.LIVE: IntentState.ACKNOWLEDGED,
            OrderState.FILLED: IntentState.FILLED,
            OrderState.CANCELLED: IntentState.CANCELLED,
        }[found.state]
    return {
        AlgoState.LIVE: IntentState.ACKNOWLEDGED,
        AlgoState.EFFECTIVE: IntentState.FILLED,
        AlgoState.CANCELLED: IntentState.CANCELLED,
        AlgoState.FAILED: IntentState.REJECTED,
    }[found.state]


def _protection(intent: Intent) -> ProtectionRequest:
    assert intent.stop_price is not None
    assert intent.target_price is not None
    return ProtectionRequest(
        intent.client_order_id, intent.instrument, intent.side, intent.contracts, intent.stop_price, intent.target_price
    )
