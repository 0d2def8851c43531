"""Sending of one request to a webhook: bounded in time and bytes, without redirects, proxies and cookies.

Whatever happens is an outcome in a few words. They are made here, from the status or the kind of error alone: what a
library or a server says may hold the address, which is a secret.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from pairity.number_formats import format_plain
from serving.alerts.shapes import Post

if TYPE_CHECKING:
    import aiohttp

_MOST_BYTES = 16_384
_LONGEST_PAUSE_S = 3600.0


class Outcome(NamedTuple):
    """What became of a try: `delivered`; or `refused` (the request itself, 4xx), else it may work later.

    `said` is for the journal. `pause_s` is how long the server asks to wait, None where it does not.
    """

    delivered: bool
    refused: bool
    said: str
    pause_s: float | None = None


async def open_session() -> aiohttp.ClientSession:
    """Return a session that reads nothing of the environment (proxies, .netrc) and keeps no cookies."""
    import aiohttp

    return aiohttp.ClientSession(
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(force_close=True, limit=20),
        max_line_size=_MOST_BYTES,
        max_field_size=_MOST_BYTES,
    )


async def send_post(session: aiohttp.ClientSession, post: Post, timeout_s: float) -> Outcome:
    """POST once; the answer's status alone decides, and of its body no more than a little is read."""
    return await _send(session, "POST", post.url, post.headers, post.body, timeout_s)


async def send_get(session: aiohttp.ClientSession, url: str, timeout_s: float) -> Outcome:
    """GET once."""
    return await _send(session, "GET", url, {}, None, timeout_s)


async def _send(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: object,
    body: bytes | None,
    timeout_s: float,
) -> Outcome:
    import aiohttp
    from yarl import URL

    try:
        async with (
            asyncio.timeout(timeout_s),
            session.request(
                method,
                # As it stands: an escape must not be read and written anew.
                URL(url, encoded=True),
                headers=headers,  # type: ignore[arg-type]
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as answer,
        ):
            return _judge(answer.status, answer.headers.get("Retry-After", ""))
    except TimeoutError:
        return Outcome(delivered=False, refused=False, said=f"no answer within {format_plain(timeout_s)} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(delivered=False, refused=False, said=f"no answer ({type(error).__name__})")


def _judge(status: int, retry_after: str) -> Outcome:
    if 200 <= status < 300:
        return Outcome(delivered=True, refused=False, said=f"answered {status}")
    if 300 <= status < 400:
        return Outcome(delivered=False, refused=True, said=f"answered {status}: redirects are not followed")
    may_work_later = status in (408, 425, 429) or status >= 500
    pause_s = min(float(retry_after), _LONGEST_PAUSE_S) if retry_after.isascii() and retry_after.isdigit() else None
    return Outcome(delivered=False, refused=not may_work_later, said=f"answered {status}", pause_s=pause_s)
