"""All WebSocket connections of an exchange: who may connect, and when everybody is told what changed.

Nothing happens here while nobody is connected. Feeds are asked after every request and every step of the clock, and
ten times a second of the machine for what comes with time.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from contextlib import suppress
from itertools import count

from aiohttp import web

from paper_exchange.answers import make_json_answer
from paper_exchange.faults.fault_delivery import BATCH_KINDS, deliver
from paper_exchange.http.exchange import Exchange
from paper_exchange.wire import WireError
from paper_exchange.ws.channels import ENDPOINTS, Endpoint
from paper_exchange.ws.connection import Connection
from paper_exchange.ws.order_log import OrderLog
from paper_exchange.ws.view import View

TICK_S = 0.1
CONNECTS_PER_S = 3
COUNTED = ("orders", "account", "positions", "balance_and_position", "liquidation-warning")
"""Channels of which the venue counts the connections."""
_GOING_AWAY = 1001


class Hub:
    """The connections, and what was told of the account."""

    most_subscribers = 30

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._connections: list[Connection] = []
        self._log = OrderLog()
        self._bills_seen = self._closed_seen = 0
        self._numbers = count(0xA4D30001)
        self._connects: dict[str, deque[float]] = defaultdict(deque)
        self._ticking: asyncio.Task[None] | None = None

    async def take(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        """Serve a connection from its handshake to its end; faults of requests strike the handshake."""
        exchange = self._exchange
        if exchange.schedule is not None:
            exchange.settle()
            exchange.schedule.count_request(request.method, request.path)
        fault = exchange.faults.take_next_strike(request.method, request.path)
        if fault is not None and fault.kind not in BATCH_KINDS:
            replaced = await deliver(fault, request, web.Response(body=b"{}"))
            if fault.kind != "latency":
                return replaced
        if not self._admit(request.remote or ""):
            refusal = WireError("50011", "Too Many Requests", http_status=429, data=None)
            return make_json_answer(refusal.body(), refusal.http_status)
        if exchange.venue.refuses(exchange.settle()):
            refusal = WireError("50001", "Service temporarily unavailable. Please try again later.", http_status=503)
            return make_json_answer(refusal.body(), refusal.http_status)
        if not web.WebSocketResponse().can_prepare(request):
            refusal = WireError("50404", f"{request.path} speaks WebSocket only", http_status=400)
            return make_json_answer(refusal.body(), refusal.http_status)
        connection = Connection(exchange, endpoint, f"{next(self._numbers):08x}", self)
        try:
            return await connection.serve(request, lambda: self._join(connection))
        finally:
            self._leave(connection)

    def update(self) -> None:
        """Tell every connection what changed."""
        if self._connections:
            self.look()

    def look(self) -> View:
        """Return the exchange as it is now, after everybody has been told what changed."""
        exchange, account = self._exchange, self._exchange.account
        now_ms = exchange.settle()
        if account is None:
            view = View(exchange=exchange, now_ms=now_ms, at_s=time.monotonic())
        else:
            view = View(
                exchange=exchange,
                now_ms=now_ms,
                at_s=time.monotonic(),
                order_rows=self._log.read_orders(account),
                algo_rows=self._log.read_algos(account),
                bills=account.ledger.bills[self._bills_seen :],
                closed=[position for position, _, _ in account.closed_positions[self._closed_seen :]],
            )
            self._bills_seen, self._closed_seen = len(account.ledger.bills), len(account.closed_positions)
        for connection in self._connections:
            connection.push(view)
        return view

    def count_subscribers(self, channel: str) -> int | None:
        """Return how many connections have a channel that the venue counts; None for any other."""
        if channel not in COUNTED:
            return None
        return sum(
            any(subscription.argument["channel"] == channel for subscription in connection.subscriptions.values())
            for connection in self._connections
        )

    async def close(self, _: web.Application) -> None:
        """End all connections: the exchange stops."""
        for connection in self._connections:
            connection.end(_GOING_AWAY, "the exchange stops")

    def _join(self, connection: Connection) -> None:
        if not self._connections:
            self._rebase()
        self._connections.append(connection)
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())

    def _leave(self, connection: Connection) -> None:
        with suppress(ValueError):  # a handshake that failed never joined
            self._connections.remove(connection)
        if not self._connections and self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    def _rebase(self) -> None:
        """Take everything that happened while nobody was connected as told."""
        account = self._exchange.account
        if account is not None:
            self._log.rebase(account)
            self._bills_seen, self._closed_seen = len(account.ledger.bills), len(account.closed_positions)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.update()
            refuses = self._exchange.venue.refuses(self._exchange.clock.now_ms())
            for connection in list(self._connections):
                connection.tick()
                if refuses:
                    connection.end(_GOING_AWAY, "maintenance")

    def _admit(self, address: str) -> bool:
        """Whether one more connection of an address may be made in this second."""
        if self._exchange.limiter is None:
            return True
        made, now_s = self._connects[address], time.monotonic()
        while made and made[0] <= now_s - 1:
            made.popleft()
        if len(made) >= CONNECTS_PER_S:
            return False
        made.append(now_s)
        return True


def add_streams(app: web.Application, exchange: Exchange) -> None:
    """Add the WebSocket endpoints to an exchange's application."""
    hub = Hub(exchange)
    exchange.listeners.append(hub.update)
    app.on_shutdown.append(hub.close)
    for endpoint in ENDPOINTS:
        _add_endpoint(app, hub, endpoint)


def _add_endpoint(app: web.Application, hub: Hub, endpoint: Endpoint) -> None:
    async def take(request: web.Request) -> web.StreamResponse:
        return await hub.take(endpoint, request)

    app.router.add_get(f"/ws/v5/{endpoint}", take, allow_head=False)
