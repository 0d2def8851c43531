"""The trading process: opened in an order that refuses before it changes anything, then left to its loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from pairity.errors import ConfigError, StaleFeaturesError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from serving.alerts.service import AlertService
from serving.api import make_app, serve_api
from serving.execution.okx import OkxVenue
from serving.loop import OPENING, TradingLoop
from serving.opening import Opening, read_stakes
from serving.parts import GuardParts
from serving.report import ServeReport
from serving.risk import Mode, choose_mode
from serving.shutdown import stop_on_signals
from serving.status import Status
from serving.wakes import show_stream
from venue.okx_client import aclose, make_client


async def serve(
    settings: Settings,
    *,
    live: bool,
    cycles: int | None,
    progress: Progress,
    on_ready: Callable[[str], None],
    model_version: str | None = None,
) -> ServeReport:
    """Trade until `cycles` bars are decided or a signal asks to stop; `on_ready` gets the status API's base URL.

    With `model_version` only that version may open positions.

    Refuses, in this order: real money without both switches, no credentials, a journal that cannot be used, alerts
    without their secrets, missing contracts, no champion, one that is not signed and without a predecessor that is,
    one whose files were changed or, for real money, that did not pass the gate, an unreachable venue or wrong
    credentials, a balance too small to trade. Where the journal has open positions or orders, only the first three
    of these end it: it guards them and tries the others again. Where trading began earlier, an unreachable venue
    and damaged data do not end it either.
    StaleFeaturesError after a run in which not one decision found fresh features.
    """
    mode = choose_mode(settings, live=live)
    async with contextlib.AsyncExitStack() as stack:
        client = make_client(settings, signed=True, live=mode is Mode.LIVE)
        stack.push_async_callback(aclose, client)
        opening = Opening(settings, mode, progress, stack, OkxVenue(client, retries=settings.exchange.max_retries))
        stakes = read_stakes(Layout.of(settings).journal)
        if not stakes.open:
            settings.alerts.require_complete()
            opening.load_champion(model_version)
        guard = await opening.open_guard(stakes)
        try:
            await opening.open_parts(guard, model_version)
        except Exception as error:
            if not stakes.allow_waiting(error):
                raise
            guard.supervisor.note(OPENING, error)
        stack.enter_context(AlertService(settings, guard.journal, guard.events, lambda: guard.status, guard.clock.now))
        loop = TradingLoop(guard, lambda: opening.open_parts(guard, model_version))
        app = make_app(lambda: _read_status(guard))
        try:
            on_ready(await stack.enter_async_context(serve_api(app, settings.serve)))
        except ConfigError as error:
            if not stakes.open:
                raise
            guard.supervisor.guard("status page", error.what)
        async with stop_on_signals(loop.stop):
            report = await loop.run(cycles)
    if report.cycles and report.blind == report.cycles:
        raise StaleFeaturesError(
            f"not one of {report.cycles} decisions found fresh features: {report.problems[-1]}",
            "look at pairity ingest's report and the Data Docs for what is missing or quarantined",
        )
    return report


def _read_status(guard: GuardParts) -> Status:
    if guard.stream is not None:
        show_stream(guard.stream, guard.status)
    return guard.status
