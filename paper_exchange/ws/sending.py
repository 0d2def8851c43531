"""Sending of one connection's messages, and the faults that strike them (docs/okx-protocol.md, Stream faults)."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import NamedTuple

from aiohttp import web

from paper_exchange.faults.catalogue import Fault, FaultPlan
from paper_exchange.wire import Json

CONNECTION_KINDS = ("ws_drop", "ws_silent", "ws_notice")
"""Faults that strike a connection as such, whether or not it has something to send."""
MESSAGE_KINDS = ("ws_delay", "ws_out_of_order", "ws_duplicate", "ws_lost", "ws_flood", "ws_text")
MOST_WAITING, MOST_WAITING_CHARACTERS = 20_000, 32 << 20
"""What may wait for a client that reads slowly; one message more, and the venue ends the connection."""
NOTICE: dict[str, Json] = {
    "event": "notice",
    "code": "64008",
    "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
}
_GOING_AWAY = 1001


class Outgoing(NamedTuple):
    """A message as text, and the path under which faults find it: `/ws/v5/private/orders`."""

    text: str
    path: str


def encode(message: Json) -> str:
    """Return a message as the venue writes it, without spaces."""
    return json.dumps(message, separators=(",", ":"))


class Sender:
    """The messages of one connection, sent in their order by one task; `aborted` cuts the connection."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, path: str, faults: FaultPlan) -> None:
        self.path = path
        self.sent_s = time.monotonic()
        self._request, self._socket, self._faults = request, socket, faults
        self._waiting: asyncio.Queue[Outgoing] = asyncio.Queue(MOST_WAITING)
        self._characters = 0
        self._held: Outgoing | None = None
        self._flush: asyncio.TimerHandle | None = None
        self._silent_until_s = 0.0
        self._closing: set[asyncio.Task[object]] = set()

    def put(self, message: Outgoing) -> bool:
        """Let a message wait for its turn; False where too many do."""
        if self._waiting.full() or self._characters + len(message.text) > MOST_WAITING_CHARACTERS:
            return False
        self._waiting.put_nowait(message)
        self._characters += len(message.text)
        return True

    async def run(self) -> None:
        """Send until the connection is gone."""
        with suppress(ConnectionError):
            while True:
                message = await self._waiting.get()
                self._characters -= len(message.text)
                kinds = CONNECTION_KINDS + MESSAGE_KINDS
                await self._transmit(message, self._faults.take_stream_strike(kinds, message.path))

    def strike_connection(self) -> None:
        """Let a fault strike that waits for this connection as such."""
        fault = self._faults.take_stream_strike(CONNECTION_KINDS, self.path)
        if fault is not None:
            self._strike(fault)

    def stop(self) -> None:
        """Forget what waits for a time."""
        if self._flush is not None:
            self._flush.cancel()
        for task in self._closing:
            task.cancel()

    async def _transmit(self, message: Outgoing, fault: Fault | None) -> None:
        kind = "" if fault is None else fault.kind
        params = {} if fault is None else fault.params
        if fault is not None and kind in CONNECTION_KINDS:
            self._strike(fault)
        if kind == "ws_delay":
            await asyncio.sleep(float(params.get("ms", 2_000)) / 1000)
        if kind == "ws_out_of_order" and self._held is None:
            self._held = message
            delay_s = float(params.get("ms", 1_000)) / 1000
            self._flush = asyncio.get_running_loop().call_later(delay_s, self._release)
            return
        if kind == "ws_text":
            for _ in range(int(params.get("repeat", 1))):
                await self._send(str(params.get("text", "")))
        elif kind != "ws_lost":
            copies = {"ws_duplicate": 2, "ws_flood": int(params.get("repeat", 10_000))}.get(kind, 1)
            for _ in range(copies):
                await self._send(message.text)
        if self._held is not None:
            held, self._held = self._held, None
            await self._send(held.text)

    def _release(self) -> None:
        """Send what was held back, though nothing came behind it."""
        held, self._held = self._held, None
        if held is not None:
            self.put(held)

    def _strike(self, fault: Fault) -> None:
        if fault.kind == "ws_drop":
            self.abort()
        elif fault.kind == "ws_silent":
            self._silent_until_s = time.monotonic() + float(fault.params.get("ms", float("inf"))) / 1000
        else:
            self.put(Outgoing(encode(NOTICE), f"{self.path}/notice"))
            self._closing.add(asyncio.ensure_future(self._close_later(float(fault.params.get("ms", 60_000)) / 1000)))

    async def _close_later(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await self._socket.close(code=_GOING_AWAY, message=b"service upgrade")

    def abort(self) -> None:
        """Cut the connection, without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _send(self, text: str) -> None:
        # An open connection that says nothing has nothing to say to a ping either.
        if time.monotonic() < self._silent_until_s:
            return
        self.sent_s = time.monotonic()
        await self._socket.send_str(text)
