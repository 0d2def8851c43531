"""The exchange's own time: the wall clock, an accelerated one, or one that moves only on demand."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Literal

from pairity.errors import ConfigError

ClockKind = Literal["real", "accelerated", "stepped"]
_SPEED = re.compile(r"x([0-9]{1,6}(?:\.[0-9]{1,6})?)")


def wall_ms() -> int:
    """Return the Unix time of this machine in milliseconds."""
    return time.time_ns() // 1_000_000


def parse_clock(mode: str) -> tuple[ClockKind, float]:
    """Return kind and speed of a clock written as `real`, `xN` (N virtual seconds per second) or `stepped`.

    >>> parse_clock("x60")
    ('accelerated', 60.0)
    """
    if mode in ("real", "stepped"):
        return ("real" if mode == "real" else "stepped"), 1.0
    if (match := _SPEED.fullmatch(mode)) and float(match[1]) > 0:
        return "accelerated", float(match[1])
    raise ConfigError(f"clock {mode[:40]!r} does not exist", "choose real, stepped, or a speed such as x60")


class VirtualClock:
    """Time of the exchange in Unix milliseconds; never runs backwards.

    `start_ms=None` in mode `real` means the wall clock itself; otherwise the clock starts at `start_ms` and runs at
    speed 1 (`real`), N (`xN`), or stands still until `advance_to` (`stepped`). `tick_ns` is a monotonic
    nanosecond source.
    """

    def __init__(
        self, mode: str, start_ms: int | None = None, *, tick_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.mode = mode
        self.kind, self.speed = parse_clock(mode)
        if start_ms is None and self.kind != "real":
            raise ConfigError(f"a clock of mode {mode} has no start", "give --start")
        self.follows_wall = start_ms is None
        self.start_ms = wall_ms() if start_ms is None else start_ms
        self._tick_ns = tick_ns
        self._origin_ns = tick_ns()
        self._now_ms = self.start_ms

    def now_ms(self) -> int:
        """Return the current instant in Unix milliseconds."""
        if self.kind != "stepped":
            # The wall clock can be set back; the exchange's time must not.
            self._now_ms = max(self._now_ms, self._read_ms())
        return self._now_ms

    def advance_to(self, instant_ms: int) -> None:
        """Move a stepped clock forward (to where it already is: no change)."""
        if self.kind != "stepped":
            raise ConfigError(f"a clock of mode {self.mode} moves by itself", "start the exchange with --clock stepped")
        if instant_ms < self._now_ms:
            raise ConfigError(
                f"the clock stands at {self._now_ms} and cannot go back to {instant_ms}", "advance to a later time"
            )
        self._now_ms = instant_ms

    def _read_ms(self) -> int:
        if self.follows_wall:
            return wall_ms()
        elapsed_ns = self._tick_ns() - self._origin_ns
        return self.start_ms + int(elapsed_ns * self.speed) // 1_000_000


class FollowedClock(VirtualClock):
    """Time of a venue that is followed: it goes on with the machine's clock from the last instant that was heard.

    It never passes `known_until_ms`, the last instant up to which everything is known: there it stands still until more
    is heard.
    """

    def __init__(self, heard_ms: int, known_until_ms: int, *, tick_ns: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__("real", min(heard_ms, known_until_ms), tick_ns=tick_ns)
        self._heard_ms, self.known_until_ms = heard_ms, known_until_ms

    def hear(self, heard_ms: int, known_until_ms: int) -> None:
        """Take over the venue's time, and how far everything is known, which does not go back."""
        self._heard_ms = heard_ms
        self._origin_ns = self._tick_ns()
        self.known_until_ms = max(known_until_ms, self.known_until_ms)

    def lag_ms(self) -> int:
        """Return how far this clock is behind the venue's."""
        return max(0, self._read_ahead() - self.now_ms())

    def _read_ahead(self) -> int:
        return self._heard_ms + (self._tick_ns() - self._origin_ns) // 1_000_000

    def _read_ms(self) -> int:
        return min(self._read_ahead(), self.known_until_ms)
