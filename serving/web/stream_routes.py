"""Route of the stream."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse

from serving.web.errors import API, RESPONSES, make_error
from serving.web.stream import FullError, Streams


def make_stream_router(streams: Streams) -> APIRouter:
    """Return the route of the stream."""
    router = APIRouter(prefix=API, responses=RESPONSES)

    @router.get("/stream", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
    async def stream(
        last_event_id: Annotated[str | None, Header(max_length=100)] = None,
        after: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        """What changes, as events `status`, `positions`, `decision`, `order`, `trade`, `event` and `heartbeat`.

        `after`, or the header Last-Event-ID, is the id of the last event that was seen.
        """
        try:
            content = streams.open(last_event_id or after)
        except FullError as error:
            return make_error(429, error.what, error.remedy)
        return StreamingResponse(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return router
