"""`pairity ingest`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pairity_cli.context import (
    CONTROL_URL,
    EXCHANGE_URL,
    add_members_of,
    echo,
    reports_errors,
    run_async,
    say_note,
    say_pair_cost,
    settings_from,
)
from pairity_cli.parameters import (
    KNOWN_FROM,
    SINCE_ASKED,
    UNIVERSE_COLLECTED,
    UNTIL_ASKED,
    check_known_from,
)
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from ingestion.known_from import KnownFrom
    from ingestion.report import IngestReport
    from pairity.settings import Settings


@click.command()
@SINCE_ASKED
@UNTIL_ASKED
@click.option("--instruments", metavar="A,B,…", help="Only these of the universe (BTC or BTC-USDT-SWAP).")
@UNIVERSE_COLLECTED
@click.option("--recheck", is_flag=True, help="Ask again for what is stored; what the venue changed is a correction.")
@KNOWN_FROM
@EXCHANGE_URL
@CONTROL_URL
@reports_errors
@prints_tables()
def ingest(
    since: str,
    until: str,
    instruments: str | None,
    universe: str | None,
    recheck: bool,
    known_from: KnownFrom,
    exchange_url: str | None,
    control_url: str | None,
) -> None:
    """Collect closed bars, funding and contracts; validate; publish features; refresh the online store.

    A second run over the same range changes nothing; a run that was killed continues where it stopped. The exit code is
    non-zero when an instrument failed or a partition was quarantined; the rest is published all the same.
    """
    from pairity_cli.data_verdict import say_empty_views
    from pairity_cli.summaries import show_ingest
    from validation.checkpoint import build_docs

    check_known_from(known_from, "--recheck", given=recheck)
    chosen = settings_from(exchange_url, control_url)
    settings, members = add_members_of(chosen, universe)
    say_pair_cost(settings)
    report = run_async(
        _ingest(settings, chosen, since, until, members, instruments, recheck=recheck, known_from=known_from)
    )
    show_ingest(report)
    say_empty_views(settings)
    echo(f"what was checked: {build_docs(settings)}")
    sys.exit(0 if report.ok else 4)


async def _ingest(
    settings: Settings,
    chosen: Settings,
    since: str,
    until: str,
    members: tuple[str, ...],
    instruments: str | None,
    *,
    recheck: bool,
    known_from: KnownFrom,
) -> IngestReport:
    """Ingest with `settings`, which have the members of a stored universe too; the `chosen` ones are remembered."""
    from ingestion.pipeline import ingest as run_ingest
    from pairity.timeline import check_range, parse_instant
    from pairity.universe import select_instruments
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.home_check import remember_home
    from venue.clock import clock_for

    names = members if instruments is None else select_instruments(instruments.split(","), members)
    clock = await clock_for(settings.exchange)
    start = parse_instant(since, now=clock.now(), name="--since")
    end = parse_instant(until, now=clock.now(), name="--until")
    check_range(start, end)
    remember_home(chosen, "ingest", say_note)
    with ConsoleProgress() as progress:
        return await run_ingest(
            settings,
            start,
            end,
            clock=clock,
            instruments=names,
            recheck=recheck,
            known_from=known_from,
            progress=progress,
        )
