"""Health with a meaning: does the process live, does it trade, is what it knows fresh?

* alive: its loop gives signs of life. A process that is not should be started again.
* trading: it may open positions. A process that does not needs a person, not a restart: guarding and halted are states
  in which protection goes on.
* fresh: the venue was looked at, and a bar was decided on, as lately as they should have been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from pairity.trading_settings import ServeSettings
from serving.status import STOPPED, Status

_WORK_S = 300.0
"""Seconds that a step between two signs of life may take: orders with their deadlines, the work of a first hour."""
_DECIDING = timedelta(minutes=15)
"""Time from a bar's close in which its decision is due, its repetitions included."""
_CARRYING_OUT = timedelta(minutes=2)
"""Time for which nobody looks because orders are on their way."""
_WATCHES = 4
"""So many looks may fail, or be late, until the venue counts as not looked at."""


class Pulse:
    """Signs of life of the loop, in real seconds: whatever the clock in use says, a hung process gives none."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._beat_at = monotonic()
        self.begun_at = self._beat_at

    def beat(self) -> None:
        """Give a sign of life."""
        self._beat_at = self._monotonic()

    def age_s(self) -> float:
        """Return the seconds since the last sign of life; since the start where there was none."""
        return self._monotonic() - self._beat_at


class Verdict(NamedTuple):
    """Answer to one of the questions; `why` says what was found, also where all is well."""

    ok: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """Health of one process: its status, the clock in use (which may raise), its pulse, and since when it runs."""

    status: Callable[[], Status]
    now: Callable[[], datetime]
    pulse: Pulse
    serve: ServeSettings
    started_at: Callable[[], datetime]

    def check_alive(self) -> Verdict:
        """Return whether the loop gave a sign of life within the time that its longest step may take."""
        age, most = self.pulse.age_s(), _WORK_S + 2 * self.serve.watch_s
        said = f"the loop's last sign of life is {age:.0f} s old"
        return Verdict(age <= most, said if age <= most else f"{said}, more than {most:.0f} s")

    def check_trading(self) -> Verdict:
        """Return whether positions may be opened."""
        status = self.status()
        if status.trading != "trading":
            return Verdict(ok=False, why=f"{status.trading}: {status.trading_reason}")
        if status.state in {"starting", STOPPED}:
            return Verdict(ok=False, why=status.state)
        return Verdict(ok=True, why=status.state)

    def check_fresh(self) -> Verdict:
        """Return whether the venue was looked at, and a bar decided on, within their time; from the start on at first.

        A clock that cannot be read is not fresh.
        """
        status = self.status()
        try:
            now = self.now()
        except Exception as error:  # noqa: BLE001 - a clock asks the venue, and may fail as it does
            return Verdict(ok=False, why=f"the clock cannot be read: {type(error).__name__}")
        started_at = self.started_at()
        interval = timedelta(minutes=self.serve.interval_minutes)
        looks = timedelta(seconds=_WATCHES * self.serve.watch_s) + _CARRYING_OUT
        for what, text, most in (
            ("the bar decided on", status.event_timestamp, interval + _DECIDING),
            ("the last look at the venue", status.watched, looks),
        ):
            at = started_at if text is None else max(datetime.fromisoformat(text), started_at - most)
            if now - at > most:
                since = f"{what} is {_in_words(now - at)} old" if text else f"{what}: none since the start"
                return Verdict(ok=False, why=f"{since}, more than {_in_words(most)}")
        return Verdict(ok=True, why="looked at and decided in time")

    @property
    def questions(self) -> dict[str, Callable[[], Verdict]]:
        """The questions by name."""
        return {"alive": self.check_alive, "trading": self.check_trading, "fresh": self.check_fresh}


def _in_words(span: timedelta) -> str:
    minutes, seconds = divmod(math.floor(span.total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
