"""What an answer of OKX means: data, or a failure of the `VenueError` branch, and whether it is worth another try."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import (
    CredentialsError,
    VenueAnswerError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from venue.okx_session import parse_answer

if TYPE_CHECKING:
    from ccxt.async_support import okx

MAX_ROWS = 10_000
"""Most rows of one answer: the venue has some hundred swaps, and pages of a few hundred rows."""
KEY_VARIABLES = ("PAIRITY_EXCHANGE__API_KEY", "PAIRITY_EXCHANGE__API_SECRET", "PAIRITY_EXCHANGE__API_PASSPHRASE")
POINT_TO_DEMO = "`make demo` runs everything here, without network or credentials"
_SKEW_CODE = "50102"
_RATE_CODES = frozenset({"50011", "50061", "51113", "51115"})
# Gateway trouble: try again later. 500 is what an internal error of the gateway carries as its code.
_BUSY_CODES = frozenset({"50001", "50004", "50005", "50013", "50026", "500"})
_SUCCESS = frozenset({"0", "2"})
_CODE = re.compile(r"[0-9]{1,6}(?:_[0-9]{1,6})?", re.ASCII)
_CREDENTIAL_CODES = frozenset(
    {
        "50100",
        "50101",
        "50103",
        "50104",
        "50105",
        "50106",
        "50107",
        "50110",
        "50111",
        "50112",
        "50113",
        "50114",
        "50119",
    }
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Meaning of a failed attempt: the error to raise in the end, and whether a read may be tried again.

    `refused` says that the venue certainly did not act on the request: the outcome of a write is known, nothing.
    """

    error: VenueError
    transient: bool = False
    rate_limited: bool = False
    refused: bool = False
    expired: bool = False
    """Refused for its timestamp alone, before the venue looked at it: the same may be sent again, a write too."""


def base_url(client: okx) -> str:
    """Return the URL to which the client's requests go."""
    return str(client.implode_hostname(client.urls["api"]["rest"]))


def data_of(client: okx, method: str, answer: object) -> list[Any] | Failure:
    """Return `data` of an envelope with code 0 or 2; everything else is not an answer.

    Code 2 is a batch of which some elements failed: each element carries its own code.
    """
    if isinstance(answer, dict) and read_code(answer.get("code")) in _SUCCESS and isinstance(answer.get("data"), list):
        if len(answer["data"]) <= MAX_ROWS:
            return list(answer["data"])
        return _useless(client, method, f"answered {len(answer['data'])} rows, more than the limit of {MAX_ROWS}")
    body = short(answer) if isinstance(answer, str | dict | list) else "a body that is not JSON"
    return _useless(client, method, f"answered {body or 'nothing'} instead of an OKX envelope")


def explain(client: okx, method: str, error: Exception) -> Failure:
    """Return the meaning of a ccxt exception: the venue's code decides where there is one, else the transport."""
    body = _json_body(str(error))
    if body is None:
        return _explain_transport(client, method, error)
    code = _venue_code(body)
    if code is None:
        return _useless(client, method, f"answered {short(body)} instead of an OKX envelope")
    return _explain_code(client, method, *code)


def explain_refusal(client: okx, method: str, refusal: OutOfBoundsError) -> Failure:
    """Return the meaning of an answer that was not read to its end, or not followed: as good as none."""
    return _useless(client, method, f"got an answer that {refusal.what}")


def explain_unreadable(client: okx, method: str, error: Exception) -> Failure:
    """Return the meaning of an answer on which the client's own reading failed."""
    return _useless(client, method, f"got an answer that cannot be read ({type(error).__name__}: {short(error)})")


def _useless(client: okx, method: str, what: str) -> Failure:
    """Return the failure of an answer from which nothing follows; a write may have been carried out."""
    remedy = "the venue may be in maintenance, or the URL is not an OKX v5 API; try again later or correct exchange.url"
    return Failure(VenueAnswerError(f"{method} at {base_url(client)} {what}", remedy), transient=True)


