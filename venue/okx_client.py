"""The one door to OKX: a ccxt client wired to the configured URL, and calls whose answers are checked.

ccxt lets three kinds of bad answer through in silence (HTML, an empty body and cut JSON, each with HTTP 200) and files
an aborted body under `ExchangeError`. `call` therefore checks the envelope itself and turns everything that can go
wrong into the `VenueError` branch of `pairity.errors`. Reads are repeated on transient failures; writes never are: a
write without a definite answer is an `OrderUnknownError`, to be settled by a query.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pairity.backoff import Backoff
from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import CredentialsError, LiveSwitchError, OrderUnknownError, VenueAnswerError
from pairity.settings import Settings
from venue.okx_answers import (
    KEY_VARIABLES,
    POINT_TO_DEMO,
    Failure,
    base_url,
    data_of,
    explain,
    explain_refusal,
    explain_unreadable,
    short,
)
from venue.okx_hosts import exchange_address, signed_address
from venue.okx_session import VenueSession, parse_answer
from venue.okx_values import read_instant
from venue.pace import Pace
from venue.quiet_client import load_quiet_okx

if TYPE_CHECKING:
    from ccxt.async_support import okx

Sleep = Callable[[float], Awaitable[None]]
LIVE_VARIABLE = "PAIRITY_LIVE_TRADING"
LIVE_CONSENT = "i-accept-the-risk"
# Where a client keeps its `Pace`: ccxt leaves options that it does not know alone.
_PACE = "pairityPace"
_DEMO_HEADER = "x-simulated-trading"
# What a parser raises that was given something else than it expects, and what a socket raises.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
# The venue counts requests in windows of two seconds: a shorter wait would only meet the same window again.
_RATE_LIMITED_S = 1.0
# Seeded: two runs over the same answers wait equally long. One state for all clients of a process, so that calls that
# fail together do not come back together.
READ_BACKOFF = Backoff(first_s=0.25, cap_s=8.0, jitter=random.Random(0))


def make_client(settings: Settings, *, signed: bool, live: bool = False) -> okx:
    """Return a `ccxt.async_support.okx` client for `settings.exchange`; close it with `aclose`.

    Signed clients carry the demo header, so that orders reach demo trading, unless `live` is given *and* the
    environment says so too. Unsigned ones carry none: market data is that of the real market. Where the settings keep
    to the venue's limits, ccxt's limiter does so for signed clients, and `Pace` for the others. Requests go to the one
    address that `venue.okx_hosts` allows, without proxies and redirects (`VenueSession`).

    Raises CredentialsError (a key is missing), LiveSwitchError (one switch only) and ConfigError (an unusable URL).
    """
    exchange = settings.exchange
    address = signed_address(exchange, live=live) if signed else exchange_address(exchange)
    config: dict[str, Any] = {
        "enableRateLimit": exchange.rate_limit and signed,
        "timeout": int(exchange.timeout_s * 1000),
        "session": VenueSession(address),
        "options": {
            "defaultType": "swap",
            "fetchMarkets": {"types": ["swap"]},
            "brokerId": None,
            # ccxt would repeat writes too; `call` repeats reads only.
            "maxRetriesOnFailure": 0,
        },
    }
    if signed:
        config |= read_credentials(settings)
    client: okx = load_quiet_okx()(config)
    # Both: ccxt's sandbox mode would put one in the place of the other.
    client.urls |= {name: {"rest": address.url} for name in ("api", "test")}
    client.parse_json = parse_answer
    if live:
        require_live_switch()
    elif signed:
        client.headers = {**(client.headers or {}), _DEMO_HEADER: "1"}
    if exchange.rate_limit and not signed:
        client.options[_PACE] = Pace()
    client.timeout_on_exit = 0
    client.publicGetPublicLiquidationOrders = partial(_liquidation_orders, client)
    return client


async def _liquidation_orders(client: okx, params: dict[str, Any]) -> object:
    """Read `public/liquidation-orders`, which ccxt's table of endpoints lacks; the venue allows 40 in two seconds."""
    answer: object = await client.request("public/liquidation-orders", ["public"], "GET", params, config={"cost": 0.5})
    return answer


