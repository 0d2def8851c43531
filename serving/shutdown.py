"""Shutdown on request: signals set a stop, and waiting gives way to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any


@contextlib.asynccontextmanager
async def stop_on_signals(stop: Callable[[], None]) -> AsyncIterator[None]:
    """Call `stop` on SIGTERM and SIGINT while the block runs; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def once() -> None:
        stop()
        for number in numbers:
            loop.remove_signal_handler(number)
        end_on_signal()

    for number in numbers:
        loop.add_signal_handler(number, once)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def end_on_signal() -> None:
    """Let SIGTERM end this process at once where the system would not: the first process of a container ignores it.

    Everywhere else the system's own way is quicker, and stays. For the main thread.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))


async def finish_unless_stopped(stop: asyncio.Event, job: Coroutine[Any, Any, object]) -> bool:
    """Await `job` and return True; if `stop` is set first, cancel it and return False. Errors of the job are raised."""
    work, stopped = asyncio.create_task(job), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
            return not stop.is_set()
        return False
    finally:
        for task in (work, stopped):
            task.cancel()
        await asyncio.gather(work, stopped, return_exceptions=True)
