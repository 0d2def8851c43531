"""The real ccxt client over prepared bodies: everything but the socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from ccxt.async_support import okx

from pairity.settings import ExchangeSettings, Settings
from venue.okx_client import make_client
from venue.okx_session import VenueAnswer


class CannedSession:
    """Stands in for `VenueSession`: `bodies` by the end of a path, each a text; `asked` counts requests."""

    def __init__(self, bodies: Mapping[str, str]) -> None:
        self.bodies, self.asked = bodies, 0
        self.headers: dict[str, str] = {}

    def get(self, url: Any, **request: Any) -> Any:
        return self._answer(url, request)

    post = get

    @asynccontextmanager
    async def _answer(self, url: Any, _: Mapping[str, Any]) -> AsyncIterator[VenueAnswer]:
        self.asked += 1
        body = self.bodies[url.path.removeprefix("/api/v5/")]
        yield VenueAnswer(200, "OK", {"Content-Type": "application/json"}, body.encode("utf-8", "surrogatepass"))

    async def close(self) -> None:
        pass


@cache
def _client() -> okx:
    keys = {"api_key": "paper", "api_secret": "paper", "api_passphrase": "paper"}
    return make_client(Settings(exchange=ExchangeSettings(rate_limit=False, **keys)), signed=True)


def canned_client(bodies: Mapping[str, str]) -> okx:
    """Return a signed client that gets these bodies; the next call takes it away."""
    client = _client()
    client.session = CannedSession(bodies)
    return client


def paths(root: Any, *above: Any) -> Iterable[tuple[Any, ...]]:
    """Yield the way to every value of a JSON tree, the root's first."""
    yield above
    items = root.items() if isinstance(root, dict) else enumerate(root) if isinstance(root, list) else ()
    for key, value in items:
        yield from paths(value, *above, key)
