"""Answers as the venue wraps them and writes them on the wire (docs/okx-protocol.md, Success)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiohttp import web

from paper_exchange.wire import Json


def wrap_rows(data: Sequence[Json]) -> dict[str, Json]:
    """Return the envelope of success: code "0" and the rows."""
    return {"code": "0", "data": list(data), "msg": ""}


def make_json_answer(body: Json, status: int = 200) -> web.Response:
    """Return a JSON answer without spaces, as the venue sends it."""
    return web.Response(
        body=json.dumps(body, separators=(",", ":")).encode(), status=status, content_type="application/json"
    )
