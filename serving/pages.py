"""Pages of the process: API, page, metrics and health over its presence, with its word to the service manager."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.settings import Settings
from serving.control.queue import RequestQueue
from serving.control.routes import make_action_router
from serving.dashboard.routes import make_page_router
from serving.health import Health
from serving.journal.event_records import Severity
from serving.journal.reading import ReadingJournal
from serving.metrics import Readings
from serving.notify import Notifier, keeping_informed
from serving.presence import Presence
from serving.web.app import make_app
from serving.web.health_routes import make_health_router
from serving.web.metrics_routes import make_metrics_router
from serving.web.server import serve_api
from serving.web.sources import Sources

if TYPE_CHECKING:
    from fastapi import APIRouter


class Pages:
    """Pages of one process, opened once within the `async with` block. `fault` says why they could not be."""

    def __init__(
        self,
        settings: Settings,
        presence: Presence,
        lost_lines: Callable[[], float | None],
        notifier: Notifier,
        on_ready: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self._presence = presence
        self._lost_lines = lost_lines
        self._notifier = notifier
        self._on_ready = on_ready
        self._stack = contextlib.AsyncExitStack()
        self._tried = False
        self.fault: str | None = None

    async def __aenter__(self) -> Pages:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self, *, needed: bool) -> None:
        """Serve, and say READY; a second call does nothing.

        ConfigError where the port is in use and the pages are `needed`; else that is the fault, and trading goes on.
        """
        if self._tried:
            return
        self._tried = True
        health = make_health(self._presence)
        app = make_app(make_sources(self._presence), make_routers(self._presence, health, self._lost_lines))
        try:
            url = await self._stack.enter_async_context(serve_api(app, self.settings.serve, self._note_end))
        except ConfigError as error:
            if needed:
                raise
            self.fault = error.what
        else:
            self._on_ready(url)
        alive = keeping_informed(self._notifier, lambda: health.check_alive().ok, self._presence.explain_start())
        await self._stack.enter_async_context(alive)

    def _note_end(self, why: str) -> None:
        """Tell that the pages failed after their start, from whichever thread; trading goes on without them."""
        self.fault = why
        text = f"the status page and the API ended: {why}; trading goes on, restart the process to have them again"
        self._presence.events.record("pages", Severity.WARNING, text)

    async def close(self) -> None:
        """End them; again, it does nothing."""
        await self._stack.aclose()


def make_sources(presence: Presence) -> Sources:
    """Return what the API reads of a process."""
    layout = Layout.of(presence.settings)
    return Sources(
        status=presence.read_status,
        journal=lambda: ReadingJournal.connect(layout.journal_place),
        layout=layout,
        settings=presence.settings,
        sightings=lambda: presence.sightings,
        now=presence.now,
    )


def make_health(presence: Presence) -> Health:
    """Return the health of a process, which begins now."""
    return Health(
        status=presence.read_status,
        now=presence.now,
        pulse=presence.pulse,
        serve=presence.settings.serve,
        started_at=presence.started_at,
    )


def make_routers(presence: Presence, health: Health, lost_lines: Callable[[], float | None]) -> tuple[APIRouter, ...]:
    """Return the routes beside those that read: metrics, health, a person's actions, and the page."""
    readings = Readings(
        status=health.status,
        now=health.now,
        sightings=presence.sightings,
        limits=presence.settings.limits,
        journal=Layout.of(presence.settings).journal_place,
        pulse_age_s=presence.pulse.age_s,
        lost_lines=lost_lines,
    )
    queue = RequestQueue(Layout.of(presence.settings))
    return (
        make_metrics_router(presence.metrics, readings),
        make_health_router(health),
        make_action_router(queue, presence.events, presence.settings.serve.control_token, door=presence.door),
        make_page_router(),
    )
