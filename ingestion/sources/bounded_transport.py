"""Transport of plain HTTP that a hostile server cannot exhaust: a limit of bytes, a deadline, no redirects.

`requests` alone expands whatever Content-Encoding says (600 kB become 1.4 GB), follows redirects to other hosts, and
its timeout begins anew with every byte that drips in. Here an answer is read in pieces and expanded within a limit, and
when its time is up the connection is shut down, whatever the reader waits for: the handshake, a header or a byte.
"""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from pairity.bounded_body import ACCEPTED_ENCODINGS, BoundedBody
from pairity.bounded_json import ANSWER
from pairity.bounded_numbers import OutOfBoundsError, show
from pairity.number_formats import format_plain

_PIECE = 1 << 16
_Guarded = tuple[HTTPConnection, socket.socket]
"""A connection, and a second handle of its socket."""
_DIGITS = 18


class DeadlineError(OutOfBoundsError):
    """An answer that was not complete when its time was up."""


class AnnouncedError(OutOfBoundsError):
    """A body whose announced length is above the limit: nothing of it was read."""


class BoundedTransport(HTTPAdapter):
    """Adapter for a `requests.Session`. An answer has at most `limit` bytes, expanded, within `total_s` seconds.

    OutOfBoundsError for more bytes (AnnouncedError where their number was announced), a redirect or an unknown
    encoding, DeadlineError when time is up; what `requests` and `urllib3` raise otherwise. One request at a time.
    """

    def __init__(self, total_s: float, limit: int = ANSWER.size) -> None:
        self.total_s = total_s
        self.limit = limit
        self._open: list[_Guarded] = []
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as in the base class
        """Make pools whose connections can be shut down from outside."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _guarded_pools(self._open)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        """Send a request and return its answer, whose body has been read."""
        request.headers["Accept-Encoding"] = ACCEPTED_ENCODINGS
        with self._deadline():
            answer = super().send(request, *args, **{**kwargs, "stream": True})
            try:
                if answer.is_redirect or 300 <= answer.status_code < 400:
                    raise OutOfBoundsError(f"redirects to {_host(answer.headers.get('Location', ''))}: not followed")
                body = self._read(answer)
            except BaseException:
                answer.raw.close()  # nothing may be left in a connection that is used again
                raise
        answer.raw.release_conn()  # read to its end, whatever is thought of it
        self.check(body, answer.status_code)
        answer.raw = HTTPResponse(body=io.BytesIO(body), status=answer.status_code, preload_content=False)
        return answer

    def check(self, body: bytes, status: int) -> None:
        """Raise OutOfBoundsError for a body that its reader must not get; here each may."""

    def _read(self, answer: requests.Response) -> bytes:
        promised = answer.headers.get("Content-Length", "")
        if promised.isascii() and promised.isdigit() and (len(promised) > _DIGITS or int(promised) > self.limit):
            raise AnnouncedError(f"has {show(promised)} bytes, more than the limit of {self.limit}")
        body = BoundedBody(answer.headers.get("Content-Encoding", ""), self.limit)
        while piece := answer.raw.read1(_PIECE, decode_content=False):
            body.add(piece)
        return body.finish()

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        is_over = threading.Event()

        def end() -> None:
            is_over.set()
            for _, handle in list(self._open):
                with suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.total_s, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception:
            if is_over.is_set():
                raise DeadlineError(f"was not complete after {format_plain(self.total_s)} s") from None
            raise
        finally:
            timer.cancel()
            self._forget_closed()
        if is_over.is_set():  # a body without a length ends where the connection does
            raise DeadlineError(f"was not complete after {format_plain(self.total_s)} s")

    def _forget_closed(self) -> None:
        # Only now: the body of an answer without a length is read from a connection that counts as closed already.
        for connection, handle in list(self._open):
            if connection.sock is None:
                self._open.remove((connection, handle))
                handle.close()


def _guarded_pools(opened: list[_Guarded]) -> dict[str, type[HTTPConnectionPool]]:
    """Return pool classes by scheme whose connections put a second handle of each socket into `opened`.

    The handle works while the first one is wrapped for TLS, and shuts the same connection down.
    """

    class Guard:
        def _new_conn(self) -> socket.socket:
            made: socket.socket = super()._new_conn()  # type: ignore[misc]
            opened.append((self, made.dup()))  # type: ignore[arg-type]
            return made

    class Plain(Guard, HTTPConnection):
        pass

    class Secure(Guard, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _host(address: str) -> str:
    with suppress(ValueError):
        return show(urlsplit(address).hostname or "another path of the same host")
    return "an address that cannot be read"
