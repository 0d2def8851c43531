"""A server that nobody should talk to: it notes whatever comes, and answers well."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

GOOD = {"code": "0", "msg": "", "data": [{"ts": "1742317080000", "sCode": "0", "ordId": "1"}]}


class Elsewhere:
    """`url` of the server, and every request that reached it: its method, target, headers and body as one text."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = dict(request.headers)
        self.heard.append(f"{request.method} {request.raw_path} {headers} {body!r}")
        return web.json_response(GOOD)


@asynccontextmanager
async def elsewhere(tls: ssl.SSLContext | None = None) -> AsyncIterator[Elsewhere]:
    server = Elsewhere()
    # A bare server: proxies are sent CONNECT and absolute targets, which an application would not route.
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
