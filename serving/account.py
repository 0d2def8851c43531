"""The account as the venue shows it: balances, positions, protective orders, recent orders and fills. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from pairity.csv_files import escape_formulas
from pairity.durable import replace_file_with
from pairity.errors import ConfigError
from pairity.settings import Settings
from serving.execution.okx import OkxVenue
from serving.execution.venue import VenuePort
from serving.execution.venue_records import AccountConfig, Balance, VenueAlgo, VenueFill, VenueOrder, VenuePosition
from serving.risk import Mode, choose_mode
from serving.rivals.signs import is_sign
from venue.okx_client import aclose, make_client

DEFAULT_FILLS_SINCE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class AccountView:
    """One look at the account; lists are newest last except `orders`, which is newest first as the venue gives it.

    Signs of life of trading processes are not among the orders.
    """

    at: datetime
    config: AccountConfig
    balances: Sequence[Balance]
    positions: Sequence[VenuePosition]
    open_orders: Sequence[VenueOrder]
    protection: Sequence[VenueAlgo]
    orders: Sequence[VenueOrder]
    fills: Sequence[VenueFill]


async def read_account(settings: Settings, *, live: bool) -> AccountView:
    """Connect to the venue of the settings and return a view of the account; `live` asks for the real-money one.

    Raises LiveSwitchError without the environment's consent, CredentialsError, and VenueError where the venue cannot be
    read.
    """
    client = make_client(settings, signed=True, live=choose_mode(settings, live=live) is Mode.LIVE)
    try:
        return await view_account(OkxVenue(client, retries=settings.exchange.max_retries))
    finally:
        await aclose(client)


async def view_account(venue: VenuePort, fills_since: timedelta = DEFAULT_FILLS_SINCE) -> AccountView:
    """Read everything once; VenueError where the venue cannot be read. Balances of zero are left out."""
    at = await venue.server_time()
    return AccountView(
        at=at,
        config=await venue.account_config(),
        balances=[balance for balance in await venue.balances() if balance.equity or balance.available],
        positions=await venue.position_rows(),
        open_orders=await venue.open_orders(),
        protection=await venue.algo_orders(),
        orders=[order for order in await venue.recent_orders() if not is_sign(order.client_order_id)],
        fills=await venue.fills(None, at - fills_since),
    )


def export_fills(fills: Sequence[VenueFill], path: Path) -> None:
    """Write fills as CSV or Parquet, by the path's ending; sizes, prices and fees as exact text.

    Raises ConfigError for another ending.
    """
    rows = pl.DataFrame([{name: str(value) for name, value in asdict(fill).items()} for fill in fills])
    if path.suffix == ".csv":
        replace_file_with(path, escape_formulas(rows).write_csv)
    elif path.suffix == ".parquet":
        replace_file_with(path, rows.write_parquet)
    else:
        raise ConfigError(f"--export {path} is neither .csv nor .parquet", "name the file with one of these endings")
