"""`pairity account`."""

from __future__ import annotations

from pathlib import Path

import click

from pairity_cli.context import EXCHANGE_URL, reports_errors, run_async, settings_from

_SHOWN_ORDERS = 20


@click.command()
@click.option("--live", is_flag=True, help="Look at the real-money account; PAIRITY_LIVE_TRADING must say so too.")
@click.option("--export", type=click.Path(path_type=Path), help="Write the fills to this .csv or .parquet file.")
@EXCHANGE_URL
@reports_errors
def account(live: bool, export: Path | None, exchange_url: str | None) -> None:
    """Show balance, positions, protective orders, recent orders and fills, as the venue has them."""
    from pairity.number_formats import format_exact, format_money
    from pairity_cli.tables import print_heading, print_line, print_table
    from serving.account import export_fills, read_account

    view = run_async(read_account(settings_from(exchange_url), live=live))
    print_heading(f"Account {view.config.uid} at {view.at:%Y-%m-%d %H:%M:%S} UTC, {view.config.position_mode}")
    print_table(
        ("currency", "equity", "available"),
        [(b.currency, format_money(b.equity), format_money(b.available)) for b in view.balances],
    )
    print_table(
        ("position", "contracts", "entry"),
        [(p.instrument, format_exact(p.contracts), format_exact(p.average_price)) for p in view.positions],
    )
    print_table(
        ("protection", "stop", "target"),
        [(a.instrument, format_exact(a.stop), format_exact(a.target)) for a in view.protection],
    )
    orders = []
    for order in view.orders[:_SHOWN_ORDERS]:
        name, sizes = order.client_order_id or order.order_id, (str(order.side), format_exact(order.contracts))
        orders.append((name, order.instrument, *sizes, str(order.state), format_exact(order.average_price)))
    print_table(("order", "instrument", "side", "contracts", "state", "price"), orders)
    print_line(f"{len(view.open_orders)} open orders, {len(view.fills)} fills in the last 7 days")
    if export is not None:
        export_fills(view.fills, export)
        print_line(f"fills written to {export}")
