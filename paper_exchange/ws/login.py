"""Login to a private endpoint: the same key, passphrase and signature as of a signed request."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence

from paper_exchange.http.auth import SKEW_MS, Credentials, sign
from paper_exchange.wire import Json
from paper_exchange.ws.protocol import StreamRefusedError

SIGNED_PATH = "/users/self/verify"
_REQUIRED = (("apiKey", "60001"), ("sign", "60002"), ("passphrase", "60003"), ("timestamp", "60004"))
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


def verify_login(
    arguments: Sequence[Mapping[str, Json]], *, credentials: Credentials, clocks_ms: tuple[int, ...]
) -> None:
    """Refuse a login as the venue does.

    The timestamp, Unix seconds, must be within 30 s of one of `clocks_ms`: the machine's clock, or the exchange's.
    """
    if len(arguments) != 1:
        raise StreamRefusedError("60021", "This operation does not support multiple accounts login.")
    given = {name: str(arguments[0].get(name) or "") for name, _ in _REQUIRED}
    for name, code in _REQUIRED:
        if not given[name]:
            raise StreamRefusedError(code, f"{name} can not be empty.")
    if not _is_same(given["apiKey"], credentials.api_key):
        raise StreamRefusedError("60005", "Invalid apiKey")
    if not _is_same(given["passphrase"], credentials.passphrase):
        raise StreamRefusedError("60024", "Wrong passphrase")
    if _SECONDS.fullmatch(given["timestamp"]) is None:
        raise StreamRefusedError("60004", "Invalid timestamp")
    sent_ms = float(given["timestamp"]) * 1000
    if all(abs(sent_ms - clock_ms) > SKEW_MS for clock_ms in clocks_ms):
        raise StreamRefusedError("60006", "Timestamp request expired")
    if not _is_same(given["sign"], sign(credentials.secret, given["timestamp"], "GET", SIGNED_PATH, b"")):
        raise StreamRefusedError("60007", "Invalid sign")


def _is_same(given: str, expected: str) -> bool:
    """Compare in constant time, as bytes: a client may send text that is not ASCII."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
