"""`pairity sources` and `pairity collect`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pairity.names import IDENTIFIER, SOURCE, VENUE
from pairity_cli.context import echo, reports_errors, run_async, settings_from
from pairity_cli.parameters import Name, Names


@click.command()
@reports_errors
def sources() -> None:
    """List where raw data can come from, and what each source needs."""
    from ingestion.sources.catalog import OFFERS
    from pairity_cli.tables import print_table

    settings = settings_from()
    rows = [
        (offer.name, offer.venue, offer.datasets, offer.needs, "yes" if offer.ready(settings) else "no")
        for offer in OFFERS.values()
    ]
    print_table(("source", "venue in the lake", "gives", "needs", "ready"), rows)
    echo("okx: `pairity ingest`; the others: `pairity collect --source NAME`. See docs/sources.md.")


@click.command()
@click.option(
    "--source", "name", type=Name(SOURCE), required=True, metavar="NAME", help="One that `pairity sources` lists."
)
@click.option("--since", default="30d", show_default=True, help="First instant: ISO time, or an age such as 30d.")
@click.option("--until", default="now", show_default=True, help="End (exclusive): ISO time, age or now.")
@click.option("--assets", metavar="A,B,…", help="Only these; by default the universe.")
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
@click.option("--list-assets", is_flag=True, help="Show what the source has, and collect nothing.")
@reports_errors
def collect(
    name: str,
    since: str,
    until: str,
    assets: str | None,
    datasets: tuple[str, ...] | None,
    folder: Path | None,
    venue: str | None,
    list_assets: bool,
) -> None:
    """Bring history from an archive, an API or a folder into the lake, judged like everything else.

    A second run adds nothing, one that was killed continues. Features are computed from one venue (`features.venue`) by
    `pairity features`.
    """
    from ingestion.pipeline import collect_history
    from ingestion.sources.catalog import list_default_datasets, open_source
    from pairity.timeline import parse_instant
    from pairity.universe import select_instruments
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.tables import print_table
    from venue.clock import SystemClock

    settings = settings_from()
    source = open_source(name, settings, folder, venue)
    now = SystemClock().now()
    if list_assets:
        echo(" ".join(run_async(source.assets())))
        return
    chosen = (
        tuple(select_instruments(assets.split(","), settings.universe.assets))
        if assets is not None
        else settings.universe.assets
    )
    wanted = datasets or list_default_datasets(source)
    start = parse_instant(since, now=now, name="--since")
    end = parse_instant(until, now=now, name="--until")
    with ConsoleProgress() as progress:
        report = run_async(collect_history(settings, source, chosen, wanted, start, end, now, progress))
    print_table(("asset", "dataset", "rows", "new"), [(r.asset, r.dataset, r.rows, r.new_rows) for r in report.rows])
    for item in report.quarantined:
        echo(f"quarantined: {item.stage} {item.key}: {'; '.join(item.rules)}")
    for failure in report.failures:
        echo(f"failed: {failure.asset} {failure.dataset}: {failure.reason}")
    echo(f"venue {report.venue}, snapshot {report.snapshot_id}")
    sys.exit(0 if report.ok else 4)
