"""The one door to OKX: a ccxt client wired to the configured URL, and calls whose answers are checked.

ccxt lets three kinds of bad answer through in silence (HTML, an empty body and cut JSON, each with HTTP 200) and files
an aborted body under `ExchangeError`. `call` therefore checks the envelope itself and turns everything that can go
wrong into the `VenueError` branch of `pairity.errors`. Reads are repeated on transient failures; writes never are: a
write without a definite answer is an `OrderUnknownError`, to be settled by a query.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import random
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pairity.errors import (
    ConfigError,
    CredentialsError,
    LiveSwitchError,
    OrderUnknownError,
    VenueAnswerError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from pairity.settings import Settings
from pairity.timeline import from_ms

if TYPE_CHECKING:
    from ccxt.async_support import okx

KEY_VARIABLES = ("PAIRITY_EXCHANGE__API_KEY", "PAIRITY_EXCHANGE__API_SECRET", "PAIRITY_EXCHANGE__API_PASSPHRASE")
LIVE_VARIABLE = "PAIRITY_LIVE_TRADING"
LIVE_CONSENT = "i-accept-the-risk"
_DEMO_HEADER = "x-simulated-trading"
_POINT_TO_DEMO = "`make demo` runs everything here, without network or credentials"
_SKEW_CODE = "50102"
_RATE_CODES = frozenset({"50011", "50061", "51113", "51115"})
# Gateway trouble: try again later. 500 is what an internal error of the gateway carries as its code.
_BUSY_CODES = frozenset({"50001", "50004", "50005", "50013", "50026", "500"})
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


@dataclass(frozen=True)
class Backoff:
    """Waiting times between repeated reads: exponential, capped, with jitter so that clients do not march in step."""

    first_s: float = 0.25
    cap_s: float = 8.0
    rate_limited_s: float = 1.0
    """Least first wait after "too many requests": the venue counts in windows of two seconds."""
    jitter: random.Random = field(default_factory=lambda: random.Random(0))
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def delay_s(self, attempt: int, *, rate_limited: bool) -> float:
        """Seconds before repetition `attempt` (0 = first), between half and all of the exponential step."""
        first_s = max(self.first_s, self.rate_limited_s) if rate_limited else self.first_s
        return min(self.cap_s, first_s * 2.0**attempt) * (0.5 + self.jitter.random() / 2.0)


DEFAULT_BACKOFF = Backoff()


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a failed attempt means: the error to raise in the end, and whether a read may be tried again.

    `refused` says that the venue certainly did not act on the request (so a write's outcome is known: nothing).
    """

    error: VenueError
    transient: bool = False
    rate_limited: bool = False
    refused: bool = False


def make_client(settings: Settings, *, signed: bool, live: bool = False) -> okx:
    """A `ccxt.async_support.okx` client for `settings.exchange`; close it with `aclose`.

    Signed clients carry the demo header, so that orders reach demo trading, unless `live` is asked for *and* the
    environment says so too. Unsigned ones carry none: market data is that of the real market. Raises CredentialsError
    (a key is missing), LiveSwitchError (one switch only) and ConfigError (an unusable URL).
    """
    from ccxt.async_support import okx as okx_class

    exchange = settings.exchange
    config: dict[str, Any] = {
        "enableRateLimit": exchange.rate_limit,
        "timeout": int(exchange.timeout_s * 1000),
        "options": {
            "defaultType": "swap",
            "fetchMarkets": {"types": ["swap"]},
            "brokerId": None,
            "maxRetriesOnFailure": 0,
        },
    }
    if signed:
        config |= _credentials(settings)
    client = okx_class(config)
    if exchange.url is not None:
        client.urls["api"]["rest"] = _checked_url(exchange.url)
    if live:
        _check_live_switch()
    elif signed:
        client.headers = {**(client.headers or {}), _DEMO_HEADER: "1"}
    client.timeout_on_exit = 0
    return client


async def aclose(client: okx) -> None:
    """Close the client's connections."""
    await client.close()


