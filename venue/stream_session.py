"""WebSocket connections for a ccxt.pro client: one origin, no redirect, no proxy, and messages within limits.

ccxt reads around `receive` into the buffer of aiohttp, parses whatever comes, and stops to read without a word where
its parser fails. `StreamSocket` stands between: what goes beyond a limit ends the connection as an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from yarl import URL

from pairity.bounded_json import MIB, JsonLimits, parse_json
from pairity.bounded_numbers import OutOfBoundsError
from pairity.web_address import WebAddress
from venue.okx_session import VenueSession

if TYPE_CHECKING:
    import aiohttp

STREAM_JSON = JsonLimits(size=MIB, depth=12, values=50_000)
"""Most that one message may hold; the largest real ones, books and lists of positions, have some 50 kB."""
MOST_MESSAGES, MOST_BYTES = 2_000, 8 * MIB
"""Most that one connection may send in a second."""
_PONG = "pong"
_CLOSE_S = 2.0


class StreamSession(VenueSession):
    """A session whose connections call `heard` for every message that came."""

    def __init__(self, address: WebAddress, heard: Callable[[], None]) -> None:
        super().__init__(address)
        self._heard = heard

    def ws_connect(self, url: str, **_: object) -> _Dial:
        """Connect as ccxt asks for it, by the session's own options: ConfigError for another address."""
        target = URL(url)
        self._require_own(target, None)
        return _Dial(self._open(), target, self._heard)


class _Dial:
    """A connection to be made; ccxt enters it and never leaves, it closes the socket instead."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, heard: Callable[[], None]) -> None:
        self._session, self._url, self._heard = session, url, heard

    async def __aenter__(self) -> StreamSocket:
        from aiohttp import ClientWSTimeout

        socket = await self._session.ws_connect(
            self._url,
            # A peer that is dead does not say goodbye, and is not waited for.
            timeout=ClientWSTimeout(ws_close=_CLOSE_S),
            autoping=False,
            autoclose=False,
            compress=0,
            max_msg_size=STREAM_JSON.size,
        )
        return StreamSocket(socket, self._heard)

    async def __aexit__(self, *_: object) -> None:
        return None


class StreamSocket:
    """A connection as ccxt uses it."""

    _conn = None
    """What ccxt looks through to read by itself; without it, it asks `receive`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, heard: Callable[[], None]) -> None:
        self._socket, self._heard = socket, heard
        self._second = self._messages = self._bytes = 0

    async def receive(self) -> aiohttp.WSMessage:
        """Return the next message; OutOfBoundsError for one that no venue sends, or for too many of them."""
        from aiohttp import WSMsgType

        message = await self._socket.receive()
        self._heard()
        if message.type is WSMsgType.TEXT:
            self._count(message.data)
            if message.data != _PONG and not isinstance(parse_json(message.data, STREAM_JSON), dict):
                raise OutOfBoundsError("is a message that is no object")
        elif message.type is WSMsgType.BINARY:
            raise OutOfBoundsError("is a binary message, and the venue sends none")
        return message

    def _count(self, text: str) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._messages, self._bytes = second, 0, 0
        self._messages, self._bytes = self._messages + 1, self._bytes + len(text)
        if self._messages > MOST_MESSAGES or self._bytes > MOST_BYTES:
            raise OutOfBoundsError(f"is one of more than {MOST_MESSAGES} messages or {MOST_BYTES} bytes in a second")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the socket's own
        return getattr(self._socket, name)
