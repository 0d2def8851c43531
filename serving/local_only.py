"""The status API answers this machine's owner only: a layer around the application that refuses what pages send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pairity.local_requests import SECURITY_HEADERS, refuse_request

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_Application = Callable[[_Message, _Receive, _Send], Awaitable[None]]
_EXTRA = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


class LocalOnly:
    """ASGI application around another: refuses requests of other origins with 403, and adds the security headers."""

    def __init__(self, app: _Application) -> None:
        self._app = app

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":  # nothing here speaks WebSocket
            return

        async def send_with_headers(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_EXTRA]
            await send(message)

        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        address, port = scope["server"]
        refusal = refuse_request(headers, address, port)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        start = {"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]}
        await send_with_headers(start)
        await send({"type": "http.response.body", "body": f"{refusal}\n".encode()})
