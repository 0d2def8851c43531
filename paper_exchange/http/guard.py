"""What stands before every handler: requests of browser pages are refused, and answers carry the security headers."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from pairity.local_requests import SECURITY_HEADERS, is_json, is_loopback, refuse_request

CONTROL = "/control/"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hand a request on, or answer 403; the control endpoints ask for a loopback client and JSON besides."""
    refusal = _refuse(request)
    if refusal is not None:
        return web.Response(text=f"{refusal}\n", status=403)
    return await handler(request)


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to an answer that is about to be sent."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


def _refuse(request: web.Request) -> str | None:
    transport = request.transport
    server = transport.get_extra_info("sockname") if transport is not None else None
    if server is None:
        return "the connection is gone"
    refusal = refuse_request(request.headers.items(), server[0], server[1])
    if refusal is None and request.path.startswith(CONTROL):
        return _refuse_control(request)
    return refusal


def _refuse_control(request: web.Request) -> str | None:
    if not is_loopback(request.remote):
        return "only this machine steps the clock and injects faults"
    if request.method not in ("GET", "DELETE") and not is_json(request.headers.get("Content-Type", "")):
        return "the control endpoints take JSON only: send Content-Type: application/json"
    return None
