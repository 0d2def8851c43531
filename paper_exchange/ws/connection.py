"""One connection of a client: its login, its subscriptions, and the answers to what it asks for."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import WSMsgType, web

from paper_exchange.clock import wall_ms
from paper_exchange.http.exchange import Exchange
from paper_exchange.wire import Json
from paper_exchange.ws.channels import Argument, Endpoint, find_channel, keep_filters, read_argument
from paper_exchange.ws.login import verify_login
from paper_exchange.ws.protocol import (
    BUFFER_FULL,
    MASS_CANCEL,
    MAX_MESSAGE_BYTES,
    NO_DATA,
    TOO_MANY_CHANNELS,
    TRADING,
    Operation,
    StreamRefusedError,
    make_error,
    make_event,
    parse_operation,
)
from paper_exchange.ws.sending import Outgoing, Sender, encode
from paper_exchange.ws.trading import trade
from paper_exchange.ws.view import Feed, Payload, View

UID = "1"
IDLE_S = 30.0
"""A connection on which nothing is sent or heard for so long is ended."""
MOST_OPERATIONS, OPERATIONS_WINDOW_S = 480, 3_600.0
MOST_SUBSCRIPTIONS = 480
Key = frozenset[tuple[str, str]]


class Crowd(Protocol):
    """All connections of the exchange, as one of them sees them."""

    def look(self) -> View:
        """Return the exchange as it is now."""
        ...

    def count_subscribers(self, channel: str) -> int | None:
        """Return how many connections have a private channel that the venue counts; None for any other."""
        ...

    @property
    def most_subscribers(self) -> int:
        """Most connections of one such channel."""
        ...


@dataclass(slots=True)
class Subscription:
    """What a client subscribed to, and the feed that serves it."""

    argument: Argument
    feed: Feed
    is_private: bool


class Connection:
    """A connection to one endpoint; `serve` lasts as long as it does."""

    def __init__(self, exchange: Exchange, endpoint: Endpoint, connection_id: str, crowd: Crowd) -> None:
        self.endpoint = endpoint
        self.subscriptions: dict[Key, Subscription] = {}
        self._exchange, self._id, self._crowd = exchange, connection_id, crowd
        self._logged_in = False
        self._heard_s = time.monotonic()
        self._operations: deque[float] = deque()
        self._socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE_BYTES)
        self._sender: Sender | None = None
        self._ending: asyncio.Task[object] | None = None

    async def serve(self, request: web.Request, joined: Callable[[], None]) -> web.WebSocketResponse:
        """Take the connection, say so with `joined`, and answer the client until it is gone."""
        await self._socket.prepare(request)
        self._sender = Sender(request, self._socket, request.path, self._exchange.faults)
        joined()
        sending = asyncio.create_task(self._sender.run())
        try:
            async for message in self._socket:
                self._heard_s = time.monotonic()
                if message.type is WSMsgType.TEXT:
                    self._hear(message.data)
        finally:
            self._sender.stop()
            sending.cancel()
        return self._socket

    def push(self, view: View) -> None:
        """Send what the feeds have to say."""
        for subscription in list(self.subscriptions.values()):
            for payload in subscription.feed.update(view):
                self._push(subscription, payload)

    def tick(self) -> None:
        """Let faults strike, and end a connection that has been idle for too long."""
        if self._sender is None:
            return
        self._sender.strike_connection()
        if time.monotonic() - max(self._heard_s, self._sender.sent_s) > IDLE_S:
            self.end(NO_DATA, "No data received in 30s")

    def end(self, code: int, reason: str) -> None:
        """Close the connection with a code."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._socket.close(code=code, message=reason.encode()))

    def _hear(self, text: str) -> None:
        if text == "ping":
            self._send("pong", "ping")
            return
        request_id = ""
        try:
            operation = parse_operation(text)
            request_id = operation.request_id
            if operation.name in (*TRADING, MASS_CANCEL):
                self._trade(operation)
                return
            self._count_operation()
            if operation.name == "login":
                self._login(operation)
            else:
                for argument in operation.arguments:
                    self._handle(operation, argument)
        except StreamRefusedError as refusal:
            self._answer(make_error(refusal, self._id, request_id or refusal.request_id))

    def _count_operation(self) -> None:
        if self._exchange.limiter is None:
            return
        now_s = time.monotonic()
        while self._operations and self._operations[0] <= now_s - OPERATIONS_WINDOW_S:
            self._operations.popleft()
        if len(self._operations) >= MOST_OPERATIONS:
            raise StreamRefusedError("60014", "Requests too frequent")
        self._operations.append(now_s)

    def _login(self, operation: Operation) -> None:
        if self.endpoint == "public":
            raise StreamRefusedError("60008", "Login is not supported for public channels")
        if self._logged_in:
            raise StreamRefusedError("60031", "The WebSocket endpoint does not allow multiple or repeated logins.")
        path = f"/ws/v5/{self.endpoint}/login"
        fault = self._exchange.faults.take_stream_strike(("ws_login_refused",), path)
        if fault is not None:
            params = fault.params
            raise StreamRefusedError(str(params.get("code", "60009")), str(params.get("msg", "Login failed.")))
        clocks_ms = (wall_ms(), self._exchange.clock.now_ms())
        verify_login(operation.arguments, credentials=self._exchange.credentials, clocks_ms=clocks_ms)
        self._logged_in = True
        self._answer(make_event("login", self._id, operation.request_id, msg="", code="0"), "login")

    def _trade(self, operation: Operation) -> None:
        """Carry out an operation that trades; market makers' mass cancellation has an endpoint of its own."""
        if self.endpoint != ("business" if operation.name == MASS_CANCEL else "private"):
            raise StreamRefusedError("60019", f"Invalid op: {operation.name}")
        if not self._logged_in:
            raise StreamRefusedError("60011", "Please log in")
        self._send(encode(trade(self._exchange, operation)), operation.name)

    def _handle(self, operation: Operation, given: Mapping[str, Json]) -> None:
        """Carry out a subscription, or its end; each argument is answered for itself."""
        try:
            argument = read_argument(given)
            if operation.name == "subscribe":
                self._subscribe(argument, operation.request_id)
            else:
                self._unsubscribe(argument, operation.request_id)
        except StreamRefusedError as refusal:
            self._answer(make_error(refusal, self._id, operation.request_id))

    def _subscribe(self, argument: Argument, request_id: str) -> None:
        channel = find_channel(self.endpoint, argument, self._exchange.market)
        if channel.is_private and not self._logged_in:
            raise StreamRefusedError("60011", "Please log in")
        name, key = argument["channel"], frozenset(argument.items())
        if len(self.subscriptions) >= MOST_SUBSCRIPTIONS and key not in self.subscriptions:
            self.end(TOO_MANY_CHANNELS, "The number of subscribed channels exceeds the maximum limit")
            return
        others = self._crowd.count_subscribers(name) if key not in self.subscriptions else None
        if others is not None and others >= self._crowd.most_subscribers and not self._has(name):
            self._answer(make_event("channel-conn-count-error", self._id, channel=name, connCount=str(others)))
            return
        # Before its first message, what came before it must not be pushed as new.
        view = self._crowd.look()
        subscription = Subscription(argument, channel.make(keep_filters(argument)), channel.is_private)
        self.subscriptions[key] = subscription
        self._answer(make_event("subscribe", self._id, request_id, arg=argument))
        if others is not None:
            self._tell_count(name)
        for payload in subscription.feed.open(view):
            self._push(subscription, payload)

    def _unsubscribe(self, argument: Argument, request_id: str) -> None:
        find_channel(self.endpoint, argument, self._exchange.market)
        if self.subscriptions.pop(frozenset(argument.items()), None) is not None:
            self._tell_count(argument["channel"])
        self._answer(make_event("unsubscribe", self._id, request_id, arg=argument))

    def _has(self, channel: str) -> bool:
        return any(subscription.argument["channel"] == channel for subscription in self.subscriptions.values())

    def _tell_count(self, channel: str) -> None:
        count = self._crowd.count_subscribers(channel)
        if count is not None:
            self._answer(make_event("channel-conn-count", self._id, channel=channel, connCount=str(count)))

    def _push(self, subscription: Subscription, payload: Payload) -> None:
        argument = subscription.argument
        named = {**argument, "uid": UID} if subscription.is_private else argument
        self._send(encode({"arg": named, **payload}), argument["channel"])

    def _answer(self, event: dict[str, Json], name: str = "") -> None:
        self._send(encode(event), name or str(event["event"]))

    def _send(self, text: str, name: str) -> None:
        if self._sender is not None and not self._sender.put(Outgoing(text, f"{self._sender.path}/{name}")):
            self.end(BUFFER_FULL, "Buffer is full, cannot write data")