async def aclose(client: okx) -> None:
    """Close the client's connections."""
    session = client.session
    await client.close()
    # ccxt closes only the sessions that it made.
    if session is not None:
        await session.close()


async def server_time(client: okx, *, retries: int = 1) -> datetime:
    """Return the venue's own time (aware UTC, millisecond precision); of a paper exchange, its virtual time."""
    rows = await call(client, "publicGetPublicTime", {}, retries=retries)
    try:
        return read_instant(rows[0]["ts"])
    except (IndexError, KeyError, TypeError, ValueError):
        raise VenueAnswerError(
            f"public/time at {base_url(client)} answered {short(rows)} instead of a time",
            "check that the URL is that of an OKX v5 API",
        ) from None


async def call(
    client: okx,
    method: str,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    retries: int,
    backoff: Backoff = READ_BACKOFF,
    sleep: Sleep = asyncio.sleep,
) -> list[Any]:
    """Call ccxt's implicit API (`publicGetMarketHistoryCandles`, `privatePostTradeOrder`, …) and return `data`.

    `retries` bounds repetitions of a read after transient failures (no answer, HTTP 5xx, throttling, an answer that is
    not JSON); a write is sent once, whatever `retries` says. A request whose timestamp is too old for the venue is sent
    once more, a write too: the venue has not looked at it. Elements of `data` are as the venue sent them (text, not
    numbers); in a write's answer with top-level code 0 or 2 a single element may still carry a failing `sCode`.

    Raises VenueUnreachableError, CredentialsError, VenueAnswerError, VenueRejectedError (with the venue's code) and,
    for writes without a definite answer, OrderUnknownError.
    """
    reads = "Get" in method
    attempt, expired = 0, False
    while isinstance(outcome := await _attempt(client, method, params), Failure):
        if outcome.expired and not expired:
            expired = True
            continue
        if not reads and not outcome.refused:
            raise OrderUnknownError(
                f"{method} was sent, but no definite answer came: {outcome.error.what}",
                "query the venue by the client order id before sending anything again",
            ) from outcome.error
        if not (reads and outcome.transient and attempt < retries):
            raise outcome.error
        await sleep(backoff.delay_s(attempt, least_first_s=_RATE_LIMITED_S if outcome.rate_limited else 0.0))
        attempt += 1
    return outcome


async def _attempt(
    client: okx, method: str, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> list[Any] | Failure:
    import ccxt

    # ccxt writes into what it is given.
    own = dict(params) if isinstance(params, Mapping) else [dict(item) for item in params]
    pace: Pace | None = client.options.get(_PACE)
    try:
        async with pace.turn(method, own) if pace is not None else nullcontext():
            answer = await getattr(client, method)(own)
        return data_of(client, method, answer)
    except ccxt.BaseError as error:
        return explain(client, method, error)
    except OutOfBoundsError as refusal:
        return explain_refusal(client, method, refusal)
    except UNREADABLE as error:
        return explain_unreadable(client, method, error)


def read_credentials(settings: Settings) -> dict[str, str]:
    """Return key, secret and passphrase under ccxt's names; CredentialsError names what is missing."""
    exchange = settings.exchange
    values = (exchange.api_key, exchange.api_secret, exchange.api_passphrase)
    missing = [
        name for name, value in zip(KEY_VARIABLES, values, strict=True) if not (value and value.get_secret_value())
    ]
    if missing:
        raise CredentialsError(
            f"trading needs credentials, and {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            f"set {'it' if len(missing) == 1 else 'them'} in the environment or .env (a paper exchange takes "
            f"paper/paper/paper); {POINT_TO_DEMO}",
        )
    key, secret, passphrase = (value.get_secret_value() for value in values if value)
    return {"apiKey": key, "secret": secret, "password": passphrase}


def require_live_switch() -> None:
    """Raise LiveSwitchError where the environment does not say that real money may be traded."""
    if os.environ.get(LIVE_VARIABLE) != LIVE_CONSENT:
        raise LiveSwitchError(
            f"live trading was requested, but {LIVE_VARIABLE} is not {LIVE_CONSENT!r}",
            f"set {LIVE_VARIABLE}={LIVE_CONSENT} as the second switch, or leave the live flag out to trade in the demo",
        )
