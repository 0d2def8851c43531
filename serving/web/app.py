"""The application: reading routes, the stream of changes, its description, and the routers of other rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from serving.status import DECIDING
from serving.views.status import read_version
from serving.web.answers import Answers
from serving.web.chain_walks import ChainWalks
from serving.web.errors import API, install_error_handlers
from serving.web.reading_routes import make_reading_router
from serving.web.sources import Sources
from serving.web.status_routes import make_status_router
from serving.web.stream import Streams
from serving.web.stream_routes import make_stream_router
from serving.web.why_routes import make_why_router

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI


def make_app(sources: Sources, extra_routers: Sequence[APIRouter] = ()) -> FastAPI:
    """Return the application over `sources`, with the routes of `extra_routers` beside its own.

    Its description is at /api/v1/openapi.json. `serve_api` serves it, and closes what it opens.
    """
    from fastapi import FastAPI

    app = FastAPI(
        title="pairity serve",
        version=read_version(),
        description="What the trading process knows: docs/api.md.",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
        redirect_slashes=False,
    )
    app.state.answers = Answers(sources)
    app.state.streams = Streams(app.state.answers)
    app.state.is_busy = lambda: sources.status().state == DECIDING
    install_error_handlers(app)
    app.include_router(make_status_router(sources.status))
    app.include_router(make_reading_router(app.state.answers))
    app.include_router(make_why_router(app.state.answers, ChainWalks(sources.settings)))
    app.include_router(make_stream_router(app.state.streams))
    for router in extra_routers:
        app.include_router(router)
    return app
