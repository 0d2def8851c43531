"""The outbox of one destination: its messages in order, each until it is delivered or given up.

Delivered means that the destination answered 2xx. Then the journal notes it, and only then comes the next one. Where
the process is killed between the two, or an answer comes after the timeout, the message is sent again with the same
`Idempotency-Key`: a message arrives at least once, and a receiver that knows the key sees it once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from pairity.backoff import Backoff
from pairity.errors import JournalError
from serving.alerts.events import Events
from serving.alerts.planner import DELIVERY
from serving.alerts.sending import Outcome
from serving.journal.delivery_pages import GIVEN_UP, SENT, DeliveryPages
from serving.journal.event_records import Delivery, Severity

RETRIES = Backoff(first_s=2.0, cap_s=300.0)
_KEPT_FOR = timedelta(days=1)
"""A message that could not be delivered for so long is given up: whoever reads it then is misled."""
_JOURNAL_PAUSE_S = 15.0
_TOO_OLD = Outcome(delivered=False, refused=True, said="not delivered within a day")


class Outbox:
    """Outbox of the destination `name`. `send` tries to deliver one message, and never raises."""

    def __init__(
        self,
        name: str,
        pages: DeliveryPages,
        events: Events,
        send: Callable[[Delivery], Awaitable[Outcome]],
        *,
        max_tries: int,
        retries: Backoff = RETRIES,
    ) -> None:
        self._name = name
        self._pages = pages
        self._events = events
        self._send = send
        self._max_tries = max_tries
        self._retries = retries
        self._failed = 0
        self._unnoted: tuple[int, Outcome] | None = None

    async def deliver_next(self) -> float | None:
        """Try the oldest message; return the seconds until the next try, None where nothing waits.

        Raises JournalError: what was delivered and could not be noted is noted at the next call, and not sent again.
        """
        message = self._pages.next_waiting(self._name)
        if message is None:
            return None
        if self._unnoted is not None and self._unnoted[0] == message.seq:
            outcome = self._unnoted[1]
        elif datetime.now(UTC) - message.queued_at >= _KEPT_FOR:
            outcome = _TOO_OLD
        else:
            outcome = await self._send(message)
        if outcome.delivered:
            self._note_end(message, outcome)
            self._say_recovered()
            return 0.0
        if outcome is _TOO_OLD or (outcome.refused and message.tries + 1 >= self._max_tries):
            self._pages.end(message.seq, GIVEN_UP, datetime.now(UTC), outcome.said)
            self._say(f"a message of {message.queued_at:%Y-%m-%d %H:%M} UTC was given up: {outcome.said}")
            return 0.0
        self._pages.note_try(message.seq, outcome.said)
        if self._failed == 0:
            self._say(f"messages cannot be delivered: {outcome.said}; they are tried again")
        self._failed += 1
        return max(self._retries.delay_s(self._failed - 1), outcome.pause_s or 0.0)

    def _note_end(self, message: Delivery, outcome: Outcome) -> None:
        self._unnoted = (message.seq, outcome)
        self._pages.end(message.seq, SENT, datetime.now(UTC), outcome.said)
        self._unnoted = None

    def _say_recovered(self) -> None:
        if self._failed:
            self._failed = 0
            self._events.record(DELIVERY, Severity.INFO, f"alerts to {self._name}: delivered again", self._name)

    def _say(self, text: str) -> None:
        self._events.record(DELIVERY, Severity.WARNING, f"alerts to {self._name}: {text}", self._name)


async def run_outbox(
    outbox: Outbox, wait: Callable[[float], Awaitable[None]], wait_for_more: Callable[[], Awaitable[None]]
) -> None:
    """Deliver messages for ever; where the journal cannot be used, wait for it.

    `wait` sleeps so many seconds, `wait_for_more` until messages may have been queued.
    """
    while True:
        try:
            pause_s = await outbox.deliver_next()
        except JournalError:
            pause_s = _JOURNAL_PAUSE_S
        if pause_s is None:
            await wait_for_more()
        else:
            await wait(pause_s)


async def run_dead_man(
    is_well: Callable[[], bool],
    send: Callable[[], Awaitable[Outcome]],
    events: Events,
    wait: Callable[[float], Awaitable[None]],
    *,
    period_s: float,
) -> None:
    """Ask the outside monitor's address once per period while the process is well; sooner again where that fails."""
    failed = 0
    while True:
        if not is_well():
            await wait(min(period_s, 5.0))
            continue
        outcome = await send()
        if outcome.delivered:
            failed = 0
            await wait(period_s)
            continue
        if failed == 0:
            said = f"the outside monitor was not reached: {outcome.said}; it is tried again"
            events.record(DELIVERY, Severity.WARNING, said, "dead_man")
        await wait(min(period_s, RETRIES.delay_s(failed)))
        failed += 1
