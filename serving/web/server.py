"""The server of the API: a thread with an event loop of its own, so that no reader waits for trading or delays it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from pairity.connection_limits import ConnectionLimits, limit_connections
from pairity.errors import ConfigError
from pairity.trading_settings import ServeSettings
from serving.error_states import describe
from serving.web.budget import CpuBudget
from serving.web.local_only import LocalOnly, brings_action

if TYPE_CHECKING:
    from fastapi import FastAPI

_LOG = logging.getLogger("pairity.api")
LIMITS = ConnectionLimits(connections=384, request_s=10.0, idle_s=30.0, request_bytes=65_536)
"""Readers by the hundred, and 64 streams beside them."""
_HEAD_BYTES = 16_384
_END_S = 5.0


def _log_only(_why: str) -> None:
    """Do nothing more than what is logged anyway."""


@contextlib.asynccontextmanager
async def serve_api(
    app: FastAPI, settings: ServeSettings, on_failure: Callable[[str], None] = _log_only
) -> AsyncIterator[str]:
    """Serve `app` in a thread while the block runs and yield its base URL (port 0 takes a free one).

    Raises ConfigError where the port is in use. What fails later ends the server alone: it is logged, nothing listens
    any more, and `on_failure` is called once with the reason, from the server's thread.
    """
    listening = _listen(settings)
    thread = _ServerThread(app, settings, listening, on_failure)
    thread.start()
    try:
        await asyncio.wrap_future(thread.ready)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield f"http://{host}:{listening.getsockname()[1]}"
    finally:
        thread.stop()
        await asyncio.to_thread(thread.join, _END_S)
        listening.close()


def list_tokens(settings: ServeSettings) -> Sequence[str]:
    """Return the tokens with which one may read; none where everybody on this machine may."""
    if settings.status_token is None:
        return ()
    control = settings.control_token
    return [token.get_secret_value() for token in (settings.status_token, control) if token is not None]


class _ServerThread(threading.Thread):
    """Thread of one server on a socket that listens; `ready` is done when it answers, or why it does not."""

    def __init__(
        self, app: FastAPI, settings: ServeSettings, listening: socket.socket, on_failure: Callable[[str], None]
    ) -> None:
        super().__init__(name="api", daemon=True)
        self.ready: Future[None] = Future()
        self._on_failure = on_failure
        self._listening = listening
        self._app = app
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._stopped = False

    def run(self) -> None:
        """Serve until stopped; an end that nobody asked for is told."""
        fault: BaseException | None = None
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it ends this thread, and nothing else
            if not self.ready.done():
                self.ready.set_exception(error)
                return
            fault = error
        if not self._stopped:
            self._listening.close()  # who connects is refused, and does not wait for an answer that never comes
            why = "it ended by itself" if fault is None else describe(fault)
            _LOG.error("the status API ended: %s", why, exc_info=fault)
            self._on_failure(why)

    def stop(self) -> None:
        """End the server; what is being answered gets a moment."""
        self._stopped = True
        if self._loop is not None and self._ending is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._ending.set)

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        server = _make_server(self._app, self._settings)
        serving = asyncio.ensure_future(server.serve(sockets=[self._listening]))
        try:
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            if serving.done():
                await serving
                raise ConfigError("the status API ended before it answered", "look into the log of the process")
            self.ready.set_result(None)
            if not self._stopped:
                await asyncio.wait(
                    {serving, asyncio.ensure_future(self._ending.wait())}, return_when=asyncio.FIRST_COMPLETED
                )
            if serving.done():
                await serving  # raises what ended it
        finally:
            await _close(self._app)
            server.should_exit = True
            if not serving.done():
                await serving


def _make_server(app: FastAPI, settings: ServeSettings) -> Any:  # noqa: ANN401 - uvicorn is imported late
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    is_busy = getattr(app.state, "is_busy", lambda: False)
    control = None if settings.control_token is None else settings.control_token.get_secret_value()
    budget = CpuBudget(
        LocalOnly(app, list_tokens(settings)), is_busy, goes_first=lambda scope: brings_action(scope, control)
    )
    if (answers := getattr(app.state, "answers", None)) is not None:
        answers.charge = budget.charge
        answers.is_busy = is_busy
    config = uvicorn.Config(
        budget,
        log_level="error",
        log_config=None,  # its own would take its errors out of the log of the process
        access_log=False,
        lifespan="off",
        http=limit_connections(H11Protocol, LIMITS),
        h11_max_incomplete_event_size=_HEAD_BYTES,
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def _listen(settings: ServeSettings) -> socket.socket:
    """Return a socket that listens; ConfigError where the port is in use."""
    family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    try:
        return socket.create_server(address[:2], family=family, backlog=512)
    except OSError:
        raise ConfigError(
            f"the status API cannot listen on {settings.host}:{settings.port}",
            "another process uses the port; set PAIRITY_SERVE__PORT (0 takes a free one)",
        ) from None


async def _close(app: FastAPI) -> None:
    """End the streams, which would go on for ever, and the threads of the answers."""
    if (streams := getattr(app.state, "streams", None)) is not None:
        await streams.close()
    if (answers := getattr(app.state, "answers", None)) is not None:
        answers.close()
