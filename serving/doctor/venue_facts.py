"""What the venue says, gathered once for all checks: reads only, each answer kept or the error in its place."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ingestion.sources.okx_rows import Listing
from pairity.errors import ConfigError, PairityError, VenueUnreachableError
from pairity.settings import Settings
from pairity.universe import inst_id
from serving.execution.okx import OkxVenue
from serving.execution.venue_records import AccountConfig, Balance, VenueAlgo, VenuePosition
from venue.clock import clock_for
from venue.okx_client import aclose, make_client
from venue.okx_hosts import exchange_address, is_okx, signed_address

if TYPE_CHECKING:
    from ccxt.async_support import okx

    from pairity.web_address import WebAddress

T = TypeVar("T")
Answer: TypeAlias = T | PairityError
"""What was asked for, or why the venue did not give it."""
_RETRIES = 1
_CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Skew:
    """Distance of this machine's clock from the venue's: positive where it is ahead, known up to `uncertainty`."""

    offset: timedelta
    uncertainty: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account as the venue shows it; leverage by instrument, in the margin mode of the settings."""

    config: AccountConfig
    balance: Answer[Balance]
    positions: Answer[Sequence[VenuePosition]]
    algos: Answer[Sequence[VenueAlgo]]
    leverage: Mapping[str, Answer[Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFacts:
    """Everything that the venue was asked. With `trouble` nothing else is known: why it was not reached.

    `stage` says how far the way to it went: `address`, `name`, `connection`, `answer`, `reached`.
    """

    host: str
    is_okx: bool
    stage: str
    trouble: PairityError | None
    now: datetime
    skew: Skew | None
    listings: Answer[Mapping[str, Listing]]
    prices: Mapping[str, Decimal]
    account: Answer[Account]


async def gather_facts(settings: Settings, *, live: bool, limit_s: float) -> VenueFacts:
    """Ask the venue for everything that the checks need, within `limit_s` seconds; whatever fails becomes `trouble`."""
    try:
        address = exchange_address(settings.exchange)
        signed_address(settings.exchange, live=live)
    except ConfigError as error:
        return _unreached("", error, "address")
    try:
        async with asyncio.timeout(limit_s):
            if (trouble := await _try_way(address)) is not None:
                return _unreached(address.host, *trouble, okx=is_okx(address))
            return await _ask(settings, address, live=live)
    except PairityError as error:
        return _unreached(address.host, error, "answer", okx=is_okx(address))
    except TimeoutError:
        late = VenueUnreachableError(
            f"the venue at {address.url} did not answer everything within {limit_s:.0f} s", "try again later"
        )
        return _unreached(address.host, late, "answer", okx=is_okx(address))
    except Exception as error:  # noqa: BLE001 - the checks that need no venue go on
        bug = VenueUnreachableError(f"asking the venue failed: {type(error).__name__}: {error}", "report this")
        return _unreached(address.host, bug, "answer", okx=is_okx(address))


async def _try_way(address: WebAddress) -> tuple[PairityError, str] | None:
    """Return why the host cannot be reached and at which stage; None where it can. Nothing is sent."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_S):
            await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as error:
        what = f"the name {address.host} cannot be resolved: {error or 'no answer'}"
        return VenueUnreachableError(what, "check the network and DNS: resolvectl status"), "name"
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except (OSError, TimeoutError) as error:
        what = f"nothing answers at {address.host}:{address.port}: {error or 'no connection within 5 s'}"
        return VenueUnreachableError(what, "check the network, exchange.url, or start the paper exchange"), "connection"
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None


async def _ask(settings: Settings, address: WebAddress, *, live: bool) -> VenueFacts:
    okx = is_okx(address)
    clock = await clock_for(settings.exchange)
    async with contextlib.AsyncExitStack() as stack:
        public = make_client(settings, signed=False)
        stack.push_async_callback(aclose, public)
        market = OkxVenue(public, retries=_RETRIES)
        skew = await _measure_skew(market) if okx else None
        if not okx:
            await market.server_time()  # an exchange that gives no time is none
        listings = await _answer(market.listings())
        account = await _ask_account(settings, stack, live=live)
        prices = await _read_prices(market, settings) if isinstance(account, Account) else {}
    return VenueFacts(
        host=address.host,
        is_okx=okx,
        stage="reached",
        trouble=None,
        now=clock.now(),
        skew=skew,
        listings=listings,
        prices=prices,
        account=account,
    )


async def _ask_account(settings: Settings, stack: contextlib.AsyncExitStack, *, live: bool) -> Answer[Account]:
    try:
        client: okx = make_client(settings, signed=True, live=live)
    except PairityError as error:
        return error
    stack.push_async_callback(aclose, client)
    venue = OkxVenue(client, retries=_RETRIES)
    config = await _answer(venue.account_config())
    if isinstance(config, PairityError):
        return config
    return Account(
        config=config,
        balance=await _answer(venue.balance()),
        positions=await _answer(venue.position_rows()),
        algos=await _answer(venue.algo_orders()),
        leverage={
            name: await _answer(venue.leverage(name, settings.strategy.margin_mode))
            for name in settings.universe.instruments
        },
    )


async def _measure_skew(venue: OkxVenue) -> Skew:
    """Return the offset with the shortest way there and back of three: half of that way is the uncertainty."""
    best: tuple[float, timedelta] | None = None
    for _ in range(3):
        sent, begun = datetime.now(UTC), time.monotonic()
        theirs = await venue.server_time()
        took_s = time.monotonic() - begun
        offset = sent + timedelta(seconds=took_s / 2) - theirs
        best = (took_s, offset) if best is None else min(best, (took_s, offset))
    assert best is not None
    return Skew(best[1], timedelta(seconds=best[0] / 2))


async def _read_prices(venue: OkxVenue, settings: Settings) -> dict[str, Decimal]:
    read = {asset: await _answer(venue.last_price(inst_id(asset))) for asset in settings.universe.assets}
    return {asset: price for asset, price in read.items() if isinstance(price, Decimal)}


async def _answer(asked: Awaitable[T]) -> Answer[T]:
    try:
        return await asked
    except PairityError as error:
        return error


def _unreached(host: str, trouble: PairityError, stage: str, *, okx: bool = False) -> VenueFacts:
    return VenueFacts(
        host=host,
        is_okx=okx,
        stage=stage,
        trouble=trouble,
        now=datetime.min.replace(tzinfo=UTC),
        skew=None,
        listings=trouble,
        prices={},
        account=trouble,
    )
