"""`pairity ledger`."""

from __future__ import annotations

import sys

import click

from pairity_cli.context import EXCHANGE_URL, reports_errors, run_async, settings_from
from pairity_cli.table_output import prints_tables


@click.command()
@click.option(
    "--since",
    metavar="INSTANT",
    default="7d",
    show_default=True,
    help="Instant (ISO time in UTC) or age such as 7d; the venue keeps bills for 90 days.",
)
@click.option("--live", is_flag=True, help="Look at the real-money account; PAIRITY_LIVE_TRADING must say so too.")
@EXCHANGE_URL
@reports_errors
@prints_tables()
def ledger(since: str, live: bool, exchange_url: str | None) -> None:
    """Compare fees, results and funding of the journal with the venue's bills.

    Reads only, also beside a running process. Ends with 1 where they differ.
    """
    from pairity.number_formats import format_count, format_exact
    from pairity.timeline import parse_instant
    from pairity_cli.tables import print_heading, print_line, print_table
    from serving.ledger import read_ledger
    from venue.clock import SystemClock

    parse_instant(since, now=SystemClock().now(), name="--since")  # refused before anything is looked for
    settings = settings_from(exchange_url)
    report = run_async(read_ledger(settings, lambda now: parse_instant(since, now=now, name="--since"), live=live))
    print_heading(f"Journal and bills, {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC")
    print_table(("currency", "kind", "change"), [(*item[:2], format_exact(item[2])) for item in report.changes])
    print_line(
        f"{format_count(report.executions, 'execution')} and the funding of "
        f"{format_count(report.positions, 'closed position')} agree; "
        f"{format_count(len(report.differences), 'difference')}"
    )
    if report.differences:
        print_table(
            ("difference", "of", "journal", "bills", "instrument", "at, UTC"),
            [
                (str(item.finding), item.name, item.here, item.there, item.instrument, item.at)
                for item in report.differences
            ],
        )
        sys.exit(1)
