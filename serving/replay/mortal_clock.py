"""A clock that kills its process at an instant: a restart in the middle of a replay, the same on every run."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from datetime import datetime

from pairity.settings import ExchangeSettings
from venue.clock import SteppedClock
from venue.okx_hosts import control_address


class MortalClock(SteppedClock):
    """The exchange's clock up to `until`; who sleeps beyond that is killed (SIGKILL) when the clock is there.

    Nothing of the process runs after it: no file is closed, no message sent, no lock given back.
    """

    until: datetime | None = None

    async def sleep_until(self, instant: datetime) -> None:
        """Step the exchange to `instant`, or only to the end of this process."""
        if self.until is not None and instant > self.until:
            await super().sleep_until(self.until)
            os.kill(os.getpid(), signal.SIGKILL)
        await super().sleep_until(instant)


def open_mortal_clock(until: datetime) -> Callable[[ExchangeSettings], Awaitable[SteppedClock]]:
    """Return what opens the clock of a stepped exchange, as `venue.clock.clock_for` does, with an end."""

    async def open_clock(settings: ExchangeSettings) -> SteppedClock:
        control = control_address(settings)
        assert control is not None, "a replay has a stepped exchange"
        clock = await MortalClock.connect(control.url, settings.timeout_s)
        clock.until = until
        return clock

    return open_clock
