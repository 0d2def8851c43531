"""A client of an ASGI application in this process: one request, its raw headers, its whole answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer: status, headers in lower case, and the body."""

    status_code: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class AsgiClient:
    """Client of an application that listens on 127.0.0.1:8700, as its scope says."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, b"", headers or {})

    def post(self, path: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        return self.request("POST", path, content, headers)

    def request(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request; a Host that is given replaces the server's own."""
        path, _, query = path.partition("?")
        sent = {"host": "127.0.0.1:8700"} | {name.lower(): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("utf-8")) for name, value in sent.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8700),
        }
        return asyncio.run(self._call(scope, content))

    async def _call(self, scope: dict[str, Any], content: bytes) -> Answer:
        came: list[dict[str, Any]] = []
        pieces = [content[at : at + 4096] for at in range(0, len(content), 4096)] or [b""]

        async def receive() -> dict[str, Any]:
            if not pieces:
                return {"type": "http.disconnect"}
            body = pieces.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(pieces)}

        async def send(message: dict[str, Any]) -> None:
            came.append(message)

        await self._app(scope, receive, send)
        start = next(message for message in came if message["type"] == "http.response.start")
        body = b"".join(message.get("body", b"") for message in came)
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, body.decode())
