"""The layer in front of MLflow's server: refuses what is not on the list, and serves files itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from model_registry.tracking_ui.allowed import ENDPOINTS_OF_A_GATEWAY, GRAPHQL, refuse
from model_registry.tracking_ui.artifacts import describe, is_artifact_request, open_artifact, require_inside
from model_registry.tracking_ui.first_visit import SCRIPT, SCRIPT_PATH, add_script
from model_registry.tracking_ui.graphql_reads import rewrite_question
from pairity.errors import PairityError
from pairity.layout import Layout

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_MOST_BODY_BYTES = 1024 * 1024
_CHUNK_BYTES = 256 * 1024
# Pages load nothing from elsewhere and talk to nobody else; an HTML file of a run that is shown in a frame inherits it
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_ABOUT_A_COPY = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since", b"range", b"if-range"})
"""What a browser asks of a copy that it has, or of parts: the page is sent whole, and as text."""
_OF_ANOTHER_PAGE = frozenset({b"content-length", b"etag", b"last-modified", b"cache-control"})
_PATHS = frozenset({"path", "artifact_file_path", "artifact_directory_path"})
_DROPPED = frozenset(
    {
        *(name for name, _ in _HEADERS),
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-expose-headers",
    }
)


class ReadOnly:
    """ASGI application that passes on to `server` what only reads, for the data directory of `layout`."""

    def __init__(self, server: Application, layout: Layout, port: int) -> None:
        self._server = server
        self._layout = layout
        self._port = port

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        method, path = str(scope["method"]), str(scope["path"])
        refusal = refuse(method, path, scope["headers"], self._port)
        if refusal is not None:
            await _answer(send, refusal.status, refusal.reason)
            return
        if path == SCRIPT_PATH:
            await _answer(send, 200, SCRIPT, b"text/javascript; charset=utf-8")
            return
        if path == ENDPOINTS_OF_A_GATEWAY:
            await _answer(send, 200, '{"endpoints": []}', b"application/json")
            return
        if is_artifact_request(path) and await self._serve_artifact(scope, path, send):
            return
        body = await _read_body(receive)
        if body is None:
            await _answer(send, 413, f"a question has at most {_MOST_BODY_BYTES} bytes")
            return
        if path == GRAPHQL:
            body = rewrite_question(body)
            if body is None:
                await _answer(send, 403, "this is not a question that the pages ask: the UI is for looking only")
                return
        passed = _with_headers(send)
        if path == "/" and method == "GET":
            passed = _with_script(passed)
        await self._server(_replace_body_headers(scope, body), _replay(body), passed)

    async def _serve_artifact(self, scope: MutableMapping[str, Any], path: str, send: Send) -> bool:
        """Serve a file; False for a listing that MLflow may make."""
        said = parse_qsl(bytes(scope["query_string"]).decode("latin-1"), keep_blank_values=True)
        query = dict(said)
        if len(query) < len(said) or len(query.keys() & _PATHS) > 1:
            # MLflow would take another one of them than was looked at here
            await _answer(send, 403, "a question names each thing once")
            return True
        try:
            if path.endswith(("/list", "/directories")):
                await asyncio.to_thread(require_inside, self._layout, path, query)
                return False
            artifact = await asyncio.to_thread(open_artifact, self._layout, path, query)
        except (PairityError, OSError) as error:
            await _answer(send, 404, describe(error) if isinstance(error, PairityError) else "not served")
            return True
        with artifact.file:
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *artifact.headers]})
            left = artifact.size if scope["method"] == "GET" else 0
            while left > 0:
                chunk = await asyncio.to_thread(artifact.file.read, min(_CHUNK_BYTES, left))
                if not chunk:
                    break
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        return True


async def _answer(send: Send, status: int, text: str, kind: bytes = b"text/plain; charset=utf-8") -> None:
    headers = [*_HEADERS, (b"content-type", kind), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body of a request; None where it is too long."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > _MOST_BODY_BYTES:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _replace_body_headers(scope: MutableMapping[str, Any], body: bytes) -> MutableMapping[str, Any]:
    """Return the request with the body's length, and as JSON whatever it said it was."""
    replaced = {b"content-length", b"content-type", b"content-encoding", b"transfer-encoding"}
    if scope["path"] == "/":
        replaced |= _ABOUT_A_COPY
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in replaced]
    if scope["method"] == "POST":
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {**scope, "headers": headers}


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in _DROPPED]
            policy = (b"content-security-policy", _POLICY.encode())
            message = {**message, "headers": [*kept, *_HEADERS, policy]}
        await send(message)

    return send_with_headers


def _with_script(send: Send) -> Send:
    """Send the page once it is whole, with our script in it."""
    start: Message = {}
    parts: list[bytes] = []

    async def send_with_script(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        page = add_script(b"".join(parts))
        kept = [(name, value) for name, value in start["headers"] if name.lower() not in _OF_ANOTHER_PAGE]
        headers = [*kept, (b"content-length", str(len(page)).encode()), (b"cache-control", b"no-store")]
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": page})

    return send_with_script
