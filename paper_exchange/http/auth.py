"""Who may call the private endpoints: signature, clock skew, passphrase and demo header (OKX-V5 section 1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pairity.timeline import to_ms
from paper_exchange.http.envelope import WireError

SKEW_MS = 30_000
_EMPTY = (("KEY", "50103"), ("PASSPHRASE", "50104"), ("SIGN", "50106"), ("TIMESTAMP", "50107"))


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one account of the paper exchange."""

    api_key: str = "paper"
    secret: str = field(default="paper", repr=False)
    passphrase: str = field(default="paper", repr=False)


def signature(secret: str, timestamp: str, method: str, target: str, body: bytes) -> str:
    """Base64 of HMAC-SHA256 over timestamp + METHOD + raw request target + exact body bytes.

    >>> signature("paper", "2026-11-20T12:09:40.816Z", "GET", "/api/v5/account/config", b"")[:8]
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
    """Refuse a signed call as the venue's gateway does; every refusal is HTTP 401.

    `target` is the request target as received (percent-encoding kept). The timestamp must be within 30 s of one of
    `clocks_ms`: the wall clock, which an unmodified client uses, or the exchange's virtual clock.
    """
    for name, code in _EMPTY:
        if not headers.get(f"OK-ACCESS-{name}"):
            raise _refused(code, f"Request header OK-ACCESS-{name} can not be empty.")
    if headers["OK-ACCESS-KEY"] != credentials.api_key:
        raise _refused("50111", "Invalid OK-ACCESS-KEY")
    if headers.get("x-simulated-trading") != "1":
        raise _refused("50101", "APIKey does not match current environment.")
    if headers["OK-ACCESS-PASSPHRASE"] != credentials.passphrase:
        raise _refused("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.")
    sent_ms = _instant_ms(headers["OK-ACCESS-TIMESTAMP"])
    if all(abs(sent_ms - clock_ms) > SKEW_MS for clock_ms in clocks_ms):
        raise _refused("50102", "Timestamp request expired")
    expected = signature(credentials.secret, headers["OK-ACCESS-TIMESTAMP"], method, target, body)
    if not hmac.compare_digest(expected.encode(), headers["OK-ACCESS-SIGN"].encode()):
        raise _refused("50113", "Invalid Sign")


def _instant_ms(timestamp: str) -> int:
    try:
        parsed = datetime.fromisoformat(timestamp)
    except ValueError:
        raise _refused("50112", "Invalid OK-ACCESS-TIMESTAMP") from None
    if parsed.tzinfo is None:
        raise _refused("50112", "Invalid OK-ACCESS-TIMESTAMP")
    return to_ms(parsed)


def _refused(code: str, msg: str) -> WireError:
    return WireError(code, msg, http_status=401, data=None)
