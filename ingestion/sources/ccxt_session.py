"""What a synchronous ccxt client reads: answers within limits, and none with a number that would stall its parser."""

from __future__ import annotations

import re

import requests

from ingestion.sources.bounded_transport import BoundedTransport
from pairity.bounded_json import MIB, JsonLimits, parse_json
from pairity.bounded_numbers import MAX_CHARACTERS, OutOfBoundsError, show

_LIMITS = JsonLimits(size=32 * MIB)
"""All markets of a large exchange are some 10 MiB."""
_QUOTED_NUMBER = re.compile(
    rb'"([+-]?(?:[0-9.]{%d}[0-9.]*|[0-9.]{1,%d}[eE][+-]?[0-9]{3,}))"' % (MAX_CHARACTERS, MAX_CHARACTERS)
)


class CcxtTransport(BoundedTransport):
    """Adapter that also looks into JSON, which ccxt parses without limits and whose texts it makes integers of."""

    def __init__(self, total_s: float) -> None:
        super().__init__(total_s, _LIMITS.size)

    def check(self, body: bytes) -> None:
        """Refuse JSON that is nested too deep, ambiguous, or has numbers that no market has (`"1e1000000"`)."""
        if body.lstrip()[:1] not in (b"{", b"["):  # a page, which ccxt reports as such
            return
        parse_json(body, _LIMITS)
        found = _QUOTED_NUMBER.search(body)
        if found is not None:
            raise OutOfBoundsError(f"holds the number {show(found[1].decode())}, which no market has")


def bound(session: requests.Session, total_s: float) -> None:
    """Let all requests of a session go through one `CcxtTransport`."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, CcxtTransport(total_s))
