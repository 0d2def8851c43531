"""The life of one order: intended, sent once, and from then on only what the venue says.

    intended ──▶ sent ──▶ acknowledged ──▶ filled | cancelled | rejected
        ▲         │ └───▶ rejected                (definite answers)
        │         ▼
        └────── unknown                           (any doubt: only a query resolves it)

On any doubt (timeout, reset, aborted body, a page instead of JSON, 50004, 5xx, throttling) the order is *unknown* and
the venue is asked by client order id. The way back to `intended`, and so to a second sending under the same id, needs
several consistent answers "does not exist" over a settling time: one such answer right after placement means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from pairity.errors import (
    JournalError,
    OrderUnknownError,
    VenueAnswerError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from pairity.timeline import Clock
from serving.execution.facts import Facts
from serving.execution.pace import Pace
from serving.execution.venue import VenuePort
from serving.execution.venue_records import (
    AlgoState,
    AttachedStops,
    Missing,
    OrderRequest,
    OrderState,
    ProtectionRequest,
    Unclear,
    VenueAlgo,
    VenueOrder,
)
from serving.journal import Intent, IntentState, Journal, Purpose, scope_tag

DUPLICATE_CODES = frozenset({"51016", "51065", "51068"})
"""Rejections of an id that the venue knows already: the order exists, whatever the journal says."""


def no_checkpoint(_step: str) -> None:
    """Do nothing: the default of `checkpoint`. Crash tests put a `kill -9` there."""


class OrderDesk:
    """Desk that carries intents out, one at a time, and writes every step into the journal before the next."""

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
        self._facts = Facts(venue, journal)

    async def carry_out(self, intent: Intent, attached: AttachedStops | None = None) -> Intent:
        """Bring a journalled entry or exit from any state to its final one, and return it.

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
                intent = await self._await_end(intent, self.pace.deadline_s)
        return intent

    async def put_to_rest(
        self, intent: Intent, attached: AttachedStops | None = None, price: Decimal | None = None
    ) -> Intent:
        """Bring a journalled order onto the venue and return it, acknowledged or final.

        It is a protective order, or with `price` a post-only one. Raises what `carry_out` raises.
        """
        sends = 0
        while not (intent.state.final or intent.state is IntentState.ACKNOWLEDGED):
            if intent.state is IntentState.INTENDED:
                intent = await self._send(intent, attached, sends, price)
                sends += 1
            else:
                intent = await self.settle(intent)
        return intent

    async def look(self, intent: Intent) -> Intent:
        """Look an accepted order up once, and book what the venue shows; no usable answer changes nothing."""
        lookup = await self._find(intent)
        return self.book(intent, lookup) if isinstance(lookup, VenueOrder | VenueAlgo) else intent

    async def end(self, intent: Intent) -> Intent:
        """Cancel what is left of an accepted order and see it through: a fill may be faster. Raises OrderUnknownError.

        One that the venue does not know any more is looked for in its lists first.
        """
        return await self._await_end(intent, 0.0)

    async def settle(self, intent: Intent) -> Intent:
        """Ask until an order in doubt is found or definitely absent; return the intent, `intended` again where absent.

        Raises OrderUnknownError where the venue gives no usable answer in time.
        """
        clock, first_absent, absent, requests = self.pace.monotonic, 0.0, 0, 0
        deadline = clock() + self.pace.unknown_deadline_s
        while True:
            lookup = await self._find(intent)
            if isinstance(lookup, VenueOrder | VenueAlgo):
                return self.book(intent, lookup)
            if isinstance(lookup, Missing):
                first_absent = clock() if absent == 0 else first_absent
                absent += 1
                # Both a count and a time: a venue that has just taken an order may deny it a few times.
                if absent >= self.pace.absent_answers and clock() - first_absent >= self.pace.settle_s:
                    return await self._conclude_absent(intent, lookup)
            else:
                absent = 0  # denials count only in a row: an unreadable answer in between proves nothing
            if clock() > deadline:
                raise OrderUnknownError(
                    f"the outcome of order {intent.client_order_id} ({intent.side} {intent.contracts} "
                    f"{intent.instrument}) is unknown: {lookup.answer}",
                    "nothing is sent for this position until the venue answers; look there by hand",
                )
            await self.pace.wait(requests)
            requests += 1

    async def _conclude_absent(self, intent: Intent, lookup: Missing) -> Intent:
        """Ask for the second fact about an order whose look-up denies it; OrderUnknownError where it cannot be read.

        The venue forgets finished orders: one that was executed long ago is denied too.
        """
        try:
            found = await self._facts.find_order(intent)
        except (VenueUnreachableError, VenueAnswerError, VenueRejectedError) as error:
            raise OrderUnknownError(
                f"order {intent.client_order_id} is denied, and nothing confirms it: {error.what}",
                "nothing is sent for this position until the venue answers; look there by hand",
            ) from None
        if found is not None:
            return self.book(intent, found)
        answer = f"denied, and in no list: {lookup.answer}"
        # One that the venue had accepted is not sent again: it ended without an execution, and was forgotten.
        gone = IntentState.CANCELLED if intent.state is IntentState.ACKNOWLEDGED else IntentState.INTENDED
        return self._advance(intent, gone, answer)

    def book(self, intent: Intent, shown: VenueOrder | VenueAlgo) -> Intent:
        """Write what the venue shows of an order into the journal, if it is new; return the intent.

        Raises JournalError where the venue shows another instrument, side or margin mode under the id.
        """
        if (shown.instrument, shown.side) != (intent.instrument, intent.side):
            raise JournalError(
                f"order {intent.client_order_id} is {intent.side} {intent.instrument} here and {shown.side} "
                f"{shown.instrument} on the venue",
                "another program uses our order ids: stop it before trading on",
            )
        if isinstance(shown, VenueOrder) and shown.margin_mode == intent.margin_mode.other:
            raise JournalError(
                f"order {intent.client_order_id} is in {intent.margin_mode} margin here and in {shown.margin_mode} "
                "margin on the venue",
                "look at the venue by hand: its position has no stop of ours",
            )
        state = _read_state(shown)
        filled = shown.filled_contracts if isinstance(shown, VenueOrder) else intent.filled_contracts
        if state is intent.state and filled == intent.filled_contracts:
            return intent
        return self.journal.advance(
            intent.client_order_id,
            state,
            self.clock.now(),
            _describe(shown),
            order_id=shown.order_id if isinstance(shown, VenueOrder) else shown.algo_id,
            filled_contracts=filled,
            average_price=shown.average_price if isinstance(shown, VenueOrder) else None,
        )

    async def _send(
        self, intent: Intent, attached: AttachedStops | None, sends: int, price: Decimal | None = None
    ) -> Intent:
        """Send once; a definite "not acted on" leads back to `intended` and is tried again a few times."""
        if sends >= self.pace.max_sends:
            raise VenueUnreachableError(
                f"order {intent.client_order_id} was sent {sends} times and never reached the venue",
                "look at the venue's status; the order is given up or taken up again in the next cycle",
            )
        if sends:
            await self.pace.wait(sends)
        step = intent.purpose.value
        # `sent` before the wire: a process that dies after this line asks the venue instead of sending again.
        how = "" if price is None else f", post-only at {price}"
        intent = self._advance(intent, IntentState.SENT, f"sending {sends + 1}{how}")
        self.checkpoint(f"{step}: before the wire")
        try:
            order_id = await self._place(intent, attached, price)
        except VenueRejectedError as error:
            state = IntentState.UNKNOWN if error.code in DUPLICATE_CODES else IntentState.REJECTED
            return self._advance(intent, state, error.what)
        except (OrderUnknownError, VenueAnswerError) as error:
            return self._advance(intent, IntentState.UNKNOWN, error.what)
        except VenueError as error:
            # Refused at the door (no connection, credentials): the venue never acted on it.
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

    async def _place(self, intent: Intent, attached: AttachedStops | None, price: Decimal | None) -> str:
        if intent.purpose is Purpose.PROTECT:
            return await self.venue.place_protection(_make_protection_request(intent))
        return await self.venue.place(
            OrderRequest(
                client_order_id=intent.client_order_id,
                instrument=intent.instrument,
                side=intent.side,
                contracts=intent.contracts,
                reduce_only=intent.reduce_only,
                attached=attached,
                limit_price=price,
                tag="" if price is None else scope_tag(self.journal.scope),
                margin_mode=intent.margin_mode,
            )
        )

    async def _find(self, intent: Intent) -> VenueOrder | VenueAlgo | Missing | Unclear:
        if intent.purpose is Purpose.PROTECT:
            return await self.venue.find_algo(intent.instrument, intent.client_order_id)
        return await self.venue.find_order(intent.instrument, intent.client_order_id)

    async def _await_end(self, intent: Intent, deadline_s: float) -> Intent:
        """Poll an accepted order; past the deadline cancel what is left of it, and see that through."""
        deadline = self.pace.monotonic() + deadline_s
        late_requests = 0
        while True:
            lookup = await self._find(intent)
            if isinstance(lookup, VenueOrder | VenueAlgo):
                intent = self.book(intent, lookup)
                if intent.state.final:
                    return intent
            late_s = self.pace.monotonic() - deadline
            if late_s > 0 and isinstance(lookup, Missing):
                return await self._conclude_absent(intent, lookup)
            if late_s > self.pace.unknown_deadline_s:
                raise OrderUnknownError(
                    f"order {intent.client_order_id} is neither filled nor cancelled after {deadline_s + late_s:.0f} s",
                    "look at it on the venue; it is asked for again in the next cycle",
                )
            if late_s > 0:
                await self._try_cancel(intent)
            await self.pace.wait(late_requests if late_s > 0 else 0)
            late_requests += late_s > 0

    async def _try_cancel(self, intent: Intent) -> None:
        """Ask for the cancellation; the next look-up shows whether it worked."""
        try:
            await self.venue.cancel(intent.instrument, intent.client_order_id)
        except (OrderUnknownError, VenueUnreachableError, VenueAnswerError, VenueRejectedError) as error:
            self._advance(intent, IntentState.ACKNOWLEDGED, f"cancellation: {error.what}")

    def _advance(self, intent: Intent, state: IntentState, answer: str) -> Intent:
        return self.journal.advance(intent.client_order_id, state, self.clock.now(), answer)


def _read_state(shown: VenueOrder | VenueAlgo) -> IntentState:
    if isinstance(shown, VenueOrder):
        return {
            OrderState.LIVE: IntentState.ACKNOWLEDGED,
            OrderState.FILLED: IntentState.FILLED,
            OrderState.CANCELLED: IntentState.CANCELLED,
        }[shown.state]
    return {
        AlgoState.LIVE: IntentState.ACKNOWLEDGED,
        AlgoState.EFFECTIVE: IntentState.FILLED,
        AlgoState.CANCELLED: IntentState.CANCELLED,
        AlgoState.FAILED: IntentState.REJECTED,
    }[shown.state]


def _describe(shown: VenueOrder | VenueAlgo) -> str:
    source = shown.cancel_source if isinstance(shown, VenueOrder) else ""
    return f"venue: {shown.state}, source {source}" if source else f"venue: {shown.state}"


def _make_protection_request(intent: Intent) -> ProtectionRequest:
    assert intent.stop_price is not None
    return ProtectionRequest(
        client_order_id=intent.client_order_id,
        instrument=intent.instrument,
        side=intent.side,
        contracts=intent.contracts,
        stop=intent.stop_price,
        target=intent.target_price,
        margin_mode=intent.margin_mode,
    )