async def server_time(client: okx, *, retries: int = 1, backoff: Backoff = DEFAULT_BACKOFF) -> datetime:
    """The venue's own time (aware UTC, millisecond precision); of a paper exchange, its virtual time."""
    rows = await call(client, "publicGetPublicTime", {}, retries=retries, backoff=backoff)
    try:
        return from_ms(int(rows[0]["ts"]))
    except (IndexError, KeyError, TypeError, ValueError):
        raise VenueAnswerError(
            f"public/time at {base_url(client)} answered {_short(rows)} instead of a time",
            "check that the URL is that of an OKX v5 API",
        ) from None


async def call(
    client: okx,
    method: str,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    retries: int,
    backoff: Backoff = DEFAULT_BACKOFF,
) -> list[Any]:
    """One call of ccxt's implicit API (`publicGetMarketHistoryCandles`, `privatePostTradeOrder`, …); returns `data`.

    `retries` bounds repetitions of a read after transient failures (no answer, HTTP 5xx, throttling, an answer that is
    not JSON); a write is sent once, whatever `retries` says. Elements of `data` are as the venue sent them (text, not
    numbers); in a write's answer with top-level code 0 or 2 a single element may still carry a failing `sCode`.

    Raises VenueUnreachableError, CredentialsError, VenueAnswerError, VenueRejectedError (with the venue's code) and,
    for writes without a definite answer, OrderUnknownError.
    """
    reads = "Get" in method
    attempt = 0
    while isinstance(outcome := await _attempt(client, method, params), _Failure):
        if not reads and not outcome.refused:
            raise OrderUnknownError(
                f"{method} was sent, but no definite answer came: {outcome.error.what}",
                "query the venue by the client order id before sending anything again",
            ) from outcome.error
        if not (reads and outcome.transient and attempt < retries):
            raise outcome.error
        await backoff.sleep(backoff.delay_s(attempt, rate_limited=outcome.rate_limited))
        attempt += 1
    return outcome


def base_url(client: okx) -> str:
    """Where the client's requests go."""
    return str(client.implode_hostname(client.urls["api"]["rest"]))


