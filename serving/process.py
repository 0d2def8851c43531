"""The trading process: opened in an order that refuses before it changes anything, then left to its loop.

Where trading has begun before, its pages come first: a start may wait for the venue, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pairity.books.present import MeasureBook
from pairity.errors import StaleFeaturesError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.polars_threads import running_in_memory
from pairity.progress import Progress
from pairity.settings import Settings
from serving.alerts.service import AlertService
from serving.books.kind import Trading, choose_trading, refuse_other_kind
from serving.books.loop import BookLoop
from serving.books.opening import BookOpening
from serving.execution.okx import OkxVenue
from serving.logs import LoggedProgress, writing_log
from serving.loop import OPENING, DecidingLoop, TradingLoop
from serving.metrics import counting_requests
from serving.notify import STOPPING, UP, Notifier
from serving.opening import Opening, read_stakes
from serving.pages import Pages
from serving.presence import Presence
from serving.replay.stand_ins import StandIns
from serving.report import ServeReport
from serving.risk import Mode, choose_mode
from serving.shutdown import finish_unless_stopped, stop_on_signals
from venue.okx_client import aclose, make_client


async def serve(
    settings: Settings,
    *,
    live: bool,
    cycles: int | None,
    progress: Progress,
    on_ready: Callable[[str], None],
    model_version: str | None = None,
    on_end: Callable[[ServeReport], Awaitable[None]] | None = None,
    stand_ins: StandIns | None = None,
    measure_book: MeasureBook | None = None,
) -> ServeReport:
    """Trade until `cycles` bars are decided or a signal asks to stop; `on_ready` gets the status API's base URL.

    With `model_version` only that version may open positions. `on_end` is awaited after the last decision, while the
    status API still answers (its state is `stopped` then); of a start that was stopped there is no end to await.
    `stand_ins` are parts of a replay in place of its own, `measure_book` says what a book would have done until now.

    Refuses, in this order: real money without both switches, no credentials, a journal that cannot be used, alerts
    without their secrets, missing contracts, no champion, one that is not signed and without a predecessor that is,
    one whose files were changed or, for real money, that did not pass the gate, an unreachable venue or wrong
    credentials, a balance too small to trade. Where the journal has open positions or orders, only the first three
    of these end it: it guards them and tries the others again. Where trading began earlier, an unreachable venue
    and damaged data do not end it either.
    StaleFeaturesError after a run in which not one decision found fresh features.
    """
    mode = choose_mode(settings, live=live)
    trading = Trading(settings, None, by_champion=False)
    if stand_ins is None or stand_ins.open_champion is None:
        trading = choose_trading(settings)
    notifier, ending = Notifier.take(), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(running_in_memory())
        client = make_client(settings, signed=True, live=mode is Mode.LIVE)
        stack.push_async_callback(aclose, client)
        log = stack.enter_context(writing_log(Layout.of(settings), settings.logs, progress.say))
        progress = LoggedProgress(progress)
        presence = Presence(settings, str(mode))
        stack.enter_context(counting_requests(presence.metrics))
        venue = OkxVenue(client, retries=settings.exchange.max_retries)
        opening = (
            Opening(settings, mode, progress, stack, venue, presence, stand_ins)
            if trading.settings.strategy.book is None
            else BookOpening(trading, settings, mode, progress, stack, venue, presence, stand_ins, measure_book)
        )
        pages = await stack.enter_async_context(Pages(settings, presence, lambda: log.lost, notifier, on_ready))
        loops: list[DecidingLoop[Any]] = []

        async def open_loop() -> None:
            loops.append(await _open_loop(opening, trading, pages, stack, model_version))

        def stop() -> None:
            notifier.send(*STOPPING)
            presence.door.close("the process ends, as it was asked to")
            ending.set()
            for loop in loops:
                loop.stop()

        report = ServeReport()
        async with stop_on_signals(stop):
            # A start may wait for hours: whoever stops it then does not wait.
            if await finish_unless_stopped(ending, open_loop()):
                notifier.send(f"STATUS={UP}")
                decided = "the process has made its decisions, and ends"
                report = await loops[0].run(cycles, before_end=lambda: presence.door.close(decided))
        if on_end is not None and loops:
            await on_end(report)
    if report.cycles and report.blind == report.cycles:
        raise StaleFeaturesError(
            f"not one of {format_count(report.cycles, 'decision')} found fresh features: {report.problems[-1]}",
            "look at pairity ingest's report and the Data Docs for what is missing or quarantined",
        )
    return report


async def _open_loop(
    opening: Opening, trading: Trading, pages: Pages, stack: contextlib.AsyncExitStack, model_version: str | None
) -> DecidingLoop[Any]:
    """Open everything in the order in which it refuses; return the loop. Raises what `serve` says."""
    settings = pages.settings
    stakes = read_stakes(Layout.of(settings).journal_place)
    refuse_other_kind(trading, stakes)
    if not stakes.open:
        settings.alerts.require_complete()
    if stakes.may_wait:  # for hours perhaps: whoever looks is told so
        await pages.open(needed=not stakes.open)
    if not stakes.open:
        opening.prepare(model_version)
    guard = await opening.open_guard(stakes)
    loop: DecidingLoop[Any]
    open_parts: Callable[[], Awaitable[Any]]
    if isinstance(opening, BookOpening):
        open_parts = partial(opening.open_book, guard, model_version)
        loop = BookLoop(guard, opening.family, open_parts)
    else:
        open_parts = partial(opening.open_parts, guard, model_version)
        loop = TradingLoop(guard, open_parts)
    try:
        await open_parts()
    except Exception as error:
        if not stakes.allow_waiting(error):
            raise
        guard.supervisor.note(OPENING, error)
    count, now = guard.metrics.count_delivery, guard.clock.now
    stack.enter_context(AlertService(settings, guard.journal, guard.events, lambda: guard.status, now, count))
    await pages.open(needed=not stakes.open)
    if pages.fault is not None:
        guard.supervisor.guard("status page", pages.fault)
    stack.push_async_callback(pages.close)  # before what it reads of
    return loop
