"""`pairity account`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pairity_cli.context import EXCHANGE_URL, reports_errors, run_async, settings_from

if TYPE_CHECKING:
    from decimal import Decimal

    from serving.account import AccountView
    from serving.execution.venue_records import VenueOrder

_SHOWN = 20
"""Most orders and most fills that are shown, newest first."""


@click.command()
@click.option("--live", is_flag=True, help="Look at the real-money account; PAIRITY_LIVE_TRADING must say so too.")
@click.option("--export", type=click.Path(path_type=Path), help="Write the fills to this .csv or .parquet file.")
@EXCHANGE_URL
@reports_errors
def account(live: bool, export: Path | None, exchange_url: str | None) -> None:
    """Show balance, positions, protective orders, recent orders and fills, as the venue has them."""
    from pairity_cli.tables import print_line
    from serving.account import export_fills, read_account
    from serving.risk import choose_mode

    settings = settings_from(exchange_url)
    view = run_async(read_account(settings, live=live))
    show_account(view, choose_mode(settings, live=live))
    if export is not None:
        export_fills(view.fills, export)
        print_line(f"fills written to {export}")


def show_account(view: AccountView, mode: str) -> None:
    """Print a view of an account: money in cents, prices and sizes with every digit of the venue."""
    from pairity.number_formats import format_exact, format_money
    from pairity_cli.tables import print_heading, print_line, print_table

    config = view.config
    print_heading(
        f"{mode} account {config.uid} at {view.at:%Y-%m-%d %H:%M:%S} UTC, "
        f"level {config.level}, {config.position_mode}, may {config.permissions}"
    )
    print_table(
        ("currency", "equity", "available"),
        [
            (row.currency, _format_amount(row.equity, row.currency), _format_amount(row.available, row.currency))
            for row in view.balances
        ],
    )
    print_table(
        ("position", "side", "contracts", "margin", "entry", "mark", "unrealised P&L"),
        [
            (
                p.instrument,
                "long" if p.contracts > 0 else "short",
                format_exact(abs(p.contracts)),
                p.margin_mode,
                format_exact(p.average_price),
                format_exact(p.mark_price),
                format_money(p.unrealised_pnl_usdt),
            )
            for p in view.positions
        ],
    )
    print_table(
        ("protection", "margin", "stop", "target"),
        [(a.instrument, a.margin_mode, format_exact(a.stop), format_exact(a.target)) for a in view.protection],
    )
    print_table(
        ("time", "order", "instrument", "side", "status", "filled of", "price"),
        [_describe_order(order) for order in (*view.open_orders, *view.orders[:_SHOWN])],
    )
    print_table(
        ("time", "fill", "side", "contracts", "price", "fee", "P&L"),
        [
            (
                f"{fill.at:%Y-%m-%d %H:%M:%S}",
                fill.instrument,
                str(fill.side),
                format_exact(fill.contracts),
                format_exact(fill.price),
                f"{format_exact(fill.fee)} {fill.fee_currency}",
                format_money(fill.pnl_usdt),
            )
            for fill in view.fills[: -_SHOWN - 1 : -1]
        ],
    )
    print_line(
        f"{len(view.open_orders)} open orders; {len(view.fills)} fills in the last 7 days, "
        f"the newest {_SHOWN} shown at most (all of them: --export FILE)"
    )


def _describe_order(order: VenueOrder) -> tuple[str, ...]:
    """Return the cells of an order."""
    from pairity.number_formats import format_exact

    filled = f"{format_exact(order.filled_contracts)} of {format_exact(order.contracts)}"
    name = order.client_order_id or order.order_id
    when = f"{order.updated_at:%Y-%m-%d %H:%M:%S}"
    return when, name, order.instrument, str(order.side), str(order.state), filled, format_exact(order.average_price)


def _format_amount(amount: Decimal, currency: str) -> str:
    """Return an amount of a currency: dollars in cents, coins with every digit."""
    from pairity.number_formats import format_exact, format_money

    return format_money(amount) if "USD" in currency else format_exact(amount)
