"""Answers of a venue that means harm, or that somebody else gives in its place (docs/okx-protocol.md, Wire faults)."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from itertools import chain, repeat

from aiohttp import web

from paper_exchange.answers import make_json_answer
from paper_exchange.wire import Json

Deliver = Callable[[Mapping[str, Json], web.Request, web.Response], Awaitable[web.StreamResponse]]
"""From the fault's parameters, the request and the proper answer to what the client gets."""
_NOBODY = "http://127.0.0.1:9/"
_MB = 1 << 20
_PIECE = b" " * (1 << 16)
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_PAGE = 100
_NEWEST_ID = 9_000_000_000_000_000


async def _redirect(params: Mapping[str, Json], request: web.Request, _: web.Response) -> web.StreamResponse:
    # What follows it finds the same path and query there.
    target = str(params.get("to", _NOBODY)).rstrip("/") + request.raw_path
    return web.Response(status=int(params.get("status", 307)), headers={"Location": target})


async def _drip(params: Mapping[str, Json], request: web.Request, answer: web.Response) -> web.StreamResponse:
    bytes_of_it = (bytes([byte]) for byte in _body(answer))
    return await _stream(request, bytes_of_it, pause_s=float(params.get("ms", 100)) / 1000)


async def _bomb(params: Mapping[str, Json], request: web.Request, answer: web.Response) -> web.StreamResponse:
    encoding = str(params.get("encoding", "gzip"))
    packer = zlib.compressobj(wbits=_WINDOWS[encoding])
    # White space in front of a proper answer: whoever expands all of it finds nothing wrong.
    packed = (packer.compress(_PIECE) for _ in range(_pieces_of(params)))
    last = (packer.compress(_body(answer)) + packer.flush() for _ in range(1))
    return await _stream(request, chain(packed, last), {"Content-Encoding": encoding})


async def _huge_body(params: Mapping[str, Json], request: web.Request, answer: web.Response) -> web.StreamResponse:
    return await _stream(request, chain(repeat(_PIECE, _pieces_of(params)), [_body(answer)]))


async def _many_rows(params: Mapping[str, Json], _: web.Request, answer: web.Response) -> web.StreamResponse:
    envelope = json.loads(_body(answer))
    return make_json_answer({**envelope, "data": envelope["data"][:1] * int(params.get("rows", 100_000))})


async def _nested(params: Mapping[str, Json], _: web.Request, __: web.Response) -> web.StreamResponse:
    depth = int(params.get("depth", 100_000))
    return _make_text(f'{{"code":"0","msg":"","data":{"[" * depth}{"]" * depth}}}')


async def _raw_body(params: Mapping[str, Json], _: web.Request, __: web.Response) -> web.StreamResponse:
    return _make_text(str(params.get("text", "")))


async def _field(params: Mapping[str, Json], _: web.Request, answer: web.Response) -> web.StreamResponse:
    envelope = json.loads(_body(answer))
    name, value = params.get("name", "ts"), params.get("value", "1e1000000")
    for row in envelope.get("data", []):
        # Rows of series are lists: their fields are numbered.
        row[int(name) if isinstance(row, list) else str(name)] = value
    return make_json_answer(envelope)


async def _endless_pages(params: Mapping[str, Json], request: web.Request, _: web.Response) -> web.StreamResponse:
    query = request.query
    cursor = str(params.get("cursor", "ordId"))
    below = int(query.get("after") or query.get("end") or _NEWEST_ID)
    size = int(query.get("limit") or _PAGE)
    template = params.get("row", {})
    rows = [_numbered(template, cursor, below - place) for place in range(1, size + 1)]
    return make_json_answer({"code": "0", "msg": "", "data": rows})


def _numbered(template: Json, cursor: str, number: int) -> Json:
    if isinstance(template, list):
        return [str(number), *template[1:]]
    return {**template, cursor: str(number)}


async def _stream(
    request: web.Request, pieces: Iterable[bytes], headers: Mapping[str, str] | None = None, pause_s: float = 0.0
) -> web.StreamResponse:
    """Send pieces one by one, of which nobody said how many there are, until the client has enough of them."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", **(headers or {})})
    response.enable_chunked_encoding()
    await response.prepare(request)
    with suppress(ConnectionError):
        for piece in pieces:
            await response.write(piece)
            # Also without a pause: a client that has left is noticed only between two pieces.
            await asyncio.sleep(pause_s)
    return response


def _pieces_of(params: Mapping[str, Json]) -> int:
    return int(params.get("mb", 64)) * _MB // len(_PIECE)


def _body(answer: web.Response) -> bytes:
    body = answer.body
    return bytes(body) if isinstance(body, (bytes, bytearray)) else b""


def _make_text(text: str) -> web.Response:
    return web.Response(body=text.encode(), content_type="application/json")


HOSTILE: Mapping[str, Deliver] = {
    "redirect": _redirect,
    "drip": _drip,
    "bomb": _bomb,
    "huge_body": _huge_body,
    "many_rows": _many_rows,
    "nested": _nested,
    "body": _raw_body,
    "field": _field,
    "endless_pages": _endless_pages,
}
"""Delivery of each hostile kind of the catalogue."""
