"""The status API answers this machine's owner only: a layer around the application that refuses everybody else.

Pages are always refused. Other users of the machine are, where a token is set: reading needs it, and nothing here
changes anything.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pairity.local_requests import SECURITY_HEADERS, refuse_request

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_Application = Callable[[_Message, _Receive, _Send], Awaitable[None]]
_EXTRA = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


class LocalOnly:
    """ASGI application around another: refuses other origins with 403, and adds the security headers.

    With `token`, requests that do not bring it are refused with 401, but for the page's own files: they hold no data,
    and a browser that opens an address cannot send a token along.
    """

    def __init__(self, app: _Application, token: str | None = None) -> None:
        self._app = app
        self._expected = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":  # nothing here speaks WebSocket
            return

        async def send_with_headers(message: _Message) -> None:
            if message["type"] == "http.response.start":
                own = [*message.get("headers", ())]
                names = {name.lower() for name, _ in own}
                # The page says itself what it may do and keep; two policies of one name would both hold.
                message["headers"] = [*own, *(extra for extra in _EXTRA if extra[0] not in names)]
            await send(message)

        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        address, port = scope["server"]
        refusal, status = refuse_request(headers, address, port), 403
        if refusal is None and not _is_page(scope) and not self._has_token(scope["headers"]):
            refusal, status = "the status token is missing or wrong: send it as Authorization: Bearer TOKEN", 401
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}
        await send_with_headers(start)
        await send({"type": "http.response.body", "body": f"{refusal}\n".encode()})

    def _has_token(self, headers: list[tuple[bytes, bytes]]) -> bool:
        given = [value for name, value in headers if name == b"authorization"]
        return self._expected is None or (len(given) == 1 and hmac.compare_digest(given[0], self._expected))


def _is_page(scope: _Message) -> bool:
    return scope["method"] in ("GET", "HEAD") and (scope["path"] == "/" or scope["path"].startswith("/static/"))
