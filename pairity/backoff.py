"""Back-off: how long to wait before something is tried again. Who waits, and how, stays with the caller."""

from __future__ import annotations

import random
from dataclasses import dataclass

# 2 ** 16 first waits are longer than any cap: a loop that polls for days must not overflow a float.
_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times in seconds that double with every attempt up to a cap.

    `jitter` draws each wait between half and all of its step, so that clients do not march in step; None leaves the
    steps as they are. Pure apart from the state of `jitter`: the caller sleeps, in a coroutine or in a thread.

    >>> [Backoff(first_s=0.5, cap_s=3.0).delay_s(attempt) for attempt in range(4)]
    [0.5, 1.0, 2.0, 3.0]
    """

    first_s: float
    cap_s: float
    jitter: random.Random | None = None

    def delay_s(self, attempt: int, *, least_first_s: float = 0.0) -> float:
        """Return the seconds to wait before repetition `attempt` (0 is the first one).

        `least_first_s` raises the first step for a cause that needs longer, such as "too many requests".
        """
        first_s = max(self.first_s, least_first_s)
        step_s = min(self.cap_s, first_s * 2.0 ** min(attempt, _MOST_DOUBLINGS))
        return step_s if self.jitter is None else step_s * (0.5 + self.jitter.random() / 2.0)
