"""The API answers this machine's owner only: a layer around the application that refuses everybody else.

Pages of other origins are always refused. Other users of the machine are, where a token is set: reading needs it. The
page itself and its files hold no data, and are shown without one.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from pairity.local_requests import SECURITY_HEADERS, refuse_request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
_EXTRA = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_OPEN = ("/static/", "/why/")
_JUDGED_BEHIND = "/api/v1/actions/"
"""Who may act is judged by the router of the actions: it journals every use, refused ones too."""


def brings_action(scope: Message, control_token: str | None) -> bool:
    """Return whether a request is an action that comes with the control token."""
    if control_token is None or scope["type"] != "http" or scope["method"] != "POST":
        return False
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    expected = f"Bearer {control_token}".encode()
    right = len(given) == 1 and hmac.compare_digest(given[0], expected)
    return right and scope["path"].startswith(_JUDGED_BEHIND)


class LocalOnly:
    """ASGI application around another: refuses other origins with 403, and adds the security headers.

    With `tokens`, requests that do not bring one of them are refused with 401, but for the page and its files.
    """

    def __init__(self, app: Application, tokens: Sequence[str] = ()) -> None:
        self._app = app
        self._expected = [f"Bearer {token}".encode() for token in tokens]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":  # nothing here speaks WebSocket
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                # A page says by itself what it may load; whatever it does not say is as strict as everywhere.
                said = {name.lower() for name, _ in own}
                message["headers"] = [*own, *(item for item in _EXTRA if item[0] not in said)]
            await send(message)

        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        address, port = scope["server"]
        refusal, status = refuse_request(headers, address, port), 403
        if scope["method"] == "POST" and scope["path"].startswith(_JUDGED_BEHIND):
            refusal = None
        elif refusal is None and not self._may_read(scope):
            refusal, status = "the status token is missing or wrong: send it as Authorization: Bearer TOKEN", 401
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        else:
            await _refuse(status, refusal, scope["path"], send_with_headers)

    def _may_read(self, scope: Message) -> bool:
        path = scope["path"]
        if not self._expected or path == "/" or path.startswith(_OPEN):
            return True
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        # Every token is compared, so that the time says nothing about which one was nearly right.
        right = [hmac.compare_digest(given[0], expected) for expected in self._expected] if len(given) == 1 else []
        return any(right)


async def _refuse(status: int, refusal: str, path: str, send: Send) -> None:
    if path.startswith("/api/"):
        what, _, remedy = refusal.partition(": ")
        kind, body = b"application/json", json.dumps({"error": {"what": what, "remedy": remedy}})
    else:
        kind, body = b"text/plain", f"{refusal}\n"
    headers = [(b"content-type", kind), (b"content-length", str(len(body.encode())).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
