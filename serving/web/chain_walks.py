"""Walks of the chain behind an order, each in a process of its own: reading model and lake must delay no decision.

The process is `pairity trace ORDER --chain` with low priority; what it prints is the answer. One walks at a time.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from pairity.errors import DataError, PairityError
from pairity.printable import printable_line
from pairity.settings import Settings
from serving.child_jobs import read_job
from serving.web.answers import BusyError

_NICENESS = 10
_LIMIT_S = 110.0
_KEPT_S = 60.0
"""Seconds for which a chain is the same for everybody; an open order goes on meanwhile."""
_MOST_KEPT = 32
_MOST_WAITING = 8


def make_walk_command(order: str) -> list[str]:
    """Return the command that walks from an order to its raw data."""
    return [sys.executable, "-m", "pairity_cli", "trace", order, "--chain"]


class ChainWalks:
    """Walks for all readers. Nothing here is for more than one event loop."""

    def __init__(self, settings: Settings, command: Callable[[str], Sequence[str]] = make_walk_command) -> None:
        self._settings = settings
        self._command = command
        self._turn = asyncio.Semaphore(1)
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._coming: dict[str, asyncio.Task[bytes]] = {}

    async def walk(self, order: str) -> bytes:
        """Return the chain behind an order of the journal as JSON.

        BusyError where too many are asked for, DataError where it cannot be walked or takes too long.
        """
        at, content = self._kept.get(order, (0.0, b""))
        if content and time.monotonic() - at < _KEPT_S:
            return content
        task = self._coming.get(order)
        if task is None:
            if len(self._coming) >= _MOST_WAITING:
                raise BusyError(f"{_MOST_WAITING} orders are being looked into", "ask again in a minute")
            task = asyncio.ensure_future(self._walk(order))
            self._coming[order] = task
            task.add_done_callback(lambda done: self._end(order, done))
        # Shielded: whoever asked first may hang up, and the others wait for the same answer.
        return await asyncio.shield(task)

    async def _walk(self, order: str) -> bytes:
        async with self._turn:
            content = await self._run(order)
        self._kept[order] = time.monotonic(), content
        self._kept.move_to_end(order)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return content

    async def _run(self, order: str) -> bytes:
        try:
            done = await read_job(self._settings, self._command(order), limit_s=_LIMIT_S, niceness=_NICENESS)
        except TimeoutError:
            raise DataError(
                f"the chain behind {order} took more than {_LIMIT_S:.0f} s", f"run: pairity trace {order}"
            ) from None
        if done.exit_code != 0:
            raise _read_failure(order, done.err)
        return done.out

    def _end(self, order: str, done: asyncio.Task[bytes]) -> None:
        self._coming.pop(order, None)
        if not done.cancelled():
            done.exception()  # asked for: nobody may be waiting any more


def _read_failure(order: str, printed: str) -> PairityError:
    """Return the error of a command that failed, in its own words."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    at = next((number for number, line in enumerate(lines) if line.startswith("error: ")), None)
    if at is None:
        return DataError(f"the chain behind {order} cannot be walked", f"run: pairity trace {order}")
    remedy = next((line for line in lines[at + 1 :] if line.startswith("→ ")), f"→ run: pairity trace {order}")
    what = printable_line(lines[at].removeprefix("error: "))
    return DataError(what, printable_line(remedy.removeprefix("→ ")))
