"""Limits of a server's connections: how many, how long a request may take to arrive, how large it may be.

Frameworks wait as long as a client likes for the rest of a request line, a header or a body. `limit_connections` wraps
the protocol of any of them: it counts what arrives and what is answered, and ends connections that keep the server
waiting. Nothing is parsed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

P = ParamSpec("P")
_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a server takes. Seconds are counted from the first byte of a request (or the connection) to its answer."""

    connections: int
    """Most connections at a time; a further one takes the place of the one that has been silent for longest."""
    request_s: float
    idle_s: float
    """Longest silence between an answer and the next request, and longest wait for a client to take an answer."""
    request_bytes: int
    """Most bytes before an answer begins: request line, headers, body, and requests that follow unasked."""


def limit_connections(
    make_protocol: Callable[P, asyncio.Protocol], limits: ConnectionLimits
) -> Callable[P, asyncio.Protocol]:
    """Return a factory of protocols with limits, for `create_server` in place of `make_protocol`."""
    opened: dict[_LimitedProtocol, None] = {}

    def make(*arguments: P.args, **options: P.kwargs) -> asyncio.Protocol:
        return _LimitedProtocol(make_protocol(*arguments, **options), limits, opened)

    return make


class _Watched:
    """A transport that says when something is written to it."""

    def __init__(self, transport: asyncio.Transport, wrote: Callable[[], None]) -> None:
        self._transport = transport
        self._wrote = wrote

    def write(self, data: bytes) -> None:
        self._wrote()
        self._transport.write(data)

    def writelines(self, data: list[bytes]) -> None:
        self._wrote()
        self._transport.writelines(data)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the transport's own
        return getattr(self._transport, name)


class _LimitedProtocol(asyncio.Protocol):
    """One connection. `opened` has all of the server's, in the order in which they were last heard of."""

    def __init__(self, inner: asyncio.Protocol, limits: ConnectionLimits, opened: dict[_LimitedProtocol, None]) -> None:
        self._inner = inner
        self._limits = limits
        self._opened = opened
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0
        self._awaiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._opened) >= self._limits.connections:
            oldest = next(iter(self._opened))
            self._opened.pop(oldest)
            oldest._transport.abort()
        self._begin()
        self._inner.connection_made(_Watched(transport, self._answered))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if not self._awaiting:
            self._begin()
        self._received += len(data)
        if self._received > self._limits.request_bytes:
            self._transport.write(_TOO_LARGE)
            self._transport.close()
        elif not self._transport.is_closing():
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._opened.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _begin(self) -> None:
        """A request is awaited from now on."""
        self._awaiting = True
        self._rearm(self._limits.request_s)

    def _answered(self) -> None:
        """An answer, or a part of one, is written: what arrives next is another request."""
        self._received, self._awaiting = 0, False
        self._rearm(self._limits.idle_s)

    def _rearm(self, seconds: float) -> None:
        self._opened.pop(self, None)
        self._opened[self] = None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._transport.abort)
