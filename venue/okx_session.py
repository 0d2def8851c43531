"""The HTTP session that a ccxt client is given: one origin, no redirect, no proxy, and answers of bounded size.

ccxt lets aiohttp follow redirects, and a 307 carries key, passphrase, signature and order to whatever host it names.
ccxt reads whole bodies, whatever they expand to. `VenueSession` stands in for the session of aiohttp and does neither.
Its refusals are OutOfBoundsErrors, which ccxt lets through.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pairity.bounded_body import BoundedBody
from pairity.bounded_json import MIB, JsonLimits, parse_json
from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import ConfigError
from pairity.web_address import WebAddress
from venue.request_reports import explain_failure, read_outcome, report_request

if TYPE_CHECKING:
    import ssl

    import aiohttp
    from yarl import URL

VENUE_JSON = JsonLimits(size=8 * MIB, depth=16, values=500_000)
"""Most that an answer of the venue may hold; the largest real one, all swaps, has about 400 kB and 15,000 values."""
_PIECE = 1 << 16
_STREAM_SCHEMES = {"ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class VenueAnswer:
    """An answer as ccxt reads it: status, reason, headers, and the body, which is here already."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes

    async def text(self, errors: str = "strict") -> str:
        """Return the body as text."""
        return self.content.decode("utf-8", errors)


class VenueSession:
    """Requests to `address` and nowhere else. It opens on the first request; close it."""

    def __init__(self, address: WebAddress) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None
        self.headers: Mapping[str, str] = {}

    def get(self, url: URL, **request: Any) -> AbstractAsyncContextManager[VenueAnswer]:  # noqa: ANN401
        """Send a GET as ccxt asks for it; see `_send`."""
        return self._send("GET", url, **request)

    def post(self, url: URL, **request: Any) -> AbstractAsyncContextManager[VenueAnswer]:  # noqa: ANN401
        """Send a POST as ccxt asks for it; see `_send`."""
        return self._send("POST", url, **request)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        url: URL,
        *,
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
        proxy: str | None,
    ) -> AsyncIterator[VenueAnswer]:
        """Send a request and read its answer within `timeout`.

        Raises ConfigError, before anything is sent, for another address or a proxy, and OutOfBoundsError for a redirect
        and for an answer beyond the limits.
        """
        self._require_own(url, proxy)
        begun = time.perf_counter()
        try:
            answer = await self._read_answer(method, url, data, headers, timeout)
        except BaseException as error:
            report_request(method, url.path, explain_failure(error), begun)
            raise
        report_request(method, url.path, read_outcome(answer.status, answer.content), begun)
        yield answer

    async def _read_answer(
        self, method: str, url: URL, data: bytes | None, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout
    ) -> VenueAnswer:
        async with self._open().request(
            method, url, data=data, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            body = BoundedBody(answer.headers.get("Content-Encoding", ""), VENUE_JSON.size)
            async for piece in answer.content.iter_chunked(_PIECE):
                body.add(piece)
            return VenueAnswer(answer.status, answer.reason or "", answer.headers, body.finish())

    async def _stay(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Send one request of a session, however it came about, to the own address only, and refuse a redirect."""
        self._require_own(request.url, None)
        answer = await send(request)
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            answer.close()
            raise OutOfBoundsError(f"is a redirect ({answer.status}), and none is followed")
        return answer

    def _require_own(self, url: URL, proxy: str | None) -> None:
        own = self._address
        scheme = _STREAM_SCHEMES.get(url.scheme, url.scheme)
        if (scheme, url.raw_host, url.port, url.user) != (own.scheme, own.host.strip("[]"), own.port, None):
            raise ConfigError(
                f"a request of {own.origin} would have gone to {url.scheme}://{url.host}", "this is a fault of pairity"
            )
        if proxy is not None:
            raise ConfigError("the client was given a proxy", "requests to the venue go there directly")

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._certificates(), happy_eyeballs_delay=0),
                # Bodies are expanded by `BoundedBody`; a venue's API needs no cookies.
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                middlewares=(self._stay,),
            )
        return self._session

    def _certificates(self) -> ssl.SSLContext | bool:
        import ssl

        import certifi

        if self._address.scheme != "https":
            return True
        context = ssl.create_default_context(cafile=certifi.where())
        # What SSLKEYLOGFILE names would get the keys of every connection.
        context.keylog_filename = None  # type: ignore[assignment]  # the stub lacks that it can be taken back
        return context


def parse_answer(body: str) -> Any:  # noqa: ANN401 - the venue's JSON
    """Return the JSON of a body, None where it is none (a page, nothing); OutOfBoundsError beyond the limits."""
    return parse_json(body, VENUE_JSON) if body.startswith(("{", "[")) else None
