"""`pairity sources` and `pairity collect`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pairity.names import IDENTIFIER, SOURCE, VENUE
from pairity_cli.context import add_members_of, echo, reports_errors, run_async, settings_from
from pairity_cli.parameters import (
    KNOWN_FROM,
    SINCE_ASKED,
    UNIVERSE_COLLECTED,
    UNTIL_ASKED,
    Name,
    Names,
    check_known_from,
    reading_options,
)
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from ingestion.known_from import KnownFrom


@click.command()
@reports_errors
@prints_tables()
def sources() -> None:
    """List where raw data can come from, and what each source needs."""
    from ingestion.sources.catalog import OFFERS
    from pairity_cli.tables import print_table

    settings = settings_from()
    rows = [
        (offer.name, "yes" if offer.ready(settings) else "no", offer.needs, offer.venue, offer.datasets)
        for offer in OFFERS.values()
    ]
    print_table(("source", "ready", "needs", "venue in the lake", "gives"), rows)
    echo("okx: `pairity ingest`; the others: `pairity collect --source NAME`. See docs/sources.md.")


@click.command()
@click.option(
    "--source", "name", type=Name(SOURCE), required=True, metavar="NAME", help="One that `pairity sources` lists."
)
@SINCE_ASKED
@UNTIL_ASKED
@click.option("--assets", metavar="A,B,…", help="Only these; by default the universe.")
@UNIVERSE_COLLECTED
@click.option(
    "--datasets",
    type=Names(IDENTIFIER),
    metavar="A,B,…",
    help="Only these; by default all that the source gives, or the folder holds.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Folder or file of the sources that read files.")
@click.option(
    "--venue", type=Name(VENUE), metavar="NAME", help="Venue under which a folder's rows are kept in the lake."
)
@reading_options
@click.option("--recheck", is_flag=True, help="Fetch what is stored again: late and corrected publications.")
@KNOWN_FROM
@click.option("--list-assets", is_flag=True, help="Show what the source has, and collect nothing.")
@click.option("--check", is_flag=True, help="Show what files would give, and what is wrong with them; store nothing.")
@reports_errors
@prints_tables()
def collect(
    name: str,
    since: str,
    until: str,
    assets: str | None,
    universe: str | None,
    datasets: tuple[str, ...] | None,
    folder: Path | None,
    venue: str | None,
    time_zone: str | None,
    time_format: str | None,
    decimal: Literal["point", "comma"] | None,
    recheck: bool,
    known_from: KnownFrom,
    list_assets: bool,
    check: bool,
) -> None:
    """Bring history from an archive, an API or a folder into the lake, judged like everything else.

    A second run adds nothing, one that was killed continues; files that have changed are read again. What --recheck
    brings is known from now on, or by choice from then; corrections are always known from now on. Features are
    computed from one venue (`features.venue`) by `pairity features`.
    """
    from ingestion.contracts import store_recorded_contracts
    from ingestion.file_check import check_files
    from ingestion.pipeline import collect_history
    from ingestion.sources.catalog import open_source
    from ingestion.sources.reading import make_reading
    from pairity.layout import Layout
    from pairity.timeline import parse_instant
    from pairity.universe import select_instruments
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.file_check import show_failures, show_file_check, show_kept, show_remarks
    from pairity_cli.tables import print_table
    from venue.clock import SystemClock

    check_known_from(known_from, "--recheck", given=recheck)
    settings, members = add_members_of(settings_from(), universe)
    reading = make_reading(time_zone, time_format, decimal)
    source = open_source(name, settings, folder, venue, reading)
    now = SystemClock().now()
    if list_assets:
        echo(" ".join(run_async(source.assets())))
        return
    chosen = members if assets is None else select_instruments(assets.split(","), members)
    wanted = datasets or source.datasets
    start = parse_instant(since, now=now, name="--since")
    end = parse_instant(until, now=now, name="--until")
    if check:
        found = run_async(check_files(source, chosen, wanted, start, end, now))
        show_file_check(found)
        sys.exit(0 if found.ok else 4)
    if folder is not None and (taken := store_recorded_contracts(Layout.of(settings), folder, chosen)):
        echo(f"contracts of {', '.join(taken)} taken from the recording")
    with ConsoleProgress() as progress:
        job = collect_history(
            settings, source, chosen, wanted, start, end, now, progress, recheck=recheck, known_from=known_from
        )
        report = run_async(job)
    absent = {(failure.asset, failure.dataset) for failure in report.failures if not failure.served}
    rows = [r for r in report.rows if r.rows or (r.asset, r.dataset) not in absent]  # which are told below
    print_table(("asset", "dataset", "rows", "new"), [(r.asset, r.dataset, r.rows, r.new_rows) for r in rows])
    for item in report.quarantined:
        echo(f"quarantined: {item.stage} {item.key}: {'; '.join(item.rules)}")
    show_remarks(report.remarks)
    show_kept(report.kept, name, report.venue)
    if report.unreadable_record is not None:
        echo(
            f"{report.unreadable_record} could not be read and is begun anew: rows that files had lost before now are "
            "not named; what is stored is untouched"
        )
    show_failures(report.failures)
    for asset, at in report.listed.items():
        echo(f"{asset}: not listed before {at:%Y-%m-%d %H:%M} UTC")
    echo(f"venue {report.venue}, snapshot {report.snapshot_id}")
    sys.exit(0 if report.ok else 4)
