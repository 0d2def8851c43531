"""Requests to the venue that is followed: public ones, to one address, spaced, and with answers of bounded size.

Nothing secret is sent. No redirect is followed and no proxy is used; what is no envelope of success is a
SourceError, and nothing of it is used.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING

from pairity.bounded_body import ACCEPTED_ENCODINGS, BoundedBody
from pairity.bounded_json import MIB, JsonLimits, parse_json
from pairity.bounded_numbers import OutOfBoundsError, parse_int, show
from pairity.web_address import WebAddress
from paper_exchange.wire import Json

if TYPE_CHECKING:
    import aiohttp

LIMITS = JsonLimits(size=8 * MIB, depth=16, values=500_000)
SPACING_S = 0.11
"""Least time between two requests of one endpoint: 18 in two seconds, where the venue allows 20 at least."""
_THROTTLED_S = 2.1
_MOST_THROTTLED = 3
_TIMEOUT_S = 10.0
_LAST_MS = 4_102_444_800_000  # 2100
_PIECE = 1 << 16


class SourceError(Exception):
    """The source did not answer, or not with what can be used."""


class Source:
    """An OKX-compatible venue at `address`; use it as a context."""

    def __init__(self, address: WebAddress, *, spacing_s: float = SPACING_S) -> None:
        self.address = address
        self._spacing_s = spacing_s
        self._next_s: dict[str, float] = {}
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Source:
        import aiohttp

        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
            connector=aiohttp.TCPConnector(ssl=_make_certificates()),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers={"Accept-Encoding": ACCEPTED_ENCODINGS},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **params: str) -> list[Json]:
        """Return the rows of a public endpoint (`market/candles`); a throttled request is repeated a few times."""
        for _ in range(_MOST_THROTTLED):
            await self._take_turn(path)
            status, code, data = await self._ask(path, params)
            if status == HTTPStatus.OK and code in ("0", 0) and isinstance(data, list):
                return list(data)
            if status != HTTPStatus.TOO_MANY_REQUESTS:
                break
            await asyncio.sleep(_THROTTLED_S)
        raise SourceError(f"{path}: no success (HTTP {status}, code {show(code)})")

    async def _ask(self, path: str, params: dict[str, str]) -> tuple[int, Json, Json]:
        """Return status, code and data of one answer."""
        import aiohttp

        url = f"{self.address.url}/api/v5/{path}"
        try:
            async with self._session.get(url, params=params, allow_redirects=False) as answer:
                body = BoundedBody(answer.headers.get("Content-Encoding", ""), LIMITS.size)
                async for piece in answer.content.iter_chunked(_PIECE):
                    body.add(piece)
                content = body.finish()
                parsed = parse_json(content, LIMITS) if content.startswith((b"{", b"[")) else None
                envelope = parsed if isinstance(parsed, dict) else {}
                return answer.status, envelope.get("code"), envelope.get("data")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SourceError(f"{path}: {type(error).__name__}") from None
        except OutOfBoundsError as refusal:
            raise SourceError(f"{path}: the answer {refusal.what}") from None

    async def get_time(self) -> int:
        """Return the source's own time in Unix milliseconds."""
        rows = await self.get("public/time")
        try:
            return parse_int(rows[0]["ts"], 0, _LAST_MS)
        except (OutOfBoundsError, IndexError, KeyError, TypeError):
            raise SourceError("public/time: no time") from None

    async def _take_turn(self, path: str) -> None:
        now_s = time.monotonic()
        turn_s = max(self._next_s.get(path, now_s), now_s)
        self._next_s[path] = turn_s + self._spacing_s
        await asyncio.sleep(turn_s - now_s)


def _make_certificates() -> ssl.SSLContext:
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    # What SSLKEYLOGFILE names would get the keys of every connection.
    context.keylog_filename = None  # type: ignore[assignment]  # the stub lacks that it can be taken back
    return context
