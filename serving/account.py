"""The account, as the venue shows it: balances, positions, protective orders, recent orders and fills. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.execution.venue import (
    AccountConfig,
    Balance,
    VenueAlgo,
    VenueFill,
    VenueOrder,
    VenuePort,
    VenuePosition,
)

DEFAULT_FILLS_SINCE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class AccountView:
    """One look at the account; lists are newest last except `orders`, which is newest first as the venue gives it."""

    at: datetime
    config: AccountConfig
    balances: Sequence[Balance]
    positions: Sequence[VenuePosition]
    open_orders: Sequence[VenueOrder]
    protection: Sequence[VenueAlgo]
    orders: Sequence[VenueOrder]
    fills: Sequence[VenueFill]


async def view_account(venue: VenuePort, fills_since: timedelta = DEFAULT_FILLS_SINCE) -> AccountView:
    """Read everything once; VenueError where the venue cannot be read. Balances of zero are left out."""
    at = await venue.server_time()
    return AccountView(
        at=at,
        config=await venue.account_config(),
        balances=[balance for balance in await venue.balances() if balance.equity or balance.available],
        positions=list((await venue.positions()).values()),
        open_orders=await venue.open_orders(),
        protection=await venue.algo_orders(),
        orders=await venue.recent_orders(),
        fills=await venue.fills(None, at - fills_since),
    )
