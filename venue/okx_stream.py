"""A watcher of the account over the private WebSocket: it says that something changed, and nothing more.

What changed is asked over REST, which stays the truth: a message may be late, lost, doubled or made up, and a silent
stream is no sign of a quiet account. Losing the stream costs time, never a decision.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pairity.backoff import Backoff
from pairity.bounded_numbers import OutOfBoundsError
from pairity.number_formats import format_plain
from pairity.redaction import redact
from pairity.settings import Settings
from pairity.web_address import WebAddress
from venue.okx_answers import short
from venue.okx_client import UNREADABLE, read_credentials, require_live_switch
from venue.okx_hosts import is_okx, signed_address, stream_address
from venue.quiet_client import load_quiet_stream_okx
from venue.stream_changes import CONNECTION, Change, Changes
from venue.stream_session import StreamSession

if TYPE_CHECKING:
    from ccxt.pro import okx

StreamState = Literal["off", "connecting", "open", "waiting", "closed"]
CHANNELS: Mapping[str, tuple[dict[str, str], ...]] = {
    "private": (
        {"channel": "orders", "instType": "SWAP"},
        {"channel": "positions", "instType": "SWAP"},
        {"channel": "account"},
        {"channel": "liquidation-warning", "instType": "SWAP"},
    ),
    "business": (
        {"channel": "orders-algo", "instType": "SWAP"},
        {"channel": "algo-advance", "instType": "SWAP"},
    ),
}
"""What is subscribed to, by endpoint: each is a connection with a login of its own."""
RECONNECTS = Backoff(first_s=0.5, cap_s=60.0, jitter=random.Random(0))
_ALIVE, _SUBSCRIBED = "pairity-alive", "pairity-subscribed"
_OPEN_S = 20.0
_STABLE_S = 60.0


@dataclass(frozen=True, slots=True)
class StreamPatience:
    """How long a stream may say nothing before it counts as lost, in seconds.

    A `ping` is sent that often; three without an answer end the connection. The venue repeats the account every few
    seconds: without any `data` for so long the subscription is dead, however well it answers pings.
    """

    ping_s: float = 10.0
    data_s: float = 120.0


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """The state of a stream, since when, when it was heard last, how often it connected, and why it is not open."""

    state: StreamState
    since: datetime
    last_heard: datetime | None
    connections: int
    reason: str = ""


class OkxStream:
    """The account's stream of `settings.exchange`; `start` it and `close` it.

    `changed` is set while changes wait to be taken. Keys go where signed requests go, and to no other host. Raises what
    `make_client` raises for settings that cannot be used; later failures are states, never exceptions.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        live: bool = False,
        patience: StreamPatience | None = None,
        reconnects: Backoff = RECONNECTS,
    ) -> None:
        exchange = settings.exchange
        self.changed = asyncio.Event()
        self._address = stream_address(exchange, live=live)
        self._is_demo_of_okx = is_okx(signed_address(exchange, live=live)) and not live
        self._credentials = read_credentials(settings)
        if live:
            require_live_switch()
        self._patience, self._reconnects = patience or StreamPatience(), reconnects
        self._changes = Changes()
        self._task: asyncio.Task[None] | None = None
        self._acknowledged = 0
        self._heard_at: datetime | None = None
        self._data_s = 0.0
        self._connections = 0
        self._state: StreamState = "closed"
        self._since = datetime.now(UTC)
        self._reason = ""

    @property
    def last_heard(self) -> datetime | None:
        """When the venue was last heard of on this stream, an answer to a ping included; None before."""
        return self._heard_at

    def describe(self) -> StreamStatus:
        """Return the state of the stream; nothing in it comes from a key."""
        return StreamStatus(
            state=self._state,
            since=self._since,
            last_heard=self._heard_at,
            connections=self._connections,
            reason=self._reason,
        )

    def start(self) -> None:
        """Hold the stream from now on, in a task of its own."""
        if self._address is None:
            self._note("off", "no WebSocket of this host of OKX is known")
        elif self._task is None:
            self._task = asyncio.create_task(self._hold_for_ever(self._address))

    async def close(self) -> None:
        """End the stream and its connections."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._note("closed", "")

    def take(self) -> frozenset[Change]:
        """Return the changes since the last call; none where nothing changed."""
        self.changed.clear()
        return self._changes.take()

    async def wakes(self) -> AsyncIterator[frozenset[Change]]:
        """Yield changes as they come, those that came while the caller was busy together."""
        while True:
            await self.changed.wait()
            yield self.take()

    async def _hold_for_ever(self, address: WebAddress) -> None:
        attempt = 0
        while True:
            began_s = time.monotonic()
            self._note("connecting", self._reason)
            try:
                reason = await self._hold(address)
            except Exception as error:  # noqa: BLE001 - a stream is a help: whatever fails in it must end nothing else
                reason = _describe(error)
            if self._state == "open":
                # Whoever relies on the stream must look for itself now.
                self._wake(Change(CONNECTION, ""))
                attempt = 0 if time.monotonic() - began_s >= _STABLE_S else attempt
            self._note("waiting", reason)
            await asyncio.sleep(self._reconnects.delay_s(attempt))
            attempt += 1

    async def _hold(self, address: WebAddress) -> str:
        """Connect, and return or raise why the connection ended."""
        # In a thread: ccxt.pro takes seconds to load on a busy machine, and the watch must not wait for it.
        await asyncio.to_thread(load_quiet_stream_okx)
        session = StreamSession(address, self._note_heard)
        client = self._make_client(address, session)
        self._changes.forget_contents()
        try:
            async with asyncio.timeout(_OPEN_S):
                for endpoint, arguments in CHANNELS.items():
                    await self._open(client, endpoint, arguments)
            self._connections += 1
            self._note("open", "")
            self._wake(Change(CONNECTION, ""))
            return await self._wait_for_end(client)
        except TimeoutError:
            return "the venue did not answer in time"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return "the connection was closed"  # ccxt cancels what waits on a connection that it closes
        finally:
            with suppress(Exception):
                await client.close()
            await session.close()

    async def _open(self, client: okx, endpoint: str, arguments: tuple[dict[str, str], ...]) -> None:
        """Log in to an endpoint and subscribe; a refusal of the venue is raised as ccxt names it."""
        await client.authenticate({"access": endpoint})
        connection = client.client(client.get_url("users", endpoint))
        self._acknowledged = 0
        subscribed = connection.future(_SUBSCRIBED)
        await connection.send({"op": "subscribe", "args": list(arguments)})
        await subscribed

    async def _wait_for_end(self, client: okx) -> str:
        connections = list(client.clients.values())
        ends = [connection.future(_ALIVE) for connection in connections]
        self._data_s = time.monotonic()
        while True:
            # No look in between: an hour of a quiet account must cost next to nothing.
            left_s = self._data_s + self._patience.data_s - time.monotonic()
            done, _ = await asyncio.wait(ends, timeout=max(left_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
            failed = [_describe(error) for end in done if not end.cancelled() and (error := end.exception())]
            if done:
                return failed[0] if failed else "the connection was closed"
            if any(connection.closed() for connection in connections):
                return "the venue closed the connection"
            if time.monotonic() - self._data_s > self._patience.data_s:
                return f"no data for {format_plain(self._patience.data_s)} s"

    def _make_client(self, address: WebAddress, session: StreamSession) -> okx:
        client: okx = load_quiet_stream_okx()(
            {
                **self._credentials,
                "enableRateLimit": False,
                "session": session,
                "options": {"sandboxMode": self._is_demo_of_okx},
                "streaming": {"keepAlive": self._patience.ping_s * 1000},
            }
        )
        client.timeout_on_exit = 0
        # WebAddress knows http and https; a stream's schemes differ in their first letters alone.
        url = f"ws{address.url.removeprefix('http')}"
        client.urls |= {name: {"rest": "", "ws": url} for name in ("api", "test")}
        handle = client.handle_message

        def hear(connection: Any, message: object) -> None:  # noqa: ANN401 - ccxt is untyped
            self._hear(connection, message, handle)

        client.handle_message = hear
        return client

    def _hear(self, connection: Any, message: object, handle: Any) -> None:  # noqa: ANN401 - ccxt is untyped
        """Take a message: data are for us; ccxt keeps what belongs to the connection. Nothing is raised into ccxt."""
        import ccxt

        try:
            if isinstance(message, dict) and "event" not in message:
                if isinstance(message.get("arg"), dict):
                    self._data_s = time.monotonic()
                    if self._changes.read(message):
                        self.changed.set()
            elif isinstance(message, dict) and message["event"] == "subscribe":
                self._acknowledged += 1
                if self._acknowledged == len(self._list_expected(connection)):
                    connection.resolve(True, _SUBSCRIBED)
            elif not isinstance(message, dict) or message["event"] in ("login", "error", "notice"):
                handle(connection, message)
        except (ccxt.BaseError, OutOfBoundsError, *UNREADABLE) as error:
            connection.reject(ccxt.NetworkError(_describe(error)))

    def _list_expected(self, connection: Any) -> tuple[dict[str, str], ...]:  # noqa: ANN401 - ccxt is untyped
        return CHANNELS[connection.url.partition("?")[0].rpartition("/")[2]]

    def _note_heard(self) -> None:
        self._heard_at = datetime.now(UTC)

    def _wake(self, change: Change) -> None:
        self._changes.add(change)
        self.changed.set()

    def _note(self, state: StreamState, reason: str) -> None:
        if state != self._state:
            self._state, self._since = state, datetime.now(UTC)
        self._reason = reason


def _describe(error: BaseException) -> str:
    return redact(f"{type(error).__name__}: {short(str(error))}")