async def _attempt(
    client: okx, method: str, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> list[Any] | _Failure:
    import ccxt

    # ccxt writes into what it is given.
    own = dict(params) if isinstance(params, Mapping) else [dict(item) for item in params]
    try:
        answer = await getattr(client, method)(own)
    except ccxt.BaseError as error:
        return _explain(client, method, error)
    return _data_of(client, method, answer)


def _data_of(client: okx, method: str, answer: object) -> list[Any] | _Failure:
    """`data` of an envelope with code 0 or 2; everything else is not an answer."""
    if isinstance(answer, dict) and str(answer.get("code")) in {"0", "2"} and isinstance(answer.get("data"), list):
        return list(answer["data"])
    found = _short(answer) if isinstance(answer, str | dict | list) else "a body that is not JSON"
    what = f"{method} at {base_url(client)} answered {found or 'nothing'} instead of an OKX envelope"
    remedy = "the venue may be in maintenance, or the URL is not an OKX v5 API; try again later or correct exchange.url"
    return _Failure(VenueAnswerError(what, remedy), transient=True)


def _explain(client: okx, method: str, error: Exception) -> _Failure:
    """Meaning of a ccxt exception: the venue's code decides where there is one, else the transport."""
    body = _json_body(str(error))
    if isinstance(body, dict) and body.get("code") not in (None, ""):
        return _explain_code(client, method, body)
    if body is not None:
        failure = _data_of(client, method, body)
        assert isinstance(failure, _Failure)
        return failure
    return _explain_transport(client, method, error)


def _explain_code(client: okx, method: str, body: Mapping[str, Any]) -> _Failure:
    code, message = _venue_code(body)
    said = f"{message or 'no reason given'} (code {code})"
    if code == _SKEW_CODE:
        what = f"the venue refused {method}: this machine's clock is more than 30 s off the venue's: {said}"
        return _Failure(CredentialsError(what, "synchronise the system clock (NTP) and start again"), refused=True)
    if code in _CREDENTIAL_CODES:
        remedy = f"check {', '.join(KEY_VARIABLES)}; a key of demo trading and one of live trading are different keys"
        return _Failure(
            CredentialsError(f"the venue refused the credentials for {method}: {said}", remedy), refused=True
        )
    if code in _RATE_CODES:
        error: VenueError = VenueUnreachableError(
            f"the venue throttles {method}: {said}", "lower ingest.concurrency, or leave exchange.rate_limit on"
        )
        return _Failure(error, transient=True, rate_limited=True, refused=True)
    if code in _BUSY_CODES:
        what = f"the venue at {base_url(client)} cannot serve {method} now: {said}"
        return _Failure(VenueUnreachableError(what, "try again later"), transient=True)
    return _Failure(VenueRejectedError(f"the venue refused {method}: {said}", code), refused=True)


def _explain_transport(client: okx, method: str, error: Exception) -> _Failure:
    """No JSON came back: nothing listens, the connection broke, time ran out, or a gateway answered with a page."""
    import aiohttp
    import ccxt

    url = base_url(client)
    if isinstance(error, ccxt.AuthenticationError) and error.__cause__ is None and "requires" in str(error):
        return _Failure(
            CredentialsError(f"{method} needs credentials", f"set {', '.join(KEY_VARIABLES)}"), refused=True
        )
    if isinstance(error.__cause__, aiohttp.ClientConnectorError | socket.gaierror):
        what = f"nothing answers at {url}: {error.__cause__}"
        remedy = f"check exchange.url and the network, or start a paper exchange; {_POINT_TO_DEMO}"
        return _Failure(VenueUnreachableError(what, remedy), transient=True, refused=True)
    what = f"{method} at {url} got no usable answer: {_transport_detail(error)}"
    remedy = f"check the network and the venue's status, then run again; {_POINT_TO_DEMO}"
    return _Failure(VenueUnreachableError(what, remedy), transient=True, rate_limited=" 429 " in str(error))


def _transport_detail(error: Exception) -> str:
    import ccxt

    if isinstance(error, ccxt.RequestTimeout):
        return "it did not answer in time"
    if error.__cause__ is not None:
        return f"the connection broke ({type(error.__cause__).__name__})"
    return _short(str(error))


def _venue_code(body: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message that say why: those of the first failing element, else those of the envelope."""
    data = body.get("data")
    for row in data if isinstance(data, list) else ():
        if isinstance(row, dict) and str(row.get("sCode", "0")) not in {"0", ""}:
            return str(row["sCode"]), str(row.get("sMsg", "")).strip()
    return str(body["code"]), str(body.get("msg", "")).strip()


def _json_body(message: str) -> object | None:
    """The JSON that ccxt put behind its exchange id in an exception's text, or None."""
    start = min((at for at in (message.find("{"), message.find("[")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        parsed: object = json.loads(message[start:])
    except ValueError:
        return None
    return parsed


def _credentials(settings: Settings) -> dict[str, str]:
    exchange = settings.exchange
    values = (exchange.api_key, exchange.api_secret, exchange.api_passphrase)
    missing = [
        name for name, value in zip(KEY_VARIABLES, values, strict=True) if not (value and value.get_secret_value())
    ]
    if missing:
        raise CredentialsError(
            f"trading needs credentials, and {', '.join(missing)} is not set",
            f"set it in the environment or .env (a paper exchange takes paper/paper/paper); {_POINT_TO_DEMO}",
        )
    key, secret, passphrase = (value.get_secret_value() for value in values if value)
    return {"apiKey": key, "secret": secret, "password": passphrase}


def _checked_url(url: str) -> str:
    """The URL without a trailing slash; plain http only where nothing leaves the machine."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"exchange.url {url!r} is not a web address", "write it as http://127.0.0.1:8750")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ConfigError(
            f"exchange.url {url!r} would send requests in clear text over a network",
            "use https, or an address of this machine (127.0.0.1)",
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_live_switch() -> None:
    if os.environ.get(LIVE_VARIABLE) != LIVE_CONSENT:
        raise LiveSwitchError(
            f"live trading was asked for, but {LIVE_VARIABLE} is not {LIVE_CONSENT!r}",
            f"set {LIVE_VARIABLE}={LIVE_CONSENT} as the second switch, or leave the live flag out to trade in the demo",
        )


def _short(value: object, limit: int = 160) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= limit else f"{text[:limit]}…"
