"""Word to the service manager (systemd): ready, alive, stopping. Without one that asks for it, nothing happens.

The protocol is one datagram per word to the socket that `NOTIFY_SOCKET` names (`man sd_notify`). The process says that
it is alive only while its loop is: a loop that hangs is started again after the unit's `WatchdogSec`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, MutableMapping

STOPPING = ("STOPPING=1", "STATUS=finishing the cycle that has begun")
UP = "trading process is up"
_MICROSECONDS = 1_000_000


class Notifier:
    """Line to the service manager; `interval_s` is how often it wants a sign of life, None where it does not."""

    def __init__(self, address: str | None, interval_s: float | None) -> None:
        self._address = address
        self.interval_s = interval_s

    @classmethod
    def take(cls, environment: MutableMapping[str, str] = os.environ) -> Notifier:
        """Return the line that the environment names, and take it out: what this process starts is not to use it."""
        address = environment.pop("NOTIFY_SOCKET", None)
        pid, usec = environment.pop("WATCHDOG_PID", None), environment.pop("WATCHDOG_USEC", "")
        meant = pid is None or pid == str(os.getpid())
        interval_s = int(usec) / _MICROSECONDS if meant and usec.isdecimal() and int(usec) > 0 else None
        return cls(address if address and address[0] in "/@" else None, interval_s)

    def send(self, *words: str) -> None:
        """Send assignments such as `READY=1`. A manager that is gone is no reason to stop trading."""
        if self._address is None:
            return
        # A name that begins with @ is not in the file system; its first byte is a zero there.
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto("\n".join(words).encode(), address)


@contextlib.asynccontextmanager
async def keeping_informed(
    notifier: Notifier, is_alive: Callable[[], bool], standing: str | None = None
) -> AsyncIterator[None]:
    """Say READY and how it stands, then a sign of life twice in each interval while `is_alive`; at the end STOPPING."""
    notifier.send("READY=1", f"STATUS={standing or UP}")
    signs = asyncio.create_task(_give_signs(notifier, is_alive))
    try:
        yield
    finally:
        notifier.send(*STOPPING)
        signs.cancel()
        await asyncio.gather(signs, return_exceptions=True)


async def _give_signs(notifier: Notifier, is_alive: Callable[[], bool]) -> None:
    while notifier.interval_s is not None:
        if is_alive():
            notifier.send("WATCHDOG=1")
        await asyncio.sleep(notifier.interval_s / 2)
