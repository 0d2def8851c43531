"""`pairity account`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pairity_cli.context import EXCHANGE_URL, reports_errors, run_async, settings_from
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from decimal import Decimal

    from pairity.number_formats import Figure
    from pairity_cli.prices import Ticks
    from pairity_cli.tables import Cell
    from serving.account import AccountView
    from serving.execution.venue_records import VenueOrder

_SHOWN = 20
"""Most orders and most fills that are shown, newest first."""


@click.command()
@click.option("--live", is_flag=True, help="Look at the real-money account; PAIRITY_LIVE_TRADING must say so too.")
@click.option("--export", type=click.Path(path_type=Path), help="Write the fills to this .csv or .parquet file.")
@EXCHANGE_URL
@reports_errors
@prints_tables()
def account(live: bool, export: Path | None, exchange_url: str | None) -> None:
    """Show balance, positions, protective orders, recent orders and fills, as the venue has them."""
    from pairity.layout import Layout
    from pairity_cli.prices import Ticks
    from pairity_cli.tables import print_line
    from serving.account import export_fills, read_account
    from serving.risk import choose_mode

    settings = settings_from(exchange_url)
    view = run_async(read_account(settings, live=live))
    show_account(view, choose_mode(settings, live=live), Ticks.read(Layout.of(settings)))
    if export is not None:
        export_fills(view.fills, export)
        print_line(f"fills written to {export}")


def show_account(view: AccountView, mode: str, ticks: Ticks | None = None) -> None:
    """Print a view of an account: money in cents, prices by tick where it is known, sizes as the venue has them."""
    from pairity.number_formats import format_count, format_exact, format_money
    from pairity_cli.prices import Ticks
    from pairity_cli.tables import print_heading, print_line, print_table

    config, known = view.config, ticks or Ticks()
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
        "Balance",
    )
    print_table(
        ("instrument", "side", "contracts", "unrealised P&L, USDT", "entry", "mark", "margin"),
        [
            (
                p.instrument,
                "long" if p.contracts > 0 else "short",
                format_exact(abs(p.contracts)),
                format_money(p.unrealised_pnl_usdt),
                known.write(p.instrument, p.average_price),
                known.write(p.instrument, p.mark_price),
                p.margin_mode,
            )
            for p in view.positions
        ],
        "Positions",
    )
    print_table(
        ("instrument", "stop", "target", "margin"),
        [
            (a.instrument, known.write(a.instrument, a.stop), known.write(a.instrument, a.target), a.margin_mode)
            for a in view.protection
        ],
        "Stops and targets on the venue",
    )
    print_table(
        ("order", "time, UTC", "instrument", "side", "status", "filled", "of", "price"),
        [_describe_order(order, known) for order in (*view.open_orders, *view.orders[:_SHOWN])],
        "Orders, newest first",
    )
    print_table(
        ("time, UTC", "instrument", "side", "contracts", "price", "fee", "currency", "P&L, USDT"),
        [
            (
                fill.at,
                fill.instrument,
                str(fill.side),
                format_exact(fill.contracts),
                known.write(fill.instrument, fill.price),
                _format_amount(fill.fee, fill.fee_currency),
                fill.fee_currency,
                format_money(fill.pnl_usdt),
            )
            for fill in view.fills[: -_SHOWN - 1 : -1]
        ],
        "Fills, newest first",
    )
    print_line(
        f"{format_count(len(view.open_orders), 'open order')}; {format_count(len(view.fills), 'fill')} in the "
        f"last 7 days, the newest {_SHOWN} shown at most (all of them: --export FILE)"
    )


def _describe_order(order: VenueOrder, ticks: Ticks) -> tuple[Cell, ...]:
    """Return the cells of an order."""
    from pairity.number_formats import format_exact

    return (
        order.client_order_id or order.order_id,
        order.updated_at,
        order.instrument,
        str(order.side),
        str(order.state),
        format_exact(order.filled_contracts),
        format_exact(order.contracts),
        ticks.write(order.instrument, order.average_price),
    )


def _format_amount(amount: Decimal, currency: str) -> Figure:
    """Return an amount of a currency: dollars in cents, coins with every digit."""
    from pairity.number_formats import format_exact, format_money

    return format_money(amount) if "USD" in currency else format_exact(amount)