def _explain_code(client: okx, method: str, code: str, message: str) -> Failure:
    said = f"{message or 'no reason given'} (code {code})"
    if code == _SKEW_CODE:
        what = f"the venue refused {method}: this machine's clock is more than 30 s off the venue's: {said}"
        return Failure(
            CredentialsError(what, "synchronise the system clock (NTP) and start again"), refused=True, expired=True
        )
    if code in _CREDENTIAL_CODES:
        remedy = f"check {', '.join(KEY_VARIABLES)}; a key of demo trading and one of live trading are different keys"
        return Failure(
            CredentialsError(f"the venue refused the credentials for {method}: {said}", remedy), refused=True
        )
    if code in _RATE_CODES:
        error: VenueError = VenueUnreachableError(
            f"the venue throttles {method}: {said}", "lower ingest.concurrency, or leave exchange.rate_limit on"
        )
        # No refusal: the code has come for orders that were carried out. A write is asked for before it is sent again.
        return Failure(error, transient=True, rate_limited=True)
    if code in _BUSY_CODES:
        what = f"the venue at {base_url(client)} cannot serve {method} now: {said}"
        return Failure(VenueUnreachableError(what, "try again later"), transient=True)
    return Failure(VenueRejectedError(f"the venue refused {method}: {said}", code), refused=True)


def _explain_transport(client: okx, method: str, error: Exception) -> Failure:
    """Explain why no JSON came back: nothing listens, the connection broke, time ran out, or a gateway sent a page."""
    import aiohttp
    import ccxt

    url = base_url(client)
    if isinstance(error, ccxt.AuthenticationError) and str(error).startswith(f'{client.id} requires "'):
        return Failure(CredentialsError(f"{method} needs credentials", f"set {', '.join(KEY_VARIABLES)}"), refused=True)
    # No connection was made, so nothing was sent: a write may be taken as refused.
    if isinstance(error.__cause__, aiohttp.ClientConnectorError | socket.gaierror):
        what = f"nothing answers at {url}: {error.__cause__}"
        remedy = f"check exchange.url and the network, or start a paper exchange; {POINT_TO_DEMO}"
        return Failure(VenueUnreachableError(what, remedy), transient=True, refused=True)
    what = f"{method} at {url} got no usable answer: {_transport_detail(error)}"
    remedy = f"check the network and the venue's status, then run again; {POINT_TO_DEMO}"
    return Failure(VenueUnreachableError(what, remedy), transient=True, rate_limited=" 429 " in str(error))


def _transport_detail(error: Exception) -> str:
    import ccxt

    if isinstance(error, ccxt.RequestTimeout):
        return "it did not answer in time"
    if error.__cause__ is not None:
        return f"the connection broke ({type(error.__cause__).__name__})"
    return short(str(error))


def _venue_code(body: object) -> tuple[str, str] | None:
    """Return code and message that say why: those of the first failing element, else those of the envelope.

    None where they are not such, or contradict each other: an element that succeeded under a code of failure, or a code
    of success under an HTTP status of failure.
    """
    if not isinstance(body, dict) or (own := read_code(body.get("code"))) is None or own in _SUCCESS:
        return None
    data = body.get("data")
    found: tuple[str, str] | None = None
    for row in data if isinstance(data, list) else ():
        if not isinstance(row, dict) or row.get("sCode") in (None, ""):
            continue
        code = read_code(row["sCode"])
        if code is None or code == "0":
            return None
        found = found or (code, short(row.get("sMsg", "")))
    return found or (own, short(body.get("msg", "")))


def read_code(value: object) -> str | None:
    """Return a code of the venue as text, None where it cannot be one (a code is up to six digits)."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and _CODE.fullmatch(text) else None


def _json_body(message: str) -> object | None:
    """Return the JSON that ccxt puts behind its exchange id in an exception's text, or None."""
    start = min((at for at in (message.find("{"), message.find("[")) if at >= 0), default=-1)
    try:
        parsed: object = None if start < 0 else parse_answer(message[start:])
    except OutOfBoundsError:
        return None
    return parsed


def short(value: object, limit: int = 160) -> str:
    """Return `value` as one printable line of at most `limit` characters."""
    full = str(value)
    text = " ".join(full[: 4 * limit].split())
    printable = "".join(sign if sign.isprintable() else "?" for sign in text[:limit])
    return printable if len(text) <= limit and len(full) <= 4 * limit else f"{printable}…"
