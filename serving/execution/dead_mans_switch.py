"""The dead man's switch: while a limit order of ours rests, the venue cancels it unless it hears from us.

It is armed before the order is sent, each look starts the countdown again, and it is disarmed when nothing rests. It
strikes orders with our tag alone: stops are algo orders, and another program's orders carry another tag.
"""

from __future__ import annotations

import contextlib
from datetime import datetime

from pairity.errors import OrderUnknownError, VenueError, VenueUnreachableError
from serving.execution.orders import OrderDesk
from serving.journal import scope_tag

_LEAST_BETWEEN_S = 1.0
"""The venue takes one call per second and tag."""


class DeadMansSwitch:
    """Switch of one account; `timeout_s` is how long the venue waits for us, 10 to 120 seconds of its own time."""

    def __init__(self, desk: OrderDesk, timeout_s: int) -> None:
        self._desk = desk
        self._tag = scope_tag(desk.journal.scope)
        self._timeout_s = timeout_s
        self._armed_at: datetime | None = None
        self.resting: set[str] = set()
        """Positions of which a limit order may rest."""

    async def arm(self, position_id: str) -> None:
        """Start the countdown again, for a position as well; VenueError where the venue does not confirm it."""
        self.resting.add(position_id)
        now = self._desk.clock.now()
        # A clock that stands, or was just asked: the countdown has hardly begun. One that went back is not believed.
        if self._armed_at is not None and 0 <= (now - self._armed_at).total_seconds() < _LEAST_BETWEEN_S:
            return
        await self._set(self._timeout_s)
        self._armed_at = now

    async def release(self, position_id: str) -> None:
        """Note that no order of a position rests any more; with the last one the switch is disarmed.

        A refusal is not raised: the countdown then ends by itself, and finds nothing to cancel.
        """
        self.resting.discard(position_id)
        if self.resting or self._armed_at is None:
            return
        self._armed_at = None
        with contextlib.suppress(VenueError):
            await self._set(0)

    async def _set(self, seconds: int) -> None:
        try:
            await self._desk.venue.cancel_all_after(seconds, self._tag)
        except OrderUnknownError as error:
            self._armed_at = None
            raise VenueUnreachableError(
                f"whether the dead man's switch is set to {seconds} s is not known: {error.what}", "it is set again"
            ) from None
        except VenueError:
            self._armed_at = None
            raise
