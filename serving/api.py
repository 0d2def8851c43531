"""Status of the trading process over HTTP, on the loopback only. Everything here reads; nothing changes state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pairity.connection_limits import ConnectionLimits, limit_connections
from pairity.errors import ConfigError
from pairity.trading_settings import ServeSettings
from serving.local_only import LocalOnly
from serving.status import Status

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI


LIMITS = ConnectionLimits(connections=64, request_s=10.0, idle_s=30.0, request_bytes=65_536)
_HEAD_BYTES = 16_384


def make_app(read: Callable[[], Status], extra_routers: Sequence[APIRouter] = ()) -> FastAPI:
    """Return the application: `/status` and `/health` (JSON), and what `extra_routers` add."""
    from fastapi import FastAPI

    app = FastAPI(title="pairity serve", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/status")
    def status() -> dict[str, Any]:
        return asdict(read())

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"state": read().state}

    for router in extra_routers:
        app.include_router(router)
    return app


@contextlib.asynccontextmanager
async def serve_api(app: FastAPI, settings: ServeSettings) -> AsyncIterator[str]:
    """Serve `app` while the block runs and yield its base URL (port 0 takes a free one).

    Raises ConfigError where the port is in use.
    """
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    config = uvicorn.Config(
        LocalOnly(app, None if settings.status_token is None else settings.status_token.get_secret_value()),
        host=settings.host,
        port=settings.port,
        # Its loggers hand on to the process's own handlers; its own configuration would close those.
        log_config=None,
        access_log=False,
        lifespan="off",
        http=limit_connections(H11Protocol, LIMITS),
        h11_max_incomplete_event_size=_HEAD_BYTES,
        ws="none",
        server_header=False,
        proxy_headers=False,
        backlog=128,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # the loop owns the signals
    task = asyncio.create_task(_serve(server, settings))
    while not server.started:
        if task.done():
            await task
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://{settings.host}:{port}"
    finally:
        server.should_exit = True
        await task


async def _serve(server: Any, settings: ServeSettings) -> None:  # noqa: ANN401 - uvicorn is imported by the caller
    try:
        await server.serve()
    except SystemExit:  # uvicorn logs the cause and exits instead of raising it
        raise ConfigError(
            f"the status API cannot listen on {settings.host}:{settings.port}",
            "another process uses the port; set PAIRITY_SERVE__PORT (0 takes a free one)",
        ) from None
