"""Delivery of wire and batch faults to the client (docs/okx-protocol.md, Wire faults)."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from aiohttp import web

from paper_exchange.answers import make_json_answer
from paper_exchange.faults.catalogue import Fault
from paper_exchange.faults.hostile_answers import HOSTILE
from paper_exchange.wire import Json, WireError

_PAGE = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
_HTML_STATUS = {"rate_limit_html": 429, "html_502": 502, "html_503": 503, "html_504": 504, "html_520": 520}
_JSON_ANSWERS = {
    "rate_limit_json": WireError("50011", "Too Many Requests", 429, None),
    "timeout_50004": WireError("50004", "API endpoint request timeout (does not mean that the request failed)", 400),
    "system_50026": WireError("50026", "System error. Try again later", 500),
    "maintenance_50001": WireError("50001", "Service temporarily unavailable. Try again later", 503),
    "clock_50102": WireError("50102", "Timestamp request expired", 401, None),
    "missing_51603": WireError("51603", "Order does not exist"),
}
BATCH_KINDS = ("partial_code_2", "scode_on_code_0")
DEFAULT_LATENCY_MS = 15_000


async def deliver(fault: Fault, request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Return what the client gets in place of `answer`."""
    kind = fault.kind
    if kind == "latency":
        # Only this answer waits; the exchange goes on with other requests.
        await asyncio.sleep(float(fault.params.get("ms", DEFAULT_LATENCY_MS)) / 1000)
        return answer
    if kind == "reset":
        return _reset_connection(request)
    if kind == "abort_body":
        return await _abort_body(request, answer)
    if kind in _HTML_STATUS:
        return _make_page(_HTML_STATUS[kind])
    if kind == "html_200":
        return _make_page(200)
    if kind == "empty_200":
        return web.Response(body=b"", content_type="application/json")
    if kind == "cut_json_200":
        return web.Response(body=_cut_in_half(answer), content_type="application/json")
    if kind in HOSTILE:
        return await HOSTILE[kind](fault.params, request, answer)
    refusal = _JSON_ANSWERS[kind] if kind in _JSON_ANSWERS else _make_custom_refusal(fault)
    return make_json_answer(refusal.body(), refusal.http_status)


def split_batch(fault: Fault, rows: list[Any]) -> tuple[list[Any], int]:
    """Return the rows without the one that the fault withholds, and its position."""
    index = int(fault.params.get("index", -1)) % len(rows)
    return rows[:index] + rows[index + 1 :], index


def join_batch(fault: Fault, envelope: dict[str, Json], withheld: dict[str, Json], index: int) -> dict[str, Json]:
    """Return the envelope with a refused element in its place; code "2", or "0" with `scode_on_code_0`."""
    element = {
        "clOrdId": str(withheld.get("clOrdId") or ""),
        "ordId": str(withheld.get("ordId") or ""),
        "tag": str(withheld.get("tag") or ""),
        "sCode": str(fault.params.get("sCode", "51008")),
        "sMsg": str(fault.params.get("sMsg", "Order failed. Insufficient USDT margin in account ")),
    }
    data = list(envelope["data"])
    data.insert(index, element)
    if fault.kind == "partial_code_2":
        return {**envelope, "code": "2", "data": data, "msg": "Bulk operation partially succeeded."}
    return {**envelope, "code": "0", "data": data, "msg": ""}


def _make_custom_refusal(fault: Fault) -> WireError:
    code, msg = str(fault.params.get("code", "50026")), str(fault.params.get("msg", ""))
    return WireError(code, msg, int(fault.params.get("http_status", 200)))


def _make_page(status: int) -> web.Response:
    return web.Response(text=_PAGE.format(status=status), status=status, content_type="text/html")


def _cut_in_half(answer: web.Response) -> bytes:
    body = answer.body
    return bytes(body[: len(body) // 2]) if isinstance(body, (bytes, bytearray)) else b""


def _reset_connection(request: web.Request) -> web.Response:
    transport = request.transport
    if transport is not None:
        # Lingering for zero seconds turns the close into a TCP reset.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _abort_body(request: web.Request, answer: web.Response) -> web.StreamResponse:
    half = _cut_in_half(answer)
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    # More is announced than will come: the client must notice that the body was cut.
    response.content_length = 2 * len(half) + 1
    await response.prepare(request)
    await response.write(half)
    if request.transport is not None:
        request.transport.close()
    return response
