"""The trading process: opened in an order that refuses before it changes anything, then left to its loop."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pairity.errors import ConfigError, StaleFeaturesError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from serving.alerts.service import AlertService
from serving.control.queue import RequestQueue
from serving.control.routes import make_action_router
from serving.dashboard.routes import make_page_router
from serving.execution.okx import OkxVenue
from serving.health import Health
from serving.journal.reading import ReadingJournal
from serving.logs import LoggedProgress, writing_log
from serving.loop import OPENING, TradingLoop
from serving.metrics import Metrics, Readings, counting_requests
from serving.notify import STOPPING, Notifier, keeping_informed
from serving.opening import Opening, read_stakes
from serving.parts import GuardParts
from serving.report import ServeReport
from serving.risk import Mode, choose_mode
from serving.shutdown import stop_on_signals
from serving.status import STOPPED, Status
from serving.wakes import show_stream
from serving.web.app import make_app
from serving.web.health_routes import make_health_router
from serving.web.metrics_routes import make_metrics_router
from serving.web.server import serve_api
from serving.web.sources import Sources
from venue.okx_client import aclose, make_client

if TYPE_CHECKING:
    from fastapi import APIRouter


async def serve(
    settings: Settings,
    *,
    live: bool,
    cycles: int | None,
    progress: Progress,
    on_ready: Callable[[str], None],
    model_version: str | None = None,
    on_end: Callable[[ServeReport], Awaitable[None]] | None = None,
) -> ServeReport:
    """Trade until `cycles` bars are decided or a signal asks to stop; `on_ready` gets the status API's base URL.

    With `model_version` only that version may open positions. `on_end` is awaited after the last decision, while the
    status API still answers (its state is `stopped` then).

    Refuses, in this order: real money without both switches, no credentials, a journal that cannot be used, alerts
    without their secrets, missing contracts, no champion, one that is not signed and without a predecessor that is,
    one whose files were changed or, for real money, that did not pass the gate, an unreachable venue or wrong
    credentials, a balance too small to trade. Where the journal has open positions or orders, only the first three
    of these end it: it guards them and tries the others again. Where trading began earlier, an unreachable venue
    and damaged data do not end it either.
    StaleFeaturesError after a run in which not one decision found fresh features.
    """
    mode = choose_mode(settings, live=live)
    notifier = Notifier.take()
    async with contextlib.AsyncExitStack() as stack:
        client = make_client(settings, signed=True, live=mode is Mode.LIVE)
        stack.push_async_callback(aclose, client)
        log = stack.enter_context(writing_log(Layout.of(settings), settings.logs, progress.say))
        progress = LoggedProgress(progress)
        metrics = Metrics()
        stack.enter_context(counting_requests(metrics))
        opening = Opening(
            settings, mode, progress, stack, OkxVenue(client, retries=settings.exchange.max_retries), metrics
        )
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
        stack.enter_context(
            AlertService(
                settings,
                guard.journal,
                guard.events,
                lambda: guard.status,
                guard.clock.now,
                guard.metrics.count_delivery,
            )
        )
        loop = TradingLoop(guard, lambda: opening.open_parts(guard, model_version))
        health = make_health(guard)
        app = make_app(make_sources(guard), make_routers(guard, health, lambda: log.lost))
        try:
            on_ready(await stack.enter_async_context(serve_api(app, settings.serve)))
        except ConfigError as error:
            if not stakes.open:
                raise
            guard.supervisor.guard("status page", error.what)

        def stop() -> None:
            notifier.send(*STOPPING)
            loop.stop()

        alive = keeping_informed(notifier, lambda: health.check_alive().ok)
        async with alive, stop_on_signals(stop):
            report = await loop.run(cycles)
        if on_end is not None:
            await on_end(report)
    if report.cycles and report.blind == report.cycles:
        raise StaleFeaturesError(
            f"not one of {report.cycles} decisions found fresh features: {report.problems[-1]}",
            "look at pairity ingest's report and the Data Docs for what is missing or quarantined",
        )
    return report


def make_sources(guard: GuardParts) -> Sources:
    """Return what the API reads of a process with these parts."""
    layout = Layout.of(guard.settings)
    return Sources(
        status=lambda: _read_status(guard),
        journal=lambda: ReadingJournal.connect(layout.journal),
        layout=layout,
        settings=guard.settings,
        sightings=lambda: guard.sightings,
        now=guard.clock.now,
    )


def make_health(guard: GuardParts) -> Health:
    """Return the health of a process with these parts, which begins now."""
    now = guard.clock.now
    return Health(
        status=lambda: _read_status(guard), now=now, pulse=guard.pulse, serve=guard.settings.serve, started_at=now()
    )


def make_routers(guard: GuardParts, health: Health, lost_lines: Callable[[], float | None]) -> tuple[APIRouter, ...]:
    """Return the routes beside those that read: metrics, health, a person's actions, and the page."""
    readings = Readings(
        status=health.status,
        now=health.now,
        sightings=guard.sightings,
        limits=guard.settings.limits,
        journal=guard.journal.path,
        pulse_age_s=guard.pulse.age_s,
        lost_lines=lost_lines,
    )
    queue = RequestQueue(Layout.of(guard.settings))
    return (
        make_metrics_router(guard.metrics, readings),
        make_health_router(health),
        make_action_router(
            queue, guard.events, guard.settings.serve.control_token, is_over=lambda: guard.status.state == STOPPED
        ),
        make_page_router(),
    )


def _read_status(guard: GuardParts) -> Status:
    if guard.stream is not None:
        show_stream(guard.stream, guard.status)
    return guard.status
