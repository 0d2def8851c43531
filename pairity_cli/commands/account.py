"""`pairity account`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pairity_cli.commands.context import EXCHANGE_URL, reports_errors, run_async, settings_from

if TYPE_CHECKING:
    from pairity.settings import Settings
    from serving.account import AccountView


@click.command()
@click.option("--live", is_flag=True, help="Look at the real-money account; PAIRITY_LIVE_TRADING must say so too.")
@click.option("--export", type=click.Path(path_type=Path), help="Write the fills to this .csv or .parquet file.")
@EXCHANGE_URL
@reports_errors
def account(live: bool, export: Path | None, exchange_url: str | None) -> None:
    """Show balance, positions, protective orders, recent orders and fills, as the venue has them."""
    from pairity_cli.commands.tables import heading, line, table

    view = run_async(_view(settings_from(exchange_url), live))
    heading(f"Account {view.config.uid} at {view.at:%Y-%m-%d %H:%M:%S} UTC, {view.config.position_mode}")
    table(
        ("currency", "equity", "available"), [(b.currency, float(b.equity), float(b.available)) for b in view.balances]
    )
    table(
        ("position", "contracts", "entry"),
        [(p.instrument, str(p.contracts), str(p.average_price)) for p in view.positions],
    )
    table(
        ("protection", "stop", "target"),
        [(a.instrument, str(a.stop), str(a.target)) for a in view.protection],
    )
    table(
        ("order", "instrument", "side", "contracts", "state", "price"),
        [(o.client_order_id or o.order_id, o.instrument, str(o.side), str(o.contracts), str(o.state),
          str(o.average_price)) for o in view.orders[:20]],
    )  # fmt: skip
    line(f"{len(view.open_orders)} open orders, {len(view.fills)} fills in the last 7 days")
    if export is not None:
        line(f"fills written to {_export(view, export)}")


async def _view(settings: Settings, live: bool) -> AccountView:
    from serving.account import view_account
    from serving.execution.okx import OkxVenue
    from serving.risk import Mode, trading_mode
    from venue.okx_client import aclose, make_client

    client = make_client(settings, signed=True, live=trading_mode(settings, live=live) is Mode.LIVE)
    try:
        return await view_account(OkxVenue(client, retries=settings.exchange.max_retries))
    finally:
        await aclose(client)


def _export(view: AccountView, path: Path) -> Path:
    """Fills as CSV or Parquet; sizes, prices and fees as exact text."""
    from dataclasses import asdict

    import polars as pl

    from pairity.durable import replace_file_with
    from pairity.errors import ConfigError

    rows = pl.DataFrame([{name: str(value) for name, value in asdict(fill).items()} for fill in view.fills])
    if path.suffix == ".csv":
        replace_file_with(path, rows.write_csv)
    elif path.suffix == ".parquet":
        replace_file_with(path, rows.write_parquet)
    else:
        raise ConfigError(f"--export {path} is neither .csv nor .parquet", "name the file with one of these endings")
    return path
