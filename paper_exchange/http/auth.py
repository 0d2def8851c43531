"""Authentication of private requests: signature, clock skew, passphrase and demo header.

See docs/okx-protocol.md, Authentication.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pairity.timeline import to_ms
from paper_exchange.wire import WireError

SKEW_MS = 30_000
_EMPTY = (("KEY", "50103"), ("PASSPHRASE", "50104"), ("SIGN", "50106"), ("TIMESTAMP", "50107"))


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one account of the paper exchange."""

    api_key: str = field(default="paper", repr=False)
    secret: str = field(default="paper", repr=False)
    passphrase: str = field(default="paper", repr=False)


def sign(secret: str, timestamp: str, method: str, target: str, body: bytes) -> str:
    """Return the base64 of HMAC-SHA256 over timestamp + METHOD + raw request target + exact body bytes.

    >>> sign("paper", "2026-11-20T12:09:40.816Z", "GET", "/api/v5/account/config", b"")[:8]
    '1NtWXr5k'
    """
    prehash = f"{timestamp}{method}{target}".encode() + body
    return base64.b64encode(hmac.new(secret.encode(), prehash, hashlib.sha256).digest()).decode()


def verify(
    headers: Mapping[str, str],
    method: str,
    target: str,
    body: bytes,
    *,
    credentials: Credentials,
    clocks_ms: tuple[int, ...],
) -> None:
    """Refuse a signed request as the venue's gateway does; every refusal is HTTP 401.

    `target` is the request target as received (percent-encoding kept). The timestamp must be within 30 s of one of
    `clocks_ms`: the wall clock, which an unmodified client uses, or the exchange's virtual clock.
    """
    for name, code in _EMPTY:
        if not headers.get(f"OK-ACCESS-{name}"):
            raise _refuse(code, f"Request header OK-ACCESS-{name} can not be empty.")
    if not _is_same(headers["OK-ACCESS-KEY"], credentials.api_key):
        raise _refuse("50111", "Invalid OK-ACCESS-KEY")
    if headers.get("x-simulated-trading") != "1":
        raise _refuse("50101", "APIKey does not match current environment.")
    if not _is_same(headers["OK-ACCESS-PASSPHRASE"], credentials.passphrase):
        raise _refuse("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.")
    sent_ms = _parse_timestamp(headers["OK-ACCESS-TIMESTAMP"])
    if all(abs(sent_ms - clock_ms) > SKEW_MS for clock_ms in clocks_ms):
        raise _refuse("50102", "Timestamp request expired")
    expected = sign(credentials.secret, headers["OK-ACCESS-TIMESTAMP"], method, target, body)
    if not _is_same(headers["OK-ACCESS-SIGN"], expected):
        raise _refuse("50113", "Invalid Sign")


def _is_same(given: str, expected: str) -> bool:
    """Compare in constant time, as bytes: a client may send text that is not ASCII, or not even UTF-8."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())


def _parse_timestamp(timestamp: str) -> int:
    try:
        parsed = datetime.fromisoformat(timestamp)
    except ValueError:
        raise _refuse("50112", "Invalid OK-ACCESS-TIMESTAMP") from None
    if parsed.tzinfo is None:
        raise _refuse("50112", "Invalid OK-ACCESS-TIMESTAMP")
    return to_ms(parsed)


def _refuse(code: str, msg: str) -> WireError:
    return WireError(code, msg, http_status=401, data=None)
