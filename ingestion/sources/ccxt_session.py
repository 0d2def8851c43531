"""What a synchronous ccxt client reads: answers within limits, and none with a number that would stall its parser.

Where it asks: the hosts of its own table of addresses, over https, without a proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from ingestion.sources.bounded_transport import BoundedTransport
from pairity.bounded_json import MIB, JsonLimits, parse_json
from pairity.bounded_numbers import MAX_CHARACTERS, OutOfBoundsError, show
from pairity.errors import ConfigError

_LIMITS = JsonLimits(size=32 * MIB)
"""All markets of a large exchange are some 10 MiB."""
_FIRST_ERROR = 400
_SHOWN = 40
_QUOTED_NUMBER = re.compile(
    rb'"([+-]?(?:[0-9.]{%d}[0-9.]*|[0-9.]{1,%d}[eE][+-]?[0-9]{3,}))"' % (MAX_CHARACTERS, MAX_CHARACTERS)
)


class CcxtTransport(BoundedTransport):
    """Adapter that also looks into JSON, which ccxt parses without limits and whose texts it makes integers of.

    `origins` are the schemes and hosts that may be asked.
    """

    def __init__(self, total_s: float, origins: frozenset[str]) -> None:
        self._origins = origins
        super().__init__(total_s, _LIMITS.size)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        """Send a request to one of the exchange's own hosts; ConfigError, and nothing is sent, for any other."""
        if (origin := _origin(str(request.url))) not in self._origins or kwargs.get("proxies"):
            raise ConfigError(
                f"a request would have gone to {origin}, or through a proxy, and not to {', '.join(self._origins)}",
                "ccxt's table of addresses is the limit: update ccxt, or choose another source",
            )
        return super().send(request, *args, **kwargs)

    def check(self, body: bytes, status: int) -> None:
        """Refuse JSON that is nested too deep, ambiguous, or has numbers that no market has (`"1e1000000"`).

        An answer without an error that is no JSON is refused as well: some clients of ccxt read it as an empty one.
        """
        if body.lstrip()[:1] not in (b"{", b"["):
            if status < _FIRST_ERROR and not _is_plain_json(body):
                raise OutOfBoundsError(f"is no JSON, it begins with {show(body[:_SHOWN].decode('utf-8', 'replace'))}")
            return
        parse_json(body, _LIMITS)
        found = _QUOTED_NUMBER.search(body)
        if found is not None:
            raise OutOfBoundsError(f"holds the number {show(found[1].decode())}, which no market has")


def bound(client: Any, total_s: float) -> None:  # noqa: ANN401 - ccxt is untyped
    """Let all requests of a client go through one `CcxtTransport`, to the addresses that it has now."""
    client.session.trust_env = False
    transport = CcxtTransport(total_s, frozenset(_origin(client.implode_hostname(url)) for url in _urls(client)))
    for scheme in ("http://", "https://"):
        client.session.mount(scheme, transport)


def leave_rows_in(client: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - ccxt is untyped
    """Let a client return every row of an answer, where ccxt drops those before `since` and beyond `limit` silently.

    A page of rows that were not asked for would look like a page of none. Rows of other instruments are left out, since
    some exchanges answer for all; they are put into the list that is returned, for whoever asks to look at.
    """
    others: list[Mapping[str, Any]] = []

    def keep_all(rows: Any, *_: Any, **__: Any) -> list[Any]:  # noqa: ANN401 - as ccxt calls it
        return list(rows or [])

    def keep_own(rows: Any, name: str, value: object = None, *_: Any, **__: Any) -> list[Any]:  # noqa: ANN401
        found = list(rows or [])
        others.extend(row for row in found if value is not None and row.get(name) != value)
        return [row for row in found if value is None or row.get(name) == value]

    client.filter_by_since_limit, client.filter_by_value_since_limit = keep_all, keep_own
    return others


def _is_plain_json(body: bytes) -> bool:
    """Return whether a short body is a JSON number or text, as some exchanges answer with their time."""
    try:
        parse_json(body, _LIMITS)
    except OutOfBoundsError:
        return False
    return True


def _urls(client: Any) -> Iterator[str]:  # noqa: ANN401 - nested dictionaries of addresses
    waiting = [client.urls.get("api")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str):
            yield value


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
