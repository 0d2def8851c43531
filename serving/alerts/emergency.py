"""Emergency: what is told without the journal, because the journal takes nothing.

Events and messages are journalled before they are sent, so a full disk would silence its own alarm. While the journal
fails for longer than a moment, every destination is told so directly, critical, and again every hour.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from serving.alerts.sending import Outcome

AFTER_S = 60.0
"""Seconds that the journal has to fail: one that is locked for a moment is no emergency."""
AGAIN_S = 3600.0
"""Seconds after which it is told once more."""
_LOOK_S = 5.0
_RETRY_S = 30.0


async def run_emergency(
    find_failure: Callable[[], str | None],
    names: Sequence[str],
    send: Callable[[str, str], Awaitable[Outcome]],
    wait: Callable[[float], Awaitable[None]],
    *,
    after_s: float = AFTER_S,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Look for ever whether the journal fails, and tell the destinations `names` while it does.

    `find_failure` says why it fails, None where it does not; `send` tries once to send a text to a destination, and
    never raises. A try that fails is repeated after half a minute.
    """
    since_s: float | None = None
    next_s: dict[str, float] = {}
    while True:
        failure, now_s = find_failure(), monotonic()
        if failure is None:
            since_s, next_s = None, {}
        elif since_s is None:
            since_s = now_s
        if failure is not None and since_s is not None and now_s - since_s >= after_s:
            text = (
                f"the journal takes no entries ({failure}): nothing is opened, stops stay on the venue; make room on "
                "the disk, end what locks it, or mend its server. Other alerts wait until then"
            )
            for name in names:
                if now_s >= next_s.get(name, now_s):
                    outcome = await send(name, text)
                    next_s[name] = monotonic() + (AGAIN_S if outcome.delivered else _RETRY_S)
        await wait(_LOOK_S)
